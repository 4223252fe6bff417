import { once } from 'node:events';
import { Redis } from 'ioredis';
import { BasicClientSideCache, createClient } from 'redis';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';

const EAST = 'us-east-1/a';
const WEST = 'eu-west-1/a';
const ASIA = 'ap-southeast-1/a';
/** A tenth of the real delays: these tests are about clients. */
const SCALE = ['--wan-scale', '0.1'];

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ args: SCALE });
});
afterAll(async () => cluster.stop());

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function ioredis(id: string): Promise<Redis> {
  const client = new Redis(`redis://${cluster.resp(id)}`);
  client.on('error', () => undefined);
  closing.push(() => client.disconnect());
  // ioredis sends a SUBSCRIBE before its own INFO when it is asked to between the two, and then fails on the INFO.
  await once(client, 'ready');
  return client;
}

async function nodeRedis(id: string) {
  const client = createClient({ url: `redis://${cluster.resp(id)}`, RESP: 3 });
  client.on('error', () => undefined);
  await client.connect();
  closing.push(() => client.destroy());
  return client;
}

const eventually = { timeout: 30_000, interval: 20 };

test('what either client writes in one region the other reads in the next', async () => {
  const east = await ioredis(EAST);
  const asia = await nodeRedis(ASIA);
  await east.hset('profile', { name: 'Ada', visits: 1 });
  await expect
    .poll(async () => ({ ...(await asia.hGetAll('profile')) }), eventually)
    .toEqual({ name: 'Ada', visits: '1' });
  await Promise.all([east.hincrby('profile', 'visits', 1), asia.hIncrBy('profile', 'visits', 1)]);
  await expect.poll(async () => east.hget('profile', 'visits'), eventually).toBe('3');
  await expect.poll(async () => asia.hGet('profile', 'visits'), eventually).toBe('3');
});

test('messages reach subscribers in every region, in the order of their publisher', async () => {
  const publisher = await ioredis(EAST);
  const west = await ioredis(WEST);
  const asia = await nodeRedis(ASIA);
  const heard: Record<'west' | 'asia', string[]> = { west: [], asia: [] };
  west.on('message', (_channel: string, text: string) => heard.west.push(text));
  await west.subscribe('ticker');
  await asia.pSubscribe('tick*', (text) => heard.asia.push(text));
  const texts = Array.from({ length: 200 }, (_, index) => `price ${index}`);
  await Promise.all(texts.map(async (text) => publisher.publish('ticker', text)));
  await expect.poll(() => heard.west, eventually).toEqual(texts);
  await expect.poll(() => heard.asia, eventually).toEqual(texts);
});

test('a transaction of one region is seen whole in the others', async () => {
  const east = await ioredis(EAST);
  const asia = await nodeRedis(ASIA);
  const transfers = 100;
  await east.mset({ left: transfers, right: 0 });
  await expect.poll(async () => asia.get('left'), eventually).toBe(String(transfers));
  const moving = (async () => {
    for (let index = 0; index < transfers; index++) await east.multi().decr('left').incr('right').exec();
  })();
  let last: [number, number] = [transfers, 0];
  while (last[1] < transfers) {
    const [left, right] = await asia.mGet(['left', 'right']);
    last = [Number(left), Number(right)];
    expect(last[0] + last[1]).toBe(transfers);
  }
  await moving;
});

test('a write that arrives from another region aborts a WATCH', async () => {
  const east = await ioredis(EAST);
  const asia = await nodeRedis(ASIA);
  await asia.set('stock', '10');
  await asia.watch('stock');
  await east.set('stock', '9');
  await expect.poll(async () => asia.get('stock'), eventually).toBe('9');
  await expect(asia.multi().set('stock', '11').exec()).rejects.toThrow(
    'One (or more) of the watched keys has been changed',
  );
  expect(await asia.get('stock')).toBe('9');
});

test('a client with a cache of its own keeps what it has read until another region writes it', async () => {
  const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 100, evictPolicy: 'LRU', recordStats: true });
  const asia = createClient({ url: `redis://${cluster.resp(ASIA)}`, RESP: 3, clientSideCache: cache });
  asia.on('error', () => undefined);
  await asia.connect();
  closing.push(() => asia.destroy());
  const east = await ioredis(EAST);
  for (const [at, value] of ['first', 'second', 'third'].entries()) {
    await east.set('cached', value);
    // each but the first arrives as an invalidation: nothing else ends what is kept
    await expect.poll(async () => asia.get('cached'), eventually).toBe(value);
    const { hitCount } = cache.stats();
    expect([await asia.get('cached'), await asia.get('cached')]).toEqual([value, value]);
    expect(cache.stats().hitCount - hitCount, `round ${at}`).toBe(2);
  }
  await east.hset('cached-hash', { a: '1' });
  await expect.poll(async () => ({ ...(await asia.hGetAll('cached-hash')) }), eventually).toEqual({ a: '1' });
  await east.hincrby('cached-hash', 'a', 1);
  await expect.poll(async () => ({ ...(await asia.hGetAll('cached-hash')) }), eventually).toEqual({ a: '2' });
  // a strong key, which the leader in another region answers
  await east.set('position:cached', '1');
  await expect.poll(async () => asia.get('position:cached'), eventually).toBe('1');
  await east.set('position:cached', '2');
  await expect.poll(async () => asia.get('position:cached'), eventually).toBe('2');
  await east.del('cached');
  await expect.poll(async () => asia.get('cached'), eventually).toBeNull();
});

test('WAIT says how many other regions have the last write', async () => {
  const east = await ioredis(EAST);
  await east.set('important', 'yes');
  expect(await east.wait(2, 30_000)).toBe(2);
});

test('clients of a killed node come back to it and find what the others have', async () => {
  const west = await ioredis(WEST);
  const westAgain = await nodeRedis(WEST);
  const east = await ioredis(EAST);
  await west.set('before', 'kill');
  await expect.poll(async () => east.get('before'), eventually).toBe('kill');
  const isBack = new Promise<void>((resolve) => westAgain.once('reconnecting', () => westAgain.once('ready', resolve)));
  await cluster.act('kill', WEST);
  await east.set('meanwhile', 'elsewhere');
  await cluster.act('start', WEST);
  await isBack;
  await expect.poll(async () => westAgain.get('meanwhile'), eventually).toBe('elsewhere');
  expect(await west.get('before')).toBe('kill');
  expect(await west.set('after', 'restart')).toBe('OK');
  await expect.poll(async () => east.get('after'), eventually).toBe('restart');
});
