import { ByteRange } from '../base/bytes.ts';
import { joinedCuts, type PendingChange } from '../causal/membership-record.ts';
import type { VectorEntries } from '../causal/peer-frames.ts';
import type { Now, Replica } from '../causal/replica.ts';
import type { Replicator } from '../causal/replicator.ts';
import type { NodeNumber } from '../clock/origin.ts';
import type { AgreementAsked, AgreementStatus, AgreementView, ChangeProgress } from '../commands/membership-view.ts';
import type { StrongAnswer, StrongRequest } from '../commands/strong-view.ts';
import { CausewayError } from '../errors.ts';
import type { MembersGroup } from '../groups/members-group.ts';
import { MEMBERS_GROUP, MEMBERS_NODES_MIN } from '../groups/members-plan.ts';
import type { MembersChange, MembersEntry } from '../groups/members-state.ts';

export interface MembershipAgreementOptions {
  readonly replica: Replica;
  readonly replicator: Replicator;
  readonly group: MembersGroup;
  readonly progressOf: (node: NodeNumber) => ChangeProgress;
  readonly encodeEntry: (entry: MembersEntry) => Uint8Array;
  readonly submit: (request: StrongRequest, answered: (answer: StrongAnswer) => void) => number;
  readonly now: () => Now;
}

/** How long a report waits for the leader before it is made anew. */
const REPORT_MS = 3_000;
/** After an answer: long enough for what it led to to be known here. */
const AGAIN_AFTER_MS = 250;
const NOBODY: StrongRequest['requester'] = { user: '', address: '', region: '' };

/**
 * Does at this node what the members' group decides, and reports what is done (RULES D7). Nothing of it is kept here: what is due
 * follows from the group's state and what is on disk, so a node that restarts goes on by itself.
 */
export class MembershipAgreement implements AgreementView {
  readonly #options: MembershipAgreementOptions;
  #isReporting = false;
  #notBeforeMs = -Infinity;

  constructor(options: MembershipAgreementOptions) {
    this.#options = options;
  }

  // ── what was decided ──

  /** To be called whenever something may have changed. Says whether anything did. */
  follow(): boolean {
    const { group, replica, replicator } = this.#options;
    const { applied, change, record } = group.state;
    const isNew = replica.membership.follow(record, pendingOf(change), applied);
    if (isNew) replicator.membersChanged();
    return this.#reportDue() || isNew;
  }

  #reportDue(): boolean {
    const { group, now } = this.#options;
    const { change } = group.state;
    if (change === null || this.#isReporting || now().monotonicMs < this.#notBeforeMs) return false;
    const report = this.#report(change);
    if (report === null) return false;
    this.#isReporting = true;
    this.#submit(report, NOBODY, REPORT_MS, () => {
      this.#isReporting = false;
      this.#notBeforeMs = now().monotonicMs + AGAIN_AFTER_MS;
    });
    return true;
  }

  /** What this node has to say of the step under way; null where it has said it, or is not through. */
  #report(change: MembersChange): MembersEntry | null {
    const { replica, group, progressOf } = this.#options;
    const { membership, identity } = replica;
    const self = identity.nodeNumber;
    if (!change.others.includes(self) || change.reported.includes(self)) return null;
    if (membership.epoch !== group.state.record.epoch) return null;
    const { operation, step } = change;
    const isBegun = step === 'settle' || membership.pending?.operation === operation;
    const progress = change.nodes.map(progressOf);
    if (!isBegun || !progress.every((each) => each.isDurable)) return null;
    if (step === 'settle' && !progress.every((each) => each.isSettled)) return null;
    const has = step === 'settle' || step === 'hold' ? [] : this.#has(change, progress);
    if (has === null) return null;
    const incarnations = change.nodes.map((node, at) => [node, progress[at]?.incarnation ?? 0] as const);
    return { kind: 'report', operation, step, node: self, has, incarnations };
  }

  /** What is here of the nodes to be removed, null where something up to the cut is missing on disk. */
  #has({ step, cut }: MembersChange, progress: readonly ChangeProgress[]): VectorEntries | null {
    const { durable } = this.#options.replica;
    const had = progress.flatMap((each) => each.has);
    if (step === 'fence') return had;
    const past = new Map(had);
    // where an earlier life was cut there may be nothing of it here any more
    const isHere = ([origin, seq]: VectorEntries[number]): boolean =>
      durable.contains(origin, seq) || (past.get(origin) ?? 0) >= seq;
    return cut.every(isHere) ? joinedCuts(cut, had) : null;
  }

  #submit(
    entry: MembersEntry,
    requester: StrongRequest['requester'],
    timeoutMs: number,
    answered: (answer: StrongAnswer) => void,
  ): number {
    const commands = [[new ByteRange(this.#options.encodeEntry(entry))]];
    const request = { group: MEMBERS_GROUP, kind: 'write', commands, keys: [], isExec: false, watches: [] } as const;
    return this.#options.submit({ ...request, deps: [], once: null, respVersion: 2, requester, timeoutMs }, answered);
  }

  // ── what operators ask ──

  get isInCharge(): boolean {
    const { members, membership } = this.#options.replica;
    const count = members.all().filter(({ nodeNumber }) => membership.removalOf(nodeNumber) === undefined).length;
    return count >= MEMBERS_NODES_MIN;
  }

  status(): AgreementStatus {
    const { raft, state } = this.#options.group;
    const { change } = state;
    return {
      leader: raft.leader === 0 ? null : this.#id(raft.leader),
      voters: raft.config.voters.map((node) => this.#id(node)),
      change:
        change === null
          ? null
          : {
              kind: change.kind,
              nodes: change.nodes.map((node) => this.#id(node)),
              step: change.step,
              waiting: change.others.filter((node) => !change.reported.includes(node)).map((node) => this.#id(node)),
            },
    };
  }

  #id(node: number): string {
    return this.#options.replica.members.get(node)?.id ?? String(node);
  }

  begin(change: 'remove' | 'join', ids: readonly string[], expectedEpoch: number, asked: AgreementAsked): number {
    const { members, membership } = this.#options.replica;
    const all = members.all();
    const nodes = new Set(
      ids.map((id) => {
        const member = all.find((each) => each.id === id);
        if (member === undefined) throw new CausewayError('ERR', `no node '${id}' in the topology`);
        return member.nodeNumber;
      }),
    );
    const entry: MembersEntry = {
      kind: 'begin',
      change,
      nodes: [...nodes].toSorted((left, right) => left - right),
      topology: all.map(({ nodeNumber }) => nodeNumber),
      expectedEpoch,
      known: membership.record,
    };
    return this.#submit(entry, asked.requester, asked.timeoutMs, asked.answered);
  }

  takeBack(asked: AgreementAsked): number {
    const { change } = this.#options.group.state;
    if (change === null)
      throw new CausewayError('ERR', 'no change of the members is under way, as far as is known here');
    const entry: MembersEntry = { kind: 'release', operation: change.operation };
    return this.#submit(entry, asked.requester, asked.timeoutMs, asked.answered);
  }
}

/** What a node does about a change: a join holds nothing before the earlier lives are let go everywhere. */
function pendingOf(change: MembersChange | null): PendingChange | null {
  if (change === null || change.step === 'settle') return null;
  const { nodes, operation } = change;
  return { kind: change.kind === 'remove' ? 'fence' : 'hold', nodes, operation };
}
