import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface ReadyNode {
  readonly id: string;
  readonly region: string;
  readonly pid: number;
  readonly resp: string;
  readonly http: string;
}

/** A cluster that `causeway up` runs for a bench. */
export interface BenchCluster {
  readonly pid: number;
  readonly nodes: readonly ReadyNode[];
  /** Where the WAN shaper is asked. */
  readonly wan: string;
  readonly wanPid: number | null;
  /** Where the longest turn of each process is told, where that is watched; `{pid}` in place of its number. */
  readonly turnFile: string;
  stop(): Promise<void>;
}

const TURN_WATCH = new URL('turn-watch.ts', import.meta.url).href;
const ENTRY = fileURLToPath(new URL('../../bin/causeway.js', import.meta.url));

function watching(turnFile: string, turns: 'cpu' | 'stacks'): NodeJS.ProcessEnv {
  const profile = turns === 'stacks' ? { CAUSEWAY_TURN_PROFILE: '1' } : {};
  return {
    ...profile,
    NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import ${TURN_WATCH}`,
    CAUSEWAY_TURN_FILE: turnFile,
  };
}

/** Starts `causeway up` with these options and waits until every node is ready. Where turns are watched each process does so, which costs it a timer each millisecond, and with 'stacks' also what ran in them. */
export async function startCluster(options: readonly string[], turns?: 'cpu' | 'stacks'): Promise<BenchCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-bench-'));
  const readyFile = join(folder, 'ready.json');
  const turnFile = join(folder, 'turn-{pid}.json');
  const child = spawn(process.execPath, [ENTRY, 'up', '--ready-file', readyFile, ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...(turns === undefined ? {} : watching(turnFile, turns)) },
  });
  let output = '';
  child.stdout.on('data', (bytes: Buffer) => (output = (output + bytes.toString()).slice(-4_000)));
  child.stderr.on('data', (bytes: Buffer) => (output = (output + bytes.toString()).slice(-4_000)));
  const ended = new Promise<never>((_resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`causeway up ended with ${code}:\n${output}`)));
  });
  ended.catch(() => {});
  const ready = new Promise<void>((resolve) => {
    const watcher = watch(folder, () => {
      try {
        JSON.parse(readFileSync(readyFile, 'utf8'));
      } catch {
        return;
      }
      watcher.close();
      resolve();
    });
  });
  await Promise.race([ready, ended]);
  const file = JSON.parse(readFileSync(readyFile, 'utf8')) as {
    nodes: ReadyNode[];
    wan: string;
    wanPid: number | null;
  };
  return {
    pid: child.pid ?? 0,
    nodes: file.nodes,
    wan: file.wan,
    wanPid: file.wanPid,
    turnFile,
    stop: async () => {
      const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
