import { present } from '../base/assert.ts';
import type { ArrivingSource } from './arrival.ts';
import { latin1Range, type ByteRange } from '../base/bytes.ts';
import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { DocumentNode } from '../crdt/document.ts';
import { ContentType, Entry, type EntryState } from '../crdt/entry.ts';
import type { ShownSiblings, SiblingContent, SiblingView } from '../crdt/sibling-content.ts';
import type { FlushMark } from '../crdt/string-content.ts';
import { UpdateKind, type StampedDot, type Update, type UpdateContext } from '../crdt/update.ts';
import type { MergeSides } from '../crdt/writes.ts';
import { ConflictLog } from './conflict-log.ts';
import { ContainerReaders } from './container-readers.ts';
import { DigestRuns } from './digest-runs.ts';
import type { DirtyCut, DirtyEntries } from './dirty-keys.ts';
import { Evictor } from './eviction/evictor.ts';
import { GrownDocuments } from './grown-documents.ts';
import { KeyKinds } from './key-kinds.ts';
import { KeyLedger } from './key-ledger.ts';
import { KeyVisits } from './key-visits.ts';
import {
  NO_SLOT,
  type HashReader,
  type KeyspaceReader,
  type KeptSiblings,
  type OrderedKeys,
  type SetReader,
  type Slot,
} from './keyspace.ts';
import { OpenedEntries } from './opened-entries.ts';
import { PendingChanges } from './pending-changes.ts';
import { Applied, PlainWrites } from './plain-writes.ts';
import { RecentChanges } from './recent-changes.ts';
import type { HashKey } from '../base/key-hash.ts';
import type { AccessColumn } from './slab/access-column.ts';
import { SlabTable } from './slab/slab-table.ts';
import { isStill, markInto } from './slab/slot-marks.ts';
import { SlotFlag } from './slab/slot-records.ts';
import { SnapshotCursor, type SnapshotEntry, type SnapshotSource } from './snapshot-cursor.ts';
import { SystemSlots } from './system-slots.ts';
import { KeyVersions } from './versions.ts';
import { WeakWrites } from './weak-writes.ts';
import { WholeChanges } from './whole-changes.ts';

/** A change: the key, good for the call, or null for all of them (FLUSHALL, a snapshot); `slot` is what it had, where an update may have taken it away. */
export type ChangeListener = (key: ByteRange | null, update: Update | null, slot?: Slot) => void;

/** Recent changes that are forgotten for each key that is looked at: it takes less than the look. */
const RECENT_BUDGET = 10;

/** Where it does not matter that others know where a key falls. */
const OPEN_HASH_KEY: HashKey = [0, 0];

/**
 * The keyspace on a slab (`slab/`). Here is the plain case, a write of a string over nothing or over one that it has seen, which is nearly all
 * there is and makes no object; all that is subtle is in `crdt/`, on an `Entry` that is opened for it.
 */
export class SlabKeyspace implements KeyspaceReader {
  readonly #hashKey: HashKey;
  readonly #slots: SlabTable;
  readonly #ledger: KeyLedger;
  readonly #entries: OpenedEntries;
  readonly #plain: PlainWrites;
  readonly #visits: KeyVisits;
  #forgetsKeys = false;
  readonly #readers: ContainerReaders = new ContainerReaders();
  readonly #whole: WholeChanges;
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
  /** FLUSHALL, and states that take the place of what is here of them. */
  readonly pending: PendingChanges = new PendingChanges();
  readonly digests: DigestRuns;
  readonly grownDocuments: GrownDocuments;
  /** What keeps it within a limit of memory. */
  readonly eviction: Evictor;
  /**
   * What every member has, as it rises, where an increment may fold what is stable of its counter. Null in a group's keyspace: what that holds is a
   * function of its log alone, and not of when a member began to know what is stable.
   */
  stable: VersionVector | null = null;
  readonly versions: KeyVersions = new KeyVersions(this);
  readonly system: SystemSlots;
  /** `hashKey` is for the process to keep to itself: who knows it can choose keys that all fall into one place. */
  constructor(hashKey: HashKey = OPEN_HASH_KEY) {
    this.#hashKey = hashKey;
    this.#slots = new SlabTable(hashKey);
    this.eviction = new Evictor(this.#slots, (slot) => this.onChange(this.#entries.dropWeak(slot), null));
    this.#ledger = new KeyLedger(this.#slots);
    this.#ledger.onNotedGone = (slot) => this.recent.leaveSlot(slot, this.#slots.keyText(slot) ?? '');
    this.#visits = new KeyVisits(this.#slots, this.pending);
    this.system = new SystemSlots(this.#slots, this.#ledger.counted, this.pending);
    this.#entries = new OpenedEntries(this.#slots, this.#ledger, this);
    const [slots, ledger, entries] = [this.#slots, this.#ledger, this.#entries];
    this.digests = new DigestRuns(slots, this, (slot) => !entries.isWeak(slot));
    this.#whole = new WholeChanges({ slots, ledger, entries, pending: this.pending }, this);
    this.#plain = new PlainWrites(this.#slots, this.#ledger, this.#entries, this);
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

  /** The same as far as it is known at once: of a FLUSHALL or a snapshot that is on its way some may be missing. */
  get countNow(): number {
    return this.#ledger.counted.count;
  }

  get expiringCount(): number {
    this.#readAll();
    return this.#ledger.counted.expiringCount;
  }

  get pendingCount(): number {
    return this.pending.left;
  }

  get slotCount(): number {
    return this.#slots.length;
  }

  /** Entries kept, visible or not. */
  get entryCount(): number {
    return this.#slots.keyCount;
  }

  get flushMark(): FlushMark | null {
    return this.#whole.flushMark;
  }

  #readAll(): void {
    this.recent.readAll();
    if (!this.pending.isCounted) this.pending.settleAll();
  }

  hashOf(key: ByteRange): number {
    return this.#slots.hashOf(key);
  }

  // ── reads ──

  get access(): AccessColumn {
    return this.#slots.access;
  }

  find(key: ByteRange, hash: number, nowMs: number): Slot {
    const slot = this.slotOf(key, hash);
    if (this.recent.reader !== null) this.#readRecent(key, slot);
    return slot !== NO_SLOT && this.#slots.records.isVisible(slot, nowMs) ? slot : NO_SLOT;
  }

  findToWrite(key: ByteRange, hash: number, nowMs: number): Slot {
    const slot = this.slotOf(key, hash);
    return slot !== NO_SLOT && this.#slots.records.isVisible(slot, nowMs) ? slot : NO_SLOT;
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
    const isStillNoted = this.recent.read(key, slot, seq === 0 ? 0 : this.#slots.originOf(slot), seq, isNoted);
    if (isNoted && !isStillNoted) records.unmark(slot, SlotFlag.Noted);
  }

  /** The slot of a key, visible or not. */
  slotOf(key: ByteRange, hash: number): Slot {
    if (this.pending.isOpen) this.pending.settle(key.toLatin1());
    return this.#slots.slotOf(key, hash);
  }

  /** What is in a slot, to be read. */
  entryAt(slot: Slot): Entry {
    return this.#slots.entryAt(slot);
  }

  /** The entry of a key, visible or not, to be read. */
  entryOf(key: ByteRange, hash = 0): Entry | undefined {
    const slot = this.slotOf(key, hash);
    return slot === NO_SLOT ? undefined : this.entryAt(slot);
  }

  typeOf(slot: Slot): ContentType {
    return this.#slots.records.type(slot) as ContentType;
  }

  stringInto(slot: Slot, into: ByteRange): void {
    if (this.#slots.hasValue(slot) || this.#slots.refill(slot)) {
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
    return !this.pending.isOpen && markInto(this.#slots, slot, marks, at);
  }

  /** Whether the key of a mark shows that write now. */
  isStill(marks: Float64Array, at: number): boolean {
    return !this.pending.isOpen && isStill(this.#slots, marks, at);
  }

  #shown(slot: Slot, string: SiblingContent): ShownSiblings {
    return string.shown((siblings) => this.showSiblings(this.#slots.keyText(slot) ?? '', siblings));
  }

  /** The register that an increment of a string made now counts on; null for none. */
  baseAt(slot: Slot): StampedDot | null {
    if (this.#slots.isCounter(slot)) return null;
    return this.#slots.isRegister(slot) ? this.registerAt(slot) : this.entryAt(slot).string.base;
  }

  registerAt(slot: Slot): StampedDot | null {
    if (!this.#slots.isRegister(slot)) return null;
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
    this.recent.readAll();
    return this.#visits.scan(cursor, budget, nowMs, visit);
  }

  ordered(): OrderedKeys | null {
    if (this.pending.isOfAll) return null;
    this.#readAll();
    return this.#visits.ordered();
  }

  random(unit: number, nowMs: number): Slot {
    this.#readAll();
    if (this.#ledger.counted.count === 0) return NO_SLOT;
    return this.#visits.random(unit, nowMs);
  }

  digest(nowMs: number): string {
    return this.digests.now(nowMs);
  }

  // ── updates ──

  /** Applies one update of a transaction; says whether what is shown may have changed. */
  apply(update: Update, context: UpdateContext): boolean {
    const applied = this.#plain.apply(update, context, this.#whole.flushMark);
    if (applied === Applied.Shown) this.onChange(update.key, update);
    if (applied !== Applied.No) return applied === Applied.Shown;
    if (update.kind === UpdateKind.FlushAll) return this.#applyFlush(update, context);
    if (update.kind === UpdateKind.Publish || update.kind === UpdateKind.CloseIncarnations) return false;
    const { key } = update;
    // what others still hold from before the key became weak
    if (this.kinds.isWeak(key)) return false;
    const slot = this.#entries.slotFor(key, update.hash);
    const entry = this.#slots.open(slot);
    this.conflicts.watch(key, entry, update, context, this.#whole.flushMark);
    const { type, expiryMs } = entry;
    const contentChanged = entry.apply(update, context, entry.expiresByLog ? null : this.#whole.flushMark);
    entry.refresh();
    // what an update removes beside its own content shows in these
    const changed = contentChanged || entry.type !== type || entry.expiryMs !== expiryMs;
    this.#entries.changed(slot, entry, context);
    this.#ledger.forget.note(slot, context.origin, context.seq, entry);
    this.#entries.noteRecent(slot, key, context);
    if (changed) this.onChange(key, update, slot);
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
    // what is made here has seen all that is here
    this.#whole.flushAll(context, context.origin === this.conflicts.host.origin);
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
    this.access.at(nowMs);
    if (this.pending.isOfAll) return;
    this.#ledger.counted.expire(nowMs, budget, (slot) => {
      const key = latin1Range(this.#slots.keyText(slot) ?? '');
      if (this.#entries.isWeak(slot)) this.#entries.dropWeak(slot);
      else {
        this.#ledger.waitForPurge(slot);
        this.eviction.noteExpired(slot);
      }
      this.onChange(key, null);
      if (!this.#slots.isSystem(slot)) onExpired(key);
    });
  }

  /**
   * Drops up to `budget` expired keys with all that is known of them (RULES D9), when every member's clock has passed the expiry
   * and all that was applied to them is stable: then whoever writes to one has seen all of it and sees it expired.
   */
  purgeExpired(membersClockMs: number, budget: number): void {
    if (this.pending.isOfAll) return;
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
    this.recent.forget(stable, budget * RECENT_BUDGET);
    this.access.age();
    this.#slots.tidy(budget);
    // what is still to be changed is not known as it counts
    if (this.pending.isOfAll) return;
    this.#whole.forgetStable(stable);
    this.#ledger.quiet.drain(vector, stable, budget, (slot) => this.#entries.quiet(slot, stable));
    this.#ledger.forget.drain(stable, budget, (slot) => this.#entries.settle(slot, stable, this.#whole.flushMark));
  }

  /** Entries that wait for stability before something of them can be forgotten. */
  get forgetWaiting(): number {
    return this.#ledger.forget.size + this.grownDocuments.size;
  }

  // ── snapshots and the store ──

  /** An exact cut as of now; to be closed. `source`: who reads the slots for it. */
  openSnapshot(source: SnapshotSource = this): SnapshotCursor {
    this.pending.settleAll();
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

  /** A keyspace for a snapshot that comes in, of keys as they are here. */
  staging(): SlabKeyspace {
    const staging = new SlabKeyspace(this.#hashKey);
    Object.assign(staging.kinds, this.kinds);
    return staging;
  }

  /** Merges a whole snapshot by dot and vector (RULES D6), as it lies in a keyspace that does not change any more. */
  mergeSnapshot(staged: SlabKeyspace, flush: FlushMark | null, sides: MergeSides): void {
    this.#whole.mergeSnapshot(arrivingFrom(staged, staged.#slots), flush, sides);
    this.#forgetsKeys = true;
    this.onChange(null, null);
  }

  /** The same of what another keyspace holds of one origin's pinned keys, while both go on. */
  mergeLater(origin: Origin, from: SlabKeyspace, sides: MergeSides): void {
    this.#whole.mergeGroup(origin, arrivingFrom(from, from.#slots), sides);
    this.#forgetsKeys = true;
    this.onChange(null, null);
  }

  /** Merges what another side has of one key; null is nothing. */
  mergeKey(key: string, state: EntryState | null, sides: MergeSides): void {
    this.#entries.mergeKey(key, state, { ...sides, localFlush: null, remoteFlush: null });
  }

  /** Puts in an entry from the store, at start. */
  restore(key: string, state: EntryState): void {
    this.#entries.restore(key, state);
  }

  restoreFlush(flush: FlushMark | null): void {
    this.#whole.flushMark = flush;
    this.#forgetsKeys = true;
  }

  get dirtyCount(): number {
    return this.#ledger.dirty.size;
  }

  /** What changed since the cut before, which must have been read to its end. */
  cutDirty(): DirtyCut {
    if (this.pending.isOfAll) this.pending.settleAll();
    return this.#ledger.dirty.cut((slot) => !this.#entries.isWeak(slot));
  }

  /** The same in one step. */
  takeDirty(): DirtyEntries {
    const cut = this.cutDirty();
    return { clear: cut.clear, entries: cut.next(Infinity) };
  }
}

function arrivingFrom(keyspace: SlabKeyspace, slots: SlabTable): ArrivingSource {
  return { slots, stateAt: (slot) => keyspace.stateAt(slot) };
}
