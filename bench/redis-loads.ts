import type { RespClient } from '../src/cli/resp-client.ts';

/** What is asked of the servers: one command of redis-benchmark. */
export interface Load {
  readonly command: string;
  /** Whether its values have a size. */
  readonly isSized: boolean;
  /** Keys of `key:…` that one request reads, each of which is there. */
  readonly keysRead: number;
  /** What redis-benchmark is given for it. */
  readonly arguments: readonly string[];
  /** What is wrong with what a server then holds, null for nothing. `requests` were made in all, `bytes` is the size of values. */
  readonly fault: (client: RespClient, check: LoadCheck) => Promise<string | null>;
}

export interface LoadCheck {
  readonly requests: number;
  readonly bytes: number;
  /** Keys that the random part of a key is taken from. */
  readonly keyspace: number;
  /** Some of them. */
  readonly samples: readonly number[];
}

const MGET_KEYS = 10;

/** redis-benchmark's random part of a key. */
export function keyOf(prefix: string, at: number): string {
  return `${prefix}:${String(at).padStart(12, '0')}`;
}

async function textsOf(client: RespClient, keys: readonly string[]): Promise<(string | null)[]> {
  const values = await client.send('MGET', ...keys);
  return (values as (string | null)[]) ?? [];
}

async function faultOfStrings(client: RespClient, { bytes, samples }: LoadCheck): Promise<string | null> {
  const values = await textsOf(
    client,
    samples.map((at) => keyOf('key', at)),
  );
  const bad = values.findIndex((value) => value?.length !== bytes);
  return bad < 0 ? null : `${keyOf('key', samples[bad] ?? 0)} is not of ${bytes} bytes`;
}

/** All that was added to all counters is there, and nothing else. */
async function faultOfCounters(client: RespClient, { keyspace, requests }: LoadCheck): Promise<string | null> {
  let sum = 0;
  const step = 5_000;
  for (let first = 0; first < keyspace; first += step) {
    const keys = Array.from({ length: Math.min(step, keyspace - first) }, (_, at) => keyOf('counter', first + at));
    for (const value of await textsOf(client, keys)) sum += Number(value ?? 0);
  }
  return sum === requests ? null : `counters are ${sum} in all after ${requests} increments`;
}

async function faultOfHash(client: RespClient, { bytes, keyspace, samples }: LoadCheck): Promise<string | null> {
  const size = Number(await client.send('HLEN', 'myhash'));
  if (size < 1 || size > keyspace) return `a hash of ${size} fields where ${keyspace} were set`;
  const fields = samples.map((at) => keyOf('element', at));
  const values = (await client.send('HMGET', 'myhash', ...fields)) as (string | null)[];
  return values.every((value) => value === null || value.length === bytes) ? null : `a field is not of ${bytes} bytes`;
}

async function faultOfSet(client: RespClient, { keyspace, samples }: LoadCheck): Promise<string | null> {
  const size = Number(await client.send('SCARD', 'myset'));
  const has = await client.send('SMISMEMBER', 'myset', ...samples.map((at) => keyOf('element', at)));
  const isFine = size >= 1 && size <= keyspace && (has as number[]).length === samples.length;
  return isFine ? null : `a set of ${size} members where ${keyspace} were added`;
}

const named = (name: string): readonly string[] => ['-t', name];
const noFault = async (): Promise<null> => await Promise.resolve(null);

export const LOADS: readonly Load[] = [
  { command: 'GET', isSized: true, keysRead: 1, arguments: named('get'), fault: noFault },
  {
    command: 'MGET',
    isSized: true,
    keysRead: MGET_KEYS,
    arguments: ['MGET', ...Array.from({ length: MGET_KEYS }, () => 'key:__rand_int__')],
    fault: noFault,
  },
  { command: 'SET', isSized: true, keysRead: 0, arguments: named('set'), fault: faultOfStrings },
  { command: 'INCR', isSized: false, keysRead: 0, arguments: named('incr'), fault: faultOfCounters },
  { command: 'HSET', isSized: true, keysRead: 0, arguments: named('hset'), fault: faultOfHash },
  { command: 'SADD', isSized: false, keysRead: 0, arguments: named('sadd'), fault: faultOfSet },
];
