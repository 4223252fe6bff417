import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeConfig } from '../../src/quorum/group-config.ts';
import { EntryKind, type Entry, type Message } from '../../src/quorum/messages.ts';
import { ROUNDS_UNDER_WAY_MAX, TERM_MAX } from '../../src/quorum/options.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { accepted, append, chunk, entriesOf, Lone, vote } from './lone.ts';
import { wholeSource } from '../../src/quorum/whole-snapshot.ts';
import { LIMITS } from './world.ts';

const number = fc.oneof(
  { weight: 12, arbitrary: fc.nat({ max: 8 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(-1, 0.5, NaN, Infinity, 2 ** 31, TERM_MAX - 1, TERM_MAX, 2 ** 53, Number.MAX_VALUE),
  },
);
const entry: fc.Arbitrary<Entry> = fc.record({
  index: number,
  term: number,
  kind: fc.constantFrom(EntryKind.Command, EntryKind.Noop, EntryKind.Config, 9 as never),
  data: fc.oneof(
    fc.uint8Array({ maxLength: 12 }),
    fc.constant(encodeConfig({ voters: [1, 2], learners: [3] })),
    fc.constant(encodeConfig({ voters: [2, 3, 4], learners: [] })),
  ),
});
/** Entries that follow each other, most of the time. */
const entries = fc.oneof(
  fc.array(entry, { maxLength: 4 }),
  fc
    .record({
      first: fc.integer({ min: 1, max: 8 }),
      terms: fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 5 }),
    })
    .map(({ first, terms }) =>
      entriesOf(...terms.sort((one, other) => one - other).map((term, offset) => [first + offset, term] as const)),
    ),
);
/** A snapshot that could be. */
const wholeSnapshot = fc
  .record({ term: fc.integer({ min: 1, max: 8 }), index: fc.integer({ min: 1, max: 12 }), below: fc.nat({ max: 3 }) })
  .map(({ term, index, below }) => chunk(term, index, Math.max(1, term - below)));
const meta = fc.record({
  index: number,
  term: number,
  config: fc.record({ voters: fc.array(number, { maxLength: 4 }), learners: fc.array(number, { maxLength: 2 }) }),
  configIndex: number,
});
const base = { from: number, to: fc.oneof({ weight: 20, arbitrary: fc.constant(1) }, number), term: number };
const message: fc.Arbitrary<Message> = fc.oneof<fc.Arbitrary<Message>[]>(
  fc.record({
    ...base,
    type: fc.constant('vote' as const),
    isPreVote: fc.boolean(),
    lastIndex: number,
    lastTerm: number,
    isTransfer: fc.boolean(),
  }),
  fc.record({ ...base, type: fc.constant('vote-response' as const), isPreVote: fc.boolean(), isGranted: fc.boolean() }),
  fc.record({
    ...base,
    type: fc.constant('append' as const),
    previousIndex: number,
    previousTerm: number,
    entries,
    commit: number,
    round: number,
  }),
  fc.record({
    ...base,
    type: fc.constant('append-response' as const),
    isAccepted: fc.boolean(),
    previousIndex: number,
    index: number,
    conflictTerm: number,
    round: number,
  }),
  fc.record({
    ...base,
    type: fc.constant('snapshot' as const),
    meta,
    offset: number,
    isLast: fc.boolean(),
    transfer: number,
    bytes: fc.uint8Array({ maxLength: 8 }),
    round: number,
  }),
  fc.record({
    ...base,
    type: fc.constant('snapshot-response' as const),
    index: number,
    received: number,
    isDone: fc.boolean(),
    transfer: number,
    round: number,
  }),
  wholeSnapshot,
  fc.record({ ...base, type: fc.constant('timeout-now' as const) }),
  fc.record({ ...base, type: fc.constant('read-index' as const), id: number }),
  fc.record({ ...base, type: fc.constant('read-index-response' as const), id: number, index: number }),
);
const act = fc.oneof(
  { weight: 8, arbitrary: message },
  {
    weight: 2,
    arbitrary: fc.constantFrom('tick', 'propose', 'campaign', 'lead', 'save', 'read', 'compact', 'snapshot'),
  },
);

/** Whatever one member may be told or asked. */
function carryOut(lone: Lone, what: Message | string): void {
  const { nowMs, raft } = lone;
  if (typeof what !== 'string') raft.step(what, nowMs);
  else if (what === 'tick') lone.tick(700);
  else if (what === 'propose') raft.propose(new Uint8Array(3), nowMs);
  else if (what === 'campaign') raft.campaign(nowMs);
  else if (what === 'read') raft.readIndex(1, nowMs);
  else if (what === 'lead' && raft.role !== 'leader' && raft.config.voters.includes(1) && raft.term < 20) {
    lone.save();
    if (lone.raft.config.voters.length > 1) tryToLead(lone);
  } else if (what === 'compact') {
    const at = raft.snapshotMeta(lone.committed.at(-1)?.index ?? 0);
    if (at !== null) raft.compacted(at);
  } else if (what === 'snapshot') {
    const at = raft.snapshotMeta(lone.committed.at(-1)?.index ?? 0);
    if (at !== null) raft.sendSnapshot(2, wholeSource(at, new Uint8Array(5)));
  } else if (what === 'save') lone.save();
  lone.settle();
}

function tryToLead(lone: Lone): void {
  lone.forget();
  lone.raft.campaign(lone.nowMs);
  for (const isPreVote of [true, false]) {
    lone.settle().save();
    const term = isPreVote ? lone.raft.term + 1 : lone.raft.term;
    for (const from of [2, 3, 4]) {
      lone.raft.step({ type: 'vote-response', from, to: 1, term, isPreVote, isGranted: true }, lone.nowMs);
    }
  }
}

describe('messages from anybody', () => {
  it('throw nothing out of the machine, and what it has stays in order', () => {
    let leaderSteps = 0;
    let installs = 0;
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), fc.boolean(), (acts, isDiskHeld) => {
        const lone = new Lone().forget();
        lone.isDiskHeld = isDiskHeld;
        let before = { term: 0, commit: 0 };
        let handedOut = 0;
        for (const what of acts) {
          carryOut(lone, what);
          const { raft } = lone;
          expect(raft.term).toBeGreaterThanOrEqual(before.term);
          expect(raft.commit).toBeGreaterThanOrEqual(before.commit);
          expect(raft.commit).toBeLessThanOrEqual(raft.lastIndex);
          expect(raft.term).toBeLessThan(TERM_MAX);
          before = { term: raft.term, commit: raft.commit };
          let index = raft.lastIndex;
          for (let above = Infinity; raft.entryAt(index) !== undefined; index--) {
            expect(raft.entryAt(index)?.index).toBe(index);
            expect(raft.termAt(index) ?? 0).toBeLessThanOrEqual(above);
            above = raft.termAt(index) ?? 0;
          }
          leaderSteps += raft.role === 'leader' ? 1 : 0;
        }
        installs += lone.installs.length;
        for (const { index } of lone.committed) {
          expect(index).toBeGreaterThan(handedOut);
          handedOut = index;
        }
        expect(lone.raft.progress.size).toBeLessThan(10);
      }),
      runOptions(600, 20_000),
    );
    expect(leaderSteps).toBeGreaterThan(0);
    expect(installs).toBeGreaterThan(0);
  });

  const following = (): Lone => new Lone().step(append(3, [0, 0], entriesOf([1, 1], [2, 2], [3, 3]), { commit: 2 }));
  const wrong: readonly (readonly [string, Message])[] = [
    ['a term beyond all', append(TERM_MAX, [3, 3], [])],
    ['a term that is no number', append(NaN, [3, 3], [])],
    ['the term 0', append(0, [0, 0], [])],
    ['entries with a gap', append(4, [3, 3], entriesOf([4, 4], [6, 4]))],
    ['entries that do not go on', append(4, [3, 3], entriesOf([5, 4]))],
    ['entries whose terms fall', append(4, [3, 3], entriesOf([4, 4], [5, 3]))],
    ['entries of a later term than the message', append(4, [3, 3], entriesOf([4, 5]))],
    ['an index without a term', append(4, [3, 0], [])],
    ['a commit that is no index', append(4, [3, 3], [], { commit: -1 })],
    ['a configuration that is none', append(4, [3, 3], [{ ...entryAt(4, 4), kind: EntryKind.Config }])],
    ['an unknown kind', append(4, [3, 3], [{ ...entryAt(4, 4), kind: 77 as never }])],
    ['an entry that contradicts what is committed', append(3, [0, 0], entriesOf([1, 3]))],
    ['a past that contradicts what is committed', append(3, [2, 1], entriesOf([3, 3], [4, 3]))],
    ['a second leader of the term', append(3, [3, 3], entriesOf([4, 3]), { from: 3 })],
    ['itself as the sender', append(4, [3, 3], entriesOf([4, 4]), { from: 1 })],
    ['another receiver', append(4, [3, 3], entriesOf([4, 4]), { to: 2 })],
    ['a vote for a log of its own term to come', vote(9, { lastIndex: 9, lastTerm: 9, isTransfer: true })],
    [
      'a snapshot without voters',
      chunk(4, 9, 4, { meta: { index: 9, term: 4, config: { voters: [], learners: [1] }, configIndex: 0 } }),
    ],
    [
      'a snapshot with a member twice',
      chunk(4, 9, 4, { meta: { index: 9, term: 4, config: { voters: [1], learners: [1] }, configIndex: 0 } }),
    ],
    ['a snapshot of a later term', chunk(4, 9, 5)],
    ['a chunk beyond all ends', chunk(4, 9, 4, { offset: 2 ** 48 - 1 })],
  ];

  function entryAt(index: number, term: number): Entry {
    return { index, term, kind: EntryKind.Command, data: new Uint8Array([7, 7]) };
  }

  it.each(wrong)('%s: dropped', (_name, what) => {
    const lone = following();
    lone.take('append-response');
    lone.step(what);
    expect(lone.raft).toMatchObject({ commit: 2, lastIndex: 3, term: 3, leader: 2 });
    expect(lone.terms).toEqual([1, 2, 3]);
    expect(lone.said).toEqual([]);
  });

  it('a snapshot larger than may be is not taken', () => {
    const lone = following();
    lone.step(chunk(3, 9, 3, { bytes: new Uint8Array(LIMITS.snapshotBytesMax + 1) }));
    expect(lone.said.filter((each) => each.type === 'snapshot-response')).toEqual([]);
    expect(lone.installs).toEqual([]);
  });

  it('answers to what a leader never sent: dropped', () => {
    const lone = new Lone().lead();
    lone.accepts(2, 2).accepts(3, 99).accepts(9, 1).accepts(2, 1, 50);
    expect(lone.raft.commit).toBe(0);
    lone.step({
      type: 'snapshot-response',
      from: 2,
      to: 1,
      term: 1,
      index: 1,
      received: 0,
      isDone: false,
      transfer: 1,
      round: 0,
    });
    lone.step({
      type: 'snapshot-response',
      from: 7,
      to: 1,
      term: 9,
      index: 1,
      received: 0,
      isDone: true,
      transfer: 1,
      round: 0,
    });
    expect(lone.raft).toMatchObject({ role: 'leader', term: 1, commit: 0 });
    lone.step(accepted(1, 1));
    expect(lone.raft.commit).toBe(1);
  });

  it('reads that nobody confirms take bounded room, and share rounds', () => {
    const lone = new Lone({ timing: { leaseMs: 0 } }).lead().accepts(2, 1);
    lone.take('append');
    for (let id = 0; id < 3 * LIMITS.readsMax; id++) {
      lone.step({ type: 'read-index', from: 2, to: 1, term: 1, id });
    }
    const refused = lone.said.filter((each) => each.type === 'read-index-response');
    expect(refused.map((each) => each.index)).toEqual(Array.from({ length: 2 * LIMITS.readsMax }, () => 0));
    const rounds = lone.take('append').map(({ round }) => round);
    // That of the first heartbeat is under way too.
    expect(new Set(rounds).size).toBe(ROUNDS_UNDER_WAY_MAX - 1);
    // The next heartbeat is a round for all that still wait.
    lone.tick(100);
    lone.accepts(2, 1, Math.max(...lone.said.map((each) => (each.type === 'append' ? each.round : 0))));
    const answered = lone.take('read-index-response').filter((each) => each.index === 1);
    expect(answered).toHaveLength(LIMITS.readsMax);
  });

  it('many that wait for the disk take bounded room', () => {
    const lone = new Lone().forget();
    lone.isDiskHeld = true;
    for (let from = 2; from < 5_000; from++) lone.step(vote(1, { from, isTransfer: true }));
    for (let again = 0; again < 100; again++) lone.step(append(1, [0, 0], entriesOf([1, 1])));
    lone.save();
    expect(lone.said.length).toBeLessThan(1_200);
  });
});
