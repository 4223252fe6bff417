import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeAction } from '../../src/cli/node-actions.ts';
import { readReadyFile, type ReadyFile } from '../../src/cli/ready-file.ts';
import { RespClient } from '../../src/cli/resp-client.ts';
import { addressOf } from '../../src/server/address.ts';
import { askAdmin } from '../../src/wan/admin-client.ts';

const ENTRY = join(import.meta.dirname, '..', '..', 'bin', 'causeway.js');
const POLL_MS = 20;

export interface ClusterOptions {
  /** Options of `up` besides its ports and ready file, such as `['--nodes-per-region', '2']`. */
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** A cluster of real processes, started by `causeway up` on free ports. Stop it in `afterAll` or `afterEach`. */
export interface TestCluster {
  readonly readyFile: string;
  /** A folder of this cluster's own, removed by `stop`; the data lies in it unless `--data-dir` says otherwise. */
  readonly folder: string;
  readonly up: ChildProcess;
  /** What `up` printed so far. */
  output(): string;
  /** What runs now. */
  ready(): ReadyFile;
  /** `host:port` for Redis clients. */
  resp(id: string): string;
  /** `http://host:port` */
  http(id: string): string;
  /** A new connection to a node; `stop` closes it. */
  connect(id: string): Promise<RespClient>;
  /** As `causeway node`: done when it is fulfilled. */
  act(action: NodeAction, id: string): Promise<void>;
  /** As `causeway wan`, between two regions; in force when it is fulfilled. */
  cut(from: string, to: string, options?: { oneDirection?: boolean }): Promise<void>;
  slow(from: string, to: string, oneWayMs: number, options?: { oneDirection?: boolean }): Promise<void>;
  heal(from: string, to: string): Promise<void>;
  stop(): Promise<void>;
}

/** Fulfilled once every node is ready. Throws what `up` printed when it ended before. */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-cluster-'));
  const readyFile = join(folder, 'ready-file.json');
  const args = [ENTRY, 'up', '--port-base', '0', '--ready-file', readyFile, ...(options.args ?? [])];
  const up = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // As when npm starts it, so that it ends when this process does, however that happens.
    env: { ...process.env, npm_lifecycle_event: 'test', TMPDIR: folder, ...options.environment },
  });
  let output = '';
  for (const stream of [up.stdout, up.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  let hasEnded = false;
  const ended = new Promise<void>((resolve) => {
    up.once('close', () => {
      hasEnded = true;
      resolve();
    });
  });
  const clients: RespClient[] = [];
  const stop = async (): Promise<void> => {
    for (const client of clients) client.close();
    up.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const ready = (): ReadyFile => readReadyFile(readyFile);
  const nodeOf = (id: string): ReadyFile['nodes'][number] => {
    const node = ready().nodes.find((candidate) => candidate.id === id);
    if (node === undefined) throw new Error(`no node ${id} in ${readyFile}`);
    return node;
  };
  const steer = async (what: string, body: object): Promise<void> => {
    await askAdmin(ready().wan, `/${what}`, body);
  };

  await until(() => hasEnded || existsSync(readyFile));
  if (hasEnded) {
    await stop();
    throw new Error(`causeway up has ended:\n${output}`);
  }
  return {
    readyFile,
    folder,
    up,
    output: () => output,
    ready,
    resp: (id) => nodeOf(id).resp,
    http: (id) => `http://${nodeOf(id).http}`,
    async connect(id) {
      const client = await RespClient.connect(addressOf(nodeOf(id).resp, id), 30_000);
      clients.push(client);
      return client;
    },
    async act(action, id) {
      await askAdmin(ready().admin, '/nodes', { action, id });
    },
    cut: async (from, to, { oneDirection = false } = {}) => steer('cut', { from, to, oneDirection }),
    slow: async (from, to, oneWayMs, { oneDirection = false } = {}) =>
      steer('slow', { from, to, oneWayMs, oneDirection }),
    heal: async (from, to) => steer('heal', { from, to }),
    stop,
  };
}

/** Fulfilled once the condition holds; the test's own timeout is the limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
