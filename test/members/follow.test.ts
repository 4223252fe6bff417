import { describe, expect, it } from 'vitest';
import { REPLICATION_LIMITS } from '../../src/causal/limits.ts';
import type { MembershipRecord, PendingChange } from '../../src/causal/membership-record.ts';
import { Replica } from '../../src/causal/replica.ts';
import type { VectorEntries } from '../../src/causal/peer-frames.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { HybridClock, type Stamp } from '../../src/clock/stamp.ts';
import type { ChangeProgress } from '../../src/commands/membership-view.ts';
import type { ChangeStep, MembersEntry } from '../../src/groups/members-state.ts';
import { MembershipAgreement } from '../../src/node/membership-agreement.ts';

const [A, B, C] = [64, 128, 192].map(nodeNumber) as [never, never, never];
const NOBODY_GONE: MembershipRecord = { epoch: 0, removals: [], joins: [] };
const A_GONE: MembershipRecord = { epoch: 1, removals: [{ node: A, epoch: 1, incarnation: 0, cut: [] }], joins: [] };
const change = (kind: 'fence' | 'hold', nodes: readonly never[], operation: number): PendingChange => ({
  kind,
  nodes,
  operation,
});

/** B as it follows what was decided. */
function replica(): Replica {
  const members = [A, B, C].map((number, at) => {
    const region = 'abc'.charAt(at);
    return { nodeNumber: number, id: `${region}/a`, region };
  });
  const identity = {
    clusterId: 'x',
    nodeId: 'b/a',
    region: 'b',
    nodeNumber: B,
    incarnation: 1,
    startId: '',
    rules: '',
  };
  return new Replica(identity, members, new HybridClock(0 as Stamp), REPLICATION_LIMITS);
}

describe('following what the members decided', () => {
  it('fences several at once, says whether that is new, and forgets it when it was taken back', () => {
    const { membership } = replica();
    expect(membership.follow(NOBODY_GONE, change('fence', [A, C], 5), 6)).toBe(true);
    expect([A, B, C].map((node) => membership.isFenced(node))).toEqual([true, false, true]);
    const { version } = membership;
    expect(membership.follow(NOBODY_GONE, change('fence', [A, C], 5), 7)).toBe(false);
    expect(membership.version).toBe(version);
    expect(membership.follow(NOBODY_GONE, null, 8)).toBe(true);
    expect(membership.isFenced(A)).toBe(false);
    expect(membership.version).toBeGreaterThan(version);
  });

  it('what the group has not come to again after a start takes nothing back', () => {
    const { membership } = replica();
    membership.follow(NOBODY_GONE, change('fence', [A], 5), 6);
    expect(membership.follow(NOBODY_GONE, null, 4)).toBe(false);
    expect(membership.isFenced(A)).toBe(true);
    // nor does an epoch that is over
    membership.follow(A_GONE, null, 9);
    expect(membership.follow(NOBODY_GONE, change('fence', [C], 7), 9)).toBe(false);
    expect([membership.epoch, membership.isFenced(C), membership.isFenced(A)]).toEqual([1, false, false]);
  });

  it('who is itself to go fences nobody, and who is to join holds nobody', () => {
    const { membership } = replica();
    expect(membership.follow(NOBODY_GONE, change('fence', [A, B], 5), 6)).toBe(false);
    expect(membership.pending).toBeNull();
  });

  it('a held node counts again before it comes', () => {
    const { members, membership } = replica();
    membership.follow(A_GONE, null, 6);
    membership.settle();
    expect(members.others().map(({ nodeNumber: number }) => number)).toEqual([C]);
    expect(membership.follow(A_GONE, change('hold', [A], 8), 8)).toBe(true);
    expect(members.others().map(({ nodeNumber: number }) => number)).toContain(A);
    expect(membership.isHeld(A)).toBe(true);
  });
});

describe('what a member reports', () => {
  const from = originOf(A, 1);
  const PROGRESS: ChangeProgress = {
    epoch: 0,
    state: 'fenced',
    isDurable: true,
    incarnation: 3,
    operation: 5,
    isSettled: true,
    joinedAtEpoch: 0,
    joinedFrom: 0,
    has: [[from, 4]],
  };

  /** What B reports of a step on A, with that progress; null for nothing. */
  function reportOf(step: ChangeStep, progress: Partial<ChangeProgress>, cut: VectorEntries = []): MembersEntry | null {
    const of = replica();
    of.durable.raise(from, 4);
    const kind = step === 'fence' || step === 'even' ? 'remove' : 'join';
    const record = kind === 'join' ? A_GONE : NOBODY_GONE;
    const underWay = { kind, operation: 5, nodes: [A], others: [B, C], step, reported: [], cut, incarnations: [] };
    const reports: MembersEntry[] = [];
    const agreement = new MembershipAgreement({
      replica: of,
      replicator: { membersChanged: () => {} } as never,
      group: { state: { applied: 5, record, change: underWay } } as never,
      progressOf: () => ({ ...PROGRESS, ...progress }),
      encodeEntry: (entry) => {
        reports.push(entry);
        return new Uint8Array(0);
      },
      submit: () => 1,
      now: () => ({ wallMs: 0, monotonicMs: 0 }),
    });
    agreement.follow();
    // once, until that is answered
    agreement.follow();
    expect(reports.length).toBeLessThanOrEqual(1);
    return reports[0] ?? null;
  }

  it('each step once it is done here and on disk, and not before', () => {
    const report = { kind: 'report', operation: 5, node: B, incarnations: [[A, 3]] };
    expect(reportOf('fence', {})).toEqual({ ...report, step: 'fence', has: [[from, 4]] });
    expect(reportOf('fence', { isDurable: false })).toBeNull();
    expect(reportOf('even', {}, [[from, 4]])).toEqual({ ...report, step: 'even', has: [[from, 4]] });
    expect(reportOf('even', {}, [[from, 5]])).toBeNull();
    expect(reportOf('settle', {})).toEqual({ ...report, step: 'settle', has: [] });
    expect(reportOf('settle', { isSettled: false })).toBeNull();
    expect(reportOf('hold', {})).toEqual({ ...report, step: 'hold', has: [] });
    expect(reportOf('hold', { isDurable: false })).toBeNull();
  });

  it('of an earlier life only what it was cut at may be left', () => {
    const earlier = originOf(A, 2);
    const had = { has: [[from, 4] as const, [earlier, 9] as const] };
    const cut: VectorEntries = [
      [earlier, 9],
      [from, 4],
    ];
    expect(reportOf('even', had, cut)).toMatchObject({ step: 'even', has: cut });
    expect(reportOf('even', {}, cut)).toBeNull();
  });
});
