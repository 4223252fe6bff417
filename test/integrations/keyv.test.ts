import { createCache } from 'cache-manager';
import { Redis } from 'ioredis';
import { Keyv } from 'keyv';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Client } from '../../src/client/connect.ts';
import { CausewayKeyv } from '../../src/integrations/keyv.ts';
import type { InProcessSession } from '../../src/server/in-process-session.ts';
import type { RunningServer } from '../../src/server/server-types.ts';
import { startServer } from '../../src/server/server.ts';
import { configOf } from '../server/peer-rig.ts';
import { keyvContract } from './keyv-contract.ts';

let server: RunningServer;
let redis: Redis;
let session: InProcessSession;
let client: Client;
beforeAll(async () => {
  server = await startServer(configOf(0, 1));
  await server.ready;
  redis = new Redis(server.ports.resp, '127.0.0.1');
  session = server.openSession({ address: 'local:keyv' });
  const regions = [{ name: 'us-east-1', nodes: [`127.0.0.1:${server.ports.resp}`] }];
  client = await connect({ regions, codec: 'raw', deadlineMs: 20_000 });
});
afterAll(async () => {
  redis.disconnect();
  await client.close();
  await server.close();
});

keyvContract('by ioredis', () => new CausewayKeyv(redis));
keyvContract('by our client', () => new CausewayKeyv(client));
keyvContract('in the process of a node', () => new CausewayKeyv(session));

describe('beside the contract', () => {
  test('a namespace with the signs of a pattern is only itself', async () => {
    const [star, other] = ['a*', 'ab'].map((namespace) => new Keyv({ store: new CausewayKeyv(redis), namespace }));
    await star?.set('key', 1);
    await other?.set('key', 2);
    await star?.clear();
    expect([await star?.get('key'), await other?.get('key')]).toEqual([undefined, 2]);
  });

  test('clear deletes nothing of others, nor without a namespace', async () => {
    await redis.set('of-another', 'value');
    const keyv = new Keyv({ store: new CausewayKeyv(redis) });
    for (let at = 0; at < 1_200; at++) await keyv.set(`key-${at}`, at);
    await keyv.clear();
    expect(await redis.keys('keyv:*')).toEqual([]);
    expect(await redis.get('of-another')).toBe('value');
    await expect(new CausewayKeyv(redis).clear()).rejects.toThrow(/would delete all keys/);
  });

  test('a ttl is an expiry of the key', async () => {
    const keyv = new Keyv({ store: new CausewayKeyv(redis) });
    await keyv.set('key', 'value', 60_000);
    expect(await redis.pttl('keyv:key')).toBeGreaterThan(30_000);
    await keyv.set('key', 'value');
    expect(await redis.pttl('keyv:key')).toBe(-1);
  });

  test('an error of the node is an error of Keyv', async () => {
    await redis.hset('keyv:hash', 'field', 'value');
    for (const each of [redis, session, client]) {
      await expect(new CausewayKeyv(each).get('keyv:hash')).rejects.toThrow(/wrong kind of value/);
    }
  });
});

describe('cache-manager', () => {
  test('works on it as it is', async () => {
    const cache = createCache({
      stores: [new Keyv({ store: new CausewayKeyv(redis), namespace: 'manager' })],
      ttl: 60_000,
    });
    let loads = 0;
    const load = async (): Promise<{ n: number }> => ({ n: ++loads });
    expect(await cache.wrap('key', load)).toEqual({ n: 1 });
    expect(await cache.wrap('key', load)).toEqual({ n: 1 });
    expect(await redis.pttl('manager:key')).toBeGreaterThan(30_000);
    await cache.mset([
      { key: 'a', value: 1 },
      { key: 'b', value: 2 },
    ]);
    expect(await cache.mget(['a', 'b', 'c'])).toEqual([1, 2, undefined]);
    await cache.del('a');
    expect(await cache.get('a')).toBeUndefined();
    await cache.clear();
    expect(await redis.keys('manager:*')).toEqual([]);
  });
});
