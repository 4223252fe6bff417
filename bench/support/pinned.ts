import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';

/** What is measured has a core of its own; whoever asks it, and its replicas, share another. */
export const SERVER_CORE = 0;
export const CLIENT_CORE = 1;

const OUTPUT_KEPT = 4_000;

/** Whether processes can be pinned at all: there is `taskset`, and there are two cores. */
export const canPin: boolean = availableParallelism() > CLIENT_CORE && spawnSync('taskset', ['--version']).status === 0;

const running = new Set<ChildProcess>();

// Who ends a bench ends what it has started.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of running) child.kill('SIGKILL');
    process.kill(process.pid, signal);
  });
}

/** A process of a bench with what it said last. */
export interface PinnedProcess {
  readonly pid: number;
  /** What it said last on both outputs, for messages. */
  readonly output: () => string;
  readonly isRunning: () => boolean;
  /** Asks it to end, and waits until it has. */
  readonly stop: () => Promise<void>;
}

/** Starts a process, and all of its threads, on one core; `variables` are added to its environment. */
export function startPinned(
  core: number,
  command: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): PinnedProcess {
  const child = spawnPinned(core, command, args, variables);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (bytes: Buffer) => (output = (output + bytes.toString()).slice(-OUTPUT_KEPT)));
  const exited = once(child, 'exit');
  return {
    pid: child.pid ?? 0,
    output: () => output,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** Runs a program to its end on one core. Throws what it said where it fails. */
export async function runPinned(core: number, command: string, args: readonly string[]): Promise<string> {
  const child = spawnPinned(core, command, args);
  let [output, errors] = ['', ''];
  child.stdout?.on('data', (bytes: Buffer) => (output += bytes.toString()));
  child.stderr?.on('data', (bytes: Buffer) => (errors += bytes.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0 || errors !== '')
    throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${errors}${output}`);
  return output;
}

function spawnPinned(
  core: number,
  command: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): ChildProcess {
  const [program, all] = canPin ? ['taskset', ['-c', String(core), command, ...args]] : [command, [...args]];
  const child = spawn(program, all, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...variables } });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Ports that nobody has at the moment. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map(async (server) => await once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map(async (server) => await once(server.close(), 'close')));
  return ports;
}
