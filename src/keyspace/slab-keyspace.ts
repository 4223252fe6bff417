import { present } from '../base/assert.ts';
import { Arrivals } from './arrivals.ts';
import { latin1Range, type ByteRange } from '../base/bytes.ts';
import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { DocumentNode } from '../crdt/document.ts';
import { ContentType, Entry, type EntryState } from '../crdt/entry.ts';
import type { ShownSiblings, SiblingContent, SiblingView } from '../crdt/sibling-content.ts';
import type { FlushMark } from '../crdt/string-content.ts';
import { compareWrites, UpdateKind, type StampedDot, type Update, type UpdateContext } from '../crdt/update.ts';
import type { MergeSides } from '../crdt/writes.ts';
import { ConflictLog } from './conflict-log.ts';
import { ContainerReaders } from './container-readers.ts';
import { digestOf } from './digest.ts';
import type { DirtyCut, DirtyEntries } from './dirty-keys.ts';
import { GrownDocuments } from './grown-documents.ts';
import { KeyKinds } from './key-kinds.ts';
import { KeyLedger } from './key-ledger.ts';
import {
  NO_SLOT,
  type HashReader,
  type KeyspaceReader,
  type KeptSiblings,
  type SetReader,
  type Slot,
} from './keyspace.ts';
import { OpenedEntries } from './opened-entries.ts';
import { PlainWrites } from './plain-writes.ts';
import { RecentChanges } from './recent-changes.ts';
import type { HashKey } from '../base/key-hash.ts';
import { SlabTable } from './slab/slab-table.ts';
import { SlotFlag } from './slab/slot-records.ts';
import { SnapshotCursor, type SnapshotEntry, type SnapshotSource } from './snapshot-cursor.ts';
import { WeakWrites } from './weak-writes.ts';

/** What the keyspace tells of its changes: the key, good for the call, or null for all of them (FLUSHALL, a snapshot). */
export type ChangeListener = (key: ByteRange | null, update: Update | null) => void;

/** Recent changes that are forgotten for each key that is looked at: it takes less than the look. */
const RECENT_BUDGET = 10;

/** Where it does not matter that others know where a key falls. */
const OPEN_HASH_KEY: HashKey = [0, 0];

/**
 * The keyspace on a slab (`slab/`). Here is the plain case, a write of a string over nothing or over one that it has seen, which is nearly all
 * there is and makes no object; all that is subtle is in `crdt/`, on an `Entry` that is opened for it.
 */
export class SlabKeyspace implements KeyspaceReader {
  readonly #slots: SlabTable;
  readonly #ledger: KeyLedger;
  readonly #entries: OpenedEntries;
  readonly #plain: PlainWrites;
  #forgetsKeys = false;
  readonly #readers: ContainerReaders = new ContainerReaders();
  #flush: FlushMark | null = null;
  /** What sessions see of the keys that they read. */
  readonly recent: RecentChanges = new RecentChanges();
  readonly conflicts: ConflictLog = new ConflictLog();
  onChange: ChangeListener = () => {};
  /** Weak: nothing of them is in a snapshot, the digest or the store. Pinned: no clock hides them, and FLUSHALL leaves them. Keeping siblings: none of them is weak. */
  readonly kinds: KeyKinds = new KeyKinds();
  /** What a key shows that keeps siblings when there are several: a pure function of them, or the latest. Asked when one reads. */
  showSiblings: (key: string, siblings: readonly SiblingView[]) => ShownSiblings = (_key, siblings) => ({
    text: siblings.at(-1)?.value ?? '',
    error: null,
  });
  readonly #weakWrites: WeakWrites = new WeakWrites();
  /** States that take the place of what is here of them. */
  readonly arrivals: Arrivals;
  readonly grownDocuments: GrownDocuments;

  /** `hashKey` is for the process to keep to itself: who knows it can choose keys that all fall into one place. */
  constructor(hashKey: HashKey = OPEN_HASH_KEY) {
    this.#slots = new SlabTable(hashKey);
    this.#ledger = new KeyLedger(this.#slots);
    this.#entries = new OpenedEntries(this.#slots, this.#ledger, this);
    this.#plain = new PlainWrites(this.#slots, this.#ledger, this.#entries, this);
    const isPinned = (key: string): boolean => this.kinds.isPinned(latin1Range(key));
    this.arrivals = new Arrivals({ mergeKey: (...merge) => this.#mergeKey(...merge), isPinned }, this.#slots);
    this.grownDocuments = new GrownDocuments(
      (key) => this.entryOf(latin1Range(key))?.document,
      this.#weakWrites.stable,
    );
  }

  /** Whether changes are collected for `takeDirty`. */
  set collectsDirty(isCollecting: boolean) {
    this.#ledger.dirty.isCollecting = isCollecting;
  }

  get count(): number {
    this.#readAll();
    return this.#ledger.counted.count;
  }

  get expiringCount(): number {
    this.#readAll();
    return this.#ledger.counted.expiringCount;
  }

  get slotCount(): number {
    return this.#slots.length;
  }

  /** Entries kept, visible or not. */
  get entryCount(): number {
    return this.#slots.keyCount;
  }

  get flushMark(): FlushMark | null {
    return this.#flush;
  }

  #readAll(): void {
    this.recent.readAll();
    this.arrivals.settleAll();
  }

  hashOf(key: ByteRange): number {
    return this.#slots.hashOf(key);
  }

  // ── reads ──

  find(key: ByteRange, hash: number, nowMs: number): Slot {
    if (this.arrivals.isOpen) this.arrivals.settle(key.toLatin1());
    const slot = this.#slots.slotOf(key, hash);
    if (this.recent.reader !== null) this.#readRecent(key, slot);
    return slot !== NO_SLOT && this.#isVisible(slot, nowMs) ? slot : NO_SLOT;
  }

  /** As `find`, for a write: that has a dot of its own, which has seen all that is here. */
  findToWrite(key: ByteRange, hash: number, nowMs: number): Slot {
    if (this.arrivals.isOpen) this.arrivals.settle(key.toLatin1());
    const slot = this.#slots.slotOf(key, hash);
    return slot !== NO_SLOT && this.#isVisible(slot, nowMs) ? slot : NO_SLOT;
  }

  readAhead(hashes: Int32Array, count: number): void {
    this.#slots.readAhead(hashes, count);
  }

  #readRecent(key: ByteRange, slot: Slot): void {
    const { records } = this.#slots;
    if (slot === NO_SLOT) {
      this.recent.read(key);
      return;
    }
    const isNoted = records.has(slot, SlotFlag.Noted) !== 0;
    const seq = records.seq(slot);
    const isStillNoted = this.recent.read(key, seq === 0 ? 0 : this.#slots.originOf(slot), seq, isNoted);
    if (isNoted && !isStillNoted) records.unmark(slot, SlotFlag.Noted);
  }

  #isVisible(slot: Slot, nowMs: number): boolean {
    const { records } = this.#slots;
    return (
      records.type(slot) !== ContentType.None &&
      (records.expiryMs(slot) > nowMs || records.has(slot, SlotFlag.Pinned) !== 0)
    );
  }

  /** What is in a slot, to be read. */
  entryAt(slot: Slot): Entry {
    return this.#slots.entryAt(slot);
  }

  /** The entry of a key, visible or not, to be read. */
  entryOf(key: ByteRange, hash = 0): Entry | undefined {
    if (this.arrivals.isOpen) this.arrivals.settle(key.toLatin1());
    const slot = this.#slots.slotOf(key, hash);
    return slot === NO_SLOT ? undefined : this.entryAt(slot);
  }

  typeOf(slot: Slot): ContentType {
    return this.#slots.records.type(slot) as ContentType;
  }

  stringInto(slot: Slot, into: ByteRange): void {
    if (this.#slots.isRegister(slot)) {
      this.#slots.valueInto(slot, into);
      return;
    }
    if (this.#slots.isCounter(slot)) {
      this.#readers.text(String(this.#slots.counterAt(slot).sum), into);
      return;
    }
    const { string } = this.entryAt(slot);
    this.#readers.text(string.keepsSiblings ? this.#shown(slot, string).text : string.text(), into);
  }

  countAt(slot: Slot): number | null {
    return this.#slots.isCounter(slot) ? this.#slots.counterAt(slot).sum : null;
  }

  /** Writes the mark (`MARK_NUMBERS`) of the one write that a string shows, for who keeps its value; false where there is none. */
  markInto(slot: Slot, marks: Float64Array, at: number): boolean {
    return !this.arrivals.isOpen && this.#slots.markInto(slot, marks, at);
  }

  /** Whether the key of a mark shows that write now. */
  isStill(marks: Float64Array, at: number): boolean {
    return !this.arrivals.isOpen && this.#slots.isStill(marks, at);
  }

  #shown(slot: Slot, string: SiblingContent): ShownSiblings {
    return string.shown((siblings) => this.showSiblings(this.#slots.keyText(slot) ?? '', siblings));
  }

  /** The register that an increment of a string made now counts on; null for none. */
  baseAt(slot: Slot): StampedDot | null {
    if (this.#slots.isCounter(slot)) return null;
    if (!this.#slots.isRegister(slot)) return this.entryAt(slot).string.base;
    const { records } = this.#slots;
    return { stamp: records.stamp(slot), origin: this.#slots.originOf(slot), seq: records.seq(slot) };
  }

  /** Whether a string shows more than one write. */
  hasSeveralSiblings(slot: Slot): boolean {
    if (this.#slots.records.has(slot, SlotFlag.Siblings) === 0) return false;
    const { string } = this.entryAt(slot);
    return string.keepsSiblings && string.count > 1;
  }

  siblingsAt(slot: Slot): KeptSiblings {
    const { string, expiries } = this.entryAt(slot);
    return {
      siblings: string.kept(expiries),
      shown: string.keepsSiblings ? this.#shown(slot, string) : { text: string.text(), error: null },
    };
  }

  expiryOf(slot: Slot): number {
    return this.#slots.records.expiryMs(slot);
  }

  hashAt(slot: Slot): HashReader {
    return this.#readers.hash(present(this.entryAt(slot).hash, 'the slot shows a hash'));
  }

  setAt(slot: Slot): SetReader {
    return this.#readers.set(present(this.entryAt(slot).set, 'the slot shows a set'));
  }

  documentAt(slot: Slot): DocumentNode {
    return present(this.entryAt(slot).document?.root, 'the slot shows a document');
  }

  keyInto(slot: Slot, into: ByteRange): void {
    this.#slots.keyInto(slot, into);
  }

  scan(cursor: number, budget: number, nowMs: number, visit: (slot: Slot) => void): number {
    this.#readAll();
    const end = Math.min(this.#slots.length, cursor + Math.max(1, budget));
    for (let slot = cursor; slot < end; slot++) if (this.#isVisible(slot, nowMs)) visit(slot);
    return end >= this.#slots.length ? 0 : end;
  }

  random(unit: number, nowMs: number): Slot {
    this.#readAll();
    if (this.#ledger.counted.count === 0) return NO_SLOT;
    return this.#slots.nextFrom(unit, (slot) => this.#isVisible(slot, nowMs));
  }

  digest(nowMs: number): string {
    this.#readAll();
    return digestOf(this.#slots, (slot) => this.#isVisible(slot, nowMs) && !this.#entries.isWeak(slot));
  }

  // ── updates ──

  /** Applies one update of a transaction; says whether what is shown may have changed. */
  apply(update: Update, context: UpdateContext): boolean {
    if (this.#plain.apply(update, context, this.#flush)) {
      const isShown = update.kind !== UpdateKind.SetAdd || update.isNew;
      if (isShown) this.onChange(update.key, update);
      return isShown;
    }
    if (update.kind === UpdateKind.FlushAll) return this.#applyFlush(update, context);
    if (update.kind === UpdateKind.Publish || update.kind === UpdateKind.CloseIncarnations) return false;
    const { key } = update;
    // what others still hold from before the key became weak
    if (this.kinds.isWeak(key)) return false;
    const slot = this.#entries.slotFor(key, update.hash);
    const entry = this.#slots.open(slot);
    this.conflicts.watch(key, entry, update, context, this.#flush);
    const { type, expiryMs } = entry;
    const contentChanged = entry.apply(update, context, entry.expiresByLog ? null : this.#flush);
    entry.refresh();
    // what an update removes beside its own content shows in these
    const changed = contentChanged || entry.type !== type || entry.expiryMs !== expiryMs;
    this.#entries.changed(slot, entry, context);
    this.#ledger.forget.note(slot, context.origin, context.seq, entry);
    this.#entries.noteRecent(slot, key, context);
    if (changed) this.onChange(key, update);
    return changed;
  }

  /** Applies one update, made here, to a key that never leaves this node. */
  applyWeak(update: Update): void {
    const { key } = update;
    const slot = this.#entries.slotFor(key, update.hash);
    const entry = this.#slots.open(slot);
    const { type, expiryMs } = entry;
    const contentChanged = entry.apply(update, this.#weakWrites.next(), null);
    entry.settle(this.#weakWrites.stable, null);
    const changed = contentChanged || entry.type !== type || entry.expiryMs !== expiryMs;
    if (entry.type === ContentType.None) this.#ledger.changed(slot, new Entry());
    else this.#entries.changed(slot, entry, null);
    if (changed) this.onChange(key, update);
  }

  #applyFlush(update: Update, context: UpdateContext): boolean {
    const mark = { stamp: context.stamp, origin: context.origin, seq: context.seq };
    this.recent.noteEvery(context.origin, context.seq);
    const isLatest =
      this.#flush === null || compareWrites(mark.stamp, mark.origin, this.#flush.stamp, this.#flush.origin) >= 0;
    if (isLatest) this.#flush = mark;
    const { records } = this.#slots;
    for (let slot = 0; slot < this.#slots.length; slot++) {
      if (!this.#slots.isLive(slot) || records.has(slot, SlotFlag.Pinned) !== 0) continue;
      this.#slots.beforeChange(slot);
      if (this.#entries.isWeak(slot)) {
        this.#ledger.drop(slot);
        continue;
      }
      if (isLatest && this.#entries.dropBelow(slot, mark, context)) continue;
      const entry = this.#slots.open(slot);
      entry.flush(isLatest ? mark : null, context);
      entry.refresh();
      this.#entries.changed(slot, entry, context);
    }
    if (this.#slots.keyCount === 0) this.#ledger.dirty.noteClear();
    this.onChange(null, update);
    return true;
  }

  // ── forgetting ──

  /** When the next expiry is due, in Unix milliseconds; Infinity for none. */
  get nextExpiryMs(): number {
    return this.#ledger.counted.nextMs;
  }

  /** Finds up to `budget` keys that expired by `nowMs` and takes them out of the count; tells each one once. */
  expireDue(nowMs: number, budget: number, onExpired: (key: ByteRange) => void): void {
    this.#ledger.counted.expire(nowMs, budget, (slot) => {
      const key = latin1Range(this.#slots.keyText(slot) ?? '');
      if (this.#entries.isWeak(slot)) {
        this.#slots.beforeChange(slot);
        this.#ledger.drop(slot);
      } else {
        this.#ledger.waitForPurge(slot);
      }
      this.onChange(key, null);
      onExpired(key);
    });
  }

  /**
   * Drops up to `budget` expired keys with all that is known of them (RULES D9), when every member's clock has passed the expiry
   * and all that was applied to them is stable: then whoever writes to one has seen all of it and sees it expired.
   */
  purgeExpired(membersClockMs: number, budget: number): void {
    const ledger = this.#ledger;
    const expiryOf = (slot: Slot): number => ledger.lastExpiryMs(slot);
    ledger.purge.drain(membersClockMs, budget, expiryOf, (slot) => {
      this.#forgetsKeys = true;
      this.#slots.beforeChange(slot);
      ledger.drop(slot);
    });
  }

  /**
   * Whether a key that is not here may still be known elsewhere: some were purged here, and not everywhere at once. Who writes to
   * such a key says that it starts anew (RULES V7).
   */
  get forgetsKeys(): boolean {
    return this.#forgetsKeys;
  }

  /**
   * Forgets what is stable of up to `budget` keys that changed (tombstones, losers, folded increments), and goes on with what the slab
   * does bit by bit. `vector` is all that is applied here.
   */
  forgetStable(vector: VersionVector, stable: VersionVector, budget: number): void {
    if (this.#flush !== null && stable.contains(this.#flush.origin as never, this.#flush.seq)) this.#flush = null;
    this.recent.forget(stable, budget * RECENT_BUDGET);
    this.#ledger.quiet.drain(vector, stable, budget, (slot) => this.#entries.quiet(slot, stable));
    this.#ledger.forget.drain(stable, budget, (slot) => this.#entries.settle(slot, stable, this.#flush));
    this.#slots.tidy(budget);
  }

  /** Entries that wait for stability before something of them can be forgotten. */
  get forgetWaiting(): number {
    return this.#ledger.forget.size + this.grownDocuments.size;
  }

  // ── snapshots and the store ──

  /** An exact cut as of now; to be closed. `source`: who reads the slots for it. */
  openSnapshot(source: SnapshotSource = this): SnapshotCursor {
    this.arrivals.settleAll();
    const cursor = new SnapshotCursor(source);
    this.#slots.observers.add(cursor);
    return cursor;
  }

  closeSnapshot(cursor: SnapshotCursor): void {
    this.#slots.observers.delete(cursor);
  }

  stateAt(slot: Slot): SnapshotEntry | null {
    const key = this.#slots.keyText(slot);
    return key === null || this.#entries.isWeak(slot) ? null : [key, this.#slots.stateAt(slot)];
  }

  /** Merges a whole snapshot in one step, by dot and vector (RULES D6). */
  mergeSnapshot(entries: ReadonlyMap<string, EntryState>, flush: FlushMark | null, sides: MergeSides): void {
    this.arrivals.settleAll();
    this.recent.noteUnknown(sides.remote, sides.local);
    const flushed = { ...sides, localFlush: this.#flush, remoteFlush: flush };
    if (flush !== null && !sides.local.contains(flush.origin as never, flush.seq)) this.#raiseFlush(flush);
    const isHere = this.#slots.length;
    for (let slot = 0; slot < isHere; slot++) {
      const key = this.#slots.keyText(slot);
      if (key === null || this.#entries.isWeak(slot)) continue;
      const state = entries.get(key);
      if (this.#flush === null && flush === null && this.#entries.isUntouched(slot, state, sides.remote)) continue;
      this.#slots.beforeChange(slot);
      this.#entries.mergeEntry(slot, state === undefined ? null : this.#slots.restored(slot, state), flushed);
    }
    for (const [key, state] of entries) {
      const range = latin1Range(key);
      if (this.#slots.slotOf(range, 0) !== NO_SLOT || this.kinds.isWeak(range)) continue;
      const slot = this.#entries.slotFor(range, 0);
      this.#entries.mergeEntry(slot, this.#slots.restored(slot, state), flushed);
    }
    this.#forgetsKeys = true;
    this.onChange(null, null);
  }

  /** The same of what another keyspace holds of one origin's pinned keys: key by key, while both go on (see `Arrivals`). */
  mergeLater(origin: Origin, from: SlabKeyspace, sides: MergeSides): void {
    this.recent.noteUnknown(sides.remote, sides.local);
    this.arrivals.begin(origin, { slots: from.#slots, stateAt: (slot) => from.stateAt(slot) }, sides);
    this.#forgetsKeys = true;
    this.onChange(null, null);
  }

  #mergeKey(key: string, state: EntryState | null, sides: MergeSides): void {
    const slot = this.#entries.slotFor(latin1Range(key), 0);
    const other = state === null ? null : this.#slots.restored(slot, state);
    this.#entries.mergeEntry(slot, other, { ...sides, localFlush: null, remoteFlush: null });
  }

  #raiseFlush(mark: FlushMark): void {
    if (this.#flush === null || compareWrites(mark.stamp, mark.origin, this.#flush.stamp, this.#flush.origin) > 0)
      this.#flush = mark;
  }

  /** Puts in an entry from the store, at start. */
  restore(key: string, state: EntryState): void {
    const range = latin1Range(key);
    // it was replicated when it was stored: the store is to drop it
    if (this.kinds.isWeak(range)) return this.#ledger.dirty.noteGone(key);
    const slot = this.#entries.slotFor(range, 0);
    const entry = this.#slots.restored(slot, state);
    this.#slots.put(slot, entry);
    const { dirty } = this.#ledger;
    const isCollecting = dirty.isCollecting;
    // the store has it so, but for what the key's class has changed of it
    dirty.isCollecting = isCollecting && (entry.isEmpty || this.#entries.isConverted(slot, state));
    this.#entries.merged(slot, entry);
    dirty.isCollecting = isCollecting;
  }

  restoreFlush(flush: FlushMark | null): void {
    this.#flush = flush;
    this.#forgetsKeys = true;
  }

  get dirtyCount(): number {
    return this.#ledger.dirty.size;
  }

  /** What changed since the cut before, which must have been read to its end. */
  cutDirty(): DirtyCut {
    return this.#ledger.dirty.cut((slot) => !this.#entries.isWeak(slot));
  }

  /** The same in one step. */
  takeDirty(): DirtyEntries {
    const cut = this.cutDirty();
    return { clear: cut.clear, entries: cut.next(Infinity) };
  }
}
