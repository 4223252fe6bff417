import { afterEach, describe, expect, test } from 'vitest';
import { losing, MonitoredCluster } from './monitored-cluster.ts';

/** Longer than the keyspace takes to be looked at, and what is found to be put right. */
const LOOKED_AT_MS = 30_000;

let end: () => void = () => undefined;
afterEach(() => end());

const all = (text: string, nodes = 3): string[] => Array.from({ length: nodes }, () => text);

const COMMANDS = [
  'SET s% a',
  'SET s% b',
  'DEL s%',
  'SADD m% a b',
  'SREM m% a',
  'DEL m%',
  'INCR c%',
  'HSET h% f 1 g 2',
  'HINCRBY h% n 3',
  'HDEL h% f',
  'SET e% v PX 700',
  'JSON.SET j% $ "{\\"a\\":1}"',
  'PERSIST e%',
  'SET m% x',
] as const;

/** What was written at all nodes, what one of them then lost, how it shows, and what all show in the end. */
const LOST: readonly [name: string, before: string, lost: string, shown: string, right: string][] = [
  ['a value', 'SET k old', 'SET k new', 'GET k', '"new"'],
  ['a new key', 'SET other x', 'SET k new', 'GET k', '"new"'],
  ['a removal', 'SET k old', 'DEL k', 'EXISTS k', ':0'],
  ['an increment', 'INCRBY k 5', 'INCRBY k 2', 'GET k', '"7"'],
  ['a field', 'HSET k f 1', 'HSET k g 2', 'HGET k g', '"2"'],
  ['a removed field', 'HSET k f 1 g 2', 'HDEL k g', 'HLEN k', ':1'],
  ['a member', 'SADD k a', 'SADD k b', 'SCARD k', ':2'],
  ['a removed member', 'SADD k a b', 'SREM k b', 'SCARD k', ':1'],
  ['an expiry', 'SET k v', 'PEXPIREAT k 1893456000000', 'PEXPIRETIME k', ':1893456000000'],
  ['an edit of a document', 'JSON.SET k $ "{\\"a\\":1}"', 'JSON.SET k $.b 2', 'JSON.GET k $.b', '"[2]"'],
];

describe('S10: what one of three nodes lost', () => {
  test.each(LOST)('%s', (_name, before, lost, shown, right) => {
    const cluster = new MonitoredCluster(3);
    cluster.at(0).run(before);
    cluster.run(2_000);
    end = losing(cluster.at(2).node, (key) => key === 'k');
    cluster.at(0).run(lost);
    cluster.run(500);
    const [here, , there] = cluster.answers(shown);
    expect(here).toBe(right);
    expect(there).not.toBe(right);
    end();
    cluster.run(LOOKED_AT_MS);
    expect(cluster.answers(shown)).toEqual(all(right));
    expect(new Set(cluster.answers('CW.DIGEST')).size).toBe(1);
    const told = cluster.nodes.map((node) => node.told);
    expect(told.flat().filter((line) => line?.startsWith('differs k'))).not.toEqual([]);
    expect(told[2]?.filter((line) => line.startsWith('repaired k'))).toHaveLength(1);
    expect([told[0], told[1]].flat().filter((line) => line?.startsWith('repaired'))).toEqual([]);
    expect(cluster.at(2).heard).toContain('__causeway__:compare:repaired k');
    const figures = cluster.nodes.flatMap(({ monitor }) => [...monitor.figures.values()]);
    expect(figures.reduce((sum, each) => sum + each.repaired.regions, 0)).toBe(1);
  });

  test('whatever is lost of many writes of all kinds is put right in the end', () => {
    const cluster = new MonitoredCluster(3, 60);
    let drawn = 7;
    const draw = (below: number): number => (drawn = (drawn * 48_271) % 2_147_483_647) % below;
    end = losing(cluster.at(2).node, () => draw(5) === 0);
    for (let turn = 0; turn < 300; turn++) {
      cluster.at(draw(2)).run(COMMANDS[draw(COMMANDS.length)]?.replace('%', String(draw(12))) ?? '');
      cluster.run(draw(3) * 50);
    }
    cluster.run(2_000);
    expect(new Set(cluster.answers('CW.DIGEST')).size).toBe(2);
    end();
    cluster.run(4 * LOOKED_AT_MS);
    expect(new Set(cluster.answers('CW.DIGEST')).size).toBe(1);
  });

  test('what is put right goes on: later writes and removals apply to it', () => {
    const cluster = new MonitoredCluster(3);
    cluster.at(0).run('SADD k a');
    cluster.run(2_000);
    end = losing(cluster.at(2).node, (key) => key === 'k');
    cluster.at(1).run('SADD k b c');
    cluster.run(500);
    end();
    cluster.run(LOOKED_AT_MS);
    cluster.at(2).run('SREM k b');
    cluster.at(0).run('SADD k d');
    cluster.run(2_000);
    expect(cluster.answers('SISMEMBER k b')).toEqual(all(':0'));
    expect(cluster.answers('SCARD k')).toEqual(all(':3'));
  });
});

describe('S10: where no majority shows the same', () => {
  test('all that any has stays', () => {
    const cluster = new MonitoredCluster(2);
    cluster.at(0).run('SADD k a');
    cluster.run(2_000);
    end = losing(cluster.at(1).node, (key) => key === 'k');
    cluster.at(0).run('SADD k b');
    cluster.run(500);
    end();
    end = losing(cluster.at(0).node, (key) => key === 'k');
    cluster.at(1).run('SADD k c');
    // its own node did not lose it
    cluster.run(500);
    end();
    cluster.run(LOOKED_AT_MS);
    expect(cluster.answers('SCARD k')).toEqual(all(':3', 2));
  });
});

describe('S10: what is not lost', () => {
  test('nothing differs while it is written, removed and expires, at all nodes at once', () => {
    const cluster = new MonitoredCluster(3, 60);
    for (let turn = 0; turn < 400; turn++) {
      cluster.at(turn % 3).run(COMMANDS[(turn * 7) % COMMANDS.length]?.replace('%', String(turn % 2)) ?? '');
      cluster.run((turn % 5) * 50);
    }
    cluster.run(LOOKED_AT_MS);
    expect(cluster.nodes.flatMap((node) => node.told)).toEqual([]);
    const [figures] = [...cluster.at(1).monitor.figures.values()];
    expect(figures?.compared.regions).toBeGreaterThan(100);
    expect(figures?.ageMs).toBeGreaterThan(0);
  });

  test('comparing writes nothing: no vector moves', () => {
    const cluster = new MonitoredCluster(3);
    cluster.at(0).run('SET k v');
    cluster.at(1).run('SADD m a');
    cluster.run(2_000);
    const before = cluster.nodes.map(({ node }) => [...node.core.vector().entries()]);
    cluster.run(LOOKED_AT_MS);
    expect(cluster.nodes.map(({ node }) => [...node.core.vector().entries()])).toEqual(before);
    for (const { monitor } of cluster.nodes)
      expect(monitor.figures.get('default')?.compared.regions).toBeGreaterThan(10);
  });

  test('what changed while it was asked about is no difference: the answer is of another time', () => {
    const cluster = new MonitoredCluster(2);
    const [east, west] = [cluster.at(0), cluster.at(1)];
    east.run('SADD k a');
    cluster.cluster.run(2_000);
    east.monitor.step();
    east.run('SADD k b');
    cluster.cluster.run(2_000);
    west.monitor.step();
    cluster.cluster.run(500);
    east.run('SREM k b');
    cluster.cluster.run(2_000);
    expect(west.monitor.figures.get('default')?.compared.regions).toBe(1);
    east.monitor.step();
    expect(east.told).toEqual([]);
  });

  test('a node that is away is no reason, and neither is what is not known to be everywhere', () => {
    const cluster = new MonitoredCluster(3);
    cluster.at(0).run('SET k old');
    cluster.run(2_000);
    cluster.cluster.cut('us-east-1', 'ap-southeast-1');
    cluster.cluster.cut('eu-west-1', 'ap-southeast-1');
    cluster.at(0).run('SET k new');
    cluster.run(10_000);
    expect(cluster.answers('GET k')).toEqual(['"new"', '"new"', '"old"']);
    expect(cluster.nodes.flatMap((node) => node.told)).toEqual([]);
    const lag = [...cluster.at(0).monitor.figures.values()][0]?.lagMs;
    expect(lag).toBeGreaterThan(100);
  });
});
