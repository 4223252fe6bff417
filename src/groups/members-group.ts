import type { Now } from '../causal/replica.ts';
import type { NodeNumber } from '../clock/origin.ts';
import type { QuorumGroupBatch, QuorumImage } from '../ports.ts';
import type { ConfigChange } from '../quorum/group-config.ts';
import type { Entry, GroupConfig, Message, PersistBatch } from '../quorum/messages.ts';
import { EntryKind } from '../quorum/messages.ts';
import type { RaftLimits, RaftTiming } from '../quorum/options.ts';
import { Raft } from '../quorum/raft.ts';
import { JoinedParts, wholeSource } from '../quorum/whole-snapshot.ts';
import type { PlannedNode } from './group-plan.ts';
import { nextExactChange, type ClusterMembers } from './group-voters.ts';
import { MEMBERS_GROUP, planMembers } from './members-plan.ts';
import { MembersState, type MembersEntry, type MembersImage } from './members-state.ts';
import { restoredLog } from './restored-log.ts';
import type { GroupCodec, LeaderAnswer, StrongRequestFrame } from './strong-frames.ts';

/** What is on disk of the state machine, and what a snapshot brings. */
export interface MembersStored {
  readonly image: MembersImage;
  /** Who the group began with here: a topology file that has more nodes by now does not change what the log counts from. */
  readonly base: GroupConfig;
}

/** Bytes to what the group sends and keeps, and back. Decoding throws PROTOCOL for whatever is malformed. */
export interface MembersCodec {
  encodeEntry(entry: MembersEntry): Uint8Array;
  decodeEntry(bytes: Uint8Array): MembersEntry;
  encodeStored(stored: MembersStored): Uint8Array;
  decodeStored(bytes: Uint8Array): MembersStored;
}

export interface MembersGroupOptions {
  readonly self: NodeNumber;
  /** All of the topology, this node too. */
  readonly nodes: readonly PlannedNode[];
  readonly codec: MembersCodec;
  readonly snapshotMetas: Pick<GroupCodec, 'encodeSnapshotMeta' | 'decodeSnapshotMeta'>;
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  /** What is on disk; null where nothing is kept over a restart. */
  readonly image: QuorumImage | null;
}

export interface MembersHost extends Pick<ClusterMembers, 'isRemoved'> {
  send(to: number, message: Message): void;
  answer(to: number, serial: number, answer: LeaderAnswer): void;
  /** [0, 1) */
  random(): number;
}

interface Proposed {
  readonly node: number;
  readonly serial: number;
  readonly term: number;
}

/** The state is written behind after so many entries: there are few, and they are small. */
const STATE_EVERY_ENTRIES = 64;
const DONE = { kind: 'done', reply: new Uint8Array(0), versions: [] } as const;

const failed = (message: string): LeaderAnswer => ({ kind: 'failed', code: 'ERR', message });

/** The members' group at one node: its Raft, its state machine and who waits for an answer while this node leads. Pure. */
export class MembersGroup {
  readonly raft: Raft;
  readonly state: MembersState = new MembersState();
  readonly #options: MembersGroupOptions;
  readonly #host: MembersHost;
  readonly #base: GroupConfig;
  readonly #proposed: Map<number, Proposed> = new Map();
  #ledTerm = 0;
  /** When a leader was last known. */
  #ledAtMs = -Infinity;
  #persist: PersistBatch | null = null;
  #isCommitting = false;
  #isBaseStored: boolean;
  /** Entries up to here are on disk as state, and may be once the batch under way is. */
  #storedUpTo: number;
  #storingUpTo = 0;
  #compactTo: number | null = null;
  /** Of a snapshot: it is small, and kept in memory until it is whole. */
  readonly #received: JoinedParts = new JoinedParts();

  constructor(options: MembersGroupOptions, host: MembersHost) {
    this.#options = options;
    this.#host = host;
    const { image, codec } = options;
    const stored = image?.stateMeta ? codec.decodeStored(image.stateMeta) : null;
    if (stored !== null) this.state.restore(stored.image);
    this.#isBaseStored = stored !== null;
    this.#base = stored?.base ?? planMembers(options.nodes);
    this.#storedUpTo = this.state.applied;
    this.raft = new Raft({
      id: options.self,
      config: this.#base,
      restored: restoredLog(image, this.state.applied, options.snapshotMetas),
      timing: options.timing,
      limits: options.limits,
      random: () => host.random(),
    });
  }

  // ── at the leader ──

  /** Throws PROTOCOL for what is no entry of the group. */
  request(from: number, { request, commands }: StrongRequestFrame, now: Now): void {
    const { serial } = request;
    const bytes = commands[0]?.[0]?.view() ?? new Uint8Array(0);
    const entry = this.#options.codec.decodeEntry(bytes);
    const refusal = this.raft.role === 'leader' ? this.#refusalOf(from, entry) : null;
    if (refusal !== null) return this.#host.answer(from, serial, failed(refusal));
    const proposed = this.raft.propose(bytes, now.monotonicMs);
    if (typeof proposed === 'string') return this.#host.answer(from, serial, { kind: 'refused' });
    this.#proposed.set(proposed.index, { node: from, serial, term: proposed.term });
  }

  #refusalOf(from: number, entry: MembersEntry): string | null {
    if (entry.kind === 'report') return entry.node === from ? null : 'a node reports for itself only';
    if (entry.kind !== 'begin' || entry.change !== 'remove') return null;
    // fenced, they are not heard: who stays must be able to decide
    const { voters } = this.raft.config;
    const stay = voters.filter((voter) => !entry.nodes.includes(voter as NodeNumber));
    if (stay.length * 2 > voters.length) return null;
    return `of the ${voters.length} nodes that vote on the members ${stay.length} would be left, and could decide nothing`;
  }

  // ── time and messages ──

  step(message: Message, now: Now): void {
    this.raft.step(message, now.monotonicMs);
  }

  tick(now: Now): void {
    this.raft.tick(now.monotonicMs);
    if (this.raft.leader !== 0 || this.#ledAtMs === -Infinity) this.#ledAtMs = now.monotonicMs;
    const change = this.raft.role === 'leader' ? this.#voterChange() : null;
    if (change === null) return;
    if (change.node !== this.raft.id) this.raft.proposeConfig(change, now.monotonicMs);
    else if (this.raft.transferringTo === 0) this.#handOver(now);
  }

  /** A leader that is to vote no more lets another one see to that. */
  #handOver(now: Now): void {
    const { config, id, progress } = this.raft;
    const heir = config.voters.find((voter) => voter !== id && progress.get(voter)?.isActive === true);
    if (heir !== undefined) this.raft.transfer(heir, now.monotonicMs);
  }

  #voterChange(): ConfigChange | null {
    const isRemoved = (node: number): boolean => this.#host.isRemoved(node);
    const wanted = planMembers(this.#options.nodes.filter(({ nodeNumber }) => !isRemoved(nodeNumber)));
    const { progress } = this.raft;
    const isHeard = (node: number): boolean => progress.get(node)?.isActive === true;
    return nextExactChange(this.raft.config, wanted, { isRemoved, isHeard });
  }

  /** Milliseconds since a leader was known, 0 where one is. */
  leaderlessMs({ monotonicMs }: Now): number {
    return this.raft.leader === 0 && this.#ledAtMs > -Infinity ? monotonicMs - this.#ledAtMs : 0;
  }

  nextTickMs({ monotonicMs }: Now): number {
    return this.raft.nextTickMs() - monotonicMs;
  }

  /** Ends a turn: messages are sent, committed entries applied. Says whether something happened. */
  turn(): boolean {
    if (!this.raft.isTouched) return false;
    const outputs = this.raft.takeOutputs();
    const { committed, install, messages, overwritten, persist, snapshotsWanted } = outputs;
    if (install !== null) {
      this.state.restore(this.#options.codec.decodeStored(this.#received.bytes).image);
      this.#storedUpTo = this.state.applied;
    }
    for (const message of messages) this.#host.send(message.to, message);
    for (const { index, term } of overwritten) this.#fail(index, term, 'refused');
    this.#noteLeadership();
    for (const entry of committed) this.#apply(entry);
    this.#compactTo = outputs.discardUpTo ?? this.#compactTo;
    for (const to of snapshotsWanted) this.#sendSnapshot(to);
    if (persist !== null) this.#keep(persist);
    return messages.length > 0 || committed.length > 0 || persist !== null;
  }

  #noteLeadership(): void {
    const term = this.raft.role === 'leader' ? this.raft.term : 0;
    if (term === this.#ledTerm) return;
    this.#ledTerm = term;
    for (const [index, proposed] of [...this.#proposed])
      if (proposed.term !== term) this.#fail(index, proposed.term, 'lost');
  }

  #fail(index: number, term: number, kind: 'refused' | 'lost'): void {
    const proposed = this.#proposed.get(index);
    if (proposed?.term !== term) return;
    this.#proposed.delete(index);
    this.#host.answer(proposed.node, proposed.serial, { kind });
  }

  #apply({ index, term, kind, data }: Entry): void {
    const entry = kind === EntryKind.Command ? this.#options.codec.decodeEntry(data) : null;
    const refusal = this.state.apply(index, entry);
    const proposed = this.#proposed.get(index);
    if (proposed === undefined) return;
    if (proposed.term !== term) return this.#fail(index, proposed.term, 'refused');
    this.#proposed.delete(index);
    this.#host.answer(proposed.node, proposed.serial, refusal === null ? { ...DONE, index } : failed(refusal));
  }

  #sendSnapshot(to: number): void {
    const meta = this.raft.snapshotMeta(this.state.applied);
    if (meta === null) return;
    this.raft.sendSnapshot(to, wholeSource(meta, this.#stored()));
  }

  #stored(): Uint8Array {
    return this.#options.codec.encodeStored({ image: this.state.image, base: this.#base });
  }

  // ── the disk ──

  #keep(persist: PersistBatch): void {
    this.#received.take(persist.parts);
    // nothing is kept over a restart, and everything said to be durable is so for the life of the process
    if (this.#options.image === null) this.raft.persisted();
    else this.#persist = persist;
  }

  /** What is to be stored now, null for nothing. */
  takeBatch(): QuorumGroupBatch | null {
    const persist = this.#persist;
    if (this.#isCommitting || persist === null) return null;
    this.#isCommitting = true;
    this.#persist = null;
    const installed = persist.snapshot;
    const isDue = installed === null && this.state.applied - this.#storedUpTo >= STATE_EVERY_ENTRIES;
    const meta = isDue ? this.raft.snapshotMeta(this.state.applied) : (installed?.meta ?? null);
    this.#storingUpTo = isDue && meta !== null ? meta.index : 0;
    const compactTo = installed === null ? this.#compactTo : null;
    this.#compactTo = null;
    const { encodeSnapshotMeta } = this.#options.snapshotMetas;
    return {
      group: MEMBERS_GROUP,
      hardState: persist.hardState,
      dropsLog: installed !== null,
      snapshot: meta === null ? null : { index: meta.index, term: meta.term, meta: encodeSnapshotMeta(meta) },
      truncateFrom: persist.truncateFrom,
      entries: persist.entries,
      compactTo,
      aside: null,
      state: this.#stateChange(installed === null ? null : this.#received.bytes, meta !== null),
      audit: [],
    };
  }

  #stateChange(installed: Uint8Array | null, isDue: boolean): QuorumGroupBatch['state'] {
    if (installed === null && !isDue && this.#isBaseStored) return null;
    this.#isBaseStored = true;
    return { takesAside: false, entries: [], rows: [], meta: installed ?? this.#stored() };
  }

  /** The batch taken last is on disk. */
  committed(): void {
    this.#isCommitting = false;
    this.raft.persisted();
    if (this.#storingUpTo === 0) return;
    this.#storedUpTo = this.#storingUpTo;
    const meta = this.raft.snapshotMeta(this.#storingUpTo);
    if (meta !== null) this.raft.compacted(meta);
  }
}
