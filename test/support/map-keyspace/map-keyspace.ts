import { present } from '../../../src/base/assert.ts';
import { ByteRange, latin1Bytes } from '../../../src/base/bytes.ts';
import type { VersionVector } from '../../../src/clock/version-vector.ts';
import type { DocumentNode } from '../../../src/crdt/document.ts';
import { ContentType, Entry, type EntryState } from '../../../src/crdt/entry.ts';
import type { ShownSiblings, SiblingContent, SiblingView } from '../../../src/crdt/sibling-content.ts';
import type { FlushMark } from '../../../src/crdt/string-content.ts';
import { compareWrites, UpdateKind, type Update, type UpdateContext } from '../../../src/crdt/update.ts';
import type { FlushedSides, MergeSides } from '../../../src/crdt/writes.ts';
import { ConflictLog } from '../../../src/keyspace/conflict-log.ts';
import { ContainerReaders } from '../../../src/keyspace/container-readers.ts';
import { CountedKeys } from './counted-keys.ts';
import { digestOf } from '../../../src/keyspace/digest.ts';
import { DirtyKeys, type DirtyEntries } from './dirty-keys.ts';
import { GrownDocuments } from '../../../src/keyspace/grown-documents.ts';
import { ForgetQueue } from './forget-queue.ts';
import { plainOrder } from './plain-order.ts';
import { PurgeQueue } from './purge-queue.ts';
import { QuietKeys } from './quiet-keys.ts';
import {
  NO_SLOT,
  type HashReader,
  type KeyspaceReader,
  type KeptSiblings,
  type SetReader,
  type Slot,
} from '../../../src/keyspace/keyspace.ts';
import { RecentChanges } from '../../../src/keyspace/recent-changes.ts';
import { SlotTable } from './slot-table.ts';
import { SnapshotCursor, type SnapshotEntry, type SnapshotSource } from '../../../src/keyspace/snapshot-cursor.ts';
import { WeakWrites } from '../../../src/keyspace/weak-writes.ts';

/** What the keyspace tells of its changes: the key, or null for all of them (FLUSHALL, a snapshot). */
export type ChangeListener = (key: string | null, update: Update | null) => void;

/** Recent changes that are forgotten for each key that is looked at: it takes less than the look. */
const RECENT_BUDGET = 10;

/** The keyspace on a Map: keys as latin1 strings, one `Entry` object a key, a slot number for each. All that is subtle is in `crdt/`. */
export class MapKeyspace implements Omit<KeyspaceReader, 'versions'> {
  readonly #slots: SlotTable = new SlotTable();
  readonly #counted: CountedKeys = new CountedKeys((slot) => [this.entryAt(slot).expiryMs, this.#slots.keyAt(slot)]);
  readonly #forgetQueue: ForgetQueue = new ForgetQueue();
  readonly #purgeQueue: PurgeQueue = new PurgeQueue();
  /** Those whose losing types can be forgotten, and those that can be purged. */
  readonly #quietKeys: QuietKeys = new QuietKeys();
  #forgetsKeys = false;
  readonly #readers: ContainerReaders = new ContainerReaders();
  readonly #dirty: DirtyKeys = new DirtyKeys();
  #flush: FlushMark | null = null;
  /** What sessions see of the keys that they read. */
  readonly recent: RecentChanges = new RecentChanges();
  readonly conflicts: ConflictLog = new ConflictLog();
  onChange: ChangeListener = () => {};
  /** Which keys never leave this node: nothing of them is in a snapshot, the digest or the store. The same for the keyspace's life. */
  isWeak: (key: string) => boolean = () => false;
  /** Which keys a quorum group owns: no clock hides them, and FLUSHALL leaves them. The same for the keyspace's life. */
  isPinned: (key: string) => boolean = () => false;
  /** Of which keys all concurrent writes of a string are kept (RULES V5). The same for the keyspace's life; none of them is weak. */
  keepsSiblings: (key: string) => boolean = () => false;
  /** What such a key shows when there are several: a pure function of them, or the latest. Asked when one reads. */
  showSiblings: (key: string, siblings: readonly SiblingView[]) => ShownSiblings = (_key, siblings) => ({
    text: siblings.at(-1)?.value ?? '',
    error: null,
  });
  readonly #weakWrites: WeakWrites = new WeakWrites();
  readonly grownDocuments: GrownDocuments = new GrownDocuments(
    (key) => this.#slots.entryOf(key)?.document,
    this.#weakWrites.stable,
  );
  /** Whether changes are collected for `takeDirty`. */
  set collectsDirty(isCollecting: boolean) {
    this.#dirty.isCollecting = isCollecting;
  }

  get count(): number {
    this.#readAll();
    return this.#counted.count;
  }

  get expiringCount(): number {
    this.#readAll();
    return this.#counted.expiringCount;
  }

  readonly pendingCount = 0;

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
  }

  hashOf(_key: ByteRange): number {
    return 0;
  }

  // ── reads ──

  readonly access: KeyspaceReader['access'] = { touch: () => {}, idleSeconds: () => 0, uses: () => 0 };
  readonly readAhead = (): void => {};
  readonly countAt = (): null => null;

  find(key: ByteRange, hash: number, nowMs: number): Slot {
    if (this.recent.reader !== null) this.recent.read(key);
    return this.findToWrite(key, hash, nowMs);
  }

  findToWrite(key: ByteRange, _hash: number, nowMs: number): Slot {
    const slot = this.#slots.slotOf(key.toLatin1());
    return slot === undefined || !this.#isVisible(slot, nowMs) ? NO_SLOT : slot;
  }

  #isVisible(slot: Slot, nowMs: number): boolean {
    const entry = this.#slots.entry(slot);
    return (
      entry !== null &&
      entry !== undefined &&
      entry.type !== ContentType.None &&
      (entry.expiryMs > nowMs || entry.expiresByLog)
    );
  }

  entryAt(slot: Slot): Entry {
    return this.#slots.entryAt(slot);
  }

  /** The entry of a key, visible or not. */
  entryOf(key: ByteRange): Entry | undefined {
    const text = key.toLatin1();
    return this.#slots.entryOf(text);
  }

  typeOf(slot: Slot): ContentType {
    return this.entryAt(slot).type;
  }

  stringInto(slot: Slot, into: ByteRange): void {
    const { string } = this.entryAt(slot);
    this.#readers.text(string.keepsSiblings ? this.#shown(slot, string).text : string.text(), into);
  }

  #shown(slot: Slot, string: SiblingContent): ShownSiblings {
    return string.shown((siblings) => this.showSiblings(this.#slots.keyAt(slot), siblings));
  }

  siblingsAt(slot: Slot): KeptSiblings {
    const { string, expiries } = this.entryAt(slot);
    return {
      siblings: string.kept(expiries),
      shown: string.keepsSiblings ? this.#shown(slot, string) : { text: string.text(), error: null },
    };
  }

  readonly expiryOf = (slot: Slot): number => this.entryAt(slot).expiryMs;

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
    into.setFrom(new ByteRange(latin1Bytes(this.#slots.keyAt(slot))));
  }

  scan(cursor: number, budget: number, nowMs: number, visit: (slot: Slot) => void): number {
    this.#readAll();
    const end = Math.min(this.#slots.length, cursor + Math.max(1, budget));
    for (let slot = cursor; slot < end; slot++) if (this.#isVisible(slot, nowMs)) visit(slot);
    return end >= this.#slots.length ? 0 : end;
  }

  readonly ordered: KeyspaceReader['ordered'] = () => plainOrder(this, (slot) => this.#slots.keyAt(slot));

  random(unit: number, nowMs: number): Slot {
    this.#readAll();
    if (this.#counted.count === 0) return NO_SLOT;
    return this.#slots.nextFrom(unit, (slot) => this.#isVisible(slot, nowMs));
  }

  digest(nowMs: number): string {
    this.#readAll();
    return digestOf(this.#slots, (slot) => this.#isVisible(slot, nowMs) && !this.isWeak(this.#slots.keyAt(slot)));
  }

  // ── updates ──

  /** Applies one update of a transaction; says whether what is shown may have changed. */
  apply(update: Update, context: UpdateContext): boolean {
    if (update.kind === UpdateKind.FlushAll) return this.#applyFlush(update, context);
    if (update.kind === UpdateKind.Publish || update.kind === UpdateKind.CloseIncarnations) return false;
    const key = update.key.toLatin1();
    // what others still hold from before the key became weak
    if (this.isWeak(key)) return false;
    const slot = this.#slotOf(key);
    const entry = this.entryAt(slot);
    this.conflicts.watch(update.key, entry, update, context, this.#flush);
    const { type, expiryMs } = entry;
    const contentChanged = entry.apply(update, context, entry.expiresByLog ? null : this.#flush);
    entry.refresh();
    // what an update removes beside its own content shows in these
    const changed = contentChanged || entry.type !== type || entry.expiryMs !== expiryMs;
    this.#afterChange(slot, key, entry);
    this.#forgetQueue.note(key, context.origin, context.seq, entry);
    this.recent.note(this.#slots.keyText(slot) ?? key, context.origin, context.seq);
    if (changed) this.onChange(key, update);
    return changed;
  }

  /** Applies one update, made here, to a key that never leaves this node. */
  applyWeak(update: Update): void {
    const key = update.key.toLatin1();
    const slot = this.#slotOf(key);
    const entry = this.entryAt(slot);
    const { type, expiryMs } = entry;
    const contentChanged = entry.apply(update, this.#weakWrites.next(), null);
    entry.settle(this.#weakWrites.stable, null);
    if (entry.document !== null) this.grownDocuments.note(key);
    const changed = contentChanged || entry.type !== type || entry.expiryMs !== expiryMs;
    if (entry.type === ContentType.None) this.#drop(slot, key);
    else this.#reindex(slot, key, entry);
    if (changed) this.onChange(key, update);
  }

  #drop(slot: Slot, key: string): void {
    this.#slots.beforeChange(slot);
    this.#slots.put(slot, new Entry());
    this.#reindex(slot, key, this.entryAt(slot));
  }

  #slotOf(key: string): Slot {
    const known = this.#slots.slotOf(key);
    if (known !== undefined) {
      this.#slots.beforeChange(known);
      return known;
    }
    this.#slots.beforeChange(this.#slots.nextSlot);
    const slot = this.#slots.add(key, this.keepsSiblings(key));
    this.#slots.entryAt(slot).expiresByLog = this.isPinned(key);
    return slot;
  }

  #afterChange(slot: Slot, key: string, entry: Entry): void {
    this.#reindex(slot, key, entry);
    if (entry.hasSeveralTypes) this.#quietKeys.note(key);
    if (entry.document !== null) this.grownDocuments.note(key);
  }

  /** Keeps counts, the expiry index and the list of changes true to an entry that changed; removes it when it holds nothing. */
  #reindex(slot: Slot, key: string, entry: Entry): void {
    if (this.#dirty.isCollecting && !this.isWeak(key)) this.#dirty.note(key);
    this.#counted.remove(slot);
    this.#purgeQueue.drop(key);
    if (entry.isEmpty) {
      this.#slots.remove(slot, key);
      this.#quietKeys.drop(key);
      return;
    }
    if (entry.type === ContentType.None) {
      // what is left after the last field or member went: nobody will ever see it, so it goes as if it had expired
      if (entry.expiries !== null) this.#waitForPurge(key, entry.expiries.latestMs);
      return;
    }
    this.#counted.add(slot, key, entry.expiresByLog ? Infinity : entry.expiryMs);
  }

  #waitForPurge(key: string, expiryMs: number): void {
    this.#purgeQueue.add(key, expiryMs);
    this.#quietKeys.note(key);
  }

  #applyFlush(update: Update, context: UpdateContext): boolean {
    const mark = { stamp: context.stamp, origin: context.origin, seq: context.seq };
    this.recent.noteEvery(context.origin, context.seq);
    const isLatest =
      this.#flush === null || compareWrites(mark.stamp, mark.origin, this.#flush.stamp, this.#flush.origin) >= 0;
    if (isLatest) this.#flush = mark;
    for (const [key, slot] of this.#slots.all()) {
      if (this.isWeak(key)) {
        this.#drop(slot, key);
        continue;
      }
      if (this.isPinned(key)) continue;
      this.#slots.beforeChange(slot);
      const entry = this.entryAt(slot);
      entry.flush(isLatest ? mark : null, context);
      entry.refresh();
      this.#afterChange(slot, key, entry);
    }
    if (this.#slots.keyCount === 0) this.#dirty.noteClear();
    this.onChange(null, update);
    return true;
  }

  // ── forgetting ──

  /** When the next expiry is due, in Unix milliseconds; Infinity for none. */
  get nextExpiryMs(): number {
    return this.#counted.nextMs;
  }

  /** Finds up to `budget` keys that expired by `nowMs` and takes them out of the count; tells each one once. */
  expireDue(nowMs: number, budget: number, onExpired: (key: string) => void): void {
    for (let done = 0; done < budget && this.#counted.nextMs <= nowMs; done++) {
      const key = this.#counted.pop();
      const slot = key === undefined ? undefined : this.#slots.slotOf(key);
      if (key === undefined || slot === undefined || !this.#counted.has(slot)) continue;
      const { expiryMs } = this.entryAt(slot);
      if (expiryMs > nowMs) continue;
      if (this.isWeak(key)) {
        this.#drop(slot, key);
      } else {
        this.#counted.remove(slot);
        this.#waitForPurge(key, expiryMs);
      }
      this.onChange(key, null);
      onExpired(key);
    }
  }

  /**
   * Drops up to `budget` expired keys with all that is known of them (RULES D9), when every member's clock has passed the expiry
   * and all that was applied to them is stable: then whoever writes to one has seen all of it and sees it expired.
   */
  purgeExpired(membersClockMs: number, budget: number): void {
    this.#purgeQueue.drain(membersClockMs, budget, (key) => {
      const slot = present(this.#slots.slotOf(key), 'what waits to be purged is kept');
      this.#forgetsKeys = true;
      this.#drop(slot, key);
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
   * Forgets what is stable of up to `budget` keys that changed (tombstones, losers, folded increments). `vector` is all that is
   * applied here.
   */
  forgetStable(vector: VersionVector, stable: VersionVector, budget: number): void {
    if (this.#flush !== null && stable.contains(this.#flush.origin as never, this.#flush.seq)) this.#flush = null;
    this.recent.forget(stable, budget * RECENT_BUDGET);
    this.#quietKeys.drain(vector, stable, budget, (key) => this.#quiet(key, stable));
    this.#forgetQueue.drain(stable, budget, (key) => {
      const slot = this.#slots.slotOf(key);
      if (slot === undefined) return true;
      this.#slots.beforeChange(slot);
      const entry = this.entryAt(slot);
      const settled = entry.settle(stable, this.#flush);
      this.#afterForgetting(slot, key, entry);
      return settled;
    });
  }

  /** All that was applied to a key is stable. */
  #quiet(key: string, stable: VersionVector): void {
    const slot = present(this.#slots.slotOf(key), 'what waits to be quiet is kept');
    this.#purgeQueue.markQuiet(key);
    const entry = this.entryAt(slot);
    if (!entry.hasSeveralTypes) return;
    this.#slots.beforeChange(slot);
    entry.forgetLosingTypes(stable);
    this.#afterForgetting(slot, key, entry);
  }

  /** Forgetting changes nothing that shows: a key that was found expired stays so. */
  #afterForgetting(slot: Slot, key: string, entry: Entry): void {
    if (this.#purgeQueue.has(key) && !entry.isEmpty) this.#dirty.note(key);
    else this.#reindex(slot, key, entry);
  }

  /** Entries that wait for stability before something of them can be forgotten. */
  get forgetWaiting(): number {
    return this.#forgetQueue.size + this.grownDocuments.size;
  }

  // ── snapshots and the store ──

  /** An exact cut as of now; to be closed. `source`: who reads the slots for it. */
  openSnapshot(source: SnapshotSource = this): SnapshotCursor {
    const cursor = new SnapshotCursor(source);
    this.#slots.observers.add(cursor);
    return cursor;
  }

  closeSnapshot(cursor: SnapshotCursor): void {
    this.#slots.observers.delete(cursor);
  }

  stateAt(slot: Slot): SnapshotEntry | null {
    const key = this.#slots.keyText(slot);
    return key === null || this.isWeak(key) ? null : [key, this.entryAt(slot).toState()];
  }

  /** Merges a whole snapshot in one step, by dot and vector (RULES D6). */
  mergeSnapshot(entries: ReadonlyMap<string, EntryState>, flush: FlushMark | null, sides: MergeSides): void {
    this.recent.noteUnknown(sides.remote, sides.local);
    const flushed = { ...sides, localFlush: this.#flush, remoteFlush: flush };
    if (flush !== null && !sides.local.contains(flush.origin as never, flush.seq)) this.#raiseFlush(flush);
    for (const [key, slot] of this.#slots.all()) {
      if (this.isWeak(key)) continue;
      const state = entries.get(key);
      this.#mergeEntry(slot, key, state === undefined ? null : this.#restored(key, state), flushed);
    }
    for (const [key, state] of entries) {
      if (this.#slots.slotOf(key) === undefined && !this.isWeak(key))
        this.#mergeEntry(this.#slotOf(key), key, this.#restored(key, state), flushed);
    }
    this.#forgetsKeys = true;
    this.onChange(null, null);
  }

  #raiseFlush(mark: FlushMark): void {
    if (this.#flush === null || compareWrites(mark.stamp, mark.origin, this.#flush.stamp, this.#flush.origin) > 0)
      this.#flush = mark;
  }

  #mergeEntry(slot: Slot, key: string, other: Entry | null, sides: FlushedSides): void {
    this.#slots.beforeChange(slot);
    const entry = this.entryAt(slot);
    entry.merge(other, entry.expiresByLog ? { ...sides, localFlush: null, remoteFlush: null } : sides);
    this.#afterChange(slot, key, entry);
    this.#forgetQueue.noteMerged(key, entry);
  }

  /** Puts in an entry from the store, at start. */
  restore(key: string, state: EntryState): void {
    // it was replicated when it was stored: the store is to drop it
    if (this.isWeak(key)) return this.#dirty.note(key);
    const slot = this.#slotOf(key);
    const entry = this.#restored(key, state);
    this.#slots.put(slot, entry);
    this.#afterChange(slot, key, entry);
    this.#forgetQueue.noteMerged(key, entry);
  }

  #restored(key: string, state: EntryState): Entry {
    const entry = Entry.fromState(state, this.keepsSiblings(key));
    entry.expiresByLog = this.isPinned(key);
    return entry;
  }

  restoreFlush(flush: FlushMark | null): void {
    this.#flush = flush;
    this.#forgetsKeys = true;
  }

  get dirtyCount(): number {
    return this.#dirty.size;
  }

  /** What changed since the last call. */
  takeDirty(): DirtyEntries {
    return this.#dirty.take((key) => {
      const slot = this.#slots.slotOf(key);
      return slot === undefined || this.isWeak(key) ? null : this.entryAt(slot).toState();
    });
  }
}
