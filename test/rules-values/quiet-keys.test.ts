import { describe, expect, it } from 'vitest';
import { VersionVector } from '../../src/clock/version-vector.ts';
import type { Slot } from '../../src/keyspace/keyspace.ts';
import { QuietKeys } from '../../src/keyspace/quiet-keys.ts';
import { SlotRecords } from '../../src/keyspace/slab/slot-records.ts';
import { originOfLetter } from '../properties/values/transaction.ts';

const vectorOf = (seq: number): VersionVector => new VersionVector([[originOfLetter('A'), seq]]);

/** Slots by letters. */
const a = 0;
const b = 1;
const c = 2;

function newKeys(): QuietKeys {
  const records = new SlotRecords();
  for (let slot = a; slot <= c; slot++) records.push();
  return new QuietKeys(records);
}

/** The slots that are found quiet when `applied` transactions are here and `stable` of them are stable. */
function quiet(keys: QuietKeys, applied: number, stable: number, budget = 10): Slot[] {
  const visited: Slot[] = [];
  keys.drain(vectorOf(applied), vectorOf(stable), budget, (slot) => visited.push(slot));
  return visited;
}

describe('keys that wait until all that was applied to them is stable (V6, D9)', () => {
  it('are quiet when the fence behind their last change is stable, once', () => {
    const keys = newKeys();
    keys.note(a);
    expect(quiet(keys, 5, 3)).toEqual([]);
    expect(quiet(keys, 6, 4)).toEqual([]);
    expect(quiet(keys, 7, 5)).toEqual([a]);
    expect(quiet(keys, 8, 8)).toEqual([]);
  });

  it('wait anew when they change behind the fence, and those that do not change are not held up', () => {
    const keys = newKeys();
    keys.note(a);
    keys.note(b);
    expect(quiet(keys, 5, 3)).toEqual([]);
    keys.note(a);
    expect(quiet(keys, 6, 5)).toEqual([b]);
    expect(quiet(keys, 7, 5)).toEqual([]);
    expect(quiet(keys, 7, 6)).toEqual([a]);
  });

  it('wait anew when they change after the fence was stable and before they were looked at', () => {
    const keys = newKeys();
    for (const slot of [a, b, c]) keys.note(slot);
    expect(quiet(keys, 5, 5, 1)).toEqual([]);
    expect(quiet(keys, 5, 5, 1)).toEqual([a]);
    keys.note(b);
    expect(quiet(keys, 6, 5)).toEqual([c]);
    expect(quiet(keys, 7, 6)).toEqual([b]);
  });

  it('that are gone are not found', () => {
    const keys = newKeys();
    keys.note(a);
    expect(quiet(keys, 5, 5)).toEqual([]);
    keys.drop(a);
    expect(quiet(keys, 5, 5)).toEqual([]);
  });
});
