import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { SingleNode } from './single-node.ts';

let node: SingleNode;
const clients: Redis[] = [];
beforeAll(async () => {
  node = await SingleNode.start();
});
afterAll(async () => node.stop());
afterEach(async () => {
  const [first] = clients;
  await first?.flushall();
  for (const client of clients.splice(0)) client.disconnect();
});

/** A client as its documentation makes one: no option but where the server is. */
async function open(): Promise<Redis> {
  const client = new Redis(node.port, node.host);
  // Without a listener ioredis prints what the failing request says anyway.
  client.on('error', () => undefined);
  clients.push(client);
  // ioredis sends a SUBSCRIBE before its own INFO when it is asked to between the two, and then fails on the INFO.
  await once(client, 'ready');
  return client;
}

test('strings, counters, hashes, sets and expiries give what they give with Redis', async () => {
  const redis = await open();
  expect(await redis.set('key', 'value', 'EX', 100, 'NX')).toBe('OK');
  expect(await redis.set('key', 'other', 'NX')).toBeNull();
  expect(await redis.get('key')).toBe('value');
  expect(await redis.ttl('key')).toBe(100);
  expect(await redis.mset({ one: 1, two: 2 })).toBe('OK');
  expect(await redis.mget('one', 'two', 'three')).toEqual(['1', '2', null]);
  expect(await redis.incrby('counter', 41)).toBe(41);
  expect(await redis.incr('counter')).toBe(42);
  expect(await redis.incrbyfloat('counter', 0.5)).toBe('42.5');
  expect(await redis.hset('hash', { a: 1, b: 'two' })).toBe(2);
  expect(await redis.hgetall('hash')).toEqual({ a: '1', b: 'two' });
  expect(await redis.hincrby('hash', 'a', 4)).toBe(5);
  expect(await redis.sadd('set', 'x', 'y', 'x')).toBe(2);
  expect((await redis.smembers('set')).toSorted()).toEqual(['x', 'y']);
  expect(await redis.smismember('set', 'x', 'z')).toEqual([1, 0]);
  expect(await redis.type('set')).toBe('set');
  expect(await redis.pexpire('set', 60_000)).toBe(1);
  expect(await redis.persist('set')).toBe(1);
  expect(await redis.rename('set', 'renamed')).toBe('OK');
  expect(await redis.del('renamed', 'hash', 'nothing')).toBe(2);
  expect(await redis.dbsize()).toBe(4);
});

test('a pipeline keeps replies, and errors among them, in their order', async () => {
  const redis = await open();
  const pipeline = redis.pipeline().set('text', 'no number').incr('text').get('text');
  for (let index = 0; index < 5_000; index++) pipeline.incr('many');
  const replies = (await pipeline.exec()) ?? [];
  expect(replies).toHaveLength(5_003);
  expect(replies[0]).toEqual([null, 'OK']);
  expect(replies[1]?.[0]?.message).toBe('ERR value is not an integer or out of range');
  expect(replies[2]).toEqual([null, 'no number']);
  expect(replies.at(-1)).toEqual([null, 5_000]);
});

test('MULTI runs as one, WATCH aborts it when somebody else was there', async () => {
  const redis = await open();
  const other = await open();
  expect(await redis.multi().set('a', '1').incr('a').exec()).toEqual([
    [null, 'OK'],
    [null, 2],
  ]);
  await redis.watch('a');
  await other.set('a', 'mine');
  expect(await redis.multi().set('a', 'yours').exec()).toBeNull();
  expect(await redis.get('a')).toBe('mine');
  await redis.watch('a');
  expect(await redis.multi().set('a', 'yours').exec()).toEqual([[null, 'OK']]);
  const spoilt = redis.multi();
  void spoilt.call('GET');
  await expect(spoilt.exec()).rejects.toThrow('EXECABORT');
});

test('messages arrive at subscribers of the channel and of patterns, in their order', async () => {
  const publisher = await open();
  const subscriber = await open();
  const heard: string[] = [];
  const heardAll = new Promise<void>((resolve) => {
    subscriber.on('message', (channel: string, text: string) => heard.push(`${channel} ${text}`));
    subscriber.on('pmessage', (pattern: string, channel: string, text: string) => {
      heard.push(`${pattern} ${channel} ${text}`);
      if (text === 'last') resolve();
    });
  });
  expect(await subscriber.subscribe('news', 'sports')).toBe(2);
  expect(await subscriber.psubscribe('n?ws')).toBe(3);
  expect(await publisher.publish('news', 'first')).toBe(2);
  expect(await publisher.publish('sports', 'second')).toBe(1);
  expect(await publisher.publish('nobody', 'third')).toBe(0);
  expect(await publisher.publish('news', 'last')).toBe(2);
  await heardAll;
  expect(heard).toEqual(['news first', 'n?ws news first', 'sports second', 'news last', 'n?ws news last']);
  expect(await subscriber.unsubscribe('news', 'sports')).toBe(1);
  expect(await subscriber.punsubscribe('n?ws')).toBe(0);
  expect(await subscriber.get('usable again')).toBeNull();
});

test('keyspace events are heard when they are switched on', async () => {
  const redis = await open();
  const subscriber = await open();
  await redis.config('SET', 'notify-keyspace-events', 'KEA');
  const heard = new Promise<string>((resolve) => {
    subscriber.on('pmessage', (_pattern: string, channel: string, text: string) => resolve(`${channel} ${text}`));
  });
  await subscriber.psubscribe('__keyspace@0__:*');
  await redis.hset('watched', 'field', 'value');
  expect(await heard).toBe('__keyspace@0__:watched hset');
  await redis.config('SET', 'notify-keyspace-events', '');
});

test('scan streams give every element', async () => {
  const redis = await open();
  const names = Array.from({ length: 2_000 }, (_, index) => `key:${index}`);
  await redis.mset(Object.fromEntries(names.map((name) => [name, 'x'])));
  await redis.sadd('set', ...names);
  await redis.hset('hash', Object.fromEntries(names.map((name) => [name, 'x'])));
  const collect = async (stream: AsyncIterable<string[]>): Promise<string[]> => {
    const all: string[] = [];
    for await (const batch of stream) all.push(...batch);
    return all;
  };
  expect(new Set(await collect(redis.scanStream({ match: 'key:*', count: 100 })))).toEqual(new Set(names));
  expect(new Set(await collect(redis.scanStream({ type: 'hash' })))).toEqual(new Set(['hash']));
  expect(new Set(await collect(redis.sscanStream('set')))).toEqual(new Set(names));
  expect((await collect(redis.hscanStream('hash'))).filter((text) => text !== 'x').toSorted()).toEqual(
    names.toSorted(),
  );
});

test('keys and values of any bytes, and of megabytes, come back as they were', async () => {
  const redis = await open();
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  const big = randomBytes(8 * 1024 * 1024);
  await redis.set(everyByte, big);
  const read = await redis.getBuffer(everyByte);
  expect(read?.equals(big)).toBe(true);
  await redis.hset('binary', everyByte, everyByte);
  expect(await redis.hgetBuffer('binary', everyByte)).toEqual(everyByte);
  expect(await redis.scanBuffer(0, 'COUNT', 100)).toEqual([Buffer.from('0'), expect.arrayContaining([everyByte])]);
  await redis.set('__proto__', 'polluted');
  expect(await redis.get('__proto__')).toBe('polluted');
  expect(await redis.exists('constructor')).toBe(0);
  await redis.set('emoji', 'naïve 🌊');
  expect(await redis.get('emoji')).toBe('naïve 🌊');
});

test('a wrong type, a wrong count and an unknown command are errors of Redis', async () => {
  const redis = await open();
  await redis.sadd('set', 'x');
  await expect(redis.get('set')).rejects.toThrow('WRONGTYPE Operation against a key holding the wrong kind of value');
  await expect(redis.call('GET')).rejects.toThrow("ERR wrong number of arguments for 'get' command");
  await expect(redis.call('NOSUCH', 'a')).rejects.toThrow(
    "ERR unknown command 'NOSUCH', with args beginning with: 'a'",
  );
  await expect(redis.set('a', 'b', 'EX', 0)).rejects.toThrow("ERR invalid expire time in 'set' command");
  await expect(redis.select(1)).rejects.toThrow('ERR DB index is out of range');
  expect(await redis.ping()).toBe('PONG');
});

test('a client comes back by itself after the node was killed, and so do its subscriptions', async () => {
  const redis = await open();
  const subscriber = await open();
  await redis.set('before', 'the crash');
  await subscriber.subscribe('news');
  const isBack = new Promise<void>((resolve) => {
    redis.once('close', () => redis.once('ready', resolve));
  });
  const isListening = new Promise<void>((resolve) => {
    subscriber.once('close', () => subscriber.once('ready', resolve));
  });
  await node.kill();
  // Sent while nobody is there: kept by the client until it is connected again.
  const written = redis.set('while', 'away');
  await node.restart();
  expect(await written).toBe('OK');
  await Promise.all([isBack, isListening]);
  expect(await redis.get('while')).toBe('away');
  const heard = new Promise<string>((resolve) => {
    subscriber.once('message', (_channel: string, text: string) => resolve(text));
  });
  await expect.poll(async () => redis.publish('news', 'again')).toBe(1);
  expect(await heard).toBe('again');
});
