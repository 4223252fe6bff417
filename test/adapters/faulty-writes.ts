import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { onTestFinished } from 'vitest';

/** Writes to the journal's files until the test ends: as they are, cut short, or failing from one on. */
export class FaultyWrites {
  /** Writes that are left until they fail; Infinity for none. */
  left = Infinity;
  code = 'EIO';
  /** No more than so many bytes at a time, as the system may do. */
  bytesMax = Infinity;
  /** Those on a thread are kept back. */
  isHeld = false;
  count = 0;
  readonly #held: (() => void)[] = [];
  readonly #journals: Set<number> = new Set();

  constructor() {
    const { openSync, writeSync, write } = fs;
    onTestFinished(() => {
      Object.assign(fs, { openSync, writeSync, write });
      syncBuiltinESMExports();
    });
    Object.assign(fs, {
      openSync: (path: string, ...rest: [string, number]): number => {
        const descriptor = openSync(path, ...rest);
        if (/journal-[01]$/.test(path)) this.#journals.add(descriptor);
        else this.#journals.delete(descriptor);
        return descriptor;
      },
      writeSync: (descriptor: number, bytes: Uint8Array, offset: number, length: number, at: number): number => {
        if (!this.#journals.has(descriptor)) return writeSync(descriptor, bytes, offset, length, at);
        const error = this.#errorOfNext();
        if (error !== null) throw error;
        return writeSync(descriptor, bytes, offset, Math.min(length, this.bytesMax), at);
      },
      write: (
        descriptor: number,
        bytes: Uint8Array,
        offset: number,
        length: number,
        at: number,
        done: (error: Error | null, count: number, bytes: Uint8Array) => void,
      ): void => {
        if (!this.#journals.has(descriptor)) return write(descriptor, bytes, offset, length, at, done);
        const run = (): void => {
          const error = this.#errorOfNext();
          if (error !== null) setImmediate(() => done(error, 0, bytes));
          else write(descriptor, bytes, offset, Math.min(length, this.bytesMax), at, done);
        };
        if (this.isHeld) this.#held.push(run);
        else run();
      },
    });
    syncBuiltinESMExports();
  }

  release(): void {
    this.isHeld = false;
    for (const run of this.#held.splice(0)) run();
  }

  #errorOfNext(): Error | null {
    this.count += 1;
    this.left -= 1;
    if (this.left >= 0) return null;
    return Object.assign(new Error(`${this.code}: the disk failed, write`), { code: this.code });
  }
}
