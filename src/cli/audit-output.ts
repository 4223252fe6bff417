import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { listenForStop } from './stop-request.ts';

/** Where an export is written: whole lines, as fast as they are taken, until somebody asks to stop. */
export class AuditOutput {
  readonly #stream: Writable;
  readonly #isFile: boolean;
  readonly #stop: ReturnType<typeof listenForStop>;
  /** Why it was asked to stop, null where it was not. */
  stopped: string | null = null;

  private constructor(stream: Writable, isFile: boolean) {
    this.#stream = stream;
    this.#isFile = isFile;
    this.#stop = listenForStop(() => process.exit(1));
    void this.#stop.asked.then((why) => (this.stopped = why));
  }

  /** A new file for its owner's eyes, or standard output. Fails where the file is there already. */
  static async open(file: string | undefined): Promise<AuditOutput> {
    if (file === undefined) return new AuditOutput(process.stdout, false);
    const stream = createWriteStream(file, { flags: 'wx', mode: 0o600 });
    await once(stream, 'open');
    return new AuditOutput(stream, true);
  }

  async write(line: string): Promise<void> {
    if (this.#stream.write(`${line}\n`, 'latin1')) return;
    await Promise.race([once(this.#stream, 'drain'), this.#stop.asked]);
  }

  /** Fulfilled once all is handed to the system. */
  async close(): Promise<void> {
    this.#stop.release();
    if (!this.#isFile) return;
    this.#stream.end();
    await finished(this.#stream);
  }
}
