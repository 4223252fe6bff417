import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import type { EntryState } from '../../src/crdt/entry.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import { checkEntryState } from '../../src/wire/entry-state.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { stampAt, START_MS } from '../properties/values/virtual-replica.ts';
import { stagedFor } from '../support/staged.ts';

const A = originOf(nodeNumber(64), 1);
const B = originOf(nodeNumber(128), 1);
const RUN = [A, 3, 4, stampAt(13), '5', '0'];
const X = ['x', stampAt(10), A, 1, null];
const Y = ['7', stampAt(11), B, 1, [RUN]];

const entry = (...siblings: readonly unknown[]): unknown => [siblings, null, null, null];

describe('siblings in states from outside', () => {
  it('are taken as they are made', () => {
    const state = checkEntryState(entry([X, Y], [RUN]));
    expect(peerCodec.decodeState(peerCodec.encodeState(state))).toEqual(state);
    expect(checkEntryState(entry([], [RUN]))).toBeDefined();
    expect(checkEntryState(entry([X], null))).toBeDefined();
  });

  it.each([
    ['no list', entry(X, null)],
    ['no siblings', entry([], null)],
    ['no siblings and no increments', entry([], [])],
    ['two of one origin', entry([X, ['y', stampAt(11), A, 2, null]], null)],
    ['a removal', entry([[null, stampAt(10), A, 1, null]], null)],
    ['a text that is no bytes', entry([['\u0100', stampAt(10), A, 1, null]], null)],
    ['a number', entry([[5, stampAt(10), A, 1, null]], null)],
    ['no stamp', entry([['x', 0, A, 1, null]], null)],
    ['no origin', entry([['x', stampAt(10), 0, 1, null]], null)],
    ['no sequence', entry([['x', stampAt(10), A, 0, null]], null)],
    ['a sibling that is too long', entry([[...X, 1]], null)],
    ['increments that are none', entry([['x', stampAt(10), A, 1, [['x']]]], null)],
    ['an amount that is none', entry([], [[A, 3, 4, stampAt(13), '5e9', '0']])],
    ['increments that are no list', entry([X], 'x')],
  ])('%s: is refused', (_name, state) => {
    expect(() => checkEntryState(state)).toThrow(/entry refused/);
  });
});

describe('a key whose class changed between two starts', () => {
  const restored = (state: unknown, keepsSiblings: boolean): SlabKeyspace => {
    const keyspace = new SlabKeyspace();
    keyspace.kinds.keepsSiblings = () => keepsSiblings;
    keyspace.restore('k', checkEntryState(state));
    return keyspace;
  };
  const shown = (keyspace: SlabKeyspace): unknown => {
    const slot = keyspace.find(latin1Range('k'), 0, 0);
    if (slot < 0) return null;
    return [keyspace.siblingsAt(slot).siblings.map(({ value }) => value), keyspace.expiryOf(slot)];
  };

  it('a write, its increments and its expiry become the only sibling', () => {
    const state = [Y, null, null, [[START_MS + 500, B, 1, stampAt(11), B, 1]]];
    const keyspace = restored(state, true);
    expect(shown(keyspace)).toEqual([['12'], START_MS + 500]);
    expect(shown(restored(keyspace.entryOf(latin1Range('k'))?.toState(), true))).toEqual([['12'], START_MS + 500]);
  });

  it('increments without a write are one; a tombstone is none', () => {
    expect(shown(restored([[null, 0, 0, 0, [RUN]], null, null, null], true))).toEqual([['5'], Infinity]);
    const removed = restored([[null, stampAt(10), A, 1, null], null, null, null], true);
    expect(shown(removed)).toBe(null);
    expect(removed.entryCount).toBe(0);
  });

  it('of siblings the latest write stays, with its increments and its expiry', () => {
    const expiries = [
      [START_MS + 900, A, 1, stampAt(10), A, 1],
      [START_MS + 500, B, 1, stampAt(11), B, 1],
    ];
    const keyspace = restored([[[Y, X], [RUN]], null, null, expiries], false);
    expect(shown(keyspace)).toEqual([['12'], START_MS + 500]);
    expect(keyspace.entryOf(latin1Range('k'))?.toState()).toEqual([Y, null, null, [expiries[1]]]);
    expect(shown(restored([[[], [RUN]], null, null, null], false))).toEqual([['5'], Infinity]);
  });

  it('the same holds for what a snapshot brings', () => {
    for (const [keepsSiblings, end] of [
      [false, ['12']],
      [true, ['x', '12']],
    ] as const) {
      const keyspace = new SlabKeyspace();
      keyspace.kinds.keepsSiblings = () => keepsSiblings;
      const sides = {
        local: new VersionVector(),
        remote: new VersionVector([
          [A, 4],
          [B, 1],
        ]),
      };
      const state: EntryState = checkEntryState(entry([X, Y], null));
      keyspace.mergeSnapshot(stagedFor(keyspace, new Map([['k', state]])), null, sides);
      expect(shown(keyspace)).toEqual([end, Infinity]);
    }
  });
});
