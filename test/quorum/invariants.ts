import type { Entry, GroupConfig, Message } from '../../src/quorum/messages.ts';
import type { ProposalPlace } from '../../src/quorum/own-proposals.ts';
import type { ReadOutcome } from '../../src/quorum/state.ts';
import { majorityOf } from '../../src/quorum/majority.ts';
import type { Member } from './member.ts';
import type { World } from './world.ts';

/** What one member was seen to have, in one life. */
interface Seen {
  readonly life: number;
  readonly term: number;
  readonly votedFor: number;
  readonly commit: number;
  readonly isLeader: boolean;
  readonly base: number;
  readonly log: readonly Entry[];
}

/** An entry as all logs that have it must agree: what it is, and the term of the one before. */
interface Identity {
  readonly entry: Entry;
  readonly termBefore: number | null;
}

interface Committed {
  readonly term: number;
  /** The lowest term in which a member knew it to be committed. */
  readonly knownInTerm: number;
}

/**
 * What must be so after every step. The names ending in Inv are those of etcd's TLA+ specification of Raft (etcdraft.tla);
 * its VotesGrantedInv is known not to hold and is not here.
 */
export class Invariants {
  readonly #world: World;
  readonly #seen: Map<Member, Seen> = new Map();
  readonly #touched: Set<Member> = new Set();
  readonly #leaderOf: Map<number, number> = new Map();
  readonly #identities: Map<string, Identity> = new Map();
  /** By index, from 1. */
  readonly #committed: Committed[] = [];
  readonly #digests: Map<number, number> = new Map();
  /** The highest term in which a member promised anything. */
  readonly #promised: Map<number, number> = new Map();
  readonly #didNotHappen: ProposalPlace[] = [];
  /** No members come or go, so that who may be elected by whom is known of those that are down too. */
  isConfigFixed = false;
  /** What was done, so that a run can prove that it did something. */
  readonly counts = { elections: 0, commits: 0, reads: 0, truncations: 0, installs: 0, overwritten: 0, leaseSteps: 0 };

  constructor(world: World) {
    this.#world = world;
  }

  /** The highest index that any member knew to be committed. */
  get committedUpTo(): number {
    return this.#committed.length;
  }

  /** Something happened to a member: what it committed counts at once, the rest is looked at after the step. */
  touched(member: Member): void {
    this.#touched.add(member);
    if (member.raft !== null) this.#noteCommits(member, member.raft.commit, member.raft.term);
  }

  check(): void {
    for (const member of this.#touched) this.#checkMember(member);
    if (this.#touched.size > 0) this.#checkGroup();
    this.#touched.clear();
  }

  #fail(what: string): never {
    throw new Error(`${what} (at ${this.#world.nowMs} ms, step ${this.#world.steps})`);
  }

  #checkMember(member: Member): void {
    const { raft } = member;
    if (raft === null) return;
    const before = this.#seen.get(member);
    const sameLife = before?.life === member.life ? before : undefined;
    const base = logBase(member);
    const log: Entry[] = [];
    for (let index = base + 1; index <= raft.lastIndex; index++) {
      const entry = raft.entryAt(index);
      if (entry === undefined) this.#fail(`${member.id} has no entry ${index} of its log`);
      log.push(entry);
    }
    const isLeader = raft.role === 'leader';
    const now = {
      life: member.life,
      term: raft.term,
      votedFor: raft.votedFor,
      commit: raft.commit,
      isLeader,
      base,
      log,
    };
    if (sameLife !== undefined) this.#checkChange(member.id, sameLife, now);
    else if (raft.term < (this.#promised.get(member.id) ?? 0)) this.#fail(`${member.id} forgot a term it promised in`);
    this.#checkIdentities(member, sameLife, now);
    this.#noteLeader(member.id, sameLife, now);
    this.#seen.set(member, now);
  }

  #checkChange(id: number, before: Seen, now: Seen): void {
    if (now.term < before.term) this.#fail(`${id}: the term fell`);
    if (now.commit < before.commit) this.#fail(`${id}: the commit index fell`);
    if (now.term === before.term && before.votedFor !== 0 && now.votedFor !== before.votedFor) {
      this.#fail(`${id}: voted twice in term ${now.term}`);
    }
    const last = (seen: Seen): number => seen.base + seen.log.length;
    const isOther = (entry: Entry): boolean => entry.index > now.base && now.log[entry.index - now.base - 1] !== entry;
    if (before.log.some(isOther)) this.counts.truncations += 1;
    if (before.isLeader && now.isLeader && before.term === now.term) {
      const kept = before.log.filter((entry) => entry.index > now.base);
      if (kept.some((entry) => now.log[entry.index - now.base - 1] !== entry)) {
        this.#fail(`${id}: a leader changed its own log`);
      }
    }
    if (now.base > last(before)) this.counts.installs += 1;
  }

  /** LogMatchingInv: entries of the same index and term are equal, and so is what comes before them. */
  #checkIdentities(member: Member, before: Seen | undefined, now: Seen): void {
    for (const [offset, entry] of now.log.entries()) {
      if (before?.log[entry.index - before.base - 1] === entry && offset > 0) continue;
      const key = `${entry.index}:${entry.term}`;
      const known = this.#identities.get(key);
      const termBefore = member.raft?.termAt(entry.index - 1) ?? null;
      if (known === undefined) {
        this.#identities.set(key, { entry, termBefore });
        continue;
      }
      const isSame = known.entry.kind === entry.kind && equalBytes(known.entry.data, entry.data);
      if (!isSame) this.#fail(`two entries ${key}`);
      if (termBefore !== null && known.termBefore !== null && termBefore !== known.termBefore) {
        this.#fail(`before ${key} there are two histories`);
      }
    }
  }

  /** MoreThanOneLeaderInv: one leader a term. */
  #noteLeader(id: number, before: Seen | undefined, now: Seen): void {
    if (!now.isLeader) return;
    const known = this.#leaderOf.get(now.term);
    if (known === undefined) this.counts.elections += 1;
    else if (known !== id) this.#fail(`${known} and ${id} lead term ${now.term}`);
    else if (before === undefined || !before.isLeader || before.term !== now.term) {
      this.#fail(`${id} leads term ${now.term} again`);
    }
    this.#leaderOf.set(now.term, id);
    this.#checkCompleteness(id, now);
  }

  /** LeaderCompletenessInv: what was committed in an earlier term is in the log of every later leader. */
  #checkCompleteness(id: number, { term, base, log }: Seen): void {
    let last = this.#committed.length;
    while (last > 0 && (this.#committed[last - 1]?.knownInTerm ?? 0) >= term) last -= 1;
    if (last <= base) return;
    if (log[last - base - 1]?.term !== this.#committed[last - 1]?.term) {
      this.#fail(`${id} leads term ${term} without the committed entry ${last}`);
    }
  }

  /** LogInv and the safety of state machines: what is committed at an index is the same for all, for ever. */
  #noteCommits(member: Member, commit: number, inTerm: number): void {
    const { raft } = member;
    const from = this.#seen.get(member)?.life === member.life ? (this.#seen.get(member)?.commit ?? 0) : 0;
    for (let index = from + 1; index <= commit; index++) {
      const term = raft?.termAt(index) ?? null;
      const known = this.#committed[index - 1];
      if (known === undefined) {
        if (term === null || index !== this.#committed.length + 1) this.#fail(`${member.id} commits ${index} unseen`);
        this.#committed.push({ term, knownInTerm: inTerm });
        this.counts.commits += 1;
        const dead = this.#didNotHappen.find((place) => place.index === index && place.term === term);
        if (dead !== undefined) this.#fail(`${index} of term ${term} was said not to happen, and did`);
      } else if (term !== null && known.term !== term) {
        this.#fail(`${member.id} commits ${index} of term ${term}, others of term ${known.term}`);
      }
    }
  }

  #checkGroup(): void {
    const members = this.#world.all;
    for (const member of this.#touched) {
      this.#checkQuorumHas(member, members);
      this.#checkLeader(member, members);
      for (const other of members) {
        this.#checkUpToDate(member, other);
        this.#checkUpToDate(other, member);
      }
    }
    for (const member of members) this.#checkLease(member, members);
    if (this.isConfigFixed) this.#checkElectable();
  }

  /** If all stopped now and began again from their disks, nobody could be elected who lacks what is committed (Raft paper, 5.4). */
  #checkElectable(): void {
    const upTo = this.committedUpTo;
    const term = this.#committed[upTo - 1]?.term;
    if (term === undefined) return;
    const disks = this.#world.config.voters.map((id) => ({ id, disk: this.#world.member(id).disk }));
    for (const { id, disk } of disks) {
      if ((disk.snapshotMeta?.index ?? 0) >= upTo || disk.termAt(upTo) === term) continue;
      const voters = disks.filter(
        ({ disk: { lastTerm, lastIndex } }) =>
          disk.lastTerm > lastTerm || (disk.lastTerm === lastTerm && disk.lastIndex >= lastIndex),
      );
      if (voters.length >= majorityOf(disks.length))
        this.#fail(
          `${voters.map((voter) => voter.id).join(' ')} may elect ${id}, which lacks the committed entry ${upTo}`,
        );
    }
  }

  /** QuorumLogInv: every quorum of a member's configuration has somebody whose disk has all that it knows as committed. */
  #checkQuorumHas(member: Member, members: readonly Member[]): void {
    const { raft } = member;
    if (raft === null || raft.commit === 0) return;
    const config: GroupConfig = raft.config;
    const term = this.#committed[raft.commit - 1]?.term;
    const without = config.voters.filter((id) => {
      const voter = members.find((each) => each.id === id);
      if (voter === undefined) return true;
      const isOnDisk = voter.disk.termAt(raft.commit) === term;
      return !isOnDisk && (voter.disk.snapshotMeta?.index ?? 0) < raft.commit;
    });
    if (without.length >= majorityOf(config.voters.length)) {
      this.#fail(
        `a quorum of ${config.voters.join(' ')} lacks the entry ${raft.commit} that ${member.id} has as committed`,
      );
    }
  }

  #checkLeader(member: Member, members: readonly Member[]): void {
    const { raft } = member;
    if (raft === null || raft.role !== 'leader') return;
    // CommittedIsDurableInv
    const isOnDisk = member.disk.lastIndex >= raft.commit;
    if (!isOnDisk) this.#fail(`the leader ${member.id} commits ${raft.commit} before its disk has it`);
    // ElectionSafetyInv: nobody has an entry of its term beyond its log.
    for (const other of members) {
      if (other.raft === null) continue;
      let index = other.raft.lastIndex;
      while (index > raft.lastIndex && (other.raft.termAt(index) ?? 0) > raft.term) index -= 1;
      if (index > raft.lastIndex && other.raft.termAt(index) === raft.term) {
        this.#fail(`${other.id} has an entry of term ${raft.term} that its leader ${member.id} has not`);
      }
    }
  }

  /**
   * MoreUpToDateCorrectInv: a log that is at least as up to date has what the other knows as committed, where that goes on into the
   * term it was committed in. Who is behind may know of a commit by a later term than its log has come to (five members, figure 8).
   */
  #checkUpToDate(member: Member, other: Member): void {
    if (member === other || member.raft === null || other.raft === null) return;
    const [mine, its] = [member.raft, other.raft];
    const myLastTerm = mine.termAt(mine.lastIndex) ?? 0;
    const itsLastTerm = its.termAt(its.lastIndex) ?? 0;
    const isUpToDate = myLastTerm > itsLastTerm || (myLastTerm === itsLastTerm && mine.lastIndex >= its.lastIndex);
    if (!isUpToDate || its.commit === 0 || logBase(member) >= its.commit) return;
    if (itsLastTerm < (this.#committed[its.commit - 1]?.knownInTerm ?? 0)) return;
    if (mine.termAt(its.commit) !== this.#committed[its.commit - 1]?.term) {
      this.#fail(`${member.id} is up to date with ${other.id} and lacks its committed entry ${its.commit}`);
    }
  }

  /** While a lease runs nobody else leads a later term. */
  #checkLease(member: Member, members: readonly Member[]): void {
    const { raft } = member;
    if (raft === null || raft.role !== 'leader' || raft.leaseUntilMs <= member.localMs) return;
    this.counts.leaseSteps += 1;
    const later = members.find((other) => other.raft?.role === 'leader' && other.raft.term > raft.term);
    if (later !== undefined) this.#fail(`${later.id} leads while ${member.id} has a lease`);
  }

  /** What a message promises is on the disk of who says it (Raft paper, figure 2). */
  said(member: Member, message: Message): void {
    const { disk } = member;
    if (message.type === 'vote' ? message.isPreVote : message.type.startsWith('read-index')) return;
    if (message.type === 'vote-response' && message.isPreVote) return;
    if (disk.hardState.term < message.term)
      this.#fail(`${member.id} speaks in term ${message.term}, not yet on its disk`);
    this.#promised.set(member.id, Math.max(message.term, this.#promised.get(member.id) ?? 0));
    if (message.type === 'vote-response' && message.isGranted) {
      const { term, votedFor } = disk.hardState;
      if (term !== message.term || votedFor !== message.to)
        this.#fail(`${member.id} grants a vote that is not on its disk`);
    }
    if (message.type === 'vote') {
      const isOnDisk = disk.lastIndex === message.lastIndex && disk.lastTerm === message.lastTerm;
      if (!isOnDisk) this.#fail(`${member.id} campaigns with a log that is not on its disk`);
    }
    if (message.type === 'append-response' && message.isAccepted) this.#checkAccepted(member, message);
    if (message.type === 'snapshot-response' && (disk.snapshotMeta?.index ?? 0) < message.index) {
      if (message.isDone) this.#fail(`${member.id} has a snapshot that is not on its disk`);
      if (message.received > disk.aside.length) this.#fail(`${member.id} has bytes that are not on its disk`);
    }
  }

  /** What a follower accepts is on its disk as the leader that it answers has it. */
  #checkAccepted(
    { id, disk }: Member,
    { index, term: inTerm, to: leader }: Message & { type: 'append-response' },
  ): void {
    const its = this.#world.members.get(leader)?.raft;
    if (its?.role !== 'leader' || its.term !== inTerm || (disk.snapshotMeta?.index ?? 0) >= index) return;
    const expected = its.termAt(index);
    if (index > 0 && expected !== null && disk.termAt(index) !== expected) {
      this.#fail(`${id} accepts ${index} of term ${expected}, its disk has ${disk.termAt(index)}`);
    }
  }

  /** The same entries in the same order, everywhere. */
  applied(member: Member, entry: Entry): void {
    const digest = this.#digests.get(entry.index);
    if (digest === undefined) this.#digests.set(entry.index, member.machine.digest);
    else if (digest !== member.machine.digest) this.#fail(`${member.id} differs at ${entry.index}`);
    if (member.disk.lastIndex < entry.index) this.#fail(`${member.id} applies ${entry.index} before it is on its disk`);
  }

  /** Linearizable: a read sees all that was committed anywhere before it began. */
  read(member: Member, { id, index }: ReadOutcome): void {
    const open = member.openReads.get(id);
    if (index === null || open === undefined) return;
    this.counts.reads += 1;
    if (index < open.committedBefore)
      this.#fail(`${member.id} reads at ${index}, ${open.committedBefore} was committed`);
    if (index > this.committedUpTo) this.#fail(`${member.id} reads at ${index}, which is not committed`);
  }

  /** A proposal was reported as not happened. */
  didNotHappen(place: ProposalPlace): void {
    this.counts.overwritten += 1;
    this.#didNotHappen.push(place);
    if (this.#committed[place.index - 1]?.term === place.term)
      this.#fail(`${place.index} happened and was said not to`);
  }
}

/** Where a member's log in memory begins. */
function logBase({ raft }: Member): number {
  if (raft === null) return 0;
  let index = raft.lastIndex;
  while (raft.entryAt(index) !== undefined) index -= 1;
  return index;
}

function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
