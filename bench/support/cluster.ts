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
  stop(): Promise<void>;
}

const ENTRY = fileURLToPath(new URL('../../bin/causeway.js', import.meta.url));

/** Starts `causeway up` with these options and waits until every node is ready. */
export async function startCluster(options: readonly string[]): Promise<BenchCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-bench-'));
  const readyFile = join(folder, 'ready.json');
  const child = spawn(process.execPath, [ENTRY, 'up', '--ready-file', readyFile, ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
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
    stop: async () => {
      const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
