import { assert, present } from '../base/assert.ts';
import type { Now } from '../causal/replica.ts';
import type { QuorumBatch, QuorumGroupBatch } from '../ports.ts';
import type { PersistBatch } from '../quorum/messages.ts';
import { promiseBatch, stateBatch } from './group-batch.ts';
import type { Group } from './group.ts';
import type { GroupIntake } from './group-intake.ts';
import type { GroupSnapshot } from './group-snapshot.ts';
import type { MembersGroup } from './members-group.ts';
import type { GroupCodec } from './strong-frames.ts';

/**
 * The state machine's changes are written behind after so many entries, so much of the log in memory, or so much time: a key that is written often is
 * stored once for all of that, and a start runs again what came since.
 */
const STATE_EVERY_ENTRIES = 30_000;
const STATE_EVERY_BYTES: number = 16 * 1024 * 1024;
const STATE_EVERY_MS = 3_000;
const USEC_PER_MS = 1_000;

/** A group with what of it is on disk or on its way there. */
export class Kept {
  readonly group: Group;
  /** Handed out by the machine and not yet taken for the store. */
  persist: PersistBatch | null = null;
  /** Whether something that the machine wants kept is on its way. */
  isCommitting = false;
  /** Whether its state is on its way, beside what the machine wants there. */
  isStoring = false;
  /** Applied entries up to here are on disk as state. */
  storedUpTo: number;
  storedAtMs = 0;
  /** Entries up to here may go from the disk; null for none. */
  compactTo: number | null = null;
  /** What is shown has a gap: it is to be replaced by the whole state. */
  isShownBehind = true;
  /** Snapshots on their way to members, by their nodes. */
  readonly sending: Map<number, GroupSnapshot> = new Map();
  #intake: GroupIntake | null = null;
  readonly #newIntake: (index: number) => GroupIntake;

  constructor(group: Group, newIntake: (index: number) => GroupIntake) {
    this.group = group;
    this.#newIntake = newIntake;
    this.storedUpTo = group.state.applied;
  }

  /** Where the parts of a snapshot go that are to be kept now; null where there are none, and no snapshot is whole. */
  intakeOf({ parts }: PersistBatch): GroupIntake | null {
    for (const { offset, meta } of parts) if (offset === 0) this.#intake = this.#newIntake(meta.index);
    assert(this.#intake !== null || parts.length === 0, 'parts of a snapshot go on with what came before');
    return this.#intake;
  }

  /** Gives up what nobody goes on with of snapshots, in or out. */
  tendSnapshots(): void {
    const { raft } = this.group;
    if (this.#intake !== null && raft.receivingIndex !== this.#intake.index) this.#intake = null;
    for (const [to, snapshot] of this.sending) {
      if (raft.snapshotFor(to) === snapshot) continue;
      this.sending.delete(to);
      snapshot.close();
    }
  }

  /** A snapshot's state, which was stored with it, takes the place of the one that is here. */
  install(): void {
    this.group.replaceState(present(this.#intake, 'what is installed came in').state);
    this.#intake = null;
    this.storedUpTo = this.group.state.applied;
    this.isStoring = false;
    this.isShownBehind = true;
  }
}

interface Part {
  readonly kept: Kept;
  /** The state as of this entry; null for what the machine wants kept. */
  readonly stateUpTo: number | null;
}

interface Commit {
  readonly atMs: number;
  /** Whether something of the members' group is in it. */
  readonly hasMembers: boolean;
  readonly parts: readonly Part[];
}

/**
 * What of a node's groups goes to disk, and what follows when it is there. What the machines promise is waited for and goes by itself; the
 * states, from which the logs begin after a restart, follow now and then.
 */
export class GroupsDisk {
  readonly #codec: GroupCodec;
  /** Whether anything is kept over a restart. */
  readonly #keeps: boolean;
  readonly #groups: readonly Kept[];
  readonly #members: MembersGroup | null;
  readonly #commits: Map<QuorumBatch, Commit> = new Map();

  constructor(codec: GroupCodec, keeps: boolean, groups: readonly Kept[], members: MembersGroup | null) {
    this.#codec = codec;
    this.#keeps = keeps;
    this.#groups = groups;
    this.#members = members;
  }

  /** Notes what a machine wants kept. */
  persist(kept: Kept, persist: PersistBatch): void {
    kept.persist = persist;
    if (this.#keeps) return;
    // nothing is kept over a restart, and everything said to be durable is so for the life of the process
    kept.persist = null;
    const intake = kept.intakeOf(persist);
    for (const { bytes } of persist.parts) intake?.take(bytes);
    kept.group.raft.persisted();
  }

  /**
   * What is to be stored next, null for nothing more. To be committed at once, in the order in which it was taken. The machines' promises,
   * which are waited for, come before the states, which may take their time.
   */
  takeBatch(now: Now): QuorumBatch | null {
    if (!this.#keeps) return null;
    return this.#promises(now) ?? this.#states(now);
  }

  #promises(now: Now): QuorumBatch | null {
    const groups: QuorumGroupBatch[] = [];
    const parts: Part[] = [];
    for (const kept of this.#groups) {
      const { group, persist, compactTo } = kept;
      if (kept.isCommitting || persist === null || (persist.snapshot !== null && kept.isStoring)) continue;
      groups.push(promiseBatch(this.#codec, group, persist, kept.intakeOf(persist), compactTo));
      parts.push({ kept, stateUpTo: null });
      kept.compactTo = null;
      kept.isCommitting = true;
      // the state that a snapshot brings takes the place of the one that is here
      kept.isStoring = persist.snapshot !== null;
      kept.persist = null;
    }
    const ofMembers = this.#members?.takeBatch() ?? null;
    if (ofMembers !== null) groups.push(ofMembers);
    return this.#taken(groups, parts, ofMembers !== null, now);
  }

  #states(now: Now): QuorumBatch | null {
    const groups: QuorumGroupBatch[] = [];
    const parts: Part[] = [];
    for (const kept of this.#groups) {
      if (!this.#isStateDue(kept, now)) continue;
      groups.push(stateBatch(this.#codec, kept.group));
      parts.push({ kept, stateUpTo: kept.group.state.applied });
      kept.storedAtMs = now.monotonicMs;
      kept.isStoring = true;
    }
    return this.#taken(groups, parts, false, now);
  }

  #taken(
    groups: readonly QuorumGroupBatch[],
    parts: readonly Part[],
    hasMembers: boolean,
    now: Now,
  ): QuorumBatch | null {
    if (groups.length === 0) return null;
    const batch = { groups };
    this.#commits.set(batch, { parts, atMs: now.monotonicMs, hasMembers });
    return batch;
  }

  #isStateDue({ group, storedUpTo, storedAtMs, persist, isStoring }: Kept, { monotonicMs }: Now): boolean {
    // a snapshot brings its own
    if (isStoring || (persist !== null && persist.snapshot !== null)) return false;
    const { applied } = group.state;
    if (applied === storedUpTo) return false;
    if (applied - storedUpTo >= STATE_EVERY_ENTRIES || monotonicMs - storedAtMs >= STATE_EVERY_MS) return true;
    return group.raft.bytesBetween(storedUpTo, applied) >= STATE_EVERY_BYTES;
  }

  /** A batch that was taken is on disk. Says whether a turn is to come at once because of it: what a leader has on its disk first waits for others. */
  committed(batch: QuorumBatch, { monotonicMs }: Now): boolean {
    const commit = this.#commits.get(batch);
    if (commit === undefined) return false;
    this.#commits.delete(batch);
    if (commit.hasMembers) this.#members?.committed();
    let isBusy = commit.hasMembers;
    for (const { kept, stateUpTo } of commit.parts) {
      if (stateUpTo === null) isBusy = this.#promiseCommitted(kept, monotonicMs - commit.atMs) || isBusy;
      else {
        this.#stateCommitted(kept, stateUpTo);
        isBusy = true;
      }
    }
    return isBusy;
  }

  #promiseCommitted(kept: Kept, tookMs: number): boolean {
    kept.isCommitting = false;
    kept.group.figures.syncLatency.add(tookMs * USEC_PER_MS);
    // a batch that could not be taken meanwhile is due
    return kept.group.raft.persisted() || kept.persist !== null;
  }

  #stateCommitted(kept: Kept, stateUpTo: number): void {
    kept.isStoring = false;
    kept.storedUpTo = stateUpTo;
    kept.group.state.audit.stored(stateUpTo);
    const meta = kept.group.raft.snapshotMeta(stateUpTo);
    if (meta !== null) kept.group.raft.compacted(meta);
  }

  /** When a batch is wanted at the latest though nothing happens, in milliseconds from now; Infinity for never. */
  nextBatchMs({ monotonicMs }: Now): number {
    let nextMs = Infinity;
    for (const { group, isStoring, storedUpTo, storedAtMs } of this.#groups) {
      if (this.#keeps && !isStoring && group.state.applied > storedUpTo)
        nextMs = Math.min(nextMs, storedAtMs + STATE_EVERY_MS - monotonicMs);
    }
    return Math.max(1, nextMs);
  }
}
