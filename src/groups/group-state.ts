import { latin1Range, type ByteRange } from '../base/bytes.ts';
import { ColumnsBuilder } from '../causal/columns.ts';
import type { VectorEntries } from '../causal/peer-frames.ts';
import type { CommandIndex } from '../commands/command-index.ts';
import type { Args } from '../commands/context.ts';
import { incarnationOf, nodeOf, type Origin } from '../clock/origin.ts';
import { msOfStamp, type Stamp } from '../clock/stamp.ts';
import { VersionVector } from '../clock/version-vector.ts';
import { ContentType, type EntryState } from '../crdt/entry.ts';
import { UpdateKind, type Update } from '../crdt/update.ts';
import { CausewayError } from '../errors.ts';
import { NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import { LocalTransaction } from '../keyspace/local-transaction.ts';
import { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import type { HashKey } from '../base/key-hash.ts';
import type { AuditHead } from './audit-record.ts';
import type { Sha256 } from './audit-text.ts';
import { AuditTrail } from './audit-trail.ts';
import { CreationMarks } from './creation-marks.ts';
import { GroupCut } from './group-cut.ts';
import type { Arguments, CommandsEntry, GroupEntry } from './group-entry.ts';
import {
  ONCE_AHEAD_MS,
  ONCE_BYTES_MAX,
  ONCE_KEPT_MS,
  RequestTable,
  type ForwarderHeads,
  type RequestRow,
} from './request-table.ts';
import { RulesInForce, type RulesState } from './rules-in-force.ts';
import { SlotVersions } from './slot-versions.ts';
import { abortedExec, errorReply, StrongExecutor, type NewReply } from './strong-executor.ts';

/** One key of the group with the log index of its last write. */
export type GroupKeyState = readonly [version: number, state: EntryState];

/** What of the state machine is small and written whole: one cut with its keys and the rows of the requests. */
export interface GroupMeta {
  readonly applied: number;
  readonly stamp: Stamp;
  /** What all entries so far depend on (RULES D1). */
  readonly running: VectorEntries;
  readonly forwarders: ForwarderHeads;
  /** Requests where a version stored them in one piece; they are stored as rows then. */
  readonly earlierRequests: readonly RequestRow[];
  readonly audit: AuditHead;
  /** See `CreationMarks`. */
  readonly creations: readonly number[];
  readonly rules: RulesState;
}

/** What changed since the batch before, for the store. */
export interface GroupDirty {
  readonly entries: readonly (readonly [key: string, state: GroupKeyState | null])[];
  readonly requests: readonly RequestRow[];
  readonly meta: GroupMeta;
}

/** The whole state. */
export interface GroupImage {
  readonly entries: Iterable<readonly [key: string, state: GroupKeyState]>;
  readonly requests: Iterable<RequestRow>;
  readonly meta: GroupMeta;
}

/** What a transaction of the group is for the other keyspace. */
export interface GroupChunk {
  readonly first: number;
  readonly last: number;
  /** Encoded columns. */
  readonly bytes: Uint8Array;
}

export interface GroupStateOptions {
  /** `us-east-1/region` */
  readonly name: string;
  readonly origin: Origin;
  readonly commands: CommandIndex;
  readonly newReply: NewReply;
  /** For the audit. */
  readonly sha256: Sha256;
  /** Whether there is a store that takes what changes. */
  readonly isStored: boolean;
  /** As the node's own keyspace has it (`KeyHash`). */
  readonly hashKey?: HashKey | undefined;
}

/** Keys that an entry looks at to forget what is stable, beside as many as it changed: so none are left behind. */
const FORGET_BUDGET = 64;
const NO_CHANGES: VectorEntries = [];
/** Expired keys that one entry removes. */
export const EXPIRE_BUDGET = 1_000;

/**
 * The state machine of a quorum group: the keys of its classes as the log up to `applied` makes them (RULES T1), with the table of
 * requests. Each entry becomes one transaction of the group's own origin, whose sequence is the log index. A function of the log
 * alone: equal logs give equal states and equal replies on every member.
 */
export class GroupState {
  readonly keyspace: SlabKeyspace;
  readonly requests: RequestTable;
  readonly audit: AuditTrail;
  readonly inForce: RulesInForce = new RulesInForce();
  readonly #options: GroupStateOptions;
  readonly #executor: StrongExecutor;
  readonly #transaction: LocalTransaction;
  /** The transaction that is being applied: one record for all of them, good while it is. */
  readonly #context: { readonly origin: Origin; seq: number; stamp: Stamp; readonly deps: VersionVector };
  readonly #commandRunning = (): Args => this.#executor.args;
  readonly #running: VersionVector = new VersionVector();
  /** All that was applied, as one vector, and so all that is stable here: nobody else writes these keys. */
  readonly #vector: VersionVector = new VersionVector();
  /** The index of the last write of each key that is there, or that expired and is not removed yet. */
  readonly #versions: SlotVersions = new SlotVersions();
  readonly #creations: CreationMarks = new CreationMarks();
  readonly #builder: ColumnsBuilder = new ColumnsBuilder();
  #builtFrom = 0;
  /** Of the entry that is being applied. */
  #updates = 0;
  #applied = 0;
  #stamp = 0 as Stamp;
  /** What has expired and is not removed yet, in the order in which it will be. */
  readonly #expired: string[] = [];

  constructor(options: GroupStateOptions) {
    this.#options = options;
    this.keyspace = new SlabKeyspace(options.hashKey);
    // sessions read the node's own keyspace; of what is read here the log says what came before
    this.keyspace.recent.noteNothing();
    const { origin } = options;
    this.#context = { origin, seq: 0, stamp: this.#stamp, deps: this.#vector };
    this.#executor = new StrongExecutor(this.keyspace, options.commands, options.newReply);
    this.audit = new AuditTrail(options.name, this.inForce, this.keyspace, options.sha256);
    this.keyspace.collectsDirty = options.isStored;
    this.requests = new RequestTable(options.isStored);
    // that a key expires is no change yet: the entry that removes it is
    this.keyspace.onChange = (key, update, slot) => {
      if (key !== null && update !== null) this.#noteVersion(key, update, slot);
    };
    this.#transaction = new LocalTransaction(this.keyspace, {
      open: () => this.#context,
      record: (update) => {
        this.#updates++;
        this.audit.update(update);
        this.#builder.add(update);
      },
      // asked before each update of a key; no strong key is weak
      isWeak: (key) => {
        this.audit.before(key);
        return false;
      },
      ttlMsOf: (key) => this.inForce.rules.ttlMsOf(key),
    });
  }

  /** The index of the last entry applied. */
  get applied(): number {
    return this.#applied;
  }

  /** The log's time: that of the last entry that had one. */
  get stamp(): Stamp {
    return this.#stamp;
  }

  get nowMs(): number {
    return msOfStamp(this.#stamp);
  }

  /** What all entries so far depend on. */
  get running(): VersionVector {
    return this.#running;
  }

  /** `before`: the slot that the key had, where that may have gone. */
  #noteVersion(key: ByteRange, { kind, hash }: Update, before: Slot = NO_SLOT): void {
    const slot = this.keyspace.slotOf(key, hash);
    if (slot === NO_SLOT) {
      if (before !== NO_SLOT) this.#versions.note(before, 0);
      return;
    }
    // in one order of all writes a string that is set shows: nothing need be looked up
    const isShown = kind === UpdateKind.Set || this.keyspace.entryAt(slot).type !== ContentType.None;
    if (isShown && this.#versions.at(slot) === 0) this.#creations.made(key.toLatin1(), this.#applied);
    this.#versions.note(slot, isShown ? this.#applied : 0);
  }

  /** The index of the last write of a key that is there; of another a number below zero that differs once it has been there since. */
  versionOf(key: string): number {
    const slot = this.keyspace.find(latin1Range(key), 0, this.nowMs);
    return slot === NO_SLOT ? this.#creations.versionOf(key) : this.#versions.at(slot);
  }

  /** Whether a key has a version still; 0 is that of every key that is not there. */
  #holds(key: string, version: number): boolean {
    if (version !== 0) return this.versionOf(key) === version;
    return this.keyspace.find(latin1Range(key), 0, this.nowMs) === NO_SLOT;
  }

  /** Applies the next entry, null for one of Raft's own. Returns the reply's bytes, null where nobody asked or waits for one. */
  apply(index: number, entry: GroupEntry | null): Uint8Array | null {
    if (this.#builder.transactionCount === 0) this.#builtFrom = index;
    this.#applied = index;
    this.#stamp = Math.max(this.#stamp + 1, entry?.stamp ?? 0) as Stamp;
    this.#vector.raise(this.#options.origin, index);
    this.#context.seq = index;
    this.#context.stamp = this.#stamp;
    const deps = entry?.kind === 'commands' ? entry.deps : [];
    this.#builder.begin(this.#stamp, this.#raiseRunning(deps));
    this.#updates = 0;
    const reply = entry === null ? null : this.#audited(index, entry);
    this.keyspace.forgetStable(this.#vector, this.#vector, FORGET_BUDGET + this.#updates);
    return reply;
  }

  #raiseRunning(deps: VectorEntries): VectorEntries {
    if (deps.length === 0) return NO_CHANGES;
    const changes: [Origin, number][] = [];
    for (const [origin, seq] of deps) {
      const isOwn = nodeOf(origin) === nodeOf(this.#options.origin);
      if (isOwn || incarnationOf(origin) === 0 || !this.#running.raise(origin, seq)) continue;
      changes.push([origin, seq]);
    }
    return changes;
  }

  #audited(index: number, entry: GroupEntry): Uint8Array | null {
    this.audit.begin(this.nowMs, entry, this.#commandRunning);
    const reply = this.#run(index, entry);
    this.audit.end(index, this.#stamp, entry);
    return reply;
  }

  #run(index: number, entry: GroupEntry): Uint8Array | null {
    this.#transaction.nowMs = this.nowMs;
    if (entry.kind === 'commands') return this.#runOnce(index, entry);
    if (entry.kind === 'expire') this.#expire();
    else if (entry.kind === 'rules') this.inForce.take(index, entry);
    else for (const key of entry.keys) this.#renew(key);
    return null;
  }

  /** Runs what was not run before (RULES T5); else the answer is that of then. */
  #runOnce(index: number, entry: CommandsEntry): Uint8Array | null {
    const verdict = this.requests.judge(entry.request);
    if (verdict === 'forget') return null;
    if (verdict !== 'run') return verdict.reply;
    const reply = this.#runNamed(index, entry);
    this.requests.answered(entry.request, { index, reply });
    return reply;
  }

  #runNamed(index: number, entry: CommandsEntry): Uint8Array {
    const { once, respVersion } = entry;
    if (once === null) return this.#runCommands(entry);
    const verdict = this.requests.judgeOnce(once, this.nowMs);
    if (typeof verdict === 'object') return verdict.reply;
    if (verdict !== 'run') return errorReply(this.#options.newReply, respVersion, onceRefused(once.id, verdict));
    const reply = this.#runCommands(entry);
    this.requests.answeredOnce(once, { index, reply });
    return reply;
  }

  #runCommands({ commands, isExec, respVersion, seed, watches }: CommandsEntry): Uint8Array {
    if (!watches.every(([key, version]) => this.#holds(key, version)))
      return abortedExec(this.#options.newReply, respVersion);
    const tx = this.#transaction;
    return this.#executor.run({ commands, isExec, respVersion, nowMs: this.nowMs, seed, tx });
  }

  /** Runs requests that only read, at the log's time. */
  read(commands: readonly Arguments[], isExec: boolean, respVersion: 2 | 3, seed: number): Uint8Array {
    return this.#executor.run({ commands, isExec, respVersion, nowMs: this.nowMs, seed, tx: null });
  }

  /** Whether some key has expired at a time: then an entry is to be proposed that removes it. */
  hasExpired(atMs: number): boolean {
    return this.#expired.length > 0 || this.keyspace.nextExpiryMs <= atMs;
  }

  /** The earliest first, and of those the first by name: the keyspace's own order depends on what it was before a restart. */
  #expire(): void {
    const expired = this.#expired;
    const before = expired.length;
    this.keyspace.expireDue(this.nowMs, Infinity, (key) => expired.push(key.toLatin1()));
    if (expired.length > before) {
      const times = new Map(expired.map((key) => [key, this.#expiryOf(key)]));
      const at = (key: string): number => times.get(key) ?? Infinity;
      expired.sort((left, right) => at(left) - at(right) || (left < right ? -1 : 1));
    }
    let removed = 0;
    let looked = 0;
    for (; looked < expired.length && removed < EXPIRE_BUDGET; looked++) {
      const key = expired[looked] as string;
      // it may have been written anew since
      if (this.#expiryOf(key) > this.nowMs) continue;
      this.#transaction.delete(latin1Range(key), 0);
      removed++;
    }
    expired.splice(0, looked);
  }

  #expiryOf(key: string): number {
    return this.keyspace.entryOf(latin1Range(key))?.expiryMs ?? Infinity;
  }

  /** Documents for which a new generation is due: to be proposed. */
  documentsDue(): string[] {
    return this.keyspace.grownDocuments.due(nodeOf(this.#options.origin), this.#vector);
  }

  #renew(key: string): void {
    const isDocument = this.keyspace.entryOf(latin1Range(key))?.document?.isLive === true;
    if (isDocument) this.#transaction.documentGeneration(latin1Range(key), 0);
  }

  /** The transactions since the last call, for the keyspace that shows them once their causes are there; null for none. */
  takeChunk(): GroupChunk | null {
    if (this.#builder.transactionCount === 0) return null;
    return { first: this.#builtFrom, last: this.#applied, bytes: this.#builder.take() };
  }

  // ── on disk and in snapshots ──

  takeDirty(): GroupDirty {
    // nothing clears strong keys: FLUSHALL is not for them
    const { entries } = this.keyspace.takeDirty();
    return {
      entries: entries.map(([key, state]) => [key, this.#keyState(key, state)] as const),
      requests: this.requests.takeChanges(this.#applied),
      meta: this.#meta(),
    };
  }

  #keyState(key: string, state: EntryState | null): GroupKeyState | null {
    return state === null ? null : [this.#versionIn(key), state];
  }

  /** Of a key that is there or has expired; 0 for any other. */
  #versionIn(key: string): number {
    const slot = this.keyspace.slotOf(latin1Range(key), 0);
    return slot === NO_SLOT ? 0 : this.#versions.at(slot);
  }

  #meta(): GroupMeta {
    return {
      applied: this.#applied,
      stamp: this.#stamp,
      running: [...this.#running.entries()],
      forwarders: this.requests.heads,
      earlierRequests: [],
      creations: this.#creations.toState(),
      audit: this.audit.head,
      rules: this.inForce.state,
    };
  }

  /** The whole state as of now: what a member gets that the log no longer reaches (RULES T5). To be closed. */
  openCut(): GroupCut {
    return new GroupCut(this.#meta(), this.keyspace, this.#versions, this.requests.rows());
  }

  /** Puts in what the store holds, into a state machine that has nothing yet. */
  restore({ entries, requests, meta }: GroupImage): void {
    this.restoreMeta(meta);
    this.restoreKeys(entries);
    this.restoreRequests(requests);
  }

  /** The first of what is put into a state machine that has nothing yet; keys and requests follow bit by bit. */
  restoreMeta(meta: GroupMeta): void {
    const { earlierRequests } = meta;
    this.#creations.restore(meta.creations);
    this.#applied = meta.applied;
    this.#stamp = meta.stamp;
    if (meta.applied > 0) this.#vector.raise(this.#options.origin, meta.applied);
    for (const [origin, seq] of meta.running) this.#running.raise(origin, seq);
    this.requests.restoreHeads(meta.forwarders, earlierRequests.length > 0 ? 0 : meta.applied);
    this.requests.restoreRows(earlierRequests);
    this.audit.restore(meta.audit);
    this.inForce.restore(meta.rules);
  }

  restoreKeys(entries: Iterable<readonly [string, GroupKeyState]>): void {
    // it is on disk, or will be before it counts
    this.keyspace.collectsDirty = false;
    for (const [key, [version, state]] of entries) {
      this.keyspace.restore(key, state);
      // nothing that shows has none
      if (version > 0) this.#versions.note(this.keyspace.slotOf(latin1Range(key), 0), version);
    }
    this.keyspace.collectsDirty = this.#options.isStored;
  }

  restoreRequests(rows: Iterable<RequestRow>): void {
    this.requests.restoreRows(rows);
  }
}

function onceRefused(id: string, refusal: 'too-old' | 'too-new' | 'too-many'): CausewayError {
  const shown = id.slice(0, 64);
  const why = {
    'too-old': `was issued more than ${ONCE_KEPT_MS / 1000} s ago: whether it was done is no longer known, look first`,
    'too-new': `was issued more than ${ONCE_AHEAD_MS / 1000} s in the future by the group's time: set the client's clock right`,
    'too-many': `cannot be kept: the replies kept for clients' ids take ${ONCE_BYTES_MAX} bytes (limit once-bytes-max)`,
  }[refusal];
  return new CausewayError('ERR', `request id '${shown}' ${why}`);
}
