import { expect, test } from 'vitest';
import { VersionVector } from '../../src/clock/version-vector.ts';
import type { InvalidationTarget } from '../../src/commands/invalidation-view.ts';
import { KnownRecords } from '../../src/node/known-records.ts';
import { RecentInvalidations } from '../../src/node/recent-invalidations.ts';
import { openRegions } from './invalidation-regions.ts';
import { EAST, WEST } from '../support/virtual-regions.ts';

test('I3: a load that was under way is told in every region, and one that began after is not', () => {
  const { regions, east, west } = openRegions();
  west.run('SET page v');
  west.run('CW.DEPEND page ON product');
  regions.sync();
  const node = regions.node(WEST).core.invalidations;
  const before = node.mark();
  east.run('CW.INVALIDATE KEY product absent');
  east.run('CW.INVALIDATE TAG T');
  east.run('CW.INVALIDATE PATTERN p:*');
  regions.sync();
  const hits = (mark: number): boolean[] => [
    node.isHit(mark, 'product', []),
    node.isHit(mark, 'absent', []),
    node.isHit(mark, 'page', []),
    node.isHit(mark, 'other', ['S', 'T']),
    node.isHit(mark, 'p:1', []),
    node.isHit(mark, 'other', ['S']),
  ];
  expect(hits(before)).toEqual([true, true, true, true, true, false]);
  expect(hits(node.mark())).toEqual([false, false, false, false, false, false]);
  const after = node.mark();
  east.run('FLUSHALL');
  regions.sync();
  expect(node.isHit(after, 'anything', [])).toBe(true);
  const again = node.mark();
  regions.node(EAST).set('x', 'y');
  regions.sync();
  expect(node.isHit(again, 'x', [])).toBe(false);
});

test('I3: what is forgotten counts as a hit, and what is remembered is bounded', () => {
  const recent = new RecentInvalidations();
  const before = recent.mark;
  for (let at = 0; at < 10_001; at++) recent.note({ kind: 'key', name: `k${at}` }, at);
  expect(recent.isHit(before, 'never named', [])).toBe(true);
  expect(recent.isHit(before + 1, 'never named', [])).toBe(false);
  expect(recent.isHit(before + 1, 'k10000', [])).toBe(true);
  for (let at = 0; at < 257; at++) recent.note({ kind: 'pattern', name: `p${at}:*` }, at);
  expect(recent.isHit(before + 1, 'never named', [])).toBe(true);
});

test('names are remembered up to so many bytes, too', () => {
  const long = (at: number): InvalidationTarget => ({ kind: 'key', name: `${at}${'x'.repeat(512 * 1024)}` });
  const recent = new RecentInvalidations();
  const before = recent.mark;
  recent.note(long(0), 1);
  expect(recent.isHit(before, 'never named', [])).toBe(false);
  // the same one again takes no more
  for (let again = 0; again < 40; again++) recent.note(long(0), 1);
  expect(recent.isHit(before, 'never named', [])).toBe(false);
  for (let at = 1; at < 40; at++) recent.note(long(at), at);
  expect(recent.isHit(before, 'never named', [])).toBe(true);
  expect(recent.isHit(before + 41, long(39).name, [])).toBe(true);

  const known = new KnownRecords();
  const effect = { kind: 'remove' } as const;
  const note = (at: number): void => known.note({ target: long(at), effect, stamp: 7, seen: new VersionVector() });
  for (let again = 0; again < 20; again++) note(0);
  expect(known.has(long(0), effect, 7)).toBe(true);
  for (let at = 1; at < 20; at++) note(at);
  expect([known.has(long(0), effect, 7), known.has(long(19), effect, 7)]).toEqual([false, true]);
  expect([known.has(long(19), effect, 8), known.has(long(19), { kind: 'lazy', graceMs: 1 }, 7)]).toEqual([
    false,
    false,
  ]);
});

test('I3: what was written before an invalidation is old, also when it comes much later; of what is forgotten the latest decides', () => {
  const recent = new RecentInvalidations();
  recent.note({ kind: 'key', name: 'k' }, 100);
  recent.note({ kind: 'key', name: 'k' }, 90);
  recent.note({ kind: 'tag', name: 'T' }, 50);
  recent.note({ kind: 'pattern', name: 'p:*' }, 70);
  const old = (stamp: number): boolean[] => [
    recent.isOld(stamp, 'k', []),
    recent.isOld(stamp, 'other', ['T']),
    recent.isOld(stamp, 'p:1', []),
    recent.isOld(stamp, 'other', ['S']),
  ];
  expect(old(100)).toEqual([false, false, false, false]);
  expect(old(99)).toEqual([true, false, false, false]);
  expect(old(69)).toEqual([true, false, true, false]);
  expect(old(49)).toEqual([true, true, true, false]);
  for (let at = 0; at < 10_000; at++) recent.note({ kind: 'key', name: `k${at}` }, 1);
  expect([recent.isOld(99, 'other', []), recent.isOld(100, 'other', [])]).toEqual([true, false]);
});
