import { expect, onTestFinished, test } from 'vitest';
import { nodeNumber } from '../../src/clock/origin.ts';
import { connect, createNode } from '../../src/client/connect.ts';
import type { NodeConfig } from '../../src/server/node-config.ts';

const anyPort = { host: '127.0.0.1', port: 0 };
const CONFIG: NodeConfig = {
  clusterId: 'embedded',
  region: 'us-east-1',
  nodeId: 'us-east-1/a',
  nodeNumber: nodeNumber(64),
  resp: anyPort,
  http: anyPort,
  peer: anyPort,
  dataDir: null,
  members: [],
  limits: {},
  doors: { requirepass: null, protectedMode: true, peerSecret: null, isPeerPortOpen: false },
  log: { level: 'silent', format: 'json' },
};

test('a replica in the process has the calls of the client, without a socket, and serves others', async () => {
  const { cache, server } = await createNode(CONFIG, { codec: { 'b:': 'raw' }, deadlineMs: 20_000 });
  onTestFinished(async () => cache.close());
  const other = await connect({
    regions: [{ name: 'us-east-1', nodes: [`127.0.0.1:${server.ports.resp}`] }],
    codec: { 'b:': 'raw' },
    deadlineMs: 20_000,
  });
  onTestFinished(async () => other.close());

  expect(await cache.set('a', { é: 1 })).toBe(true);
  expect(cache.getSync('a')).toEqual({ é: 1 });
  expect(await other.get('a')).toEqual({ é: 1 });
  await other.set('a', 2, { ttl: '1m' });
  expect([cache.getSync('a'), await cache.get('a'), cache.getSync('none')]).toEqual([2, 2, null]);
  // bytes that are no text are asked for, not read as text
  await other.set('b:1', Uint8Array.of(0, 255));
  expect(cache.getSync('b:1')).toBeUndefined();
  expect(await cache.get('b:1')).toEqual(Uint8Array.of(0, 255));
  expect(await cache.getWithInfo('a')).toMatchObject({ value: 2, level: 'node', node: 'us-east-1/a' });
  await cache.hash('h').set({ x: 1 });
  expect(await cache.hash('h').getAll()).toEqual(new Map([['x', 1]]));
  expect(() => cache.getSync('h')).toThrow(expect.objectContaining({ code: 'WRONGTYPE' }));
  await expect(cache.incr('h')).rejects.toMatchObject({ code: 'WRONGTYPE' });
  const result = await cache.transaction(
    async (transaction) => {
      const value = (await transaction.get<number>('a')) ?? 0;
      transaction.set('a', value + 1);
      return value;
    },
    { watch: ['a'] },
  );
  expect(result).toEqual({ value: 2, replies: ['OK'] });
  const keys = [];
  for await (const key of cache.scan()) keys.push(key);
  expect(keys.toSorted()).toEqual(['a', 'b:1', 'h']);

  const reason = new Error('no longer wanted');
  await expect(cache.set('a', 1, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await other.command(['CLIENT', 'PAUSE', 60_000, 'WRITE']);
  await expect(cache.set('a', 1, { deadlineMs: 50 })).rejects.toMatchObject({ code: 'UNCERTAIN' });
  await other.command(['CLIENT', 'UNPAUSE']);
  expect(await cache.get('a')).toBe(3);
  await cache.close();
  await expect(cache.set('a', 1)).rejects.toMatchObject({ code: 'Closed' });
});
