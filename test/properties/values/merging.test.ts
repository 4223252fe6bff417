import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Entry } from '../../../src/crdt/entry.ts';
import { peerCodec } from '../../../src/wire/peer-codec.ts';
import { runs } from '../../support/fast-check-runs.ts';
import { keepsSiblings } from './keyspaces.ts';
import { keysOf, RandomHistory, stepsArbitrary, type StepMix } from './random-history.ts';
import { declaredKeys, shownKeys } from './shown-keys.ts';
import { snapshotOf, VirtualReplica } from './virtual-replica.ts';

const timeout = runs(60_000);
const MIXES: readonly [name: string, mix: StepMix][] = [
  ['keys of which the latest write stays', { writes: 'flush' }],
  ['fills beside writes', { writes: 'fills' }],
  ['keys that keep siblings', { writes: 'flush', siblings: true }],
];

function ranSteps(steps: readonly Parameters<RandomHistory['run']>[0][]): RandomHistory {
  const history = new RandomHistory();
  for (const step of steps) history.run(step);
  return history;
}

/** What a restart makes of a replica: the same from its stored state. */
function restored(replica: VirtualReplica): VirtualReplica {
  const copy = new VirtualReplica(replica.origin, 0);
  for (const [key, state] of snapshotOf(replica.keyspace)) {
    copy.keyspace.restore(key, peerCodec.decodeState(peerCodec.encodeState(state)));
  }
  copy.keyspace.restoreFlush(replica.keyspace.flushMark);
  copy.vector.merge(replica.vector);
  copy.stable.merge(replica.stable);
  for (const transaction of replica.history) copy.history.add(transaction);
  return copy;
}

/** A copy of the first with the others merged into it, one after the other. */
function merged(first: VirtualReplica, ...others: readonly VirtualReplica[]): VirtualReplica {
  const copy = restored(first);
  for (const other of others) copy.merge(other);
  return copy;
}

describe.each(MIXES)('snapshots of replicas with any vectors (D6): %s', (_name, mix) => {
  const keys = keysOf(mix);
  const shownOf = (replica: VirtualReplica): object => shownKeys(replica.keyspace, keys, 0);

  it('merge to what the union of their transactions shows: commutative, associative, idempotent', { timeout }, () => {
    let differing = 0;
    fc.assert(
      fc.property(stepsArbitrary(mix), (steps) => {
        const history = ranSteps(steps);
        const [a, b, c] = [history.replica(0), history.replica(1), history.replica(2)];
        if (!a.vector.equals(b.vector)) differing++;
        const union = declaredKeys(new Set([...a.history, ...b.history]), keys, 0);
        expect(shownOf(merged(a, b))).toEqual(union);
        expect(shownOf(merged(b, a))).toEqual(union);
        expect(shownOf(merged(a, b, b, a))).toEqual(union);
        const all = declaredKeys(new Set([...a.history, ...b.history, ...c.history]), keys, 0);
        expect(shownOf(merged(merged(a, b), c))).toEqual(all);
        expect(shownOf(merged(a, merged(b, c)))).toEqual(all);
      }),
      { numRuns: runs(200) },
    );
    expect(differing).toBeGreaterThan(runs(50));
  });

  it('go on after a merge as if every transaction had been applied one by one', { timeout }, () => {
    fc.assert(
      fc.property(stepsArbitrary(mix), fc.nat(2), fc.nat(2), (steps, at, from) => {
        const history = ranSteps(steps);
        const replica = merged(history.replica(at), history.replica(from));
        for (const transaction of history.transactions) if (replica.canApply(transaction)) replica.apply(transaction);
        expect(shownOf(replica)).toEqual(declaredKeys(history.transactions, keys, 0));
      }),
      { numRuns: runs(200) },
    );
  });
});

describe.each(MIXES)('the state of an entry: %s', (_name, mix) => {
  const keys = keysOf(mix);
  const shownOf = (replica: VirtualReplica): object => shownKeys(replica.keyspace, keys, 0);

  it('is the same after the plain form and the codec, and goes on as the entry would have', { timeout }, () => {
    let states = 0;
    fc.assert(
      fc.property(stepsArbitrary(mix), (steps) => {
        const history = ranSteps(steps);
        for (const replica of history.replicas) {
          for (const [key, state] of snapshotOf(replica.keyspace)) {
            states++;
            const copy = Entry.fromState(peerCodec.decodeState(peerCodec.encodeState(state)), keepsSiblings(key));
            expect(copy.toState()).toEqual(state);
          }
        }
        const copies = history.replicas.map(restored);
        for (const copy of copies) {
          expect(shownOf(copy)).toEqual(declaredKeys(copy.history, keys, 0));
          for (const transaction of history.transactions) if (copy.canApply(transaction)) copy.apply(transaction);
          expect(shownOf(copy)).toEqual(declaredKeys(history.transactions, keys, 0));
        }
      }),
      { numRuns: runs(200) },
    );
    expect(states).toBeGreaterThan(runs(200));
  });
});
