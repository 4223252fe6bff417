import { randomBytes } from 'node:crypto';
import { createClient, RESP_TYPES, WatchError } from 'redis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { SingleNode } from './single-node.ts';

let node: SingleNode;
beforeAll(async () => {
  node = await SingleNode.start();
});
afterAll(async () => node.stop());

describe.each([2, 3] as const)('node-redis with RESP%i', (version) => {
  const clients: { flushAll(): Promise<unknown>; destroy(): void }[] = [];
  afterEach(async () => {
    await clients[0]?.flushAll();
    for (const client of clients.splice(0)) client.destroy();
  });

  async function open() {
    const client = createClient({ url: `redis://${node.host}:${node.port}`, RESP: version });
    client.on('error', () => undefined);
    await client.connect();
    clients.push(client);
    return client;
  }

  test('strings, counters, hashes, sets and expiries give what they give with Redis', async () => {
    const redis = await open();
    expect(await redis.set('key', 'value', { expiration: { type: 'EX', value: 100 }, condition: 'NX' })).toBe('OK');
    expect(await redis.set('key', 'other', { condition: 'NX' })).toBeNull();
    expect(await redis.get('key')).toBe('value');
    expect(await redis.ttl('key')).toBe(100);
    await redis.mSet({ one: '1', two: '2' });
    expect(await redis.mGet(['one', 'two', 'three'])).toEqual(['1', '2', null]);
    expect(await redis.incrBy('counter', 41)).toBe(41);
    expect(await redis.incr('counter')).toBe(42);
    expect(await redis.incrByFloat('counter', 0.5)).toBe('42.5');
    expect(await redis.hSet('hash', { a: '1', b: 'two' })).toBe(2);
    expect({ ...(await redis.hGetAll('hash')) }).toEqual({ a: '1', b: 'two' });
    expect(await redis.hIncrBy('hash', 'a', 4)).toBe(5);
    expect(await redis.sAdd('set', ['x', 'y', 'x'])).toBe(2);
    expect(new Set(await redis.sMembers('set'))).toEqual(new Set(['x', 'y']));
    expect((await redis.smIsMember('set', ['x', 'z'])).map(Number)).toEqual([1, 0]);
    expect(await redis.type('set')).toBe('set');
    expect(await redis.pExpire('set', 60_000)).toBe(1);
    expect(await redis.persist('set')).toBe(1);
    expect(await redis.rename('set', 'renamed')).toBe('OK');
    expect(await redis.del(['renamed', 'hash', 'nothing'])).toBe(2);
    expect(await redis.dbSize()).toBe(4);
  });

  test('requests made at once are one pipeline; an error is that of its own request', async () => {
    const redis = await open();
    const replies = await Promise.allSettled([
      redis.set('text', 'no number'),
      redis.incr('text'),
      redis.get('text'),
      ...Array.from({ length: 5_000 }, async () => redis.incr('many')),
    ]);
    expect(replies[1]).toMatchObject({ reason: { message: 'ERR value is not an integer or out of range' } });
    expect(replies[2]).toMatchObject({ value: 'no number' });
    expect(replies.at(-1)).toMatchObject({ value: 5_000 });
  });

  test('MULTI runs as one, WATCH aborts it when somebody else was there', async () => {
    const redis = await open();
    const other = await open();
    expect(await redis.multi().set('a', '1').incr('a').exec()).toEqual(['OK', 2]);
    await redis.watch('a');
    await other.set('a', 'mine');
    await expect(redis.multi().set('a', 'yours').exec()).rejects.toThrow(WatchError);
    expect(await redis.get('a')).toBe('mine');
    await redis.watch('a');
    expect(await redis.multi().set('a', 'yours').exec()).toEqual(['OK']);
  });

  test('messages arrive at subscribers of the channel and of patterns, in their order', async () => {
    const publisher = await open();
    const subscriber = await open();
    const heard: string[] = [];
    let done = (): void => undefined;
    const heardAll = new Promise<void>((resolve) => (done = resolve));
    const listen = (text: string, channel: string): number => heard.push(`${channel} ${text}`);
    await subscriber.subscribe(['news', 'sports'], listen);
    await subscriber.pSubscribe('n?ws', (text, channel) => {
      heard.push(`pattern ${channel} ${text}`);
      if (text === 'last') done();
    });
    expect(await publisher.publish('news', 'first')).toBe(2);
    expect(await publisher.publish('sports', 'second')).toBe(1);
    expect(await publisher.publish('nobody', 'third')).toBe(0);
    expect(await publisher.publish('news', 'last')).toBe(2);
    await heardAll;
    expect(heard).toEqual(['news first', 'pattern news first', 'sports second', 'news last', 'pattern news last']);
    // With RESP3 a connection that listens does everything else as well.
    if (version === 3) expect(await subscriber.set('while', 'listening')).toBe('OK');
    await subscriber.unsubscribe(['news', 'sports']);
    await subscriber.pUnsubscribe('n?ws');
    expect(await subscriber.get('usable again')).toBeNull();
  });

  test('scan iterators give every element', async () => {
    const redis = await open();
    const names = Array.from({ length: 2_000 }, (_, index) => `key:${index}`);
    await redis.mSet(names.map((name): [string, string] => [name, 'x']));
    await redis.sAdd('set', names);
    await redis.hSet('hash', Object.fromEntries(names.map((name) => [name, 'x'])));
    const collect = async <T>(batches: AsyncIterable<readonly T[]>): Promise<T[]> => {
      const all: T[] = [];
      for await (const batch of batches) all.push(...batch);
      return all;
    };
    expect(new Set(await collect(redis.scanIterator({ MATCH: 'key:*', COUNT: 100 })))).toEqual(new Set(names));
    expect(new Set(await collect(redis.scanIterator({ TYPE: 'hash' })))).toEqual(new Set(['hash']));
    expect(new Set(await collect(redis.sScanIterator('set')))).toEqual(new Set(names));
    const pairs = await collect(redis.hScanIterator('hash'));
    expect(new Map(pairs.map(({ field, value }) => [field, value]))).toEqual(new Map(names.map((name) => [name, 'x'])));
  });

  test('keys and values of any bytes, and of megabytes, come back as they were', async () => {
    const redis = await open();
    const bytes = redis.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    const everyByte = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    const big = randomBytes(8 * 1024 * 1024);
    await bytes.set(everyByte, big);
    const read = await bytes.get(everyByte);
    expect(read?.equals(big)).toBe(true);
    await bytes.hSet('binary', everyByte, everyByte);
    expect(await bytes.hGet('binary', everyByte)).toEqual(everyByte);
    await redis.set('emoji', 'naïve 🌊');
    expect(await redis.get('emoji')).toBe('naïve 🌊');
  });

  test('a wrong type, a wrong count and an unknown command are errors of Redis', async () => {
    const redis = await open();
    await redis.sAdd('set', 'x');
    await expect(redis.get('set')).rejects.toThrow('WRONGTYPE Operation against a key holding the wrong kind of value');
    await expect(redis.sendCommand(['GET'])).rejects.toThrow("ERR wrong number of arguments for 'get' command");
    await expect(redis.sendCommand(['NOSUCH', 'a'])).rejects.toThrow("ERR unknown command 'NOSUCH'");
    expect(await redis.ping()).toBe('PONG');
  });

  test('a client comes back by itself after the node was killed, and so do its subscriptions', async () => {
    const redis = await open();
    const subscriber = await open();
    const heard: string[] = [];
    await subscriber.subscribe('news', (text) => heard.push(text));
    const isGone = new Promise<void>((resolve) => redis.once('reconnecting', () => resolve()));
    await node.kill();
    await isGone;
    const isBack = new Promise<void>((resolve) => redis.once('ready', () => resolve()));
    // Sent while nobody is there: kept by the client until it is connected again.
    const written = redis.set('while', 'away');
    await node.restart();
    expect(await written).toBe('OK');
    await isBack;
    expect(await redis.get('while')).toBe('away');
    await expect.poll(async () => redis.publish('news', 'again')).toBe(1);
    await expect.poll(() => heard).toEqual(['again']);
  });

  test('a name given to the connection is seen by CLIENT LIST', async () => {
    const named = createClient({
      name: 'my-service',
      RESP: version,
      socket: { host: node.host, port: node.port },
    });
    named.on('error', () => undefined);
    await named.connect();
    const line = (await named.clientList()).find((client) => client.name === 'my-service');
    expect(line).toMatchObject({ name: 'my-service', resp: version });
    named.destroy();
  });
});
