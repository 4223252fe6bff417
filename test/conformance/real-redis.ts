import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { freePorts } from '../support/free-ports.ts';
import { RespConnection } from './resp-connection.ts';

/** The version whose replies ours are compared with; another one may differ in texts. */
export const COMPARED_VERSION = '7.0';

/** Where `redis-server` is on the path, null when it is not. */
export function findRedisServer(): string | null {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(folder, 'redis-server');
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not in this folder
    }
  }
  return null;
}

/** A redis-server of our own, empty, without a file. */
export class RealRedis {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(executable: string): Promise<RealRedis> {
    const port = await freePorts();
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    const child = spawn(executable, options, { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve, reject) => {
      let log = '';
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`redis-server ended:\n${log}`)));
      child.stdout.on('data', (chunk: Buffer) => {
        log += chunk.toString();
        if (log.includes('Ready to accept connections')) resolve();
      });
    });
    return new RealRedis(child, port);
  }

  /** The version, as `7.0.15`. */
  async version(): Promise<string> {
    const connection = await RespConnection.open(this.port);
    const info = await connection.request('INFO', 'server');
    connection.close();
    return ('text' in info ? /redis_version:(\S+)/.exec(info.text)?.[1] : undefined) ?? 'unknown';
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }
}
