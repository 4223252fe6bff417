import { afterEach, describe, expect, test } from 'vitest';
import { StrongRegions } from '../support/strong-regions.ts';
import { losing, MonitoredCluster } from './monitored-cluster.ts';

const LOOKED_AT_MS = 30_000;
const KEY = 'position:a';

let end: () => void = () => undefined;
afterEach(() => end());

/** A cluster whose last node shows an older value of a quorum key than its group decided. */
function withOldCopy(): MonitoredCluster {
  const cluster = new MonitoredCluster(new StrongRegions().cluster);
  cluster.at(0).run(`SET ${KEY} 1`);
  cluster.run(3_000);
  end = losing(cluster.at(2).node, (key) => key === KEY);
  cluster.at(0).run(`SET ${KEY} 2`);
  cluster.run(1_000);
  end();
  expect(new Set(cluster.answers(`CW.DIGEST KEY ${KEY}`)).size).toBe(2);
  return cluster;
}

const linesOf = (cluster: MonitoredCluster, what: string): (string[] | undefined)[] =>
  cluster.nodes.map(({ told }) => told.filter((line) => line.startsWith(`${what} ${KEY}`)));

describe('S10: keys of quorum groups', () => {
  test('what a node shows of a key that its group decided otherwise is put right by what the log made of it there', () => {
    const cluster = withOldCopy();
    cluster.run(LOOKED_AT_MS);
    expect(new Set(cluster.answers(`CW.DIGEST KEY ${KEY}`)).size).toBe(1);
    expect(linesOf(cluster, 'repaired')).toEqual([
      [],
      [],
      [`repaired ${KEY}: by what the log of us-east-1/region made of it here`],
    ]);
    expect(linesOf(cluster, 'left')).toEqual([[], [], []]);
    const figures = [...cluster.at(2).monitor.figures.values()];
    expect(figures.reduce((sum, each) => sum + each.repaired.regions, 0)).toBe(1);
    cluster.at(0).run(`INCR ${KEY}`);
    cluster.run(2_000);
    expect(new Set(cluster.answers(`CW.DIGEST KEY ${KEY}`)).size).toBe(1);
    expect(cluster.at(2).run(`GET ${KEY}`)).toBe('"3"');
  });

  test('where the state of the group is wrong as well, that node alone says so, with what is to be done, and nobody changes anything', () => {
    const cluster = withOldCopy();
    const { node } = cluster.at(2);
    // as if it had lost it from there too
    node.core.states.decidedOf = (key) => ({ hex: node.core.keyDigest(key, node.now().wallMs).hex, state: null });
    cluster.run(LOOKED_AT_MS);
    const [here, there, wrong] = linesOf(cluster, 'left');
    expect([here, there]).toEqual([[], []]);
    expect(wrong?.[0]).toMatch(
      /the state of us-east-1\/region here is not what others made of its log: .*member remove/,
    );
    expect(linesOf(cluster, 'repaired')).toEqual([[], [], []]);
    const figures = [...cluster.at(2).monitor.figures.values()];
    expect(figures.reduce((sum, each) => sum + each.different.regions, 0)).toBeGreaterThan(0);
    expect(new Set(cluster.answers(`CW.DIGEST KEY ${KEY}`)).size).toBe(2);
  });
});
