import { describe, expect, it } from 'vitest';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { QuietKeys } from '../../src/keyspace/quiet-keys.ts';
import { originOfLetter } from '../properties/values/transaction.ts';

const vectorOf = (seq: number): VersionVector => new VersionVector([[originOfLetter('A'), seq]]);

/** The keys that are found quiet when `applied` transactions are here and `stable` of them are stable. */
function quiet(keys: QuietKeys, applied: number, stable: number, budget = 10): string[] {
  const visited: string[] = [];
  keys.drain(vectorOf(applied), vectorOf(stable), budget, (key) => visited.push(key));
  return visited;
}

describe('keys that wait until all that was applied to them is stable (V6, D9)', () => {
  it('are quiet when the fence behind their last change is stable, once', () => {
    const keys = new QuietKeys();
    keys.note('k');
    expect(quiet(keys, 5, 3)).toEqual([]);
    expect(quiet(keys, 6, 4)).toEqual([]);
    expect(quiet(keys, 7, 5)).toEqual(['k']);
    expect(quiet(keys, 8, 8)).toEqual([]);
  });

  it('wait anew when they change behind the fence, and those that do not change are not held up', () => {
    const keys = new QuietKeys();
    keys.note('changes');
    keys.note('stays');
    expect(quiet(keys, 5, 3)).toEqual([]);
    keys.note('changes');
    expect(quiet(keys, 6, 5)).toEqual(['stays']);
    expect(quiet(keys, 7, 5)).toEqual([]);
    expect(quiet(keys, 7, 6)).toEqual(['changes']);
  });

  it('wait anew when they change after the fence was stable and before they were looked at', () => {
    const keys = new QuietKeys();
    for (const key of ['a', 'b', 'c']) keys.note(key);
    expect(quiet(keys, 5, 5, 1)).toEqual([]);
    expect(quiet(keys, 5, 5, 1)).toEqual(['a']);
    keys.note('b');
    expect(quiet(keys, 6, 5)).toEqual(['c']);
    expect(quiet(keys, 7, 6)).toEqual(['b']);
  });

  it('that are gone are not found', () => {
    const keys = new QuietKeys();
    keys.note('k');
    expect(quiet(keys, 5, 5)).toEqual([]);
    keys.drop('k');
    expect(quiet(keys, 5, 5)).toEqual([]);
  });
});
