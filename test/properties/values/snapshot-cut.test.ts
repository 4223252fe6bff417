import fc from 'fast-check';
import { expect, it } from 'vitest';
import { latin1Range } from '../../../src/base/bytes.ts';
import type { EntryState } from '../../../src/crdt/entry.ts';
import type { SnapshotCursor } from '../../../src/keyspace/snapshot-cursor.ts';
import { runs } from '../../support/fast-check-runs.ts';
import { originOfLetter } from './transaction.ts';
import { snapshotOf, START_MS, VirtualReplica } from './virtual-replica.ts';

interface Write {
  readonly step: 'set' | 'hset' | 'incr' | 'del' | 'expire';
  readonly key: number;
}

type Step =
  | Write
  | { readonly step: 'open' }
  | { readonly step: 'flush' }
  | { readonly step: 'merge' }
  /** Everything is stable and forgotten, and what has expired is purged. */
  | { readonly step: 'forget'; readonly ms: number }
  | { readonly step: 'read'; readonly budget: number };

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      step: fc.constantFrom(
        'set' as const,
        'set' as const,
        'hset' as const,
        'incr' as const,
        'del' as const,
        'expire' as const,
      ),
      key: fc.nat(7),
    }),
  },
  { weight: 3, arbitrary: fc.record({ step: fc.constant('open' as const) }) },
  { weight: 5, arbitrary: fc.record({ step: fc.constant('read' as const), budget: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant('forget' as const), ms: fc.constantFrom(1, 100) }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constantFrom('flush' as const, 'merge' as const) }) },
);

/** A snapshot under way, with the copy that was made when it was opened. */
interface Cut {
  readonly cursor: SnapshotCursor;
  readonly copy: Map<string, EntryState>;
  readonly read: Map<string, EntryState>;
}

function write(replica: VirtualReplica, step: Write): void {
  const key = latin1Range(`key${step.key}`);
  const field = latin1Range('f');
  replica.transact((tx, nowMs) => {
    const isThere = replica.keyspace.find(key, 0, nowMs) >= 0;
    if (step.step === 'set') tx.set(key, 0, latin1Range('5'), Infinity);
    else if (step.step === 'hset' && !isThere) tx.hashSet(key, 0, field, field);
    else if (step.step === 'incr' && !isThere) tx.increment(key, 0, 1n);
    else if (step.step === 'del' && isThere) tx.delete(key, 0);
    else if (step.step === 'expire' && isThere) tx.expire(key, 0, nowMs + 50);
  });
}

/** Reads on; says whether the cut is whole now, and then that it is the copy. */
function isWhole(replica: VirtualReplica, cut: Cut, budget: number): boolean {
  const entries = cut.cursor.next(budget, Infinity);
  if (entries !== null) {
    for (const [key, state] of entries) {
      expect(cut.read.has(key), `${key} comes once`).toBe(false);
      cut.read.set(key, state);
    }
    return false;
  }
  replica.keyspace.closeSnapshot(cut.cursor);
  expect(Object.fromEntries(cut.read)).toEqual(Object.fromEntries(cut.copy));
  return true;
}

it(
  'a snapshot that is read bit by bit while updates go on is exactly what was there when it was opened',
  { timeout: runs(60_000) },
  () => {
    let cuts = 0;
    let changedMeanwhile = 0;
    fc.assert(
      fc.property(fc.array(stepArbitrary, { minLength: 20, maxLength: 120, size: 'max' }), (steps) => {
        const replica = new VirtualReplica(originOfLetter('A'), START_MS);
        const other = new VirtualReplica(originOfLetter('B'), START_MS);
        other.transact((tx) => tx.setAdd(latin1Range('key1'), 0, latin1Range('m')));
        let open: Cut[] = [];
        const finish = (cut: Cut): void => {
          cuts++;
          if (JSON.stringify([...snapshotOf(replica.keyspace)]) !== JSON.stringify([...cut.copy])) changedMeanwhile++;
        };
        for (const step of steps) {
          if (step.step === 'open') {
            open.push({ cursor: replica.keyspace.openSnapshot(), copy: snapshotOf(replica.keyspace), read: new Map() });
          } else if (step.step === 'read') {
            const [whole, rest] = [new Set<Cut>(), open];
            for (const cut of rest) if (isWhole(replica, cut, step.budget)) whole.add(cut);
            for (const cut of whole) finish(cut);
            open = rest.filter((cut) => !whole.has(cut));
          } else if (step.step === 'flush') {
            replica.transact((tx) => tx.flushAll());
          } else if (step.step === 'merge') {
            replica.merge(other);
          } else if (step.step === 'forget') {
            replica.passMs(step.ms);
            replica.raiseStable([replica.origin]);
            for (let look = 0; look < 3; look++) replica.purge([replica.origin]);
          } else {
            write(replica, step);
          }
        }
        for (const cut of open) {
          while (!isWhole(replica, cut, 2));
          finish(cut);
        }
      }),
      { numRuns: runs(200) },
    );
    expect(cuts).toBeGreaterThan(runs(200));
    expect(changedMeanwhile).toBeGreaterThan(runs(100));
  },
);
