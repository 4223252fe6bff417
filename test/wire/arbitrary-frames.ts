import fc from 'fast-check';
import type { Row } from '../../src/causal/members.ts';
import type { PeerFrame, VectorEntries } from '../../src/causal/peer-frames.ts';
import { INCARNATION_MAX, nodeNumber, originOf, type NodeNumber, type Origin } from '../../src/clock/origin.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import type { EntryState } from '../../src/crdt/entry.ts';

/** Few nodes and incarnations, so that frames meet; and now and then any. */
const node: fc.Arbitrary<NodeNumber> = fc
  .oneof(
    { weight: 9, arbitrary: fc.constantFrom(64, 128, 192) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 ** 20 - 1 }) },
  )
  .map(nodeNumber);
const incarnation: fc.Arbitrary<number> = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 1, max: 3 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: INCARNATION_MAX }) },
);
const origin: fc.Arbitrary<Origin> = fc.tuple(node, incarnation).map(([of, life]) => originOf(of, life));
const floor: fc.Arbitrary<Origin> = node.map((of) => originOf(of, 0));
const seq: fc.Arbitrary<number> = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 1, max: 6 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }) },
);
const stamp: fc.Arbitrary<Stamp> = fc.integer({ min: 1, max: 2 ** 50 }).map((value) => value as Stamp);

const vector: fc.Arbitrary<VectorEntries> = fc.array(
  fc.oneof({ weight: 5, arbitrary: fc.tuple(origin, seq) }, { weight: 1, arbitrary: fc.tuple(floor, incarnation) }),
  { maxLength: 5 },
);

const row: fc.Arbitrary<Row> = fc.record({
  node,
  incarnation,
  stamp,
  wallMs: fc.double({ noNaN: true, noDefaultInfinity: true }),
  applied: vector.map((entries) => new VersionVector(entries)),
  durable: vector.map((entries) => new VersionVector(entries)),
  incarnations: fc.array(fc.tuple(node, incarnation), { maxLength: 3 }).map((pairs) => pairs.flat()),
  heard: fc.array(fc.tuple(node, incarnation), { maxLength: 2 }).map((pairs) => pairs.flat()),
  closedBelow: fc.oneof(fc.constant(0), incarnation),
  epoch: fc.nat(3),
});

/** Text of bytes. */
const text: fc.Arbitrary<string> = fc
  .uint8Array({ maxLength: 6 })
  .map((bytes) => Buffer.from(bytes).toString('latin1'));
const amount: fc.Arbitrary<string> = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }).map(String);
const write = <V>(value: fc.Arbitrary<V>): fc.Arbitrary<[V, number, number, number]> =>
  fc.tuple(value, stamp, origin, seq);
const run = fc.tuple(origin, seq, seq, stamp, amount, amount);
const orNull = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null });

export const state: fc.Arbitrary<EntryState> = fc.tuple(
  orNull(fc.tuple(orNull(text), stamp, origin, seq, orNull(fc.array(run, { maxLength: 3 })))),
  orNull(
    fc.array(fc.tuple(text, fc.array(write(text), { maxLength: 3 }), orNull(fc.array(run, { maxLength: 2 }))), {
      maxLength: 3,
    }),
  ),
  orNull(fc.array(fc.tuple(text, fc.array(write(fc.constant(null)), { maxLength: 3 })), { maxLength: 3 })),
  orNull(fc.array(fc.tuple(fc.integer({ min: -1, max: 2 ** 45 }), origin, seq, stamp, origin, seq), { maxLength: 3 })),
);

const time = fc.double({ noNaN: true, noDefaultInfinity: true });
const number = fc.nat(10_000);

/** Frames that are well formed, whatever they say. `bytes` of transactions may be anything. */
export const frame = (bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<PeerFrame> =>
  fc.oneof(
    fc.record({
      type: fc.constant('hello' as const),
      protocol: fc.constantFrom(0, 1, 2),
      clusterId: fc.constantFrom('virtual', 'other'),
      kind: fc.constantFrom('bulk' as const, 'control' as const),
      nodeId: fc.constantFrom('us/a', 'eu/a', 'ap/a', ''),
      nodeNumber: node.map(Number),
      incarnation,
      startId: fc.constantFrom('one', 'two'),
      rules: fc.constantFrom('', 'others'),
      applied: vector,
      beganAtEpoch: fc.nat(5),
      takesMessages: fc.boolean(),
    }),
    fc.record({ type: fc.constant('want' as const), nodes: fc.array(number, { maxLength: 4 }), after: vector }),
    fc.record({ type: fc.constant('fetch' as const), origin: fc.oneof(origin, floor), after: number, upTo: seq }),
    fc.record({
      type: fc.constant('rows' as const),
      rows: fc.array(row, { maxLength: 3 }),
      sentMs: time,
      echoMs: time,
      echoHeldMs: time,
      receivedBytes: number,
    }),
    fc.record({ type: fc.constant('message' as const), channel: text, bytes: fc.uint8Array({ maxLength: 8 }) }),
    fc.constant({ type: 'truncated' as const }),
    fc.constant({ type: 'snapshot-request' as const }),
    fc
      .record({
        origin: fc.oneof({ weight: 8, arbitrary: origin }, { weight: 1, arbitrary: floor }),
        first: fc.nat(4),
        more: fc.nat(3),
        asked: fc.boolean(),
        bytes,
      })
      .map(({ more, ...parts }) => ({ type: 'transactions' as const, ...parts, last: parts.first + more })),
    fc.record({
      type: fc.constant('snapshot-begin' as const),
      vector,
      running: fc.array(fc.tuple(origin, vector), { maxLength: 3 }),
      stable: vector,
      flush: orNull(fc.record({ stamp: stamp.map(Number), origin, seq })),
      stamp,
    }),
    fc.record({
      type: fc.constant('snapshot-entries' as const),
      entries: fc.array(fc.tuple(text, state), { maxLength: 3 }),
    }),
    fc.record({ type: fc.constant('snapshot-end' as const), count: fc.nat(4) }),
    fc.record({
      type: fc.constant('membership' as const),
      epoch: number,
      removals: fc.array(fc.record({ node, epoch: number, incarnation, cut: vector }), { maxLength: 2 }),
      joins: fc.array(fc.record({ node, epoch: number, incarnation, cut: vector }), { maxLength: 2 }),
    }),
  );
