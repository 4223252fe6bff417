import type { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { configOf, temporaryFolder } from './peer-rig.ts';
import { ServerRig } from './server-rig.ts';

const KEYS = 2_000;
const VALUE_BYTES = 1_000;
const KIB = 1024;

const valueOf = (key: string): string => `${key}:`.padEnd(VALUE_BYTES, 'v');
const keysOf = (kind: string, count = KEYS): string[] => Array.from({ length: count }, (_, at) => `${kind}:${at}`);

async function start(classes: string, dataDir: string | null): Promise<[ServerRig, Redis]> {
  const rig = await ServerRig.start(configOf(0, 1, { dataDir, classes: { file: 'classes.yaml', text: classes } }));
  await rig.server.ready;
  return [rig, rig.client()];
}

async function write(client: Redis, keys: readonly string[]): Promise<void> {
  for (let from = 0; from < keys.length; from += 100)
    await client.mset(keys.slice(from, from + 100).flatMap((key) => [key, valueOf(key)]));
}

type Figures = Readonly<Record<string, number | null>>;

/** What CW.CLASSES FIGURES says of a class. */
async function figuresOf(client: Redis, name: string): Promise<Figures> {
  const replies = (await client.call('CW.CLASSES', 'FIGURES')) as (string | number | null)[][];
  const reply = replies.find(([, itsName]) => itsName === name) ?? [];
  const pairs = Array.from({ length: reply.length / 2 }, (_, at) => [reply[at * 2], reply[at * 2 + 1]] as const);
  return Object.fromEntries(pairs.map(([field, value]) => [field, value === null ? null : Number(value)]));
}

describe('a class with a limit of its own', () => {
  const classes = (max: string): string => `classes:\n  - { match: ["small:*"], evict: { max: ${max} } }\n`;

  test('keeps to it, whatever others have; its values are read from disk', async () => {
    const [rig, client] = await start(classes('512kb'), temporaryFolder());
    await write(client, keysOf('small'));
    await write(client, keysOf('other'));
    const bytes = async (): Promise<number> => Number((await figuresOf(client, 'small:*'))['bytes']);
    await expect.poll(bytes, { timeout: 20_000 }).toBeLessThanOrEqual(512 * KIB);
    const digest = await client.call('CW.DIGEST');
    expect(await figuresOf(client, 'default')).toMatchObject({ keys: KEYS, 'evicted-values': 0, 'bytes-max': null });
    const { keys, 'evicted-values': evicted, 'bytes-max': max } = await figuresOf(client, 'small:*');
    expect({ keys, max }).toEqual({ keys: KEYS, max: 512 * KIB });
    expect(evicted).toBeGreaterThan(KEYS / 2);
    const small = keysOf('small');
    expect(await client.mget(small)).toEqual(small.map(valueOf));
    expect(await client.call('CW.DIGEST')).toEqual(digest);
    expect(await bytes()).toBeLessThanOrEqual(512 * KIB);
    const metrics = await (await rig.http('/metrics')).text();
    expect(metrics).toContain(`causeway_class_bytes_max{class="small:*"} ${512 * KIB}\n`);
    expect(metrics).toMatch(/causeway_class_evicted_values\{class="small:\*"\} 1\d{3}\n/);

    // more room from now on: what is read stays
    await client.call('CW.CLASSES', 'RELOAD', classes('8mb'));
    expect(await client.mget(small)).toEqual(small.map(valueOf));
    expect(await figuresOf(client, 'small:*')).toMatchObject({ keys: KEYS, 'evicted-values': 0 });
  });

  test('tells how many of its reads found something, how old it is, and what changed', async () => {
    const [rig, client] = await start(classes('512kb'), null);
    await client.mset('small:here', 'v', 'other', 'v');
    const names = Array.from({ length: 1_000 }, (_, at) => (at % 4 === 0 ? 'small:missing' : 'small:here'));
    for (let round = 0; round < 4; round++) await client.mget(names);
    const { lookups, 'hits-percent': hits, ...others } = await figuresOf(client, 'small:*');
    expect(lookups).toBeGreaterThan(3_500);
    expect(hits).toBeGreaterThan(60);
    expect(hits).toBeLessThan(90);
    expect(others).toMatchObject({ keys: 1, 'changed-last-minute': 1, 'age-ms': expect.any(Number) });
    expect(await figuresOf(client, 'default')).toMatchObject({ keys: 1, lookups: 0, 'hits-percent': null });
    expect(await (await rig.http('/metrics')).text()).toMatch(
      /causeway_class_lookups_total\{class="small:\*",result="hit"\} \d{4}\n/,
    );
    expect(await client.config('RESETSTAT')).toBe('OK');
    expect(await figuresOf(client, 'small:*')).toMatchObject({ lookups: 0 });
  });
});

describe('weak keys that are evicted to nothing', () => {
  const cache = 'classes:\n  - { match: ["cache:*"], consistency: weak, evict: { to: nothing } }\n';

  test('make room at a node without a data folder: they are gone, and what is read often stays', async () => {
    const [rig, client] = await start(cache, null);
    await client.config('SET', 'maxmemory', '4mb', 'notify-keyspace-events', 'Ee');
    const told: string[] = [];
    const listener = rig.client();
    await listener.subscribe('__keyevent@0__:evicted');
    listener.on('message', (_channel, key: string) => told.push(key));
    await client.set('kept', 'v');
    const keys = keysOf('cache', 3 * KEYS);
    for (let from = 0; from < keys.length; from += 200) {
      await write(client, keys.slice(from, from + 200));
      expect(await client.get('cache:0')).toBe(valueOf('cache:0'));
    }
    const held = await client.mget(keys);
    const here = held.filter((value) => value !== null).length;
    expect(here).toBeGreaterThan(KEYS / 2);
    expect(here).toBeLessThan(keys.length);
    for (const [at, value] of held.entries()) expect([null, valueOf(`cache:${at}`)]).toContain(value);
    expect(await client.dbsize()).toBe(here + 1);
    expect(await client.get('kept')).toBe('v');
    const gone = keys.filter((_, at) => held[at] === null);
    await expect.poll(() => gone.every((key) => told.includes(key)), { timeout: 20_000 }).toBe(true);
    const info = await client.info();
    expect(Number(/^keyspace_memory:(\d+)/m.exec(info)?.[1])).toBeLessThanOrEqual(4 * KIB * KIB + 2 * VALUE_BYTES);
    expect(info).toMatch(/^evicted_values:0\r$/m);
    // what is not weak is still refused, when nothing else can go
    await expect(write(client, keysOf('other', 3 * KEYS))).rejects.toThrow(/OOM .* nothing is left to evict/);
  });

  test('keep to the limit of their class', async () => {
    const [, client] = await start(cache.replace('nothing', 'nothing, max: 256kb'), null);
    await write(client, keysOf('cache'));
    await write(client, keysOf('other'));
    const { keys, bytes } = await figuresOf(client, 'cache:*');
    expect(Number(bytes)).toBeLessThanOrEqual(256 * KIB);
    expect(Number(keys)).toBeGreaterThan(100);
    expect(await figuresOf(client, 'default')).toMatchObject({ keys: KEYS });
  });
});
