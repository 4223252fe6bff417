import { expect, test } from 'vitest';
import { StrongRegions } from '../support/strong-regions.ts';
import type { VirtualNode } from '../support/virtual-node.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

/** What is committed and what is applied of the group of us-east-1. */
function indexesOf(node: VirtualNode): readonly [commit: number, applied: number] {
  const group = node.core.strong.groups().find(({ home }) => home === EAST);
  return [group?.commit ?? 0, group?.applied ?? 0];
}

test('a follower puts on disk what its leader waits for before it applies what is committed, and then does that at once', () => {
  const regions = new StrongRegions();
  const { cluster } = regions;
  const west = regions.node(WEST);
  regions.connect(EAST).run('SET position:0 0');
  regions.sync();
  let handedOver = 0;
  let turnsBehind = 0;
  let turnsBehindMost = 0;
  cluster.observer = {
    settled: (node) => {
      if (node !== west) return;
      const [commit, applied] = indexesOf(west);
      // what another group leaves for a turn of its own counts too
      turnsBehind = commit > applied && west.core.isBehind ? turnsBehind + 1 : 0;
      turnsBehindMost = Math.max(turnsBehindMost, turnsBehind);
      if (turnsBehind === 1 && west.quorumInFlight.length > 0) handedOver++;
    },
  };
  const clients = Array.from({ length: 20 }, () => regions.connect(EAST));
  for (const [at, client] of clients.entries()) {
    client.begin(`SET position:${at} ${at}`);
    cluster.run(7);
  }
  regions.sync();
  expect(handedOver).toBeGreaterThan(0);
  expect(turnsBehindMost).toBeGreaterThan(0);
  expect(turnsBehindMost).toBeLessThanOrEqual(2);
  const [commit, applied] = indexesOf(west);
  expect(applied).toBe(commit);
  expect(indexesOf(regions.node(ASIA))).toEqual([commit, applied]);
});

test('a client that has written reads what it wrote without a wait, also what is shown in causal order', () => {
  const regions = new StrongRegions();
  const east = regions.connect(EAST);
  for (let at = 0; at < 5; at++) {
    expect(east.run(`SET position:1 ${at}`)).toBe('+OK');
    expect(east.session.floor).toBeNull();
  }
});
