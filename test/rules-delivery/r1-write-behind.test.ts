import { describe, expect, it } from 'vitest';
import { latin1Of } from '../../src/base/bytes.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import type { StoreBatch } from '../../src/ports.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { PlayedStream, ScriptedNode, type Effect } from '../support/scripted-node.ts';

/** What a batch would put on disk: how far streams are applied, and the string of each key, null where it is gone. */
function shown(
  { meta, entries }: StoreBatch,
  stream: PlayedStream,
): { seq: number; keys: Record<string, string | null> } {
  const keys = Array.from(entries, ([key, bytes]): [string, string | null] => {
    const string = bytes === null ? null : peerCodec.decodeState(bytes)[0];
    return [latin1Of(key, 0, key.length), string === null ? null : (string[0] as string | null)];
  });
  return {
    seq: new VersionVector(peerCodec.decodeMeta(meta).vector).get(stream.origin),
    keys: Object.fromEntries(keys.toSorted(([left], [right]) => (left < right ? -1 : 1))),
  };
}

const sets = (from: number, to: number, value: string): Effect[] =>
  Array.from({ length: to - from }, (_unused, at): Effect => ['set', `k${from + at}`, value]);

describe('R1: the causal tier is written behind', () => {
  it('a batch of many keys is gathered in several turns, and is what was there in the first of them', () => {
    const node = new ScriptedNode({ hasStore: true, limits: { storedPerTurn: 3 } }).connect('A', 'B', 'C');
    const a = new PlayedStream('A');
    node.give('A', a.next(sets(0, 10, 'old')));
    expect(node.batch()).toBeNull();
    // what comes meanwhile is not in it: keys that were encoded already, that were not, that are new, that go
    node.give('A', a.next([...sets(0, 10, 'new'), ...sets(10, 14, 'new'), ['del', 'k4']]));
    for (const turn of [2, 3]) expect([turn, node.batch(), node.core.isStoreBatchDue]).toEqual([turn, null, true]);
    const batch = node.batch();
    expect(batch === null ? null : shown(batch, a)).toEqual({
      seq: 10,
      keys: Object.fromEntries(Array.from({ length: 10 }, (_unused, at) => [`k${at}`, 'old'])),
    });
    expect(node.batch()).toBeNull();
    node.core.storeCommitted();
    const next = node.core.takeStoreBatch(true);
    const keys = Object.fromEntries([0, 1, 10, 11, 12, 13, 2, 3, 4, 5, 6, 7, 8, 9].map((at) => [`k${at}`, 'new']));
    expect(next === null ? null : shown(next, a)).toEqual({ seq: 25, keys: { ...keys, k4: null } });
  });

  it('no turn encodes more keys than the limit, however many wait', () => {
    const storedPerTurn = 50;
    const node = new ScriptedNode({ hasStore: true, limits: { storedPerTurn } }).connect('A', 'B', 'C');
    const a = new PlayedStream('A');
    node.give('A', a.next(sets(0, 1_000, 'v')));
    let turns = 1;
    let batch = node.batch();
    for (; batch === null; turns++, batch = node.batch()) expect(node.core.isStoreBatchDue).toBe(true);
    expect(turns).toBe(1_000 / storedPerTurn);
    // in the order in which a store keeps them
    const keys = Array.from(batch.entries, ([key]) => latin1Of(key, 0, key.length));
    expect(keys).toEqual(keys.toSorted());
    expect(keys).toHaveLength(1_000);
  });

  it('a node knows how old what is not on disk may be: as old as the cut of the last batch that is, and nothing where all is', () => {
    const node = new ScriptedNode({ hasStore: true, limits: { storedPerTurn: 3 } }).connect('A', 'B', 'C');
    const a = new PlayedStream('A');
    const passes = (ms: number): void => void (node.timeMs += ms);
    /** At the end of a turn, where batches are begun. */
    const unsavedMs = (): number | null => {
      node.turn();
      void node.core.isStoreBatchDue;
      return node.core.unsavedMs(node.timeMs);
    };
    const save = (): void => {
      expect(node.core.takeStoreBatch(true)).not.toBeNull();
      node.core.storeCommitted();
    };
    expect(unsavedMs()).toBe(0);
    passes(5_000);
    expect(unsavedMs()).toBe(0);
    node.give('A', a.next(sets(0, 4, 'first')));
    passes(70);
    expect(unsavedMs()).toBe(70);
    // the cut is of now, however long it takes to gather and to commit it
    expect(node.batch()).toBeNull();
    passes(200);
    node.give('A', a.next(sets(4, 5, 'while it is gathered')));
    expect(node.batch()).not.toBeNull();
    passes(300);
    node.give('A', a.next(sets(5, 6, 'while it is on its way')));
    expect(unsavedMs()).toBe(70 + 200 + 300);
    node.core.storeCommitted();
    expect(unsavedMs()).toBe(200 + 300);
    save();
    passes(1_000);
    expect(unsavedMs()).toBe(0);
    expect(new ScriptedNode().core.unsavedMs(1_000)).toBeNull();
  });
});
