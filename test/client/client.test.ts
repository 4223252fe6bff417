import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { connect, type Client, type ConnectOptions } from '../../src/client/connect.ts';
import type { RunningServer } from '../../src/server/server-types.ts';
import { startLoneServer } from '../conformance/own-server.ts';

let server: RunningServer;
beforeAll(async () => {
  server = await startLoneServer();
});
afterAll(async () => server.close());

async function open(options: Partial<ConnectOptions> = {}): Promise<Client> {
  const regions = [{ name: 'us-east-1', nodes: [`127.0.0.1:${server.ports.resp}`] }];
  const client = await connect({ regions, deadlineMs: 20_000, ...options });
  onTestFinished(async () => client.close());
  return client;
}

let client: Client;
beforeEach(async () => {
  client = await open();
  await client.command(['FLUSHALL']);
});

describe('strings', () => {
  test('are written and read by the codec', async () => {
    expect(await client.get('a')).toBeNull();
    expect(await client.set('a', { bid: 1.5, tags: ['é'] })).toBe(true);
    expect(await client.get('a')).toEqual({ bid: 1.5, tags: ['é'] });
    expect(await client.command(['GET', 'a'])).toBe('{"bid":1.5,"tags":["é"]}');
    await client.mset({ x: 1, __proto__x: 'two' });
    expect(await client.mget(['x', 'none', '__proto__x', 'x'])).toEqual([1, null, 'two', 1]);
    expect(await client.exists(['x', 'none'])).toBe(1);
    expect(await client.del('x')).toBe(1);
    expect(await client.del([])).toBe(0);
  });

  test('conditions', async () => {
    expect(await client.set('a', 1, { ifPresent: true })).toBe(false);
    expect(await client.set('a', 1, { ifAbsent: true })).toBe(true);
    expect(await client.set('a', 2, { ifAbsent: true })).toBe(false);
    expect(await client.set('a', 3, { ifEqual: 2 })).toBe(false);
    expect(await client.set('a', 3, { ifEqual: 1 })).toBe(true);
    await expect(client.set('a', 1, { ifAbsent: true, ifPresent: true })).rejects.toMatchObject({ code: 'ERR' });
  });

  test('numbers and times to live', async () => {
    expect([await client.incr('n'), await client.incr('n', 5), await client.incr('n', 0.5)]).toEqual([1, 6, 6.5]);
    await client.incr('many', Number.MAX_SAFE_INTEGER);
    expect(await client.incr('many', 1_000), 'what was added is no error').toBeCloseTo(2 ** 53, -4);
    await client.hash('counts').increment('many', Number.MAX_SAFE_INTEGER);
    expect(await client.hash('counts').increment('many', 1_000)).toBeCloseTo(2 ** 53, -4);
    expect([await client.ttl('none'), await client.ttl('n')]).toEqual([null, Infinity]);
    expect(await client.expire('n', '5m')).toBe(true);
    expect(await client.ttl('n')).toBeGreaterThan(200_000);
    await client.set('t', 1, { ttl: 1000 });
    expect(await client.ttl('t')).toBeLessThanOrEqual(1000);
    await client.set('n', 1, { keepTtl: true });
    expect(await client.ttl('n')).toBeLessThan(Infinity);
    await expect(client.expire('n', 'soon')).rejects.toMatchObject({ code: 'CONFIG' });
    await client.set('word', 'x');
    await expect(client.incr('word')).rejects.toMatchObject({
      code: 'ERR',
      message: expect.stringContaining('integer'),
    });
  });

  test('a value of another codec is an error that names key and codec', async () => {
    await client.command(['SET', 'a', 'no json']);
    await expect(client.get('a')).rejects.toMatchObject({
      code: 'DecodeFailed',
      message: expect.stringMatching(/"a" \(7 bytes\) is not json/),
    });
    await expect(client.set('a', undefined)).rejects.toMatchObject({ code: 'DecodeFailed' });
    const mixed = await open({ codec: { 'b:': 'raw', 'b:text:': 'text', 'p:': 'msgpack', '': 'json' } });
    const bytes = Uint8Array.of(0, 255, 13, 10);
    await mixed.set('b:1', bytes);
    expect(await mixed.get('b:1')).toEqual(bytes);
    await mixed.set('b:text:1', 'plain');
    expect(await client.command(['GET', 'b:text:1'])).toBe('plain');
    await mixed.set('p:1', { a: [1, 'x', null], at: new Uint8Array([1]) });
    expect(await mixed.get('p:1')).toEqual({ a: [1, 'x', null], at: new Uint8Array([1]) });
    await expect(mixed.set('b:1', 'text')).rejects.toMatchObject({ code: 'DecodeFailed' });
    await client.command(['SET', 'p:2', '\u0001\u0002']);
    await expect(mixed.get('p:2')).rejects.toMatchObject({ code: 'DecodeFailed' });
    await expect(open({ codec: 'xml' as 'json' })).rejects.toMatchObject({ code: 'CONFIG' });
  });
});

describe('other types', () => {
  test('hashes', async () => {
    const quote = client.hash<number | string>('quote:AAPL');
    expect(await quote.set({ bid: 170.11, note: 'x', __proto__x: 1 })).toBe(3);
    expect(await quote.get('bid')).toBe(170.11);
    expect(await quote.get('none')).toBeNull();
    expect(await quote.getMany(['note', 'none'])).toEqual(['x', null]);
    expect(await quote.increment('count', 2)).toBe(2);
    expect(await quote.getAll()).toEqual(
      new Map<string, number | string>([
        ['bid', 170.11],
        ['note', 'x'],
        ['__proto__x', 1],
        ['count', 2],
      ]),
    );
    expect([await quote.has('bid'), await quote.delete(['bid', 'none']), await quote.has('bid')]).toEqual([
      true,
      1,
      false,
    ]);
    expect(await quote.size()).toBe(3);
    await expect(client.get('quote:AAPL')).rejects.toMatchObject({ code: 'WRONGTYPE' });
  });

  test('sets', async () => {
    const tags = client.setOf<string | number>('tags');
    expect(await tags.add(['a', 1])).toBe(2);
    expect([await tags.has('a'), await tags.has('b'), await tags.size()]).toEqual([true, false, 2]);
    expect(new Set(await tags.members())).toEqual(new Set(['a', 1]));
    expect(await tags.delete(['a'])).toBe(1);
  });

  test('documents', async () => {
    const limits = client.document('limits:7');
    expect(await limits.get()).toBeUndefined();
    expect(await limits.set('$', { daily: 10, list: [1] })).toBe(true);
    expect(await limits.set('$.daily', 20)).toBe(true);
    expect(await limits.increment('$.daily', 5)).toEqual([25]);
    expect(await limits.append('$.list', [2, { three: 3 }])).toEqual([3]);
    await limits.merge('$', { note: 'x' });
    expect(await limits.get()).toEqual({ daily: 25, list: [1, 2, { three: 3 }], note: 'x' });
    expect(await limits.get('$.list[2].three')).toBe(3);
    expect(await limits.delete('$.list')).toBe(1);
  });
});

describe('several together', () => {
  test('a transaction is begun again where a watched key changed, and writes all or nothing', async () => {
    await client.set('cash', 100);
    let runs = 0;
    const { value, replies } = await client.transaction(
      async (transaction) => {
        const cash = (await transaction.get<number>('cash')) ?? 0;
        if (runs++ === 0) await client.set('cash', 50);
        transaction.set('cash', cash - 10);
        transaction.increment('orders');
        return cash;
      },
      { watch: ['cash'] },
    );
    expect([runs, value, replies]).toEqual([2, 50, ['OK', 1]]);
    expect(await client.mget(['cash', 'orders'])).toEqual([40, 1]);
    const changing = client.transaction(
      async (transaction) => {
        await client.incr('cash');
        transaction.del('orders');
      },
      { watch: ['cash'], attempts: 2 },
    );
    await expect(changing).rejects.toMatchObject({ code: 'CHANGED' });
    expect(await client.exists('orders')).toBe(1);
  });

  test('a transaction whose function throws, or writes what cannot be, writes nothing and leaves nothing watched', async () => {
    const failing = client.transaction(
      (transaction) => {
        transaction.set('x', 1);
        throw new Error('own');
      },
      { watch: ['cash'] },
    );
    await expect(failing).rejects.toThrow('own');
    await expect(client.transaction((transaction) => transaction.write(['SET', 'x'], ['x']))).rejects.toMatchObject({
      code: 'ERR',
      message: expect.stringContaining('wrong number of arguments'),
    });
    expect(await client.exists('x')).toBe(0);
    const stuck = client.transaction(async () => new Promise<never>(() => undefined), { deadlineMs: 100 });
    await expect(stuck).rejects.toMatchObject({ code: 'DeadlineExceeded' });
    expect(await client.transaction(() => 7)).toEqual({ value: 7, replies: [] });
  });

  test('scan', async () => {
    for (let index = 0; index < 300; index++) await client.set(`scan:${index}`, index);
    await client.set('other', 1);
    const found = new Set<string>();
    for await (const key of client.scan({ match: 'scan:*', count: 50 })) found.add(key);
    expect(found.size).toBe(300);
  });
});

describe('the session', () => {
  test('the requests of a turn share one token', async () => {
    const tokens = async (): Promise<number> => {
      const info = String(await client.command(['INFO', 'commandstats'], { isRead: true }));
      return Number(/cmdstat_cw\.token:calls=(\d+)/.exec(info)?.[1] ?? 0);
    };
    const before = await tokens();
    await Promise.all(Array.from({ length: 500 }, async (_, index) => client.set(`k${index}`, index)));
    expect((await tokens()) - before).toBeLessThan(10);
    const onlyWrites = await open({ session: 'writes' });
    const beforeReads = await tokens();
    for (let read = 0; read < 20; read++) await onlyWrites.get('k1');
    await onlyWrites.set('k1', 1);
    // those of the two questions themselves, and one of the write
    expect((await tokens()) - beforeReads).toBe(2);
  });
});

test('close ends what is under way, and what is asked later', async () => {
  const other = await open();
  const asked = Promise.allSettled([other.get('a')]);
  await other.close();
  expect(await asked).toMatchObject([{ reason: { code: 'Closed' } }]);
  await expect(other.set('a', 1)).rejects.toMatchObject({ code: 'Closed' });
  await expect(other.transaction(() => 1)).rejects.toMatchObject({ code: 'Closed' });
  expect(other.figures).toMatchObject({ pending: 0, pendingBytes: 0, region: null });
});

test.each([
  [{ regions: [] }, /regions: expected at least one/],
  [{ regions: [{ name: 'x', nodes: ['nowhere'] }] }, /regions: x: expected "host:port"/],
  [{ deadlineMs: 0 }, /deadlineMs: expected a whole number/],
  [{ near: { ttl: 'long' } }, /near\.ttl: expected/],
  [{ session: 'some' as 'all' }, /session: expected one of all, writes, none/],
])('options that cannot be: %j', async (options, message) => {
  await expect(open(options)).rejects.toMatchObject({ code: 'CONFIG', message: expect.stringMatching(message) });
});
