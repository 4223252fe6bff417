import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../support/free-ports.ts';

const ENTRY = join(import.meta.dirname, '..', '..', 'bin', 'causeway.js');
const READY_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 20_000;

/** One node without peers, started as in production: `causeway serve --config FILE --node a`. */
export class SingleNode {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly #folder: string;
  readonly #httpPort: number;
  #child: ChildProcess;
  #log = '';

  private constructor(folder: string, port: number, httpPort: number) {
    this.#folder = folder;
    this.port = port;
    this.#httpPort = httpPort;
    this.#child = this.#spawn();
  }

  /** A fresh node that answers. Throws with its log when it does not. */
  static async start(): Promise<SingleNode> {
    const resp = await freePorts(3);
    const http = resp + 1;
    const folder = mkdtempSync(join(tmpdir(), 'causeway-node-'));
    const config = {
      clusterId: 'one-node',
      region: 'us-east-1',
      nodes: {
        a: {
          resp: `127.0.0.1:${resp}`,
          http: `127.0.0.1:${http}`,
          peer: `127.0.0.1:${resp + 2}`,
          dataDir: join(folder, 'data'),
        },
      },
      log: { level: 'warn', format: 'text' },
    };
    // JSON is YAML as well.
    writeFileSync(join(folder, 'node.yaml'), JSON.stringify(config));
    const node = new SingleNode(folder, resp, http);
    await node.#untilReady();
    return node;
  }

  /** What the process has printed, its last 8,000 characters. */
  get log(): string {
    return this.#log;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** SIGKILL: the process is gone when this returns. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Starts it again on the same ports and data, after `kill`. */
  async restart(): Promise<void> {
    this.#child = this.#spawn();
    await this.#untilReady();
  }

  /** Ends it and removes its data. Throws when it does not end by itself in time. */
  async stop(): Promise<void> {
    try {
      if (!this.hasEnded) await this.#end('SIGTERM');
    } finally {
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  #spawn(): ChildProcess {
    const args = [ENTRY, 'serve', '--config', join(this.#folder, 'node.yaml'), '--node', 'a'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.#log = (this.#log + text).slice(-8_000)));
    }
    return child;
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
    await ended;
    clearTimeout(timer);
    if (signal === 'SIGTERM' && child.signalCode === 'SIGKILL') {
      throw new Error(`the node did not stop within ${STOP_DEADLINE_MS} ms of SIGTERM:\n${this.#log}`);
    }
  }

  async #untilReady(): Promise<void> {
    const end = performance.now() + READY_DEADLINE_MS;
    for (;;) {
      if (this.hasEnded) throw new Error(`the node ended with ${this.#child.exitCode}:\n${this.#log}`);
      let answer: string;
      try {
        const response = await fetch(`http://127.0.0.1:${this.#httpPort}/readyz`);
        answer = await response.text();
        if (response.ok) return;
      } catch (error) {
        answer = String(error);
      }
      if (performance.now() > end) throw new Error(`the node is not ready: ${answer}\n${this.#log}`);
      await delay(20);
    }
  }
}
