import { describe, expect, it } from 'vitest';
import { originOf, type NodeNumber, type Origin } from '../../src/clock/origin.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { CounterRuns, RUNS_MAX } from '../../src/keyspace/slab/counter-runs.ts';

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
});
