import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { connect, type Client, type ConnectOptions } from '../../src/client/connect.ts';
import type { RunningServer } from '../../src/server/server-types.ts';
import { startLoneServer } from '../conformance/own-server.ts';
import { FakeServer, greeting } from './fake-server.ts';

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

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

/** Long enough for nothing to go by itself. */
const LONG = { near: { ttl: '10m' } } as const;

describe('a near cache and its node', () => {
  let reader: Client;
  let writer: Client;
  beforeEach(async () => {
    [reader, writer] = await Promise.all([open(LONG), open()]);
    await writer.command(['FLUSHALL']);
  });

  test('what was read is there at once, until somebody writes it', async () => {
    await writer.set('a', { price: 1 });
    expect(reader.getSync('a')).toBeUndefined();
    expect(await reader.getWithInfo('a')).toMatchObject({ value: { price: 1 }, level: 'node', ageMs: 0 });
    expect(reader.getSync('a')).toEqual({ price: 1 });
    const info = await reader.getWithInfo('a');
    expect(info).toMatchObject({
      value: { price: 1 },
      level: 'near',
      isStale: false,
      version: expect.stringMatching(/^\d+-\d+-\d+$/),
    });
    expect((await writer.getWithInfo('a')).version).toBe(info.version);
    await writer.set('a', { price: 2 });
    await until(() => reader.getSync('a') === undefined);
    expect(await reader.get('a')).toEqual({ price: 2 });
    expect(reader.figures.near).toMatchObject({ entries: 1, hits: 2 });
  });

  test('also that there is nothing, several at once, and what expires', async () => {
    expect(await reader.mget(['a', 'b'])).toEqual([null, null]);
    expect([reader.getSync('a'), reader.getSync('b')]).toEqual([null, null]);
    await writer.mset({ a: 1, b: 2 });
    await until(() => reader.getSync('a') === undefined && reader.getSync('b') === undefined);
    await writer.set('b', 3, { ttl: 3000 });
    expect(await reader.mget(['a', 'b'])).toEqual([1, 3]);
    await until(() => reader.getSync('b') === undefined);
    expect(await reader.mget(['a', 'b'])).toEqual([1, null]);
    await writer.command(['FLUSHALL']);
    await until(() => reader.getSync('a') === undefined);
  });

  test('also fields of hashes, all of them, and what paths of documents find, until somebody writes the key', async () => {
    const [hash, its] = [reader.hash<{ bid: number }>('h'), writer.hash<{ bid: number }>('h')];
    await its.set({ a: { bid: 1 }, b: { bid: 2 } });
    await writer.document('d').set('$', { limits: { daily: 5 }, list: [1] });
    const read = async (): Promise<unknown[]> => [
      await hash.get('a'),
      await hash.getMany(['a', 'none']),
      Object.fromEntries(await hash.getAll()),
      await reader.document('d').get('$.limits'),
      await reader.document('d').get('$.none'),
      await reader.document('d').get(),
    ];
    const document = { limits: { daily: 5 }, list: [1] };
    const all = { a: { bid: 1 }, b: { bid: 2 } };
    const expected = [{ bid: 1 }, [{ bid: 1 }, null], all, document.limits, undefined, document];
    expect(await read()).toEqual(expected);
    const { requests } = reader.figures;
    expect(await read()).toEqual(expected);
    expect(reader.figures.requests, 'nobody was asked').toBe(requests);
    // the map is the caller's own
    (await hash.getAll()).clear();
    expect((await hash.getAll()).size).toBe(2);
    await its.set({ a: { bid: 3 } });
    await until(() => reader.figures.near?.entries === 1);
    expect(await hash.get('a')).toEqual({ bid: 3 });
    await hash.set({ a: { bid: 4 } });
    expect([await hash.get('a'), Object.fromEntries(await hash.getAll())]).toEqual([
      { bid: 4 },
      { ...all, a: { bid: 4 } },
    ]);
    await writer.document('d').increment('$.limits.daily', 1);
    await until(() => reader.figures.near?.entries === 1);
    expect(await reader.document('d').get('$.limits')).toEqual({ daily: 6 });
    await writer.command(['PEXPIRE', 'h', 20]);
    // what is read before that is near until the node says that it is over
    await expect.poll(async () => (await hash.getAll()).size).toBe(0);
  });

  test('a loop over what is near lets others have their turn', async () => {
    await writer.set('a', 1);
    await writer.hash('h').set({ f: 1 });
    await writer.document('d').set('$', {});
    const reads: readonly (() => Promise<unknown>)[] = [
      async () => reader.get('a'),
      async () => reader.getWithInfo('a'),
      async () => reader.mget(['a']),
      async () => reader.hash('h').get('f'),
      async () => reader.hash('h').getMany(['f']),
      async () => reader.hash('h').getAll(),
      async () => reader.document('d').get(),
    ];
    for (const read of reads) {
      await read();
      let turns = 0;
      let isOver = false;
      const count = (): void => {
        turns++;
        if (!isOver) setImmediate(count);
      };
      setImmediate(count);
      for (let times = 0; times < 5_000; times++) await read();
      isOver = true;
      expect(turns).toBeGreaterThanOrEqual(4);
    }
    expect(reader.figures.near?.hits).toBeGreaterThanOrEqual(35_000);
  });

  test('own writes are read, whichever way they were made', async () => {
    const writes: readonly ((round: number) => Promise<unknown>)[] = [
      async (round) => reader.set('a', round),
      async (round) => reader.mset({ a: round }),
      async (round) => reader.command(['SET', 'a', round]),
      async (round) => reader.transaction((transaction) => transaction.set('a', round)),
    ];
    for (let round = 0; round < 40; round++) {
      await reader.get('a');
      await writes[round % writes.length]?.(round);
      expect(await reader.get('a')).toBe(round);
    }
    expect(await reader.del('a')).toBe(1);
    expect(await reader.get('a')).toBeNull();
  });

  test('a key of another type is an error, from a node that gives versions too', async () => {
    await writer.setOf('a').add([1]);
    await expect(reader.get('a')).rejects.toMatchObject({ code: 'WRONGTYPE' });
    await expect(reader.getWithInfo('a')).rejects.toMatchObject({ code: 'WRONGTYPE' });
    expect(reader.figures.near).toMatchObject({ entries: 0 });
  });

  test('no read goes back while another client writes, and the last write is seen', async () => {
    const keys = ['x', 'y', 'z'];
    let isWriting = true;
    const written = (async (): Promise<void> => {
      for (let round = 1; round <= 400; round++) await Promise.all(keys.map(async (key) => writer.set(key, round)));
      isWriting = false;
    })();
    const seen = new Map<string, number>();
    const look = (key: string, value: number | null | undefined): void => {
      if (value === undefined || value === null) return;
      expect(value).toBeGreaterThanOrEqual(seen.get(key) ?? 0);
      seen.set(key, value);
    };
    const readers = keys.map(async (key) => {
      while (isWriting) {
        look(key, await reader.get<number>(key));
        for (const each of keys) look(each, reader.getSync<number>(each));
        // what lies in the process is there without a turn of the event loop
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    await Promise.all([written, ...readers]);
    await until(() => keys.every((key) => (reader.getSync(key) ?? 400) === 400));
    expect(await reader.mget(keys)).toEqual([400, 400, 400]);
    expect(reader.figures.near?.hits).toBeGreaterThan(0);
  });

  test('only keys of its prefixes are kept', async () => {
    const some = await open({ near: { ttl: '10m', prefixes: ['quote:'] } });
    await Promise.all([some.get('quote:1'), some.get('other')]);
    expect([some.getSync('quote:1'), some.getSync('other')]).toEqual([null, undefined]);
  });
});

describe('a near cache whose node is gone', () => {
  const nearServer = async (values: Readonly<Record<string, string>>): Promise<FakeServer> =>
    FakeServer.start((args) => {
      const [command = '', key = ''] = args;
      if (command === 'CW.TRACKING') return '+OK\r\n';
      if (command !== 'CW.READ') return greeting(args, true) ?? '$1\r\nt\r\n';
      const [value = '', version = ''] = (values[key] ?? '').split(' ');
      return `*1\r\n*3\r\n$${value.length}\r\n${value}\r\n$${version.length}\r\n${version}\r\n:-1\r\n`;
    });
  const at = (...servers: readonly FakeServer[]): Partial<ConnectOptions> => ({
    regions: servers.map(({ address }, index) => ({ name: `region-${index}`, nodes: [address] })),
  });

  test('serves for as long as said, and says so', async () => {
    const node = await nearServer({ a: '1 5-1-1' });
    const client = await open({ ...at(node), near: { ttl: 1, whenLost: { serveForMs: 600_000 } } });
    expect(await client.get('a')).toBe(1);
    await until(() => client.getSync('a') === undefined);
    await node.stop();
    await until(() => client.figures.node === null);
    expect(await client.getWithInfo('a')).toMatchObject({ value: 1, level: 'near', isStale: true, version: '5-1-1' });
    await expect(client.get('b', { deadlineMs: 50 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('is empty otherwise, and keeps nothing older that the next node says', async () => {
    const first = await nearServer({ a: '2 6-1-1' });
    const behind = await nearServer({ a: '1 5-1-1' });
    const client = await open({ ...at(first, behind), near: { ttl: '10m' }, session: 'none' });
    expect(await client.get('a')).toBe(2);
    await first.stop();
    await until(() => client.figures.region !== 'region-0');
    expect(client.getSync('a')).toBeUndefined();
    expect(await client.get('a')).toBe(1);
    expect(client.getSync('a')).toBeUndefined();
    expect(client.figures.near).toMatchObject({ outdated: 1, entries: 0 });
  });

  /** A node that shows one value of a field, and gives and takes sessions as it is told. */
  const hashServer = async (value: string, session: { token: string | null; attach: string }): Promise<FakeServer> => {
    let hgets = 0;
    return FakeServer.start((args) => {
      const [command] = args;
      if (command === 'CW.TRACKING') return '+OK\r\n';
      if (command === 'CW.TOKEN') return session.token;
      if (command === 'CW.ATTACH') return session.attach;
      if (command !== 'HGET') return greeting(args, true) ?? null;
      // replies are in order: behind a token that is not there nothing comes
      const isHeld = session.token === null && hgets++ > 0;
      return isHeld ? null : `$1\r\n${value}\r\n`;
    });
  };
  const TOKEN = '$1\r\nt\r\n';
  const asked = (node: FakeServer, command: string): number =>
    node.requests.filter(([name]) => name === command).length;

  test.each([
    ['all', 'ConsistencyLost', undefined],
    // what was only read is no part of it
    ['writes', undefined, 1],
  ] as const)('a field after a move to a node that is behind, with session %s', async (session, code, value) => {
    const first = await hashServer('2', { token: TOKEN, attach: '+OK\r\n' });
    const behind = await hashServer('1', { token: TOKEN, attach: '-BEHIND it does not have a#1:7\r\n' });
    const client = await open({ ...at(first, behind), ...LONG, session });
    const hash = client.hash<number>('h');
    expect([await hash.get('f'), await hash.get('f')]).toEqual([2, 2]);
    expect(client.figures.near).toMatchObject({ hits: 1 });
    await first.stop();
    await until(() => client.figures.region !== 'region-0');
    const [end] = await Promise.allSettled([hash.get('f')]);
    expect(end).toMatchObject(code === undefined ? { value } : { reason: { code } });
  });

  test('nobody is shown a field that another node would not be asked for: its read has to be part of the session first', async () => {
    const first = await hashServer('2', { token: null, attach: '+OK\r\n' });
    const behind = await hashServer('1', { token: TOKEN, attach: '+OK\r\n' });
    const client = await open({ ...at(first, behind), ...LONG, silentMs: 60_000 });
    const hash = client.hash<number>('h');
    const reads = [hash.get('f')];
    await until(() => client.figures.near?.entries === 1);
    reads.push(hash.get('f'));
    await until(() => asked(first, 'HGET') === 2);
    expect(client.figures.near).toMatchObject({ hits: 0 });
    await first.stop();
    expect(await Promise.all(reads)).toEqual([1, 1]);
    expect(await hash.get('f')).toBe(1);
    expect(client.figures.near).toMatchObject({ hits: 1 });
  });
});
