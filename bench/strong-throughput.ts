import type { RespClient } from '../src/cli/resp-client.ts';
import { quantile } from './support/figures.ts';
import { cpuSeconds } from './support/processes.ts';
import type { BareCluster } from './strong-bare.ts';
import { etcdWriter, readEtcd, type EtcdCluster } from './strong-etcd.ts';
import { respWriter, WrittenKeys, type Round, type Writer } from './strong-writers.ts';

const WRITERS = [1, 64];
const VALUE_BYTES = 256;
/** Much of the way of a write is the same with one writer: it is warm for so much of the time as well. */
const ONE_WARMS_UP = 4;

/** A cluster of three voters as its clients and the bench see it. */
interface Contender {
  readonly name: string;
  readonly pids: readonly number[];
  readonly keys: WrittenKeys;
  readonly open: () => Promise<Writer>;
  /** Null for what keeps nothing. */
  readonly read: ((keys: WrittenKeys) => Promise<ReadonlyMap<string, string>>) | null;
}

/** Medians of all rounds with so many writers. */
export interface ThroughputRow {
  readonly name: string;
  readonly writers: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU microseconds a write: of the client, and of all members together. */
  readonly clientCpuUs: number;
  readonly serverCpuUs: number;
}

export interface Throughput {
  readonly rows: readonly ThroughputRow[];
  /** Keys that were read back, and those of them that had not the value acknowledged last. */
  readonly read: number;
  readonly missing: number;
}

export function causewayContender(leader: string, client: RespClient, pids: readonly number[]): Contender {
  return {
    name: 'causeway',
    pids,
    keys: new WrittenKeys('k:', VALUE_BYTES),
    open: async () => await respWriter(leader),
    read: async ({ keys }) =>
      new Map(await Promise.all(keys.map(async (key) => [key, String(await client.send('GET', key))] as const))),
  };
}

export function etcdContender({ leader, version, pids }: EtcdCluster): Contender {
  return {
    name: `etcd ${version}`,
    pids,
    keys: new WrittenKeys('k:', VALUE_BYTES),
    open: async () => await etcdWriter(leader),
    read: async ({ prefix }) => await readEtcd(leader, prefix),
  };
}

/** What the others cannot be quicker than on this machine, as far as they run on Node. */
export function bareContender({ leader, pids }: BareCluster): Contender {
  const keys = new WrittenKeys('k:', VALUE_BYTES);
  return { name: 'bare Node', pids, keys, open: async () => await respWriter(leader), read: null };
}

/**
 * Rounds of every contender with every number of writers by turns, after each was written to for so long, which is not counted: a server
 * that has just begun is not what is compared. Then all is read back.
 */
export async function throughput(
  contenders: readonly Contender[],
  rounds: number,
  roundMs: number,
  warmUpMs: number,
): Promise<Throughput> {
  for (const contender of contenders) {
    for (const writers of WRITERS.toReversed())
      await oneRound(contender, writers, writers === 1 ? warmUpMs / ONE_WARMS_UP : warmUpMs);
  }
  const results = new Map<string, (Round & { readonly serverCpuUs: number })[]>();
  for (let round = 0; round < rounds; round++) {
    for (const writers of WRITERS) {
      for (const contender of contenders) {
        const result = await oneRound(contender, writers, roundMs);
        const id = `${contender.name} ${writers}`;
        results.set(id, [...(results.get(id) ?? []), result]);
      }
    }
  }
  const rows = WRITERS.flatMap((writers) =>
    contenders.map(({ name }): ThroughputRow => {
      const all = results.get(`${name} ${writers}`) ?? [];
      const median = (of: (round: (typeof all)[number]) => number): number => quantile(all.map(of), 0.5);
      return {
        name,
        writers,
        perSecond: median(({ perSecond }) => perSecond),
        p50Ms: median(({ p50Ms }) => p50Ms),
        p99Ms: median(({ p99Ms }) => p99Ms),
        clientCpuUs: median(({ clientCpuUs }) => clientCpuUs),
        serverCpuUs: median(({ serverCpuUs }) => serverCpuUs),
      };
    }),
  );
  let read = 0;
  let missing = 0;
  for (const { keys, read: readBack } of contenders) {
    if (readBack === null) continue;
    read += keys.keys.length;
    missing += keys.missing(await readBack(keys));
  }
  return { rows, read, missing };
}

async function oneRound(
  { pids, keys, open }: Contender,
  count: number,
  forMs: number,
): Promise<Round & { readonly serverCpuUs: number }> {
  const writers = await Promise.all(Array.from({ length: count }, open));
  const cpu = (): number => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const cpuAtStart = cpu();
  const round = await keys.run(writers, forMs);
  const serverCpuUs = ((cpu() - cpuAtStart) * 1e6) / round.writes;
  for (const writer of writers) writer.close();
  return { ...round, serverCpuUs };
}
