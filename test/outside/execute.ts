import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface ExecuteOptions {
  readonly deadlineMs: number;
  readonly cwd?: string;
  readonly environment?: NodeJS.ProcessEnv;
  /** Written to the program's standard input; nothing means an empty one. */
  readonly input?: string;
  /** Called with each piece of output as it comes. */
  readonly onOutput?: (text: string) => void;
  /** Ends the program early, by SIGINT, as soon as it has printed a match. */
  readonly interruptAt?: RegExp;
}

export interface Executed {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Whether it had to be killed because its time was over. */
  readonly timedOut: boolean;
}

/**
 * Runs a program to its end in a process group of its own, which is killed as a whole when the time is over. Rejects when
 * it cannot be started.
 */
export async function execute(file: string, args: readonly string[], options: ExecuteOptions): Promise<Executed> {
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: options.environment ?? process.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  let stdout = '';
  let stderr = '';
  let timedOut = false;
  let interrupted = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    options.onOutput?.(text);
    if (!interrupted && options.interruptAt?.test(stdout) === true) {
      interrupted = true;
      child.kill('SIGINT');
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    options.onOutput?.(text);
  });
  // A program that ends without reading its input is no error of ours.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child.pid);
    }, options.deadlineMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr, timedOut });
    });
  });
}

/** Where a program is on the path, null when it is not. */
export function findProgram(name: string): string | null {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not in this folder
    }
  }
  return null;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // all of it has ended meanwhile
  }
}
