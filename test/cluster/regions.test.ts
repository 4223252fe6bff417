import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadTopology } from '../../src/server/topology.ts';
import type { RespClient } from '../../src/cli/resp-client.ts';
import { REAL, runToEnd } from '../cli/programs.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';

const [EAST, WEST, ASIA] = ['us-east-1/a', 'eu-west-1/a', 'ap-southeast-1/a'];

let cluster: TestCluster;
let east: RespClient;
let west: RespClient;
let asia: RespClient;

beforeAll(async () => {
  cluster = await startCluster();
  [east, west, asia] = await Promise.all([cluster.connect(EAST), cluster.connect(WEST), cluster.connect(ASIA)]);
});
afterAll(async () => cluster.stop());

const shows = async (client: RespClient, key: string, value: string): Promise<boolean> =>
  (await client.send('GET', key)) === value;

describe('three regions', () => {
  test('a write is seen in the other regions after their one-way delay, not before', async () => {
    const topology = loadTopology('regions');
    const sentMs = performance.now();
    await east.send('SET', 'first', 'hello');
    await until(async () => shows(asia, 'first', 'hello'));
    expect(performance.now() - sentMs).toBeGreaterThan(topology.oneWayMs('us-east-1', 'ap-southeast-1') - 0.5);
    await until(async () => shows(west, 'first', 'hello'));
  });

  test('an effect is never seen before its cause, though its own link is the faster one', async () => {
    await cluster.slow('us-east-1', 'ap-southeast-1', 2_000);
    await east.send('SET', 'cause', '1');
    await until(async () => shows(west, 'cause', '1'));
    await west.send('SET', 'effect', '1');
    let looks = 0;
    await until(async () => {
      looks += 1;
      const [effect, cause] = [await asia.send('GET', 'effect'), await asia.send('GET', 'cause')];
      if (effect === '1') expect(cause).toBe('1');
      return effect === '1';
    });
    expect(looks).toBeGreaterThan(1);
    await cluster.heal('us-east-1', 'ap-southeast-1');
  });

  test('what a cut keeps apart goes through the third region, and all are equal after it', async () => {
    await cluster.cut('us-east-1', 'ap-southeast-1');
    await east.send('SET', 'through', 'ireland');
    await until(async () => shows(asia, 'through', 'ireland'));
    await asia.send('SET', 'back', 'again');
    await until(async () => shows(east, 'back', 'again'));
    await cluster.heal('us-east-1', 'ap-southeast-1');
    const digests = new Set<string>();
    await until(async () => {
      digests.clear();
      for (const client of [east, west, asia]) digests.add(String(await client.send('CW.DIGEST')));
      return digests.size === 1;
    });
    const keys = await Promise.all([east, west, asia].map(async (client) => client.send('DBSIZE')));
    expect(new Set(keys).size).toBe(1);
  });

  test('a way that is cut without anyone being told is gone round too, and the link recovers', async () => {
    await cluster.cut('us-east-1', 'ap-southeast-1', { oneDirection: true });
    await east.send('SET', 'silently', '1');
    await asia.send('SET', 'the other way', '1');
    await until(async () => shows(asia, 'silently', '1'));
    await until(async () => shows(east, 'the other way', '1'));
    await cluster.heal('us-east-1', 'ap-southeast-1');
    await east.send('SET', 'healed', '1');
    await until(async () => shows(asia, 'healed', '1'));
    expect(cluster.ready().nodes.map((node) => node.state)).toEqual(['running', 'running', 'running']);
  });

  test('replay plays prices into all regions, inspect explains a quote and says that all agree', async () => {
    const replay = await runToEnd(REAL, [
      'replay',
      'examples/prices.csv',
      '--speed',
      '500',
      '--ready-file',
      cluster.readyFile,
    ]);
    expect(replay.output).toContain('1250 rows of 5 shares, 2016-06-21 to 2017-06-16');
    expect(replay.output).toContain('every region shows the last of all 5 quotes');
    for (const client of [east, west, asia]) {
      expect(await client.send('HGET', 'quote:AAPL', 'close')).toBe('142.27');
    }
    const inspect = await runToEnd(REAL, ['inspect', 'quote:AAPL', '--ready-file', cluster.readyFile]);
    expect(inspect.output).toContain('142.27');
    expect(inspect.output.match(/us-east-1\/a#\d+:\d+/g)?.length).toBeGreaterThan(0);
    expect(inspect.output).toContain('All 3 nodes agree.');
    expect(inspect.code).toBe(0);
  });

  test('a node that was killed is ready again with all that the others have, its own writes too', async () => {
    await west.send('SET', 'from:west', 'kept');
    await until(async () => shows(east, 'from:west', 'kept'));
    await cluster.act('kill', WEST);
    await east.send('SET', 'meanwhile', 'written');
    await cluster.act('start', WEST);
    west = await cluster.connect(WEST);
    expect(await west.send('GET', 'from:west')).toBe('kept');
    await until(async () => shows(west, 'meanwhile', 'written'));
    // said through a pipe, which may be later than the node's answers
    await until(() =>
      ['eu-west-1/a has ended (SIGKILL)', 'eu-west-1/a is ready again'].every((said) =>
        cluster.output().includes(said),
      ),
    );
  });
});
