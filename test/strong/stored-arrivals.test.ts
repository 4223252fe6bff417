import { expect, test } from 'vitest';
import { present } from '../../src/base/assert.ts';
import { latin1Range } from '../../src/base/bytes.ts';
import type { Replica } from '../../src/causal/replica.ts';
import type { Origin } from '../../src/clock/origin.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { Update, UpdateKind } from '../../src/crdt/update.ts';
import { groupOrigin } from '../../src/groups/group-plan.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import { Persistence } from '../../src/node/persistence.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';

const NOW = { wallMs: 0, monotonicMs: 0 };

function replicaAt(vector: VersionVector): Replica {
  const replica: Partial<Replica> = {
    vector,
    stable: new VersionVector(),
    durable: new VersionVector(),
    groupOrigins: new Set<Origin>(),
    membership: { version: 0, state: null } as Replica['membership'],
    runningEntries: () => new Map<Origin, VersionVector>().entries(),
  };
  return replica as Replica;
}

test('nothing is cut for the store while a FLUSHALL is on its way through the keys', () => {
  const keyspace = new SlabKeyspace();
  keyspace.collectsDirty = true;
  const origin = groupOrigin(1, 'region');
  const flush = new Update();
  flush.kind = UpdateKind.FlushAll;
  const set = new Update();
  set.kind = UpdateKind.Set;
  set.key.setFrom(latin1Range('k'));
  set.atMs = Infinity;
  for (const [at, update] of [set, flush].entries())
    keyspace.apply(update, { origin, seq: at + 1, stamp: (at + 1) as Stamp, deps: new VersionVector() });
  const persistence = new Persistence(replicaAt(new VersionVector([[origin, 2]])), keyspace, peerCodec, true);
  expect(persistence.isWaiting).toBe(false);
  while (keyspace.pending.isOpen) keyspace.pending.advance(1);
  expect(persistence.isWaiting).toBe(true);
  const batch = present(persistence.take(1 as Stamp, NOW, Infinity), 'a batch');
  expect([batch.clear, [...batch.entries]]).toEqual([true, []]);
});

test('a state that is not all in its place is not said to be stored, and is once it is', () => {
  const [arriving, other] = [groupOrigin(1, 'region'), groupOrigin(2, 'region')];
  const source = new SlabKeyspace();
  source.kinds.isPinned = () => true;
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    const update = new Update();
    update.kind = UpdateKind.SetAdd;
    update.key.setFrom(latin1Range(name));
    update.field.setFrom(latin1Range('member'));
    source.apply(update, { origin: arriving, seq: 9, stamp: 1 as Stamp, deps: new VersionVector() });
  }
  const keyspace = new SlabKeyspace();
  keyspace.collectsDirty = true;
  keyspace.kinds.isPinned = () => true;
  const vector = new VersionVector([
    [arriving, 9],
    [other, 4],
  ]);
  const replica = replicaAt(vector);
  const persistence = new Persistence(replica, keyspace, peerCodec, true);
  const stored = (): Map<number, number> =>
    new Map(peerCodec.decodeMeta(present(persistence.take(1 as Stamp, NOW, Infinity), 'a batch').meta).vector);
  const sides = { local: new VersionVector([[arriving, 3]]), remote: new VersionVector([[arriving, 9]]) };
  keyspace.mergeLater(arriving, source, sides);
  keyspace.pending.advance(2);
  expect([...stored()]).toEqual([
    [arriving, 3],
    [other, 4],
  ]);
  persistence.committed();
  expect(replica.durable.get(arriving)).toBe(3);
  expect(persistence.isWaiting).toBe(true);
  keyspace.pending.settleAll();
  expect(stored().get(arriving)).toBe(9);
  persistence.committed();
  expect(persistence.isWaiting).toBe(false);
});
