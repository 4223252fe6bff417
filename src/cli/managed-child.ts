import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { CausewayError, type ErrorCode } from '../errors.ts';
import { startUnder, type ChildConditions } from './child-conditions.ts';
import { readChildMessage, type ChildMessage, type ParentMessage } from './ipc.ts';

const LOG_LINES_SHOWN = 8;

export interface ManagedChildOptions {
  /** The script that Node runs. */
  readonly entry: string;
  readonly args: readonly string[];
  /** What the child prints is appended there. */
  readonly logFile: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly conditions?: ChildConditions;
  readonly onMessage: (message: ChildMessage) => void;
  /** Called once, after the last message. */
  readonly onExit: (how: string) => void;
}

/** A process that `up` started, with the channel to it. */
export class ManagedChild {
  readonly #process: ChildProcess;
  readonly #logFile: string;
  readonly #exited: Promise<string>;
  #complaint: CausewayError | null = null;
  #hasExited = false;

  constructor(options: ManagedChildOptions) {
    this.#logFile = options.logFile;
    const log = openSync(options.logFile, 'a', 0o600);
    const { execArgv, execPath } = startUnder(options.conditions ?? {});
    this.#process = fork(options.entry, options.args, {
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...options.environment },
      execArgv: [...execArgv],
      execPath,
    });
    closeSync(log);
    this.#process.on('message', (raw) => {
      const message = readChildMessage(raw);
      if (message === null) return;
      if (message.type === 'failed') this.#complaint = new CausewayError(message.code as ErrorCode, message.message);
      options.onMessage(message);
    });
    this.#exited = new Promise((resolve) => {
      const end = (how: string): void => {
        if (this.#hasExited) return;
        this.#hasExited = true;
        resolve(how);
        options.onExit(how);
      };
      this.#process.on('error', (error) => end(error.message));
      this.#process.on('exit', (code, signal) => end(signal ?? `exit code ${code}`));
    });
  }

  get pid(): number | null {
    return this.#hasExited ? null : (this.#process.pid ?? null);
  }

  /** How it ended: a signal's name or its exit code. */
  get exited(): Promise<string> {
    return this.#exited;
  }

  /** What it said of its own failure, if it did. */
  get complaint(): CausewayError | null {
    return this.#complaint;
  }

  /** Why it ended: what it said itself, else the end of its log. */
  failure(how: string): CausewayError {
    if (this.#complaint !== null) return this.#complaint;
    const lines = readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-LOG_LINES_SHOWN);
    return new CausewayError('Internal', [`ended with ${how}`, ...lines].join('\n'));
  }

  send(message: ParentMessage): void {
    // When it has gone meanwhile, its exit says so.
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#hasExited) this.#process.kill(signal);
  }

  /** Fulfilled with whether it has ended within that time. */
  async hasEndedWithin(ms: number): Promise<boolean> {
    return Promise.race([
      this.#exited.then(() => true),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(false), ms).unref()),
    ]);
  }
}
