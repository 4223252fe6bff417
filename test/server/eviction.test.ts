import type { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { configOf, temporaryFolder } from './peer-rig.ts';
import { introduceServers, ServerRig } from './server-rig.ts';

const KEYS = 6_000;
const VALUE_BYTES = 1_000;
/** About half of what the values take. */
const MEMORY_MAX = 4 * 1024 * 1024;
/** One more value, when it was nearly full. */
const USED_MAX: number = MEMORY_MAX + 2 * VALUE_BYTES;
const TOGETHER = 500;

const keyOf = (index: number): string => `key:${index}`;
const valueOf = (index: number): string => `${index}:`.padEnd(VALUE_BYTES, 'v');

/** Fields of INFO as numbers. */
async function figures(client: Redis): Promise<Record<'used' | 'max' | 'stubs' | 'evicted' | 'refilled', number>> {
  const info = await client.info();
  const field = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]);
  return {
    used: field('keyspace_memory'),
    max: field('maxmemory'),
    stubs: field('evicted_values'),
    evicted: field('evicted_keys'),
    refilled: field('refilled_keys'),
  };
}

/** Writes all keys, many at a time, and looks at the memory in between; returns the most that it was. */
async function writeAll(client: Redis, value = valueOf): Promise<number> {
  let most = 0;
  for (let from = 0; from < KEYS; from += TOGETHER) {
    const writes = Array.from({ length: TOGETHER }, (_, at) => client.set(keyOf(from + at), value(from + at)));
    for (const answer of await Promise.all(writes)) expect(answer).toBe('OK');
    most = Math.max(most, (await figures(client)).used);
  }
  return most;
}

async function expectAll(client: Redis, value = valueOf): Promise<void> {
  for (let from = 0; from < KEYS; from += TOGETHER) {
    const keys = Array.from({ length: TOGETHER }, (_, at) => keyOf(from + at));
    const values = await client.mget(keys);
    for (const [at, found] of values.entries()) if (found !== value(from + at)) expect([keys[at], found]).toEqual([]);
  }
}

async function start(changes: Parameters<typeof configOf>[2] = {}): Promise<[ServerRig, Redis]> {
  const rig = await ServerRig.start(configOf(0, 1, { dataDir: temporaryFolder(), ...changes }));
  await rig.server.ready;
  return [rig, rig.client()];
}

describe('maxmemory', () => {
  test('values go to disk and are read from there, and nothing else changes', async () => {
    const [rig, client] = await start();
    expect(await client.config('SET', 'maxmemory', '4mb')).toBe('OK');
    expect(await client.config('GET', 'maxmemory')).toEqual(['maxmemory', String(MEMORY_MAX)]);
    const most = await writeAll(client);
    expect(most).toBeLessThanOrEqual(USED_MAX);
    const { evicted, stubs } = await figures(client);
    expect([evicted > 1_000, stubs > 1_000]).toEqual([true, true]);
    expect(await client.dbsize()).toBe(KEYS);
    const digest = await client.call('CW.DIGEST');
    await expectAll(client);
    const { refilled, used } = await figures(client);
    expect(refilled).toBeGreaterThan(1_000);
    expect(used).toBeLessThanOrEqual(USED_MAX);
    expect(await client.call('CW.DIGEST')).toEqual(digest);
    expect(await (await rig.http('/metrics')).text()).toMatch(/^causeway_evictions_total \d{4}/m);
  });

  test('every command sees an evicted value, or what is known of it', async () => {
    const [, client] = await start();
    await client.config('SET', 'maxmemory', '4mb');
    await client.set('text', 'a text that is long enough to go', 'EX', 1_000);
    await client.set('number', '1000000000000000');
    for (const name of ['gone', 'taken', 'watched', 'appended', 'copied', 'renamed'])
      await client.set(name, `the value of ${name}, which is long`);
    const isEvicted = async (): Promise<boolean> => {
      await writeAll(client);
      const before = (await figures(client)).refilled;
      await client.get('text');
      return (await figures(client)).refilled === before + 1;
    };
    expect(await isEvicted()).toBe(true);
    expect([await client.exists('gone'), await client.type('gone'), await client.ttl('text')]).toEqual([
      1,
      'string',
      expect.closeTo(1_000, -2),
    ]);
    expect(await client.setnx('taken', 'other')).toBe(0);
    expect(await client.strlen('taken')).toBe('the value of taken, which is long'.length);
    expect(await client.incr('number')).toBe(1_000_000_000_000_001);
    expect(await client.append('appended', '!')).toBe('the value of appended, which is long!'.length);
    expect(await client.copy('copied', 'copy')).toBe(1);
    expect(await client.rename('renamed', 'new')).toBe('OK');
    expect(await client.mget('copied', 'copy', 'renamed', 'new')).toEqual([
      'the value of copied, which is long',
      'the value of copied, which is long',
      null,
      'the value of renamed, which is long',
    ]);
    expect(await client.del('gone')).toBe(1);
    expect([await client.get('gone'), await client.exists('gone')]).toEqual([null, 0]);
    await client.watch('watched');
    expect(await client.multi().get('watched').set('watched', 'now').exec()).toEqual([
      [null, 'the value of watched, which is long'],
      [null, 'OK'],
    ]);
    expect(await client.persist('text')).toBe(1);
    expect([await client.get('text'), await client.ttl('text')]).toEqual(['a text that is long enough to go', -1]);
  });

  test('holds while a node starts with more on disk than may be in memory', async () => {
    const dataDir = temporaryFolder();
    const [rig, client] = await start({ dataDir });
    await writeAll(client);
    const digest = await client.call('CW.DIGEST');
    await rig.server.close();
    const [, again] = await start({ dataDir, limits: { memoryBytesMax: MEMORY_MAX } });
    const { used, max, stubs } = await figures(again);
    expect([used <= MEMORY_MAX, max, stubs > 1_000]).toEqual([true, MEMORY_MAX, true]);
    expect(await again.call('CW.DIGEST')).toEqual(digest);
    await expectAll(again);
  });

  test('regions with other limits hold the same, whoever wrote it', async () => {
    const rigs = await Promise.all([
      ServerRig.start(configOf(0, 2, { dataDir: temporaryFolder(), limits: { memoryBytesMax: MEMORY_MAX } })),
      ServerRig.start(configOf(1, 2)),
    ]);
    await introduceServers(rigs);
    const [small, large] = rigs.map((rig) => rig.client()) as [Redis, Redis];
    await writeAll(large);
    expect(await large.wait(1, 60_000)).toBe(1);
    await writeAll(small, (index) => (index % 2 === 0 ? valueOf(index) : `of the other ${valueOf(index)}`));
    expect(await small.wait(1, 60_000)).toBe(1);
    expect((await figures(small)).stubs).toBeGreaterThan(1_000);
    await expect.poll(async () => await small.call('CW.DIGEST')).toEqual(await large.call('CW.DIGEST'));
  });

  test('a write is refused where nothing may go, with the figures; what takes no memory is not', async () => {
    const [, client] = await start();
    await client.config('SET', 'maxmemory', '4mb', 'maxmemory-policy', 'noeviction');
    const fill = async (): Promise<string> => {
      try {
        await writeAll(client);
        return 'no error';
      } catch (error) {
        return String(error);
      }
    };
    expect(await fill()).toMatch(
      /OOM command not allowed when used memory > 'maxmemory': \d+ of 4194304 bytes; the policy is noeviction/,
    );
    expect(await client.get(keyOf(0))).toBe(valueOf(0));
    await expect(client.multi().set('a', 'b').exec()).rejects.toThrow(/EXECABORT.*OOM/);
    expect(await client.del(...Array.from({ length: 1_000 }, (_, at) => keyOf(at)))).toBe(1_000);
    expect(await client.set('a', 'b')).toBe('OK');
    await expect(client.config('SET', 'maxmemory-policy', 'allkeys-lru')).rejects.toThrow(/s3-fifo, noeviction/);
  });

  test('classes say which values go first, and which never', async () => {
    const text = [
      'classes:',
      '  - { match: ["low:*"], evict: { priority: low } }',
      '  - { match: ["high:*"], evict: { priority: high } }',
      '  - { match: ["never:*"], evict: { priority: never } }',
    ].join('\n');
    // nodes that compare keys bring nothing back
    const limits = { monitorKeysPerSecond: 1_000 };
    const [, client] = await start({ classes: { file: 'classes.yaml', text }, limits });
    await client.config('SET', 'maxmemory', '4mb');
    const kinds = ['low', 'high', 'never', 'other'];
    for (const kind of kinds) {
      const keys = Array.from({ length: 500 }, (_, at) => [`${kind}:${at}`, valueOf(at)]).flat();
      await client.mset(keys);
    }
    const evictedOf = async (kind: string): Promise<number> => {
      const before = (await figures(client)).refilled;
      await client.mget(Array.from({ length: 500 }, (_, at) => `${kind}:${at}`));
      return (await figures(client)).refilled - before;
    };
    // twice what finds room: first those of the low class, and some of the others
    for (let from = 0; from < 2_000; from += TOGETHER)
      await Promise.all(Array.from({ length: TOGETHER }, (_, at) => client.set(keyOf(from + at), valueOf(at))));
    await expect.poll(async () => (await figures(client)).stubs).toBeGreaterThan(500);
    const [low, high, never] = [await evictedOf('low'), await evictedOf('high'), await evictedOf('never')];
    expect([low, high, never]).toEqual([500, 0, 0]);
  });

  test('a node without a data folder evicts nothing, and says so', async () => {
    const [, client] = await start({ dataDir: null });
    await client.config('SET', 'maxmemory', '4mb');
    await expect(writeAll(client)).rejects.toThrow(/OOM .* a node without a data folder evicts nothing/);
  });
});
