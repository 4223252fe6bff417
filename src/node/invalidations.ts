import { latin1Range, type ByteRange } from '../base/bytes.ts';
import { isSystemKey, SYSTEM_CHANNEL_PREFIX, systemKeyParts } from '../base/system-keys.ts';
import type { Replica } from '../causal/replica.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { nodeOf, type Origin } from '../clock/origin.ts';
import { msOfStamp, type Stamp } from '../clock/stamp.ts';
import type {
  DependencyEdge,
  InvalidationEffect,
  InvalidationTarget,
  InvalidationView,
} from '../commands/invalidation-view.ts';
import { covers, UpdateKind, type Update, type UpdateContext } from '../crdt/update.ts';
import type { CausewayError } from '../errors.ts';
import { NO_KEYS } from '../keyspace/key-kinds.ts';
import { CONTENT_TYPE_KIND, DependencyMode, linkKey, linkMembers } from '../keyspace/key-links.ts';
import { ContentType, NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import type { LocalTransaction } from '../keyspace/local-transaction.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import { DelayedInvalidations } from './delayed-invalidations.ts';
import { DependedNames } from './depended-names.ts';
import { InvalidationFigures } from './invalidation-figures.ts';
import { changesExpiry, hasDependents, InvalidationWalk, type WalkHost } from './invalidation-walk.ts';
import {
  recordKey,
  recordOf,
  recordValue,
  targetOfKey,
  targetText,
  type InvalidationRecord,
} from './invalidation-record.ts';
import { KnownRecords } from './known-records.ts';
import { LinkSweep } from './link-sweep.ts';
import { RecentInvalidations } from './recent-invalidations.ts';
import type { InvalidationTelemetry } from './telemetry.ts';

/** Keys looked at in the transaction that begins an invalidation, and in each turn after it. */
const STEP_KEYS = 1_000;
/** How long nodes keep a record: far longer than a turn of any of them, and than a restart. */
const RECORD_MS = 600_000;
/** Kinds of system keys that stay when their keys go. */
const LEFT_OVER: ReadonlySet<string> = new Set(['tags', 'dependencies', CONTENT_TYPE_KIND]);
/** Programs listen here: `…:key:`, `…:tag:` or `…:pattern:` and the name (SPEC I6). */
const CHANNEL = `${SYSTEM_CHANNEL_PREFIX}invalidate`;
/** Names that others depended on which are looked at in a tick. */
const TIDIED_A_TICK = 100;

interface Due {
  readonly target: InvalidationTarget;
  readonly effect: InvalidationEffect;
  readonly stamp: number;
}

export interface InvalidationsHost {
  readonly replica: Replica;
  /** The numbers of all nodes of the cluster. */
  readonly nodes: readonly number[];
  readonly keyspace: SlabKeyspace;
  /** The open transaction, opened where there is none. */
  open(): UpdateContext;
  readonly transaction: LocalTransaction;
  /** Runs something in a transaction of the node's own, and tells of what it changes. */
  transact(run: () => void): void;
  message(channel: ByteRange, message: ByteRange): void;
  /** Why no transactions may be made now, null where they may. */
  refusal(): CausewayError | null;
  /** Unix milliseconds. */
  nowMs(): number;
}

/**
 * Invalidations of keys, tags and patterns (SPEC I2). Whoever is asked writes a record, which says what it had seen, and ends what is old of that; every other
 * node ends, by its own transactions, what was on its way at the same time. Deletions are ordinary ones, so it does not matter who does them.
 */
export class Invalidations implements InvalidationView, WalkHost {
  readonly #host: InvalidationsHost;
  readonly #recent: RecentInvalidations = new RecentInvalidations();
  readonly #known: KnownRecords = new KnownRecords();
  readonly #walks: InvalidationWalk[] = [];
  readonly depended: DependedNames = new DependedNames();
  /** Of those whose writes count, what the open transaction has written. */
  readonly #written: Set<string> = new Set();
  /** What is to be begun in a transaction of its own, once each: many records may lead to one key. */
  #due: Map<string, Due> = new Map();
  #isWalking = false;
  /** Whether some key may have tags, dependencies or a content type. */
  #hasLeftovers = false;
  /** The transaction of others that is an invalidation's, and of what. */
  #heard: { readonly origin: number; readonly seq: number; readonly cause: string } | null = null;
  /** Of the invalidation that is gone on with. */
  #cause = '';
  #stamp = 0;
  /** In which of this node's transactions a cause was said last. */
  #told = { seq: 0, cause: '' };
  readonly #delayed: DelayedInvalidations;
  readonly #figures: InvalidationFigures = new InvalidationFigures();
  readonly #sweep: LinkSweep;

  constructor(host: InvalidationsHost) {
    const { nodes } = host;
    this.#host = host;
    this.#delayed = new DelayedInvalidations(host);
    const place = nodes.filter((node) => node < nodeOf(host.replica.origin)).length;
    this.#sweep = new LinkSweep(host, place, nodes.length);
  }

  get keyspace(): SlabKeyspace {
    return this.#host.keyspace;
  }

  get nowMs(): number {
    return this.#host.transaction.nowMs;
  }

  get telemetry(): InvalidationTelemetry {
    const { keys, dependents, dependentsMost, cut, made, heard, lag } = this.#figures;
    const [running, delayed] = [this.#walks.length + this.#due.size, this.#delayed.waiting];
    return { keys, dependents, dependentsMost, cut, made, heard, lag, running, delayed };
  }

  // ── asked by commands ──

  invalidate(targets: readonly InvalidationTarget[], effect: InvalidationEffect): readonly InvalidationWalk[] {
    let left = STEP_KEYS;
    return targets.map((target) => {
      const walk = this.#begin(target, effect, this.#host.open().stamp);
      left = Math.max(1, this.#walk(walk, left));
      return walk;
    });
  }

  delay(targets: readonly InvalidationTarget[], effect: InvalidationEffect, dueMs: number): void {
    this.#delayed.add(targets, effect, dueMs);
  }

  get refusal(): CausewayError | null {
    return this.#host.refusal();
  }

  edges(cursor: number, places: number): { readonly next: number; readonly edges: readonly DependencyEdge[] } {
    const edges: DependencyEdge[] = [];
    const { system } = this.#host.keyspace;
    const next = system.scan(cursor, places, (slot, key) => {
      const parts = systemKeyParts(key);
      if (parts?.kind !== 'dependencies') return;
      const { set } = this.#host.keyspace.entryAt(slot);
      for (let at = 0; at < (set?.size ?? 0); at++) {
        const member = set?.nameAt(at) ?? '';
        edges.push({ key: parts.name, on: member.slice(1), onWrites: member.startsWith(DependencyMode.Writes) });
      }
    });
    return { next, edges };
  }

  mark(): number {
    return this.#recent.mark;
  }

  isHit(mark: number, key: string, tags: readonly string[]): boolean {
    // what is not walked to its end may still come to the key
    return this.#walks.length > 0 || this.#recent.isHit(mark, key, tags);
  }

  /** Whether what was written to a key at a stamp, by whomever, is old by an invalidation that came here. */
  isOld(stamp: number, key: string): boolean {
    return this.#recent.isOld(stamp, key, linkMembers(this.#host.keyspace, 'tags', key, this.nowMs));
  }

  /** Writes the record, in the open transaction. */
  #begin(target: InvalidationTarget, effect: InvalidationEffect, stamp: number): InvalidationWalk {
    const { seq } = this.#host.open();
    const seen = this.#seenNow();
    const record = { target, effect, stamp, seen };
    this.#known.note(record);
    this.#writeRecord(record);
    this.#told = { seq, cause: targetText(target) };
    this.#figures.made[target.kind]++;
    this.#announce(target, targetText(target), stamp);
    const walk = new InvalidationWalk(record, true, seen);
    walk.isBeginning = stamp === this.#host.open().stamp;
    this.#walks.push(walk);
    return walk;
  }

  /** What this node has seen, the open transaction included. */
  #seenNow(): VersionVector {
    const { origin, seq } = this.#host.open();
    const seen = this.#host.replica.vector.clone();
    seen.raise(origin, seq);
    return seen;
  }

  #writeRecord(record: InvalidationRecord): void {
    const { transaction } = this.#host;
    transaction.set(
      latin1Range(recordKey(record.target)),
      0,
      latin1Range(recordValue(record)),
      transaction.nowMs + RECORD_MS,
    );
  }

  #walk(walk: InvalidationWalk, budget: number): number {
    this.#isWalking = true;
    this.#cause = targetText(walk.record.target);
    this.#stamp = walk.record.stamp;
    const left = walk.step(this, budget);
    walk.isBeginning = false;
    this.#isWalking = false;
    if (!walk.isDone) return left;
    this.#walks.splice(this.#walks.indexOf(walk), 1);
    this.#figures.ended(walk);
    return left;
  }

  // ── WalkHost ──

  met(key: string): void {
    this.#recent.note({ kind: 'key', name: key }, this.#stamp);
  }

  end(key: ByteRange, hash: number, slot: Slot, walk: InvalidationWalk): void {
    const { keyspace, transaction } = this.#host;
    const { effect } = walk.record;
    const expiryMs = keyspace.expiryOf(slot);
    const isOver = expiryMs <= this.nowMs;
    if (isOver || changesExpiry(effect, expiryMs, this.nowMs)) {
      if (isOver || effect.kind === 'remove') {
        this.#tellCause();
        transaction.deleteSeen(key, hash);
      } else transaction.expire(key, hash, this.nowMs + effect.graceMs);
      walk.noteChange(this.#host.open());
    }
    this.#announceKey(key.toLatin1(), this.#cause);
  }

  /** Says in the open transaction, once, what its removals are: other nodes tell their subscribers by it. A record says it too. */
  #tellCause(): void {
    const { seq } = this.#host.open();
    if (this.#told.seq === seq && this.#told.cause === this.#cause) return;
    this.#told = { seq, cause: this.#cause };
    this.#host.transaction.publish(latin1Range(CHANNEL), latin1Range(this.#cause));
  }

  beginUnseen(key: string, { effect, stamp }: InvalidationRecord): void {
    this.#makeDue(key, effect, stamp);
  }

  /** The latest stamp takes all that an earlier one takes. */
  #makeDue(key: string, effect: InvalidationEffect, stamp: number): void {
    const name = `${effect.kind === 'remove' ? '' : effect.graceMs} ${key}`;
    const before = this.#due.get(name)?.stamp ?? 0;
    this.#due.set(name, { target: { kind: 'key', name: key }, effect, stamp: Math.max(before, stamp) });
  }

  #announce(target: InvalidationTarget, cause: string, stamp: number): void {
    this.#recent.note(target, stamp);
    this.#host.message(latin1Range(`${CHANNEL}:${target.kind}:${target.name}`), latin1Range(cause));
  }

  #announceKey(key: string, cause: string): void {
    if (cause !== `key ${key}`) this.#host.message(latin1Range(`${CHANNEL}:key:${key}`), latin1Range(cause));
  }

  // ── told by the node ──

  /** Whether an update of others is to be told of once it is applied. */
  concerns({ kind, key, field }: Update, { origin, seq }: UpdateContext): boolean {
    if (isSystemKey(key)) return kind === UpdateKind.Set;
    if (kind === UpdateKind.Publish) return field.toLatin1() === CHANNEL;
    if (isRemoval(kind) && this.#heard?.origin === origin && this.#heard.seq === seq) return true;
    return this.depended.hasOnWrites && isWrite(kind) && this.depended.isOnWrites(key.toLatin1());
  }

  /** It was applied: `context` is its transaction's, which is not over. */
  heard(update: Update, context: UpdateContext): void {
    const key = update.key.toLatin1();
    const { origin, seq } = context;
    if (update.kind === UpdateKind.Publish) this.#heard = { origin, seq, cause: update.value.toLatin1() };
    else if (isSystemKey(update.key)) this.#heardRecord(key, update, context);
    else {
      if (this.#heard?.origin === origin && this.#heard.seq === seq && isRemoval(update.kind)) {
        this.#announceKey(key, this.#heard.cause);
      }
      if (isWrite(update.kind) && this.depended.isOnWrites(key)) this.#heardWrite(key, context);
    }
  }

  #heardRecord(key: string, update: Update, { origin, seq }: UpdateContext): void {
    const target = targetOfKey(key);
    const record = target === null ? null : recordOf(target, update.value.toLatin1());
    if (record === null) return;
    this.#known.note(record);
    this.#figures.heardOf(record.target.kind, this.#host.nowMs() - msOfStamp(record.stamp as Stamp));
    const cause = targetText(record.target);
    this.#heard = { origin, seq, cause };
    this.#announce(record.target, cause, record.stamp);
    if (record.target.kind !== 'pattern' || this.#mayMatchUnseen(record))
      this.#walks.push(new InvalidationWalk(record, false, this.#host.replica.vector.clone()));
  }

  /** Whether some key here may be of a pattern whose maker had not seen it: else nobody looks at all keys for it. */
  #mayMatchUnseen({ seen }: InvalidationRecord): boolean {
    const { keyspace, replica } = this.#host;
    if (this.depended.size > 0 || keyspace.kinds.isWeak !== NO_KEYS) return true;
    for (const [origin, seq] of replica.vector.dots()) if (!seen.contains(origin, seq)) return true;
    return false;
  }

  /** Another node wrote a key: who depends on it without that node's knowing goes by this one's hand. */
  #heardWrite(key: string, context: UpdateContext): void {
    this.#dependOnWrites(key, (add) => !covers(context, add.origin, add.seq), context.stamp);
  }

  #dependOnWrites(
    key: string,
    isWanted: (add: { readonly origin: Origin; readonly seq: number }) => boolean,
    stamp: number,
  ): void {
    for (const name of this.#dependents(key, isWanted)) this.#makeDue(name, { kind: 'remove' }, stamp);
  }

  /** What depends on the writes of a key, by links that are wanted. */
  #dependents(key: string, isWanted: (add: { readonly origin: Origin; readonly seq: number }) => boolean): string[] {
    const set = this.#host.keyspace.entryOf(latin1Range(linkKey('dependents', key)))?.set;
    const names: string[] = [];
    for (let at = (set?.size ?? 0) - 1; at >= 0; at--) {
      const name = set?.nameAt(at) ?? '';
      const best = set?.addsAt(at).best;
      if (best === null || best === undefined || !name.startsWith(DependencyMode.Writes)) continue;
      if (isWanted({ origin: best.origin as Origin, seq: best.seq })) names.push(name.slice(1));
    }
    return names;
  }

  /** What a key shows has changed, by whomever; null for all of them. */
  changed(key: ByteRange | null, update: Update | null, isOwn: boolean): void {
    if (key === null) this.#recent.noteAll();
    else if (isSystemKey(key)) {
      if (update?.kind === UpdateKind.SetAdd) this.#linked(key.toLatin1(), update);
      else if (update?.kind === UpdateKind.Set) this.#noteSet(key.toLatin1(), update);
    } else if (isOwn && !this.#isWalking && this.depended.hasOnWrites && update !== null && isWrite(update.kind)) {
      const name = key.toLatin1();
      if (this.depended.isOnWrites(name)) this.#written.add(name);
    }
  }

  #noteSet(key: string, { value }: Update): void {
    this.#delayed.note(key, value.toLatin1());
    this.#hasLeftovers ||= systemKeyParts(key)?.kind === CONTENT_TYPE_KIND;
  }

  #linked(key: string, { field }: Update): void {
    const parts = systemKeyParts(key);
    this.#hasLeftovers = true;
    if (parts?.kind !== 'dependents') return;
    this.depended.add(parts.name, field.toLatin1().startsWith(DependencyMode.Writes));
  }

  /** The open transaction of this node is about to be closed: what depends on what it wrote goes in it too. */
  beforeClose(): void {
    if (this.#written.size === 0) return;
    const { stamp } = this.#host.open();
    for (const key of this.#written) this.#dependOnWrites(key, () => true, stamp);
    this.#written.clear();
    this.#beginDue(STEP_KEYS);
  }

  #beginDue(budget: number): number {
    let left = budget;
    const due = this.#due;
    this.#due = new Map();
    for (const each of due.values()) {
      if (this.#isUnderWay(each)) continue;
      left = Math.max(1, this.#walk(this.#begin(each.target, each.effect, each.stamp), left));
    }
    return left;
  }

  /**
   * Whether the very same was begun already, by whichever node, and finds nothing here: another record would lead nowhere but to more of them. Where keys
   * depend on each other in a circle, by links that are on their way, each node would make one for each that it hears.
   */
  #isUnderWay({ target, effect, stamp }: Due): boolean {
    if (!this.#known.has(target, effect, stamp)) return false;
    const seen = this.#seenNow();
    return !new InvalidationWalk({ target, effect, stamp, seen }, true, seen).endsTarget(this);
  }

  /** Something is left for the next turns. */
  get isBehind(): boolean {
    return (this.#walks.length > 0 || this.#due.size > 0) && this.refusal === null;
  }

  /** Goes on with what is under way, as far as this turn goes. */
  step(): void {
    if (this.isBehind) this.#host.transact(() => this.#goOn());
  }

  #goOn(): void {
    let left = this.#beginDue(STEP_KEYS);
    for (let [walk] = this.#walks; walk !== undefined && left > 1; [walk] = this.#walks) {
      left = this.#walk(walk, left);
    }
  }

  /** Time passes: what waited for its time begins, and links of keys that are gone go. */
  tick(nowMs: number): void {
    this.depended.tidy(TIDIED_A_TICK, (name) => hasDependents(this.#host.keyspace, name));
    if (this.refusal !== null) return;
    const gone = this.#hasLeftovers ? this.#sweep.next(nowMs) : [];
    if (gone.length === 0 && !this.#delayed.isDue(nowMs)) return;
    this.#host.transact(() => {
      for (const leftover of gone) this.#sweep.remove(leftover);
      for (const { targets, effect } of this.#delayed.take(nowMs)) this.invalidate(targets, effect);
    });
  }

  /** The keyspace was filled by other means than updates, a store or a snapshot: what stands in it is taken up again. */
  reread(): void {
    const { keyspace, replica } = this.#host;
    this.#recent.noteAll();
    const found: InvalidationRecord[] = [];
    keyspace.system.scan(0, Number.MAX_SAFE_INTEGER, (slot, key) => {
      const parts = systemKeyParts(key);
      if (parts !== null && LEFT_OVER.has(parts.kind)) this.#hasLeftovers = true;
      if (parts?.kind === 'dependents') this.#reread(parts.name, slot);
      const target = targetOfKey(key);
      const value = keyspace.typeOf(slot) === ContentType.String ? keyspace.entryAt(slot).string.text() : null;
      if (value !== null) this.#delayed.note(key, value);
      const record = target === null || value === null ? null : recordOf(target, value);
      if (record !== null) found.push(record);
    });
    for (const record of found) {
      this.#recent.note(record.target, record.stamp);
      this.#known.note(record);
      this.#walks.push(new InvalidationWalk(record, true, replica.vector.clone()));
      this.#walks.push(new InvalidationWalk(record, false, replica.vector.clone()));
    }
  }

  /**
   * Merges a snapshot whose sender had seen `remote`. The writes in it are not heard one by one: who depends here, without the sender's knowing, on the writes of a key
   * that shows something else behind it, goes by this node's hand. Where what it shows is no plain string, or nothing, its write is taken for one of now.
   */
  merging(remote: VersionVector, merge: () => void): void {
    const isUnknown = (add: { readonly origin: Origin; readonly seq: number }): boolean =>
      !remote.contains(add.origin, add.seq);
    const nowMs = this.#host.nowMs();
    const before = new Map<string, string>();
    for (const key of this.depended.names())
      if (this.depended.isOnWrites(key) && this.#dependents(key, isUnknown).length > 0)
        before.set(key, this.#version(key, nowMs).text);
    merge();
    this.reread();
    for (const [key, text] of before) {
      const version = this.#version(key, nowMs);
      if (version.text !== text) this.#dependOnWrites(key, isUnknown, version.stamp ?? this.#host.replica.clock.last);
    }
  }

  #version(key: string, nowMs: number): { readonly text: string; readonly stamp: number | null } {
    const { keyspace } = this.#host;
    const range = latin1Range(key);
    const slot = keyspace.findToWrite(range, keyspace.hashOf(range), nowMs);
    const version = slot === NO_SLOT ? null : keyspace.versions.at(slot);
    return { text: JSON.stringify(version), stamp: version !== null && 'stamp' in version ? version.stamp : null };
  }

  #reread(name: string, slot: Slot): void {
    const { set } = this.#host.keyspace.entryAt(slot);
    for (let at = 0; at < (set?.size ?? 0); at++)
      this.depended.add(name, set?.nameAt(at).startsWith(DependencyMode.Writes) === true);
  }
}

function isRemoval(kind: UpdateKind): boolean {
  return kind === UpdateKind.Delete || kind === UpdateKind.DeleteString || kind === UpdateKind.DeleteDocument;
}

/** What gives a key another value, or takes it away; its expiry is none of it. */
function isWrite(kind: UpdateKind): boolean {
  return kind !== UpdateKind.Expire && kind !== UpdateKind.DocumentGeneration;
}
