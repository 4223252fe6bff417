import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import type { Origin } from '../../src/clock/origin.ts';
import { Update, UpdateKind } from '../../src/crdt/update.ts';
import {
  emptyTally,
  keysOf,
  RandomHistory,
  stepsArbitrary,
  type Mix,
  type Step,
  type StepMix,
  type Tally,
} from '../properties/values/random-history.ts';
import { keepsSiblings, shownOfSeveral } from '../properties/values/keyspaces.ts';
import { START_MS, type VirtualReplica } from '../properties/values/virtual-replica.ts';
import { runs } from '../support/fast-check-runs.ts';
import { MirroredKeyspace } from '../support/mirrored-keyspace.ts';

const MIXES: readonly Mix[] = ['string', 'counter', 'types', 'flush', 'fills'];
const numRuns = runs(60);
const timeout = runs(60_000);

/** A keyspace with its twin, for a replica; `pins` says whether one of the keys is a quorum group's. */
function mirrored(origin: Origin, pins: boolean): MirroredKeyspace {
  const host = {
    origin,
    nowMs: () => START_MS,
    count: () => ({ className: 'default', stringRule: 'lww', tellsLost: false }),
  };
  const keyspace = new MirroredKeyspace({ keepsSiblings, ...(pins ? { isPinned: (key) => key === 'j' } : {}) }, host);
  const show: MirroredKeyspace['showSiblings'] = (_key, siblings) => ({
    text: shownOfSeveral(siblings.map(({ value }) => value)),
    error: null,
  });
  keyspace.showSiblings = show;
  keyspace.twin.showSiblings = show;
  return keyspace;
}

const mirrorOf = ({ keyspace }: VirtualReplica): MirroredKeyspace => keyspace as MirroredKeyspace;

/** A read shows a session all that it shows in the twin, or what has that as its cause; and nothing but what the twin shows or wrote the key. */
function compareReads(history: RandomHistory, replica: VirtualReplica, keys: readonly string[]): void {
  const nowMs = replica.nowMs;
  for (const key of [...keys, 'never', null]) {
    const { mine, theirs } = mirrorOf(replica).readDots(key, nowMs);
    for (const [origin, seq] of theirs) {
      // every node shows it: a change of all keys that was made later than in the twin need not note it
      if (replica.stable.contains(origin, seq)) continue;
      const isCovered = [...mine].some(
        ([by, bySeq]) =>
          (by === origin && bySeq >= seq) ||
          history.transactions.some(
            (made) => made.origin === by && made.seq === bySeq && made.deps.contains(origin, seq),
          ),
      );
      expect({ key, origin, seq, isCovered }).toEqual({ key, origin, seq, isCovered: true });
    }
    for (const [origin, seq] of mine) {
      const hasWritten = [...replica.history].some(
        (made) => made.origin === origin && made.seq === seq && made.effects.some((effect) => effect.key === key),
      );
      const isKnown = (theirs.get(origin) ?? 0) >= seq || hasWritten;
      expect({ key, origin, seq, isKnown }).toEqual({ key, origin, seq, isKnown: true });
    }
  }
}

/** Runs steps on replicas that are twins each, and compares after every step; `evictions` counts them where values are evicted. */
function sideBySide(mix: StepMix, pins: boolean, evictions: Tally | null = null): fc.IProperty<[Step[]]> {
  return fc.property(stepsArbitrary(mix), (steps) => {
    const history = new RandomHistory(evictions ?? emptyTally(), (origin) => mirrored(origin, pins));
    for (const replica of history.replicas) replica.evictsValues = evictions !== null;
    const compare = (replica: VirtualReplica): void => {
      mirrorOf(replica).compare(replica.nowMs);
      compareReads(history, replica, keysOf(mix));
    };
    const names = keysOf(mix);
    for (const [at, step] of steps.entries()) {
      const changed = history.run(step);
      // a change of all keys stays on its way for a few steps
      const isPending =
        changed !== null &&
        at % 4 > 0 &&
        mirrorOf(changed).comparePending(names[at % names.length] ?? '', changed.nowMs);
      if (changed !== null && !isPending) compare(changed);
    }
    history.quiesce();
    history.outliveExpiries();
    for (const replica of history.replicas) {
      compare(replica);
      expect([replica.keyspace.forgetWaiting, mirrorOf(replica).twin.forgetWaiting]).toEqual([0, 0]);
    }
  });
}

describe('the keyspace on a slab is the plain one on a Map, step by step', () => {
  for (const writes of MIXES) {
    it(`writes of the mix ${writes}`, { timeout }, () => {
      fc.assert(sideBySide({ writes, purges: true, snapshots: true }, false), { numRuns });
    });
  }

  for (const writes of MIXES) {
    it(`with all evicted that the store has, writes of the mix ${writes}`, { timeout }, () => {
      const tally = emptyTally();
      const property = sideBySide({ writes, purges: true, snapshots: true }, false, tally);
      fc.assert(property, { numRuns });
      expect(tally.evicted).toBeGreaterThan(numRuns);
    });
  }

  it('with siblings', { timeout }, () => {
    fc.assert(sideBySide({ writes: 'types', purges: true, snapshots: true, siblings: true }, false), { numRuns });
  });

  it('with a key of a quorum group', { timeout }, () => {
    fc.assert(sideBySide({ writes: 'flush', purges: true, snapshots: true }, true), { numRuns });
  });

  it('with keys that never leave the node', () => {
    const command = fc.record({
      kind: fc.constantFrom(
        UpdateKind.Set,
        UpdateKind.Increment,
        UpdateKind.DeleteString,
        UpdateKind.SetAdd,
        UpdateKind.Expire,
      ),
      key: fc.constantFrom('weak:a', 'weak:b'),
      value: fc.constantFrom('1', '22', 'x'.repeat(300)),
      atMs: fc.constantFrom(Infinity, START_MS + 10, START_MS + 5_000),
      passMs: fc.nat(20),
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const keyspace = new MirroredKeyspace({ isWeak: (key) => key.startsWith('weak') });
        keyspace.collectsDirty = true;
        let nowMs = START_MS;
        for (const { kind, key, value, atMs, passMs } of commands) {
          const update = new Update();
          update.kind = kind;
          update.key.setFrom(latin1Range(key));
          update.hash = keyspace.hashOf(update.key);
          if (kind === UpdateKind.SetAdd) update.field.setFrom(latin1Range(value));
          else update.value.setFrom(latin1Range(kind === UpdateKind.Increment ? '1' : value));
          update.atMs = atMs;
          keyspace.applyWeak(update);
          nowMs += passMs;
          keyspace.expireDue(nowMs, 10, () => {});
          keyspace.compare(nowMs);
          expect(keyspace.takeDirty().entries).toEqual([]);
        }
      }),
      { numRuns },
    );
  });
});
