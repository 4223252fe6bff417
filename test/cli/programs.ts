import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readReadyFile, type ReadyFile } from '../../src/cli/ready-file.ts';

export const FAKE = join(import.meta.dirname, 'fake-program.ts');
/** Where bin/causeway.js keeps what it compiled. */
const COMPILED = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'compiled');
export const REAL = join(import.meta.dirname, '..', '..', 'bin', 'causeway.js');

/** What a run of a program printed and how it ended. */
export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

/** A program that runs, with what it printed so far. */
export class RunningProgram {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
  output = '';
  errors = '';

  constructor(entry: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    // As outside of npm, whatever runs the tests.
    const { npm_lifecycle_event: _event, NO_COLOR: _color, ...inherited } = process.env;
    this.process = spawn(process.execPath, [entry, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...inherited, NODE_COMPILE_CACHE: COMPILED, ...environment },
    });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
    this.finished = new Promise((resolve) => {
      this.process.once('close', (code, signal) => resolve({ code, signal, output: this.output, errors: this.errors }));
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Fulfilled once the condition holds; throws what was printed when the program ended before. */
  async until(condition: () => boolean): Promise<void> {
    let hasEnded = false;
    void this.finished.then(() => (hasEnded = true));
    while (!condition()) {
      if (hasEnded) throw new Error(`ended: ${this.output}${this.errors}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

export async function runToEnd(
  entry: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return new RunningProgram(entry, args, environment).finished;
}

/** A folder of one test's own, and what runs in it; `clean` ends and removes all of it. */
export class Workshop {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'causeway-test-'));
  readonly #programs: RunningProgram[] = [];

  get readyFile(): string {
    return join(this.folder, 'ready.json');
  }

  /** `up` on free ports, of the pretended program unless said otherwise; fulfilled once ready. */
  async up(
    args: readonly string[] = [],
    environment: Record<string, string> = {},
    entry: string = FAKE,
  ): Promise<RunningProgram> {
    const program = this.start(['up', '--port-base', '0', '--ready-file', this.readyFile, ...args], environment, entry);
    await program.until(() => existsSync(this.readyFile));
    return program;
  }

  start(args: readonly string[], environment: Record<string, string> = {}, entry: string = FAKE): RunningProgram {
    // Temporary folders of the program land in the test's own.
    const program = new RunningProgram(entry, args, { TMPDIR: this.folder, ...environment });
    this.#programs.push(program);
    return program;
  }

  ready(): ReadyFile {
    return readReadyFile(this.readyFile);
  }

  /** A command on the cluster that runs. */
  async command(args: readonly string[], entry: string = FAKE): Promise<Finished> {
    return runToEnd(entry, [...args, '--ready-file', this.readyFile]);
  }

  async clean(): Promise<void> {
    for (const program of this.#programs) program.process.kill('SIGTERM');
    await Promise.all(this.#programs.map((program) => program.finished));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function isAlive(pid: number | null): boolean {
  if (pid === null) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Fulfilled once none of the processes is there any more. */
export async function untilGone(pids: readonly (number | null)[]): Promise<void> {
  while (pids.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 10));
}
