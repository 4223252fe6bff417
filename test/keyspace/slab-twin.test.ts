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
} from '../properties/values/random-history.ts';
import { keepsSiblings, shownOfSeveral } from '../properties/values/keyspaces.ts';
import { START_MS, type VirtualReplica } from '../properties/values/virtual-replica.ts';
import { runs } from '../support/fast-check-runs.ts';
import { MirroredKeyspace } from '../support/mirrored-keyspace.ts';

const MIXES: readonly Mix[] = ['string', 'counter', 'types', 'flush'];
const numRuns = runs(60);
const timeout = runs(60_000);

/** A keyspace with its twin, for a replica; `pins` says whether one of the keys is a quorum group's. */
function mirrored(origin: Origin, pins: boolean): MirroredKeyspace {
  const host = { origin, nowMs: () => START_MS, count: () => ({ className: 'default', stringRule: 'lww' }) };
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

/** Runs steps on replicas that are twins each, and compares after every step. */
function sideBySide(mix: StepMix, pins: boolean): fc.IProperty<[Step[]]> {
  return fc.property(stepsArbitrary(mix), (steps) => {
    const history = new RandomHistory(emptyTally(), (origin) => mirrored(origin, pins));
    const compare = (replica: VirtualReplica): void => {
      mirrorOf(replica).compare(replica.nowMs);
      compareReads(history, replica, keysOf(mix));
    };
    for (const step of steps) {
      const changed = history.run(step);
      if (changed !== null) compare(changed);
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
