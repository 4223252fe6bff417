import { isAheadOfPeers } from '../causal/clock-skew.ts';
import { columnsOf } from '../causal/columns.ts';
import { ColumnsReader } from '../causal/columns-reader.ts';
import type { PeerFrame, VectorEntries } from '../causal/peer-frames.ts';
import type { Now, Replica } from '../causal/replica.ts';
import type { Replicator } from '../causal/replicator.ts';
import { incarnationOf, nodeOf, type Origin } from '../clock/origin.ts';
import { stampOfMs, type Stamp } from '../clock/stamp.ts';
import { VersionVector } from '../clock/version-vector.ts';
import type { Group } from '../groups/group.ts';
import type { GroupChunk } from '../groups/group-state.ts';
import { StrongTier, type StrongHost, type StrongTierOptions } from '../groups/strong-tier.ts';
import type { HashKey } from '../base/key-hash.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import type { OwnStream } from './own-stream.ts';

/** What a node with strong keys is given beside the rest. */
export interface StrongOptions extends Pick<
  StrongTierOptions,
  'plans' | 'commands' | 'newReply' | 'sha256' | 'codec' | 'timing' | 'limits' | 'load' | 'readAudit'
> {
  /** The first incarnation whose promises are on this disk, where an earlier one may have made some on a disk that was lost; else 0. */
  readonly votesSince: number;
  /** That there was such a one is noted by all groups, durably: it need not be looked for any more. */
  readonly settleVotes: () => void;
  /** [0, 1) */
  readonly random: () => number;
  /** The time as it is, read anew: a client's request may be the first that is heard after the process stood still (RULES T4). */
  readonly now: () => Now;
  /** How the members agree on who is one; without it operators say so at every node. */
  readonly members?: Omit<NonNullable<StrongTierOptions['members']>, 'nodes'>;
}

export interface StrongSideOptions {
  readonly strong: StrongOptions;
  readonly hashKey: HashKey | undefined;
  readonly ownRules: StrongTierOptions['ownRules'];
  readonly replica: Replica;
  readonly replicator: Replicator;
  readonly keyspace: SlabKeyspace;
  readonly own: OwnStream;
  readonly send: (link: number, frame: PeerFrame) => void;
  readonly nodeId: (node: number) => string;
  /** Delivers what can be of what is held back. */
  readonly deliver: () => void;
  readonly now: () => Now;
}

/** Joins the strong tier to the causal one: each group is one more origin, whose transactions show in the order of their causes. */
export function openStrongTier(options: StrongSideOptions): StrongTier {
  const { strong, ownRules, replica } = options;
  const { plans, commands, newReply, sha256, codec, timing, limits, load, readAudit, members } = strong;
  for (const { origin } of plans) replica.groupOrigins.add(origin);
  return new StrongTier(
    {
      self: replica.identity.nodeNumber,
      origin: replica.origin,
      plans,
      members: members === undefined ? null : { ...members, nodes: replica.members.all() },
      commands,
      newReply,
      sha256,
      ownRules,
      codec,
      timing,
      limits,
      load,
      readAudit,
      hashKey: options.hashKey,
    },
    new CausalSide(options),
  );
}

class CausalSide implements StrongHost {
  readonly #options: StrongSideOptions;
  /** What each peer's newest hello said, where it was looked through for lives on a lost disk and there were none. */
  readonly #lookedAt: Map<number, VersionVector> = new Map();
  /** What a group's whole state cannot be shown before, by the group's origin: until it comes nothing need be looked at again. */
  readonly #barriers: Map<Origin, readonly [Origin, number]> = new Map();

  constructor(options: StrongSideOptions) {
    this.#options = options;
  }

  send(to: number, frame: Uint8Array): void {
    const control = this.#options.replicator.sessions.get(to)?.control ?? null;
    if (control !== null) this.#options.send(control, { type: 'strong', bytes: frame });
  }

  isUp(node: number): boolean {
    return this.#options.replicator.sessions.get(node)?.isUp ?? false;
  }

  controlOf(node: number): number {
    return this.#options.replicator.sessions.get(node)?.control ?? 0;
  }

  incarnationOf(node: number): number {
    return this.#options.replicator.incarnationOf(node);
  }

  get hasLostDisk(): boolean {
    for (const [node, { helloApplied }] of this.#options.replicator.sessions) {
      if (helloApplied === null || this.#lookedAt.get(node) === helloApplied) continue;
      if (this.#knowsLostLife(helloApplied)) return true;
      this.#lookedAt.set(node, helloApplied);
    }
    return false;
  }

  /** Whether a vector tells of a life of this node before the first one on this disk. */
  #knowsLostLife(known: VersionVector): boolean {
    const { nodeNumber } = this.#options.replica.identity;
    const since = this.#options.strong.votesSince;
    for (const [origin, seq] of known.entries()) {
      if (nodeOf(origin) !== nodeNumber) continue;
      // a floor was raised by the life that it is at
      if ((incarnationOf(origin) === 0 ? seq : incarnationOf(origin)) < since) return true;
    }
    return false;
  }

  settleVotes(): void {
    this.#options.strong.settleVotes();
  }

  covers(deps: VectorEntries): boolean {
    const { vector, closedHere } = this.#options.replica;
    return deps.every(([origin, seq]) => vector.contains(origin, seq) || closedHere.isRetired(origin));
  }

  rowCovers(node: number, deps: VersionVector): boolean {
    const { members, vector, closedHere } = this.#options.replica;
    const applied = members.row(node)?.applied;
    if (applied === undefined) return false;
    return [...deps.dots()].every(([origin, seq]) => {
      if (applied.contains(origin, seq)) return true;
      // of what is closed nobody has more than is here: the rest is void (RULES D7, D8)
      return closedHere.isRetired(origin) && applied.contains(origin, vector.get(origin));
    });
  }

  isClockAhead(node: number): boolean {
    const { replica, replicator, now } = this.#options;
    if (node === replica.identity.nodeNumber) return isAheadOfPeers(replica, replicator.sessions.values(), now());
    return (replicator.sessions.get(node)?.clockOffsetMs(now()) ?? 0) > replica.limits.skewMsMax;
  }

  nextStamp(wallMs: number): ReturnType<StrongHost['nextStamp']> {
    return this.#options.own.nextStamp(wallMs);
  }

  random(): number {
    return this.#options.strong.random();
  }

  /** They wait in hold-back for what they depend on, as everybody's do (RULES T1). */
  show(origin: Origin, { first, last, bytes }: GroupChunk): boolean {
    const { replica } = this.#options;
    const { monotonicMs } = this.#options.now();
    const chunk = { origin, first, last, bytes, atMs: monotonicMs };
    // who has the causes is whoever is asked: the leader has them all
    const held = { chunk, reader: new ColumnsReader(columnsOf(bytes)), sender: 0, nextSeq: first };
    return replica.holdBack.take(held, replica.vector.get(origin), true, monotonicMs) !== 'gap';
  }

  visible(origin: Origin): number {
    return this.#options.replica.vector.get(origin);
  }

  showWhole(groups: readonly Group[]): readonly Group[] {
    const { replica, own, deliver } = this.#options;
    const shown = this.#closed(groups);
    if (shown.length === 0) return shown;
    own.seal(this.#options.now());
    for (const group of shown) this.#replace(group);
    replica.clock.see(Math.max(...shown.map(({ state }) => state.stamp)) as Stamp);
    own.noteVectorChanged();
    // part of what they have seen may have waited for them
    deliver();
    return shown;
  }

  /** Whether what a group's state was found to lack has not come yet; `groups` are those that could be shown with it. */
  #isBarred({ plan }: Group, groups: readonly Group[]): boolean {
    const barrier = this.#barriers.get(plan.origin);
    if (barrier === undefined) return false;
    const [origin, seq] = barrier;
    const { vector, closedHere, holdBack } = this.#options.replica;
    const isHere = vector.contains(origin, seq) || closedHere.isRetired(origin) || holdBack.tail(origin, 0) >= seq;
    if (!isHere && !isApplied(groups, origin, seq)) return true;
    this.#barriers.delete(plan.origin);
    return false;
  }

  #bar({ plan }: Group, barrier: readonly [Origin, number] | null, groups: readonly Group[]): void {
    // another group's state has it, and waits for something itself
    const found = barrier !== null && isApplied(groups, ...barrier) ? this.#barriers.get(barrier[0]) : barrier;
    if (found !== undefined && found !== null) this.#barriers.set(plan.origin, found);
  }

  /** The most of the groups that together, and with all that waits for them, lack nothing. */
  #closed(groups: readonly Group[]): readonly Group[] {
    const { replica, now } = this.#options;
    const { closedHere, holdBack } = replica;
    type Has = (origin: Origin, seq: number) => boolean;
    const lacked = ({ state }: Group, has: Has): readonly [Origin, number] | undefined =>
      [...state.running.dots()].find(([origin, seq]) => !has(origin, seq) && !closedHere.isRetired(origin));
    // what is far ahead of the clock waits, as it does when it comes in transactions (RULES D3)
    const latestStamp = stampOfMs(now().wallMs + replica.limits.skewMsMax);
    const isDue = (group: Group): boolean => group.state.stamp <= latestStamp && !this.#isBarred(group, groups);
    for (let some = groups.filter(isDue); some.length > 0;) {
      const vector = replica.vector.clone();
      for (const { plan, state } of some) vector.raise(plan.origin, state.applied);
      // what is not even held is not looked for in what is
      const mayHave: Has = (origin, seq) => vector.contains(origin, seq) || holdBack.tail(origin, 0) >= seq;
      const near = some.filter((group) => {
        const dot = lacked(group, mayHave);
        if (dot !== undefined) this.#bar(group, dot, groups);
        return dot === undefined;
      });
      if (near.length < some.length) {
        some = near;
        continue;
      }
      const reached = holdBack.reach(vector, closedHere, now().wallMs);
      const next = some.filter((group) => {
        const dot = lacked(group, (origin, seq) => reached.vector.contains(origin, seq));
        if (dot !== undefined) this.#bar(group, reached.barrier(dot[0]), groups);
        return dot === undefined;
      });
      if (next.length === some.length) return next;
      some = next;
    }
    return [];
  }

  /** A group's state in the place of what is here of it, as a snapshot by dot (RULES D6, T5). */
  #replace({ plan: { origin }, state }: Group): void {
    const { replica, keyspace } = this.#options;
    const remote = new VersionVector([[origin, state.applied]]);
    keyspace.mergeLater(origin, state.keyspace, { local: replica.vector.clone(), remote });
    replica.setRunning(origin, state.running.clone());
    replica.log.startAfter(origin, state.applied);
    replica.vector.raise(origin, state.applied);
  }

  isRemoved(node: number): boolean {
    return this.#options.replica.membership.removalOf(node) !== undefined;
  }

  hasJoined(node: number): boolean {
    return this.#options.replica.membership.joinOf(node) !== undefined;
  }

  nodeId(node: number): string {
    return this.#options.nodeId(node);
  }

  now(): Now {
    return this.#options.strong.now();
  }
}

/** Whether it is in the state of one of the groups. */
function isApplied(groups: readonly Group[], origin: Origin, seq: number): boolean {
  return groups.some(({ plan, state }) => plan.origin === origin && state.applied >= seq);
}
