import { expect, test } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import type { Load, LoadEnd } from '../../src/commands/engine.ts';
import type { VirtualNode } from '../support/virtual-cluster.ts';
import { EAST, WEST } from '../support/virtual-regions.ts';
import { everywhere, openRegions } from './invalidation-regions.ts';

const nowMs = (node: VirtualNode): number => node.core.nowMs(node.now().wallMs);

const begin = (node: VirtualNode, key: string): Load => node.core.loads.begin(latin1Range(key), nowMs(node));

function end(node: VirtualNode, load: Load, value: string): LoadEnd {
  const outcome = node.core.loads.end(load, latin1Range(value), Infinity, nowMs(node));
  node.settle();
  return outcome;
}

test('I2: a value loaded before the invalidation and filled, with its tag, before that is heard of is gone in every region', () => {
  const { regions, east, west } = openRegions();
  const node = regions.node(WEST);
  regions.isolate(WEST);
  const load = begin(node, 'p:1');
  regions.cluster.run(50);
  expect(east.run('CW.INVALIDATE TAG T')).toBe(':0');
  regions.cluster.run(50);
  expect(end(node, load, 'old')).toBe('kept');
  west.run('CW.TAG p:1 T');
  expect(west.run('GET p:1')).toBe('"old"');
  regions.sync();
  expect(everywhere(regions, 'p:1')).toEqual([null, null, null]);
});

test('I3: one that comes after it was heard of is not kept, though no node had the key; the next load is', () => {
  const { regions, east } = openRegions();
  const node = regions.node(WEST);
  const early = begin(node, 'p:1');
  const other = begin(node, 'q:1');
  east.run('CW.INVALIDATE PATTERN p:*');
  // far longer than anything of the removal is kept
  regions.sync();
  regions.cluster.run(30_000);
  expect(end(node, early, 'old')).toBe('changed');
  expect(end(node, other, 'good')).toBe('kept');
  expect(end(node, begin(node, 'p:1'), 'fresh')).toBe('kept');
  regions.sync();
  expect(everywhere(regions, 'p:1')).toEqual(['fresh', 'fresh', 'fresh']);
});

test('I3: nor one whose key has the tag, or depends on what was invalidated, elsewhere', () => {
  const { regions, east, west } = openRegions();
  const node = regions.node(WEST);
  for (const key of ['tagged', 'page']) east.run(`SET ${key} old`);
  east.run('CW.TAG tagged T');
  east.run('CW.DEPEND page ON product');
  regions.sync();
  west.run('DEL tagged page');
  regions.cluster.run(20);
  const loads = ['tagged', 'page'].map((key) => begin(node, key));
  east.run('CW.INVALIDATE TAG T');
  east.run('CW.INVALIDATE KEY product');
  regions.cluster.run(300);
  expect(loads.map((load) => end(node, load, 'old'))).toEqual(['changed', 'changed']);
  expect(regions.node(EAST).get('page')).toBeNull();
});
