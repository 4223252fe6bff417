import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { LmdbStore } from '../../src/adapters/lmdb-store.ts';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { CausewayError } from '../../src/errors.ts';
import { NodeDriver } from '../../src/server/driver.ts';
import { until } from '../adapters/transport-rig.ts';
import { freePorts } from '../support/free-ports.ts';
import { startChild } from './child-node.ts';
import { configOf, temporaryFolder } from './peer-rig.ts';
import { clientOf, introduceServers, ServerRig } from './server-rig.ts';

async function cluster(size: number): Promise<readonly [ServerRig, ...ServerRig[]]> {
  const starts = Array.from({ length: size }, (_, index) => ServerRig.start(configOf(index, size)));
  const [first, ...others] = await Promise.all(starts);
  if (first === undefined) throw new Error('an empty cluster');
  await introduceServers([first, ...others]);
  return [first, ...others];
}

describe('a whole node', () => {
  test('serves clients, replicates to the other regions, and WAIT hears of it', async () => {
    const rigs = await cluster(3);
    const [first, second, third] = rigs.map((rig) => rig.client());
    if (first === undefined || second === undefined || third === undefined) throw new Error('no clients');
    expect(await first.set('key', 'value')).toBe('OK');
    expect(await first.wait(2, 20_000)).toBe(2);
    expect([await second.get('key'), await third.get('key')]).toEqual(['value', 'value']);
    await Promise.all([first.incrby('counter', 5), second.incrby('counter', 7), third.incrby('counter', 9)]);
    await expect
      .poll(() => Promise.all([first, second, third].map((client) => client.get('counter'))))
      .toEqual(['21', '21', '21']);
  });

  test('PUBLISH reaches subscribers in another region', async () => {
    const rigs = await cluster(2);
    const [subscriber, publisher] = [rigs[0].client(), rigs[1]?.client()];
    const heard: string[] = [];
    subscriber.on('message', (channel: string, message: string) => heard.push(`${channel}: ${message}`));
    await subscriber.subscribe('news');
    await publisher?.publish('news', 'hello');
    await until(() => heard.length > 0, 'the message');
    expect(heard).toEqual(['news: hello']);
  });

  test('health, readiness and metrics of what really happened', async () => {
    const rigs = await cluster(2);
    const client = rigs[0].client();
    await client.set('key', 'value');
    await client.get('key');
    await client.get('nothing');
    await client.wait(1, 20_000);
    expect((await rigs[0].http('/healthz')).status).toBe(200);
    const ready = await rigs[0].http('/readyz');
    expect([ready.status, await ready.json()]).toEqual([
      200,
      { node: 'us-east-1/a', ready: true, reasons: [], degraded: [] },
    ]);
    const metrics = await (await rigs[0].http('/metrics')).text();
    for (const line of [
      'causeway_ready 1',
      'causeway_keys 1',
      'causeway_keyspace_hits_total 1',
      'causeway_keyspace_misses_total 1',
      'causeway_commands_total{command="set"} 1',
      'causeway_peer_connected{peer="eu-west-1/a",region="eu-west-1"} 1',
      'causeway_replication_lag_transactions{peer="eu-west-1/a",region="eu-west-1"} 0',
    ]) {
      expect(metrics.split('\n')).toContain(line);
    }
    // nothing is kept here, and so nothing waits for a disk
    expect([metrics.includes('\ncauseway_unsaved_ms'), await client.info('persistence')]).toEqual([
      false,
      expect.stringContaining('\r\nunsaved_ms:-1\r\n'),
    ]);
    const stats = rigs[0].server.stats();
    expect(stats).toEqual({
      opsPerSecond: expect.any(Number) as unknown,
      keys: 1,
      lagMs: { 'eu-west-1': 0 },
      groups: [],
    });
  });

  test('a node that hears of no peer is not ready at first, says whom it waits for, and then serves alone', async () => {
    const rig = await ServerRig.start(configOf(0, 3));
    const answer = await rig.http('/readyz');
    const { reasons } = (await answer.json()) as { reasons: string[] };
    expect(answer.status).toBe(503);
    expect(reasons.join('; ')).toContain('eu-west-1/a');
    await expect(rig.client().get('key')).rejects.toThrow(/^LOADING /);
    // a transaction too, which would have seen nothing (D5)
    await expect(rig.client().publish('news', 'early')).rejects.toThrow(/^LOADING /);
    await rig.server.ready;
    expect(await rig.client().set('key', 'alone')).toBe('OK');
  });

  test.each(['resp', 'http', 'peer'] as const)(
    'a busy %s port is named, and everything else is given back',
    async (which) => {
      const other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const { port } = other.address() as AddressInfo;
      const dataDir = temporaryFolder();
      const config = configOf(0, 1, { dataDir });
      const start = ServerRig.start({ ...config, [which]: { host: '127.0.0.1', port } });
      await expect(start).rejects.toMatchObject({
        code: 'PORTBUSY',
        message: expect.stringContaining(`port ${port} `) as unknown,
      });
      other.close();
      const rig = await ServerRig.start({ ...config, [which]: { host: '127.0.0.1', port } });
      expect(rig.server.ports[which]).toBe(port);
    },
  );
});

describe('the end', () => {
  test('a close answers what was asked, refuses what comes after, and can be asked for twice', async () => {
    const rig = await ServerRig.start(configOf(0, 1, { dataDir: temporaryFolder() }));
    await rig.server.ready;
    const client = rig.client();
    await client.ping();
    await Promise.all([rig.server.close(), rig.server.close()]);
    await expect(client.ping()).rejects.toThrow(/closed/i);
    await expect(clientOf(rig.server.ports.resp).ping()).rejects.toThrow(/closed|refused/i);
    await expect(rig.http('/healthz')).rejects.toThrow('fetch failed');
    const again = await ServerRig.start(rig.config);
    await again.server.ready;
  });

  test('SIGTERM: the process ends by itself, and everything that was written is there at the next start', async () => {
    const config = configOf(0, 1, { dataDir: temporaryFolder() });
    const first = await startChild(config);
    const client = clientOf(first.ports.resp);
    const writes = Array.from({ length: 2000 }, (_, index) => client.set(`key:${index}`, `value ${index}`));
    await Promise.all(writes);
    await vi.waitUntil(async () => (await client.info('persistence')).includes('\r\nunsaved_ms:0\r\n'), 30_000);
    first.process.kill('SIGTERM');
    const [code] = (await once(first.process, 'exit')) as [number | null];
    expect(code).toBe(0);
    const second = await startChild(config);
    const reader = clientOf(second.ports.resp);
    expect(await reader.dbsize()).toBe(2000);
    expect(await reader.get('key:1999')).toBe('value 1999');
  });

  test('kill -9: what a peer has seen comes back, in a new incarnation', async () => {
    const config = configOf(1, 2, { dataDir: temporaryFolder(), peer: { host: '127.0.0.1', port: await freePorts() } });
    const url = `ws://127.0.0.1:${config.peer.port}`;
    const peer = await ServerRig.start(configOf(0, 2));
    peer.server.setPeers([{ id: config.nodeId, url }]);
    const first = await startChild(config);
    const writer = clientOf(first.ports.resp);
    for (let i = 0; i < 300; i++) await writer.set(`key:${i}`, `value ${i}`);
    expect(await writer.wait(1, 20_000)).toBe(1);
    first.process.kill('SIGKILL');
    await once(first.process, 'exit');
    const second = await startChild(config);
    const reader = clientOf(second.ports.resp);
    expect(await reader.dbsize()).toBe(300);
    await reader.set('key:0', 'of the new life');
    expect(await reader.wait(1, 20_000)).toBe(1);
    expect(await peer.client().get('key:0')).toBe('of the new life');
  });

  test('what a client asked before its node cannot go on is not answered after that', async () => {
    const rig = await ServerRig.start(configOf(0, 1, { dataDir: temporaryFolder() }));
    await rig.server.ready;
    const client = rig.client();
    await client.ping();
    // right after requests were run, before anything is replied
    const touched = vi.spyOn(NodeDriver.prototype, 'touch').mockImplementation(() => {
      const driver = touched.mock.contexts.at(-1) as NodeDriver;
      if (rig.server.get('key') === 'value') driver.fail(new CausewayError('STORE', 'the disk is full'));
    });
    onTestFinished(() => touched.mockRestore());
    await expect(client.set('key', 'value')).rejects.toThrow(/closed/i);
    expect(rig.failures).toEqual([expect.objectContaining({ code: 'STORE' })]);
  });

  test('a disk that neither takes a batch nor fails is told as degraded', async () => {
    let aheadMs = 0;
    const clock = vi.spyOn(systemClock, 'monotonicMs').mockImplementation(() => performance.now() + aheadMs);
    onTestFinished(() => clock.mockRestore());
    const rig = await ServerRig.start(configOf(0, 1, { dataDir: temporaryFolder() }));
    await rig.server.ready;
    const degraded = async (): Promise<readonly string[]> =>
      ((await (await rig.http('/readyz')).json()) as { degraded: readonly string[] }).degraded;
    await rig.client().set('key', 'on disk soon');
    aheadMs = 60_000;
    await vi.waitUntil(async () => (await degraded()).length === 0, 30_000);
    const commit = vi.spyOn(LmdbStore.prototype, 'commit').mockImplementation(() => undefined);
    onTestFinished(() => commit.mockRestore());
    await rig.client().set('key', 'value');
    aheadMs = 120_000;
    expect(await degraded()).toEqual([
      expect.stringMatching(/^the disk is behind: of the last \d{5} ms not all is on it$/),
    ]);
  });

  test('a disk that takes no more ends the process with exit code 1 and says what to do', async () => {
    const config = configOf(0, 1, { dataDir: temporaryFolder(), log: { level: 'error', format: 'json' } });
    const node = await startChild(config, 'ulimit -f 2048');
    const client = clientOf(node.ports.resp);
    // not `exit`, which may be told before the last of what it said
    const ended = once(node.process, 'close') as Promise<[number | null]>;
    let isOver = false;
    void ended.then(() => (isOver = true));
    for (let i = 0; !isOver && i < 100_000; i++)
      await client.set(`key:${i}`, 'x'.repeat(10_000)).catch(() => undefined);
    const [code] = await ended;
    expect(code).toBe(1);
    expect(node.errors()).toMatch(/the store in .* failed: .*start again/);
    expect(node.errors()).toContain('"level":"fatal"');
  });
});
