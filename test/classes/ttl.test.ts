import type { Redis } from 'ioredis';
import { beforeEach, describe, expect, test } from 'vitest';
import { startWithClasses, twoRegions, written } from './class-rig.ts';

const CLASSES = `classes:
  - match: ["quote:*"]
    ttl: 5m
  - match: ["scratch:*"]
    consistency: weak
    ttl: 10m
  - match: ["page:*"]
    ttl: { adaptive: { min: 5m, max: 30m } }
  - match: ["gone:*"]
    ttl: 50ms
`;
const FIVE_MINUTES_MS = 300_000;

let client: Redis;
beforeEach(async () => {
  const rig = await startWithClasses(CLASSES);
  await rig.server.ready;
  client = rig.client();
});

/** What is left to live, as a share of five minutes: near 1 right after the class gave it. */
const share = async (key: string): Promise<number> => (await client.pttl(key)) / FIVE_MINUTES_MS;
const expectFresh = async (key: string, why: string = key): Promise<void> => {
  expect(await share(key), why).toBeGreaterThan(0.5);
  expect(await share(key), why).toBeLessThanOrEqual(1);
};

/** Each makes the key `quote:1`. */
const MAKERS: readonly (readonly [name: string, ...args: string[]])[] = [
  ['set', 'quote:1', 'v'],
  ['setnx', 'quote:1', 'v'],
  ['getset', 'quote:1', 'v'],
  ['mset', 'quote:1', 'v', 'quote:2', 'v'],
  ['msetnx', 'quote:1', 'v', 'quote:3', 'v'],
  ['set', 'quote:1', 'v', 'GET'],
  ['set', 'quote:1', 'v', 'KEEPTTL'],
  ['append', 'quote:1', 'v'],
  ['setrange', 'quote:1', '0', 'v'],
  ['incr', 'quote:1'],
  ['decrby', 'quote:1', '2'],
  ['incrbyfloat', 'quote:1', '0.5'],
  ['hset', 'quote:1', 'bid', '1', 'ask', '2'],
  ['hsetnx', 'quote:1', 'bid', '1'],
  ['hincrby', 'quote:1', 'n', '1'],
  ['hincrbyfloat', 'quote:1', 'n', '0.5'],
  ['sadd', 'quote:1', 'a', 'b'],
  ['json.set', 'quote:1', '$', '{"bid":1}'],
];

describe('C2a: a key of a class whose ttl follows its changes', () => {
  test('gets one within the bounds from a write without an expiry of its own, and CW.CLASSES EXPLAIN says so', async () => {
    await client.set('page:1', 'v');
    await expectFresh('page:1');
    await client.set('page:1', 'v', 'EX', 3_000);
    await client.set('page:1', 'v');
    expect(await share('page:1')).toBeGreaterThan(5);
    await client.set('page:1', 'other');
    await expectFresh('page:1');
    expect(String(await client.call('CW.CLASSES', 'EXPLAIN', 'page:1'))).toContain(
      '5m to 30m, by how often the key changes',
    );
  });
});

describe("C2: a key gets its class's ttl from a write that makes it without an expiry of its own", () => {
  test('of every type, by every command that makes a key', async () => {
    for (const [name, ...args] of MAKERS) {
      await client.call(name, ...args);
      await expectFresh('quote:1', name);
      await client.del('quote:1');
      expect(await client.pttl('quote:1')).toBe(-2);
    }
  });

  test('COPY, RENAME, SMOVE and the STORE commands, for the class of the key that they make', async () => {
    await client.mset('plain', 'v', 'other', 'v');
    await client.hset('hash', 'f', 'v');
    await client.sadd('set', 'a', 'b');
    await client.copy('plain', 'quote:copy');
    await client.rename('other', 'quote:renamed');
    await client.copy('hash', 'quote:hash');
    await client.smove('set', 'quote:moved', 'a');
    await client.sunionstore('quote:union', 'set', 'set');
    for (const name of ['copy', 'renamed', 'hash', 'moved', 'union']) await expectFresh(`quote:${name}`);
    await client.copy('quote:hash', 'hash2');
    expect(await client.pttl('hash2'), 'a copy keeps the expiry of what it copies').toBeGreaterThan(0);
    expect(await client.pttl('plain')).toBe(-1);
  });

  test('a key that is there keeps the expiry that it has', async () => {
    await client.hset('quote:1', 'bid', '1');
    await client.persist('quote:1');
    await client.hset('quote:1', 'ask', '2');
    await client.hincrby('quote:1', 'n', 1);
    expect(await client.pttl('quote:1'), 'after PERSIST none').toBe(-1);
    await client.set('quote:2', 'v', 'PX', 50_000_000);
    await client.append('quote:2', 'w');
    await client.set('quote:2', 'x', 'KEEPTTL');
    expect(await client.pttl('quote:2')).toBeGreaterThan(FIVE_MINUTES_MS * 10);
    await client.persist('quote:2');
    await client.call('set', 'quote:2', 'y', 'KEEPTTL');
    await client.setrange('quote:2', 0, 'z');
    expect(await client.pttl('quote:2'), 'KEEPTTL keeps that there is none').toBe(-1);
    await client.incr('quote:3');
    await client.pexpire('quote:3', 50_000_000);
    await client.incr('quote:3');
    expect(await client.pttl('quote:3')).toBeGreaterThan(FIVE_MINUTES_MS * 10);
  });

  test('SET starts anew, and an expiry of its own is not touched', async () => {
    await client.set('quote:1', 'v', 'EX', 1_000_000);
    expect(await share('quote:1')).toBeGreaterThan(3);
    await client.set('quote:1', 'w');
    await expectFresh('quote:1');
    await client.hset('source', 'f', 'v');
    await client.pexpire('source', 50_000_000);
    await client.copy('source', 'quote:2');
    expect(await share('quote:2'), 'the expiry that COPY brings').toBeGreaterThan(100);
    await client.del('quote:2');
    await client.hset('quote:2', 'f', 'v');
    await expectFresh('quote:2');
  });

  test('keys of a class without one live for ever; the same for keys that never leave the node', async () => {
    await client.set('plain', 'v');
    expect(await client.pttl('plain')).toBe(-1);
    await client.hset('scratch:1', 'f', 'v');
    expect(await client.pttl('scratch:1')).toBeGreaterThan(FIVE_MINUTES_MS);
  });

  test('an expired key is made anew', async () => {
    await client.hset('gone:1', 'old', '1');
    await client.set('gone:2', 'v');
    await expect.poll(() => client.exists('gone:1', 'gone:2')).toBe(0);
    // in one piece, or it may have expired again
    const made = await client.multi().hset('gone:1', 'new', '1').pexpiretime('gone:1').exec();
    expect(made?.[1]?.[1]).toBeGreaterThan(0);
    await expect.poll(() => client.exists('gone:1')).toBe(0);
  });
});

test('the other region has the same expiry', async () => {
  const { here, there } = await twoRegions(CLASSES);
  await here.multi().set('quote:s', 'v').hset('quote:h', 'f', 'v').sadd('quote:m', 'a').incr('quote:n').exec();
  await written(here);
  for (const key of ['quote:s', 'quote:h', 'quote:m', 'quote:n']) {
    const atMs = await here.pexpiretime(key);
    expect(atMs).toBeGreaterThan(Date.now());
    expect(await there.pexpiretime(key), key).toBe(atMs);
  }
});
