import { present } from '../base/assert.ts';
import { ByteRange, latin1Range } from '../base/bytes.ts';
import { formatCommand, type Operation } from '../crdt/document-edits.ts';
import type { Generations } from '../crdt/document-generations.ts';
import type { Stamp } from '../clock/stamp.ts';
import { ContentType } from '../crdt/entry.ts';
import { parseAmount, sumText, unitsText } from '../crdt/increments.ts';
import { Update, UpdateKind, type StampedDot, type UpdateContext } from '../crdt/update.ts';
import { NO_SLOT, type Slot, type TransactionWriter } from './keyspace.ts';
import type { SlabKeyspace } from './slab-keyspace.ts';

/** What a transaction in the making asks of its node. */
export interface TransactionHost {
  /** The context of the transaction; its dot and stamp are given out at the first call. */
  open(): UpdateContext;
  /** Takes the update into the transaction's record. The update is reused: copy now. */
  record(update: Update): void;
  /** Whether a key never leaves this node. Asked once for each update of it; without this none is such. */
  isWeak?(key: ByteRange): boolean;
  /** Milliseconds that a key lives which is made without an expiry of its own; null, as without this, for ever. `value` is what a string becomes. */
  ttlMsOf?(key: ByteRange, value?: ByteRange): number | null;
}

/**
 * Applies a command's changes to the local keyspace and records them as updates of one transaction. Here is decided, from what
 * this node sees, what an effect has to carry: the base of an increment, and what hidden content a write removes first (RULES V4, V7).
 */
export class LocalTransaction implements TransactionWriter {
  readonly #keyspace: SlabKeyspace;
  readonly #host: TransactionHost;
  readonly #update: Update = new Update();
  readonly #shown: ByteRange = new ByteRange();
  nowMs = 0;

  constructor(keyspace: SlabKeyspace, host: TransactionHost) {
    this.#keyspace = keyspace;
    this.#host = host;
  }

  set(key: ByteRange, hash: number, value: ByteRange, expireAtMs: number): void {
    this.#set(key, hash, value, expireAtMs === Infinity ? this.#expiryOfNew(key, value) : expireAtMs);
  }

  #set(key: ByteRange, hash: number, value: ByteRange, expireAtMs: number): void {
    this.#begin(UpdateKind.Set, key, hash);
    this.#update.value.setFrom(value);
    this.#update.atMs = expireAtMs;
    this.#commit();
  }

  setKeepingExpiry(key: ByteRange, hash: number, value: ByteRange): void {
    const slot = this.#keyspace.findToWrite(key, hash, this.nowMs);
    this.#set(key, hash, value, slot < 0 ? this.#expiryOfNew(key, value) : this.#keyspace.expiryOf(slot));
  }

  fill(key: ByteRange, hash: number, value: ByteRange, expireAtMs: number, stamp: Stamp): void {
    this.#begin(UpdateKind.Fill, key, hash);
    this.#update.value.setFrom(value);
    this.#update.atMs = expireAtMs;
    this.#update.baseSeq = stamp;
    this.#commit();
  }

  invalidate(key: ByteRange, hash: number): void {
    this.#begin(UpdateKind.DeleteString, key, hash);
    this.#commit();
  }

  delete(key: ByteRange, hash: number): void {
    const entry = this.#keyspace.entryOf(key, hash);
    const hasString = entry?.string.isLive === true;
    const hasDocument = entry?.document?.isLive === true;
    if (hasDocument) {
      this.#begin(UpdateKind.DeleteDocument, key, hash);
      this.#commit();
    }
    if (hasDocument && !hasString) return;
    this.#begin(hasString ? UpdateKind.DeleteString : UpdateKind.Delete, key, hash);
    this.#commit();
  }

  /** Removes what is here of a visible key and nothing else: a write that is on its way stays, wherever its place in the order is. A document goes as in `delete`. */
  deleteSeen(key: ByteRange, hash: number): void {
    if (this.#host.isWeak?.(key) === true || this.#keyspace.entryOf(key, hash)?.document?.isLive === true)
      return this.delete(key, hash);
    this.#begin(UpdateKind.Delete, key, hash);
    this.#commit();
  }

  increment(key: ByteRange, hash: number, delta: number | bigint, known: Slot = NO_SLOT): void {
    this.#increment(key, hash, delta === 1 ? ONE : latin1Range(delta.toString()), known);
  }

  incrementDecimal(key: ByteRange, hash: number, deltaUnits: bigint): void {
    this.#increment(key, hash, latin1Range(unitsText(deltaUnits)), NO_SLOT);
  }

  #increment(key: ByteRange, hash: number, delta: ByteRange, known: Slot): void {
    const slot = known < 0 ? this.#keyspace.findToWrite(key, hash, this.nowMs) : known;
    if (slot < 0) this.#clearKept(key, hash);
    else if (this.#keyspace.hasSeveralSiblings(slot)) return this.#collapse(key, hash, delta);
    this.#begin(UpdateKind.Increment, key, hash);
    // what is hidden is removed, so there is no register of it
    if (slot >= 0) this.#setBase(this.#keyspace.baseAt(slot));
    this.#update.slot = slot;
    this.#update.value.setFrom(delta);
    this.#commit();
    if (slot < 0) this.#limitNew(key, hash);
  }

  /** An increment on several siblings counts on none of them: it becomes a write of what they show and the amount (RULES V5). */
  #collapse(key: ByteRange, hash: number, delta: ByteRange): void {
    const slot = this.#keyspace.findToWrite(key, hash, this.nowMs);
    this.#keyspace.stringInto(slot, this.#shown);
    const amount = present(parseAmount(delta.toLatin1()), 'an amount made here is one');
    const sum = sumText(this.#shown.toLatin1(), amount.integer, amount.units);
    this.#set(key, hash, latin1Range(sum), this.#keyspace.expiryOf(slot));
  }

  expire(key: ByteRange, hash: number, atMs: number): void {
    const entry = this.#keyspace.entryOf(key, hash);
    const string = entry?.type === ContentType.String ? entry.string : null;
    if (string?.keepsSiblings === true && string.count > 1) {
      for (const base of string.bases()) this.#expire(key, hash, atMs, base);
    } else {
      this.#expire(key, hash, atMs, string?.base ?? null);
    }
  }

  #expire(key: ByteRange, hash: number, atMs: number, base: StampedDot | null): void {
    this.#begin(UpdateKind.Expire, key, hash);
    this.#setBase(base);
    this.#update.atMs = atMs;
    this.#commit();
  }

  hashSet(key: ByteRange, hash: number, field: ByteRange, value: ByteRange, known: Slot = NO_SLOT): boolean {
    const slot = known < 0 ? this.#clearHidden(key, hash) : known;
    this.#begin(UpdateKind.HashSet, key, hash);
    this.#update.field.setFrom(field);
    this.#update.slot = slot;
    this.#update.value.setFrom(value);
    this.#commit();
    const isNewField = this.#update.isNew;
    if (slot === NO_SLOT) this.#limitNew(key, hash);
    return isNewField;
  }

  hashDelete(key: ByteRange, hash: number, field: ByteRange): void {
    this.#begin(UpdateKind.HashDelete, key, hash);
    this.#update.field.setFrom(field);
    this.#commit();
  }

  hashIncrement(key: ByteRange, hash: number, field: ByteRange, delta: bigint): void {
    this.#hashIncrement(key, hash, field, delta.toString());
  }

  hashIncrementDecimal(key: ByteRange, hash: number, field: ByteRange, deltaUnits: bigint): void {
    this.#hashIncrement(key, hash, field, unitsText(deltaUnits));
  }

  #hashIncrement(key: ByteRange, hash: number, field: ByteRange, delta: string): void {
    const slot = this.#clearHidden(key, hash);
    this.#begin(UpdateKind.HashIncrement, key, hash);
    this.#update.field.setFrom(field);
    this.#update.value.setFrom(latin1Range(delta));
    this.#commit();
    if (slot === NO_SLOT) this.#limitNew(key, hash);
  }

  setAdd(key: ByteRange, hash: number, member: ByteRange, known: Slot = NO_SLOT): boolean {
    const slot = known < 0 ? this.#clearHidden(key, hash) : known;
    this.#begin(UpdateKind.SetAdd, key, hash);
    this.#update.field.setFrom(member);
    this.#update.slot = slot;
    this.#commit();
    const isNewMember = this.#update.isNew;
    if (slot === NO_SLOT) this.#limitNew(key, hash);
    return isNewMember;
  }

  setRemove(key: ByteRange, hash: number, member: ByteRange): void {
    this.#begin(UpdateKind.SetRemove, key, hash);
    this.#update.field.setFrom(member);
    this.#commit();
  }

  documentSet(key: ByteRange, hash: number, json: ByteRange): void {
    const slot = this.#clearHidden(key, hash);
    this.#begin(UpdateKind.DocumentSet, key, hash);
    this.#update.value.setFrom(json);
    this.#commit();
    if (slot === NO_SLOT) this.#limitNew(key, hash);
  }

  documentEdit(key: ByteRange, hash: number, operations: readonly Operation[]): void {
    this.#beginOnRoot(UpdateKind.DocumentEdit, key, hash);
    const { origin, seq } = this.#contentOf(key).generation;
    const command = formatCommand({ generationOrigin: origin, generationSeq: seq, operations });
    this.#update.field.setFrom(latin1Range(command));
    if (this.#host.isWeak?.(key) === true) return this.#keyspace.applyWeak(this.#update);
    // applied first: that fills in what is to be sent
    const context = this.#host.open();
    this.#keyspace.apply(this.#update, context);
    this.#host.record(this.#update);
  }

  /** A new generation of a document, with all that is known of it here (RULES V9). */
  documentGeneration(key: ByteRange, hash: number): void {
    this.#beginOnRoot(UpdateKind.DocumentGeneration, key, hash);
    this.#update.value.setFrom(latin1Range(this.#contentOf(key).jsonText()));
    this.#commit();
  }

  #contentOf(key: ByteRange): Generations {
    return present(this.#keyspace.entryOf(key)?.document?.content, 'only a live document is edited');
  }

  #beginOnRoot(kind: UpdateKind, key: ByteRange, hash: number): void {
    this.#begin(kind, key, hash);
    const document = this.#keyspace.entryOf(key)?.document;
    this.#update.baseOrigin = document?.origin ?? 0;
    this.#update.baseSeq = document?.seq ?? 0;
  }

  flushAll(): void {
    this.#begin(UpdateKind.FlushAll, EMPTY, 0);
    this.#commitToAll();
  }

  publish(channel: ByteRange, message: ByteRange): void {
    this.#begin(UpdateKind.Publish, EMPTY, 0);
    this.#update.field.setFrom(channel);
    this.#update.value.setFrom(message);
    this.#commitToAll();
  }

  /** Says that every incarnation of this node below `incarnation` is closed (RULES D8). */
  closeIncarnations(incarnation: number): void {
    this.#begin(UpdateKind.CloseIncarnations, EMPTY, 0);
    this.#update.atMs = incarnation;
    this.#commitToAll();
  }

  /**
   * Removes what is hidden of a key that shows nothing, so that the write starts anew (RULES V7): here, and where it is still
   * kept when it was purged here. Returns the key's slot, NO_SLOT where it shows nothing, so that the write makes it.
   */
  #clearHidden(key: ByteRange, hash: number): Slot {
    const slot = this.#keyspace.findToWrite(key, hash, this.nowMs);
    if (slot === NO_SLOT) this.#clearKept(key, hash);
    return slot;
  }

  #clearKept(key: ByteRange, hash: number): void {
    const entry = this.#keyspace.entryOf(key, hash);
    const mayBeKeptElsewhere = entry === undefined && this.#keyspace.forgetsKeys;
    if (mayBeKeptElsewhere || entry?.hasResidue === true) this.delete(key, hash);
  }

  /** When a key expires that is made now without an expiry of its own: what its class says. */
  #expiryOfNew(key: ByteRange, value?: ByteRange): number {
    const ttlMs = this.#host.ttlMsOf?.(key, value) ?? null;
    return ttlMs === null ? Infinity : this.nowMs + ttlMs;
  }

  /** A key that is not a string gets its class's expiry right after the write that made it. */
  #limitNew(key: ByteRange, hash: number): void {
    const expireAtMs = this.#expiryOfNew(key);
    if (expireAtMs !== Infinity) this.expire(key, hash, expireAtMs);
  }

  #setBase(base: StampedDot | null): void {
    if (base === null) return;
    this.#update.baseOrigin = base.origin;
    this.#update.baseSeq = base.seq;
  }

  #begin(kind: UpdateKind, key: ByteRange, hash: number): void {
    const update = this.#update;
    update.kind = kind;
    update.key.setFrom(key);
    update.hash = hash;
    update.field.setFrom(EMPTY);
    update.slot = NO_SLOT;
    update.value.setFrom(EMPTY);
    update.atMs = Infinity;
    update.baseOrigin = 0;
    update.baseSeq = 0;
  }

  #commit(): void {
    if (this.#host.isWeak?.(this.#update.key) === true) this.#keyspace.applyWeak(this.#update);
    else this.#commitToAll();
  }

  #commitToAll(): void {
    const context = this.#host.open();
    this.#host.record(this.#update);
    this.#keyspace.apply(this.#update, context);
  }
}

const EMPTY: ByteRange = latin1Range('');
const ONE: ByteRange = latin1Range('1');
