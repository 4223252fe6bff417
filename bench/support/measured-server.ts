import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RespClient } from '../../src/cli/resp-client.ts';
import { addressOf } from '../../src/server/address.ts';
import { CLIENT_CORE, freePorts, SERVER_CORE, startPinned, type PinnedProcess } from './pinned.ts';
import type { LongestTurn } from './turn-watch.ts';

/** A server that a bench measures, and the replicas that it feeds meanwhile. */
export interface MeasuredServer {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  readonly client: RespClient;
  readonly replicas: readonly RespClient[];
  /** Where its longest turn is told, for one whose turns are watched. */
  readonly turnFile?: string;
  stop(): Promise<void>;
}

const REGIONS = ['us-east-1', 'eu-west-1', 'ap-southeast-1'] as const;
const ENTRY = fileURLToPath(new URL('../../bin/causeway.js', import.meta.url));
const CLASSES = fileURLToPath(new URL('../../regions/classes.yaml', import.meta.url));
const TURN_WATCH = new URL('turn-watch.ts', import.meta.url).href;
/** What a node is given beside the plain things. */
interface BesideNode {
  /** The text of its classes file. */
  readonly classes?: string;
  /** Where its regional Redis is. */
  readonly redisPort?: number;
  /** Whether its longest turn is watched (`longestTurn`), and what ran in it. */
  readonly turns?: 'cpu' | 'stacks';
}

const POLL_MS = 50;
const STARTED_WITHIN_MS = 60_000;
const REPLY_WITHIN_MS = 120_000;

/** The version that is installed, null where `redis-server` or `redis-benchmark` is not. */
export function redisVersion(): string | null {
  if (spawnSync('redis-benchmark', ['--version']).status !== 0) return null;
  const { status, stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  return status === 0 ? (/v=(\S+)/.exec(stdout)?.[1] ?? 'unknown') : null;
}

/**
 * A node of Causeway with as many peers in regions of their own: `causeway serve` as an operator starts it, the classes file of the
 * package included unless others are given, but for a folder to keep data in. Nothing delays what they send each other. Fulfilled once all are ready.
 */
export async function startCauseway(peers: number, beside: BesideNode = {}): Promise<MeasuredServer> {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-bench-'));
  const { classes, redisPort, turns } = beside;
  const turnFile = join(folder, 'turn.json');
  if (classes !== undefined) writeFileSync(join(folder, 'classes.yaml'), classes);
  const regions = REGIONS.slice(0, peers + 1);
  const ports = await freePorts(regions.length * 3);
  const portOf = (region: string, at: 0 | 1 | 2): number => ports[regions.indexOf(region as never) * 3 + at] ?? 0;
  const members = (own: string): string[] =>
    regions.filter((each) => each !== own).map((each) => `  ${each}/a: ws://127.0.0.1:${portOf(each, 2)}`);
  const processes = regions.map((region, at) => {
    const [resp, http, peer] = ([0, 1, 2] as const).map((which) => `127.0.0.1:${portOf(region, which)}`);
    const config = [
      'clusterId: bench',
      `region: ${region}`,
      'nodes:',
      `  a: { resp: "${resp}", http: "${http}", peer: "${peer}", dataDir: null }`,
      ...(peers === 0 ? [] : ['members:', ...members(region)]),
      `classes: ${classes === undefined ? CLASSES : 'classes.yaml'}`,
      // the peers stand for regions with a Redis of their own, or none
      ...(redisPort === undefined || at > 0 ? [] : [`redis: { url: 'redis://127.0.0.1:${redisPort}' }`]),
      'log: { level: warn }',
    ];
    const file = join(folder, `${region}.yaml`);
    writeFileSync(file, `${config.join('\n')}\n`);
    const core = at === 0 ? SERVER_CORE : CLIENT_CORE;
    const isWatched = turns !== undefined && at === 0;
    const args = [...(isWatched ? ['--import', TURN_WATCH] : []), ENTRY, 'serve', '--config', file, '--node', 'a'];
    if (!isWatched) return startPinned(core, process.execPath, args);
    const profile = turns === 'stacks' ? { CAUSEWAY_TURN_PROFILE: '1' } : {};
    return startPinned(core, process.execPath, args, { CAUSEWAY_TURN_FILE: turnFile, ...profile });
  });
  const clean = (): void => rmSync(folder, { recursive: true, force: true });
  const respPorts = regions.map((region) => portOf(region, 0));
  const server = await opened(
    'causeway',
    processes,
    respPorts,
    clean,
    async (client) => await areSettled(client, peers, POLL_MS),
  );
  return { ...server, turnFile };
}

/** The longest turn of a server since the last call, by the CPU of its loop. */
export async function longestTurn({ pid, turnFile }: Pick<MeasuredServer, 'pid' | 'turnFile'>): Promise<LongestTurn> {
  if (turnFile === undefined) return { cpuMs: NaN, ran: [], stoodMs: NaN, stoodIn: [] };
  rmSync(turnFile, { force: true });
  process.kill(pid, 'SIGUSR2');
  for (const untilMs = performance.now() + REPLY_WITHIN_MS; performance.now() < untilMs; await delay()) {
    try {
      return JSON.parse(readFileSync(turnFile, 'utf8')) as LongestTurn;
    } catch {
      // it is not written yet
    }
  }
  throw new Error('the server does not tell of its turns');
}

/** `redis-server` as Debian has it, which keeps nothing on disk, with as many replicas. Fulfilled once all of them follow. */
export async function startRedis(replicas: number): Promise<MeasuredServer> {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-bench-'));
  const ports = await freePorts(replicas + 1);
  const processes = ports.map((port, at) => {
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
    const follows = at === 0 ? [] : ['--replicaof', '127.0.0.1', String(ports[0])];
    const core = at === 0 ? SERVER_CORE : CLIENT_CORE;
    return startPinned(core, 'redis-server', [...args, '--enable-debug-command', 'local', ...follows]);
  });
  const clean = (): void => rmSync(folder, { recursive: true, force: true });
  return await opened('redis', processes, ports, clean, async (client, at) => {
    const info = String(await client.send('INFO', 'replication'));
    return at === 0 ? (info.match(/state=online/g)?.length ?? 0) === replicas : info.includes('master_link_status:up');
  });
}

async function opened(
  name: string,
  processes: readonly PinnedProcess[],
  ports: readonly number[],
  clean: () => void,
  isReady: (client: RespClient, at: number) => Promise<boolean>,
): Promise<MeasuredServer> {
  const clients: RespClient[] = [];
  const stop = async (): Promise<void> => {
    for (const client of clients) client.close();
    await Promise.all(processes.map(async (each) => await each.stop()));
    clean();
  };
  try {
    const untilMs = performance.now() + STARTED_WITHIN_MS;
    for (const [at, port] of ports.entries())
      clients.push(await connected(port, processes[at] as PinnedProcess, isReady, at, untilMs));
  } catch (error) {
    await stop();
    throw error;
  }
  const [first, ...replicas] = clients as [RespClient, ...RespClient[]];
  return { name, pid: processes[0]?.pid ?? 0, port: ports[0] ?? 0, client: first, replicas, stop };
}

async function connected(
  port: number,
  from: PinnedProcess,
  isReady: (client: RespClient, at: number) => Promise<boolean>,
  at: number,
  untilMs: number,
): Promise<RespClient> {
  for (;;) {
    try {
      const client = await RespClient.connect(addressOf(`127.0.0.1:${port}`, 'a server of the bench'), REPLY_WITHIN_MS);
      for (; performance.now() < untilMs; await delay())
        if (await isReady(client, at).catch(() => false)) return client;
      client.close();
    } catch {
      // it does not listen yet
    }
    if (!from.isRunning() || performance.now() > untilMs) throw new Error(`a server does not start:\n${from.output()}`);
    await delay();
  }
}

/** Writes a key, and waits until so many replicas have it, with all that was written before. Says whether they have in time. */
export async function areSettled(client: RespClient, replicas: number, withinMs: number): Promise<boolean> {
  await client.send('SET', 'bench:settled', '1');
  return (await client.send('WAIT', replicas, withinMs)) === replicas;
}

async function delay(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
