import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connect, type Client, type ConnectOptions } from '../../src/client/connect.ts';
import type { RunningServer } from '../../src/server/server-types.ts';
import { startServer } from '../../src/server/server.ts';
import { configOf } from '../server/peer-rig.ts';
import { introduceServers } from '../server/server-rig.ts';
import { FakeServer, greeting } from './fake-server.ts';

/** Two regions. No test removes keys of another: what is loaded within half a second of that is not kept. */
let servers: readonly RunningServer[];
beforeAll(async () => {
  const configs = [configOf(0, 2), configOf(1, 2)];
  servers = await Promise.all(configs.map(async (config) => startServer(config)));
  await introduceServers(servers.map((server, at) => ({ server, config: configs[at] ?? configOf(at, 2) })));
});
afterAll(async () => {
  await Promise.all(servers.map(async (server) => server.close()));
});

/** A client as another process has one, at the node of a region. */
async function open(region = 0, options: Partial<ConnectOptions> = {}): Promise<Client> {
  const regions = [{ name: `region-${region}`, nodes: [`127.0.0.1:${servers[region]?.ports.resp}`] }];
  const client = await connect({ regions, deadlineMs: 20_000, ...options });
  onTestFinished(async () => client.close());
  return client;
}

const turn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A load that goes on until it is let go. */
function held(value = 'loaded'): { load: () => Promise<string>; begun: () => boolean; end: () => void } {
  let end = (): void => undefined;
  let begun = false;
  const wait = new Promise<void>((resolve) => (end = resolve));
  return {
    load: async () => {
      begun = true;
      await wait;
      return value;
    },
    begun: () => begun,
    end,
  };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe('getOrSet in a process', () => {
  test('loads once a key, for all who ask meanwhile', async () => {
    const client = await open();
    let loads = 0;
    const load = async (): Promise<string> => {
      loads++;
      await turn();
      return 'loaded';
    };
    const all = await Promise.all(
      Array.from({ length: 1000 }, async () => client.getOrSet('once', { ttl: '1m', tags: ['T'], load })),
    );
    expect(new Set(all)).toEqual(new Set(['loaded']));
    expect(loads).toBe(1);
    expect(await client.ttl('once')).toBeLessThanOrEqual(60_000);
    expect(await client.command(['CW.TAGS', 'once'])).toEqual(['T']);
    expect(await client.getOrSet('once', { load: () => 'again' })).toBe('loaded');
    expect(await client.invalidate('tag', 'T')).toBe(1);
    expect(await client.get('once')).toBeNull();
  });

  test.each(['cluster', 'region', 'process'] as const)(
    '%s: does not overwrite what was written meanwhile',
    async (once) => {
      const client = await open();
      const key = `written-${once}`;
      const load = async (): Promise<string> => {
        await client.set(key, 'written');
        return 'loaded';
      };
      expect(await client.getOrSet(key, { load, once })).toBe('written');
    },
  );

  test('what the load throws goes to the callers, and the next one loads anew; null is not kept', async () => {
    const client = await open();
    const load = (): never => {
      throw new Error('source is down');
    };
    await expect(client.getOrSet('k', { load })).rejects.toThrow('source is down');
    expect(await client.getOrSet('k', { load: () => null })).toBeNull();
    expect(await client.exists('k')).toBe(0);
    const never = async (signal: AbortSignal): Promise<string> =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    await expect(client.getOrSet('k', { load: never, loadMs: 50 })).rejects.toMatchObject({ code: 'DeadlineExceeded' });
    const signal = AbortSignal.timeout(50);
    await expect(client.getOrSet('k', { load: never, loadMs: 1000, signal })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    expect(await client.getOrSet('other', { load: () => 1 })).toBe(1);
  });

  test('one that the codec cannot write gives its lease back', async () => {
    const [client, other] = [await open(), await open()];
    await expect(client.getOrSet('bad', { load: () => 1n })).rejects.toThrow('BigInt');
    expect(await other.getOrSet('bad', { load: () => 'good', loadMs: 300_000 })).toBe('good');
  });
});

describe('getOrSet of several processes', () => {
  test.each([
    ['in a region', 0],
    ['in two regions', 1],
  ])('%s loads once, and the others get what it brought', async (_where, region) => {
    const [one, other] = [await open(0), await open(region, { near: { ttl: '1m' } })];
    const key = `shared-${region}`;
    const first = held();
    const loading = one.getOrSet(key, { load: first.load, ttl: '1m' });
    await until(first.begun);
    const never = (): never => {
      throw new Error('it is loaded already');
    };
    const waiting = Promise.all([other.getOrSet(key, { load: never }), other.getOrSet(key, { load: never })]);
    // it waits at its node
    await until(async () =>
      /blocked_clients:[1-9]/.test(String(await other.command(['INFO', 'clients'], { isRead: true }))),
    );
    first.end();
    expect(await loading).toBe('loaded');
    expect(await waiting).toEqual(['loaded', 'loaded']);
    expect(await other.get(key)).toBe('loaded');
  });

  test('an invalidation in another region counts more than what was being loaded', async () => {
    const [one, other] = [await open(0), await open(1)];
    const first = held('old');
    const loading = one.getOrSet('stale', { load: first.load });
    await until(first.begun);
    expect(await other.invalidate('key', 'stale')).toBe(0);
    first.end();
    // whoever loads is told what it loaded; nobody else is
    expect(await loading).toBe('old');
    await until(async () => (await one.get('stale')) === null && (await other.get('stale')) === null);
    expect(await other.getOrSet('stale', { load: () => 'new' })).toBe('new');
  });

  test('a load that fails, or whose process ends, is the next one’s', async () => {
    const [one, other] = [await open(0), await open(0)];
    const first = held();
    const failing = one.getOrSet('failing', {
      load: async () => {
        await first.load();
        throw new Error('source is down');
      },
    });
    failing.catch(() => undefined);
    await until(first.begun);
    const waiting = other.getOrSet('failing', { load: () => 'good' });
    await turn();
    first.end();
    await expect(failing).rejects.toThrow('source is down');
    expect(await waiting).toBe('good');
    const second = held();
    const ended = one.getOrSet('ended', { load: second.load, loadMs: 300_000 });
    ended.catch(() => undefined);
    await until(second.begun);
    await one.close();
    expect(await other.getOrSet('ended', { load: () => 'mine' })).toBe('mine');
    second.end();
    await expect(ended).rejects.toMatchObject({ code: 'Closed' });
  });

  test('keys that take no fills, and servers that know no leases, are written as by SET NX', async () => {
    const plain = await FakeServer.start((args) => {
      if (args[0] === 'CW.LEASE') return "-ERR unknown command 'CW.LEASE'\r\n";
      if (args[0] === 'GET') return '$-1\r\n';
      return args[0] === 'SET' ? '+OK\r\n' : (greeting(args) ?? null);
    });
    const client = await connect({ regions: [{ name: 'r', nodes: [plain.address] }], session: 'none' });
    onTestFinished(async () => client.close());
    expect(await client.getOrSet('k', { load: () => 1, ttl: 500 })).toBe(1);
    expect(plain.asked().at(-1)).toBe('SET k 1 PX 500 NX');
  });
});
