import { describe, expect, it } from 'vitest';
import type { VectorEntries } from '../../src/causal/peer-frames.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { planMembers } from '../../src/groups/members-plan.ts';
import { MembersState, type BeginEntry, type ChangeStep } from '../../src/groups/members-state.ts';
import { membersCodec } from '../../src/wire/members-codec.ts';

const [A, B, C, D] = [64, 128, 192, 256].map(nodeNumber) as [never, never, never, never];
const ALL = [A, B, C, D];
const from = (node: never, incarnation = 1) => originOf(node, incarnation);

class Log {
  readonly state: MembersState = new MembersState();
  #index = 0;

  begin(change: 'remove' | 'join', nodes: readonly never[], more: Partial<BeginEntry> = {}): string | null {
    const { epoch } = this.state.record;
    const known = { epoch: 0, removals: [], joins: [] };
    return this.#apply({ kind: 'begin', change, nodes, topology: ALL, expectedEpoch: epoch, known, ...more });
  }

  report(node: never, step: ChangeStep, has: VectorEntries = [], incarnation = 1): string | null {
    const { change } = this.state;
    const incarnations = (change?.nodes ?? []).map((of) => [of, incarnation] as const);
    return this.#apply({ kind: 'report', operation: change?.operation ?? 0, step, node, has, incarnations });
  }

  release(operation: number): string | null {
    return this.#apply({ kind: 'release', operation });
  }

  /** Each entry goes by its bytes, and so does the state after it. */
  #apply(entry: Parameters<typeof membersCodec.encodeEntry>[0]): string | null {
    const answer = this.state.apply(++this.#index, membersCodec.decodeEntry(membersCodec.encodeEntry(entry)));
    const stored = { image: this.state.image, base: planMembers([]) };
    this.state.restore(membersCodec.decodeStored(membersCodec.encodeStored(stored)).image);
    return answer;
  }
}

describe('the state of the members’ group', () => {
  it('cuts at the highest that any has, once all have reported, and removes once all have that', () => {
    const log = new Log();
    expect(log.begin('remove', [A])).toBeNull();
    log.report(B, 'fence', [[from(A), 5]]);
    log.report(C, 'fence', [[from(A), 7]], 2);
    expect(log.state.change).toMatchObject({ step: 'fence', reported: [B, C] });
    expect(log.report(C, 'even', [[from(A), 7]])).toBe('that step is over');
    log.report(D, 'fence', []);
    expect(log.state.change).toMatchObject({ step: 'even', reported: [], cut: [[from(A), 7]] });
    // what was made before the cut was known does not do
    log.report(B, 'even', [[from(A), 5]]);
    expect(log.state.change?.reported).toEqual([]);
    for (const node of [B, C]) log.report(node, 'even', [[from(A), 7]]);
    expect(log.state.record.epoch).toBe(0);
    log.report(D, 'even', [[from(A), 7]]);
    expect(log.state.record).toEqual({
      epoch: 1,
      removals: [{ node: A, epoch: 1, incarnation: 2, cut: [[from(A), 7]] }],
      joins: [],
    });
    expect(log.state.change).toBeNull();
  });

  it('a survivor that has more than the cut raises it, and all report again', () => {
    const log = new Log();
    log.begin('remove', [A]);
    for (const node of [B, C, D]) log.report(node, 'fence', [[from(A), 7]]);
    log.report(B, 'even', [[from(A), 7]]);
    log.report(C, 'even', [[from(A), 8]]);
    expect(log.state.change).toMatchObject({ cut: [[from(A), 8]], reported: [C] });
    log.report(D, 'even', [[from(A), 7]]);
    for (const node of [B, D]) log.report(node, 'even', [[from(A), 8]]);
    expect(log.state.record.removals).toMatchObject([{ cut: [[from(A), 8]] }]);
  });

  it('removes several in one epoch, each at its own cut, and lets them in above every incarnation that was known', () => {
    const log = new Log();
    log.begin('remove', [A, B]);
    for (const node of [C, D]) log.report(node, 'fence', [[from(A), 7]]);
    const has: VectorEntries = [
      [from(A), 7],
      [from(B), 3],
    ];
    // b's was passed on to c in between
    for (const node of [C, D, C]) log.report(node, 'even', has);
    expect(log.state.record.removals).toEqual([
      { node: A, epoch: 1, incarnation: 1, cut: [[from(A), 7]] },
      { node: B, epoch: 1, incarnation: 1, cut: [[from(B), 3]] },
    ]);
    expect(log.begin('remove', [A])).toBe('a node is removed already');
    expect(log.begin('join', [C])).toBe('a node is a member already');
    expect(log.begin('join', [A, B])).toBeNull();
    log.report(C, 'settle');
    expect(log.state.change?.step).toBe('settle');
    log.report(D, 'settle', [], 4);
    expect(log.state.change?.step).toBe('hold');
    log.report(C, 'hold');
    log.report(D, 'hold');
    expect(log.state.record).toEqual({
      epoch: 2,
      removals: [],
      joins: [
        { node: A, epoch: 2, incarnation: 5, cut: [[from(A), 7]] },
        { node: B, epoch: 2, incarnation: 5, cut: [[from(B), 3]] },
      ],
    });
  });

  it('one change at a time, of the epoch that was expected; the same again, a late report and a late taking back do nothing', () => {
    const log = new Log();
    expect(log.begin('remove', [A], { expectedEpoch: 1 })).toBe('epoch 1 was expected, it is 0');
    expect(log.begin('remove', [nodeNumber(320) as never])).toBe('a node is not in the topology');
    expect(log.begin('remove', ALL)).toBe('nobody would be left');
    expect(log.state.change).toBeNull();
    log.begin('remove', [A]);
    const first = log.state.change?.operation ?? 0;
    log.report(B, 'fence');
    expect(log.begin('remove', [A])).toBeNull();
    expect(log.state.change).toMatchObject({ operation: first, reported: [B] });
    expect(log.begin('remove', [B])).toContain('a removal is under way');
    expect(log.begin('join', [A])).toContain('a removal is under way');
    expect(log.report(A, 'fence')).toBe('it has no part in this change');
    expect(log.release(first)).toBeNull();
    expect(log.state.change).toBeNull();
    expect(log.report(B, 'fence')).toBe('that step is over');
    log.begin('remove', [A]);
    expect(log.release(first)).toBe('that change is not under way any more');
    expect(log.state.change).toMatchObject({ reported: [] });
  });

  it('takes over what operators did while there were too few to agree', () => {
    const log = new Log();
    const removals = [A, B].map((node) => ({ node, epoch: 2, incarnation: 1, cut: [] }));
    const known = { epoch: 2, removals, joins: [] };
    expect(log.begin('join', [A], { expectedEpoch: 2, known })).toBeNull();
    expect(log.state.record).toEqual(known);
    expect(log.state.change?.others).toEqual([C, D]);
  });
});

describe('who votes on the members', () => {
  const nodes = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts).flatMap(([region, count], at) =>
      Array.from({ length: count }, (_, letter) => ({ nodeNumber: nodeNumber((at + 1) * 64 + letter), region })),
    );
  it.each([
    [{ a: 1, b: 1, c: 1 }, [64, 128, 192]],
    [{ a: 3, b: 3, c: 3 }, [64, 128, 192]],
    [{ a: 1, b: 1, c: 1, d: 1 }, [64, 128, 192]],
    [{ a: 2, b: 1, c: 1, d: 1, e: 1 }, [64, 128, 192, 256, 320]],
    [{ a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1 }, [64, 128, 192, 256, 320]],
    [{ a: 3 }, [64, 65, 66]],
    [{ a: 3, b: 2 }, [64, 65, 128]],
    [{ a: 1, b: 1 }, [64, 128]],
  ])('%j: %j', (counts, voters) => {
    const plan = planMembers(nodes(counts));
    expect(plan.voters).toEqual(voters);
    expect([...plan.voters, ...plan.learners].toSorted((left, right) => left - right)).toEqual(
      nodes(counts).map((node) => node.nodeNumber),
    );
  });
});
