import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { originOf, type NodeNumber, type Origin } from '../../src/clock/origin.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { Update, UpdateKind, type UpdateContext } from '../../src/crdt/update.ts';
import { CounterRuns, RUNS_MAX } from '../../src/keyspace/slab/counter-runs.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';

const HERE = originOf(64 as NodeNumber, 1);
const THERE = originOf(128 as NodeNumber, 1);

/** A counter of one increment by each of these dots, the first of 1, the next of 10 … */
function counterOf(...dots: readonly (readonly [Origin, number])[]): CounterRuns {
  const bytes = CounterRuns.bytesFor(RUNS_MAX);
  const counter = new CounterRuns().point(new Float64Array(bytes / Float64Array.BYTES_PER_ELEMENT), 0);
  counter.clear();
  for (const [at, [origin, seq]] of dots.entries()) counter.push(origin, seq, seq, seq * 100, 10 ** at);
  return counter;
}

const partsOf = (counter: CounterRuns): unknown[] =>
  counter.toState().map(([origin, first, last, , amount]) => [origin, first, last, amount]);

describe('a counter of a few runs (V4)', () => {
  it('folds what is stable, each origin by itself, and keeps the rest as it is', () => {
    const counter = counterOf([HERE, 1], [THERE, 7], [HERE, 2], [HERE, 9], [THERE, 8]);
    const stable = new VersionVector([
      [HERE, 5],
      [THERE, 7],
    ]);
    expect(counter.fold(stable)).toBe(false);
    expect(partsOf(counter)).toEqual([
      [HERE, 1, 2, '101'],
      [THERE, 7, 7, '10'],
      [HERE, 9, 9, '1000'],
      [THERE, 8, 8, '10000'],
    ]);
    expect(counter.sum).toBe(11_111);
  });

  const stableTo = (seq: number): VersionVector => new VersionVector([[HERE, seq]]);

  it('folds the last run into the one before it of its origin, once that is stable', () => {
    const counter = counterOf([HERE, 1], [THERE, 7], [HERE, 2]);
    counter.foldLast(stableTo(1));
    expect(counter.count).toBe(3);
    counter.foldLast(stableTo(2));
    expect(partsOf(counter)).toEqual([
      [HERE, 1, 2, '101'],
      [THERE, 7, 7, '10'],
    ]);
    counter.foldLast(
      new VersionVector([
        [HERE, 2],
        [THERE, 7],
      ]),
    );
    expect([counter.count, counter.sum]).toEqual([2, 111]);
  });

  it('folds nothing whose sum would not be exact', () => {
    const counter = counterOf([HERE, 1]);
    counter.push(HERE, 2, 2, 200, Number.MAX_SAFE_INTEGER);
    counter.foldLast(stableTo(2));
    expect(counter.count).toBe(2);
  });
});

describe('a counter that one node increments now and then (V4)', () => {
  const ctx = (seq: number): UpdateContext => ({
    origin: HERE,
    seq,
    stamp: (seq * 4096) as Stamp,
    deps: new VersionVector(),
  });

  /** Increments a key by 1, each time after all that was before is stable; what is kept of it then. */
  function incremented(times: number, stable: VersionVector, knows: boolean): [runs: number, waiting: number] {
    const keyspace = new SlabKeyspace();
    if (knows) keyspace.stable = stable;
    const update = new Update();
    update.kind = UpdateKind.Increment;
    update.key.setFrom(latin1Range('views'));
    update.value.setFrom(latin1Range('1'));
    for (let seq = 1; seq <= times; seq++) {
      keyspace.apply(update, ctx(seq));
      stable.raise(HERE, seq);
    }
    const slot = keyspace.slotOf(update.key, 0);
    expect(keyspace.countAt(slot)).toBe(times);
    const [string] = keyspace.entryAt(slot).toState();
    return [string?.length === 5 ? (string[4]?.length ?? 0) : 0, keyspace.forgetWaiting];
  }

  it('is folded as it is added to, and waits for nothing', () => {
    expect(incremented(100, new VersionVector(), true)).toEqual([2, 0]);
  });

  it('in a keyspace that is a function of its log it waits for what forgets', () => {
    expect(incremented(5, new VersionVector(), false)).toEqual([5, 1]);
  });
});
