import { latin1Range, type ByteRange } from '../base/bytes.ts';
import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { Entry, EntryState } from '../crdt/entry.ts';
import { FOLDED_FROM_RUNS } from '../crdt/increments.ts';
import type { FlushMark } from '../crdt/string-content.ts';
import { isSiblingsState } from '../crdt/string-forms.ts';
import { compareWrites, covers, type UpdateContext } from '../crdt/update.ts';
import type { FlushedSides } from '../crdt/writes.ts';
import type { GrownDocuments } from './grown-documents.ts';
import type { KeyKinds } from './key-kinds.ts';
import type { KeyLedger } from './key-ledger.ts';
import { NO_SLOT, type Slot } from './keyspace.ts';
import type { PendingChanges } from './pending-changes.ts';
import type { RecentChanges } from './recent-changes.ts';
import { SlotFlag } from './slab/slot-records.ts';
import type { SlabTable } from './slab/slab-table.ts';

/** What else of a keyspace has to do with a change. */
export interface KeyspaceParts {
  readonly pending: PendingChanges;
  readonly kinds: KeyKinds;
  readonly recent: RecentChanges;
  readonly grownDocuments: GrownDocuments;
  /** What is stable, where what is of a counter may be folded at any time; null where that is done by `forgetStable` alone. */
  readonly stable: VersionVector | null;
}

/** States as the rules of `crdt/` want them: an entry is opened, changed by them, and taken in again with all that is kept beside it. */
export class OpenedEntries {
  readonly #slots: SlabTable;
  readonly #ledger: KeyLedger;
  readonly #parts: KeyspaceParts;

  constructor(slots: SlabTable, ledger: KeyLedger, parts: KeyspaceParts) {
    this.#slots = slots;
    this.#ledger = ledger;
    this.#parts = parts;
  }

  /** The slot of a key that is about to change, made where there is none. */
  slotFor(key: ByteRange, hash: number): Slot {
    if (this.#parts.pending.isOpen) this.#parts.pending.settle(key.toLatin1());
    const known = this.#slots.slotOf(key, hash);
    if (known === NO_SLOT) return this.add(key, hash, this.#parts.kinds.flagsOf(key));
    this.#slots.beforeChange(known);
    return known;
  }

  /** Makes a slot for a key that has none. */
  add(key: ByteRange, hash: number, kind: number): Slot {
    this.#slots.beforeChange(this.#slots.nextSlot);
    // the key may have had one, whose removal is noted
    return this.#slots.add(key, hash, this.#parts.recent.hasNamed ? kind | SlotFlag.Noted : kind);
  }

  /**
   * Takes in an entry that changed, and closes it; `context` is that of the transaction where it was one. The last change of a key stands in
   * its slot's record (RULES S1). One that another takes the place of is a cause of that, or is noted by name; so is one whose key goes.
   */
  changed(slot: Slot, entry: Entry, context: UpdateContext | null): void {
    this.#keepLastChange(slot, context, () => this.#ledger.changed(slot, entry));
    if (entry.document !== null) this.#parts.grownDocuments.note(this.#slots.keyText(slot) ?? '');
  }

  #keepLastChange(slot: Slot, context: UpdateContext | null, takeIn: () => void): void {
    const seq = this.#slots.records.seq(slot);
    const origin = (seq === 0 ? 0 : this.#slots.originOf(slot)) as Origin;
    const isKept =
      seq > 0 && (context === null || !covers(context, origin, seq)) && this.#parts.recent.isRecent(origin, seq);
    // a transaction's own change is what the slot says next
    if (isKept && context !== null) this.noteSlot(slot, origin, seq);
    const name = isKept && context === null ? this.#slots.keyText(slot) : null;
    takeIn();
    if (name !== null && !this.#says(slot, origin, seq)) this.#note(slot, name, origin, seq);
  }

  /** Adds to a counter in the slab that takes it, or makes a new slot one. */
  increment(slot: Slot, key: ByteRange, amount: number, context: UpdateContext, isNew: boolean): void {
    if (isNew) {
      this.#slots.beginCounter(slot, amount, context);
      this.#ledger.counted.add(slot);
    } else {
      this.#replaceLastChange(slot, context);
      const runs = this.#slots.increment(slot, amount, context);
      if (runs >= FOLDED_FROM_RUNS) this.#ledger.forget.noteUnsettled(slot, context.origin, context.seq);
    }
    this.#ledger.dirty.note(slot);
    this.noteRecent(slot, key, context);
  }

  /** An element of a hash or a set was written, and nothing else of the key changed. */
  elementWritten(slot: Slot, key: ByteRange, context: UpdateContext): void {
    this.#replaceLastChange(slot, context);
    this.#ledger.dirty.note(slot);
    this.noteRecent(slot, key, context);
  }

  /** As `#keepLastChange`, for a slot that stays. */
  #replaceLastChange(slot: Slot, context: UpdateContext): void {
    const seq = this.#slots.records.seq(slot);
    if (seq === 0) return;
    const origin = this.#slots.originOf(slot) as Origin;
    if (covers(context, origin, seq) || !this.#parts.recent.isRecent(origin, seq)) return;
    this.noteSlot(slot, origin, seq);
  }

  /** A transaction changed a key, whose slot may be gone. */
  noteRecent(slot: Slot, key: ByteRange, { origin, seq }: UpdateContext): void {
    const isLive = this.#slots.isLive(slot);
    const isSaid =
      isLive &&
      (this.#slots.isRegister(slot) ? this.#says(slot, origin, seq) : this.#slots.noteChange(slot, origin, seq));
    if (isSaid) this.#parts.recent.noteWrite(origin, seq);
    else if (isLive) this.noteSlot(slot, origin, seq);
    else this.#parts.recent.note(key.toLatin1(), origin, seq);
  }

  #says(slot: Slot, origin: Origin, seq: number): boolean {
    return this.#slots.isLive(slot) && this.#slots.records.seq(slot) === seq && this.#slots.originOf(slot) === origin;
  }

  /** A change of a live slot's key that its record does not say. */
  noteSlot(slot: Slot, origin: Origin, seq: number): void {
    this.#parts.recent.noteSlot(slot, origin, seq);
    this.#slots.records.mark(slot, SlotFlag.Noted);
  }

  #note(slot: Slot, name: string, origin: Origin, seq: number): void {
    if (this.#slots.isLive(slot)) this.noteSlot(slot, origin, seq);
    else this.#parts.recent.note(name, origin, seq);
  }

  /** Forgets what is stable of a key; says whether nothing is left to wait for. */
  settle(slot: Slot, stable: VersionVector, flush: FlushMark | null): boolean {
    if (!this.#slots.isLive(slot)) return true;
    if (this.#slots.isPlain(slot)) {
      if (!this.#slots.isCounter(slot)) return true;
      const counter = this.#slots.counterAt(slot);
      if (counter.count < FOLDED_FROM_RUNS) return true;
      if (counter.isExactInParts) return this.#foldCounter(slot, stable);
    }
    this.#slots.beforeChange(slot);
    const entry = this.#slots.open(slot);
    const isSettled = entry.settle(stable, flush);
    this.#keepLastChange(slot, null, () => this.#ledger.forgotten(slot, entry));
    return isSettled;
  }

  #foldCounter(slot: Slot, stable: VersionVector): boolean {
    this.#slots.beforeChange(slot);
    this.#ledger.dirty.note(slot);
    return this.#slots.foldCounter(slot, stable);
  }

  /** All that was applied to a key is stable. */
  quiet(slot: Slot, stable: VersionVector): void {
    this.#ledger.purge.markQuiet(slot);
    if (this.#slots.isPlain(slot) || !this.#slots.entryAt(slot).hasSeveralTypes) return;
    this.#slots.beforeChange(slot);
    const entry = this.#slots.open(slot);
    entry.forgetLosingTypes(stable);
    this.#keepLastChange(slot, null, () => this.#ledger.forgotten(slot, entry));
  }

  /** Merges what another side has of a key that is about to change; null is nothing. */
  mergeEntry(slot: Slot, other: Entry | null, sides: FlushedSides): void {
    const entry = this.#slots.open(slot);
    entry.merge(other, entry.expiresByLog ? { ...sides, localFlush: null, remoteFlush: null } : sides);
    this.merged(slot, entry);
  }

  /** Merges what another side has of a key, null for nothing. */
  mergeKey(key: string, state: EntryState | null, sides: FlushedSides): void {
    const range = latin1Range(key);
    if (this.#parts.pending.isOpen) this.#parts.pending.settle(key);
    const isFlushed = sides.localFlush !== null || sides.remoteFlush !== null;
    const known = this.#slots.slotOf(range, 0);
    if (known !== NO_SLOT && !isFlushed && this.isUntouched(known, state, sides.remote)) return;
    const slot = this.slotFor(range, 0);
    this.mergeEntry(slot, state === null ? null : this.#slots.restored(slot, state), sides);
  }

  /** Whether a merge with what another side has of a key (null for nothing) leaves a string of one write as it is, no flush being in mind. */
  isUntouched(slot: Slot, state: EntryState | null, remote: VersionVector): boolean {
    const { records } = this.#slots;
    if (!this.#slots.isRegister(slot) || this.#ledger.purge.has(slot)) return false;
    const [origin, seq] = [this.#slots.originOf(slot), records.seq(slot)];
    if (state === null) return !remote.contains(origin as Origin, seq);
    const [string, hash, set, expiries, document] = state;
    if (string === null || string.length === 2 || string[2] !== origin || string[3] !== seq || string[4] !== null)
      return false;
    if (string[0] === null || hash !== null || set !== null || document !== undefined) return false;
    const [expiry, ...others] = expiries ?? [];
    if (expiry === undefined) return records.expiryMs(slot) === Infinity;
    return others.length === 0 && expiry[0] === records.expiryMs(slot) && expiry[4] === origin && expiry[5] === seq;
  }

  /** Drops a string of one write that is below a FLUSHALL's mark (RULES V2); says whether it was that. */
  dropBelow(slot: Slot, mark: FlushMark, context: UpdateContext): boolean {
    if (!this.#slots.isRegister(slot)) return false;
    const [stamp, origin] = [this.#slots.records.stamp(slot), this.#slots.originOf(slot)];
    if (compareWrites(stamp, origin, mark.stamp, mark.origin) > 0) return false;
    this.#keepLastChange(slot, context, () => this.#ledger.drop(slot));
    return true;
  }

  /** Puts in an entry from the store, at start. */
  restore(key: string, state: EntryState): void {
    const { dirty } = this.#ledger;
    const range = latin1Range(key);
    // it was replicated when it was stored: the store is to drop it
    if (this.#parts.kinds.isWeak(range)) return dirty.noteGone(key);
    const slot = this.slotFor(range, 0);
    const entry = this.#slots.restored(slot, state);
    this.#slots.put(slot, entry);
    const { isCollecting } = dirty;
    // the store has it so, but for what the key's class has changed of it
    dirty.isCollecting = isCollecting && (entry.isEmpty || this.#isConverted(slot, state));
    this.merged(slot, entry);
    dirty.isCollecting = isCollecting;
  }

  /** Whether a stored string is of the other form than its key has now. */
  #isConverted(slot: Slot, [string]: EntryState): boolean {
    return string !== null && isSiblingsState(string) !== (this.#slots.records.has(slot, SlotFlag.Siblings) !== 0);
  }

  /** Takes in an entry of which it is not known when it changed last. */
  merged(slot: Slot, entry: Entry): void {
    this.changed(slot, entry, null);
    this.#ledger.forget.noteMerged(slot, entry);
  }

  /** A key that never leaves this node goes, by time or for want of memory; returns it. */
  dropWeak(slot: Slot): ByteRange {
    const key = latin1Range(this.#slots.keyText(slot) ?? '');
    this.#slots.beforeChange(slot);
    // a FLUSHALL that is on its way may have taken it just now
    if (this.#slots.isLive(slot)) this.#ledger.drop(slot);
    return key;
  }

  /** Whether a slot's key never leaves this node. */
  isWeak(slot: Slot): boolean {
    return this.#slots.records.has(slot, SlotFlag.Weak) !== 0;
  }
}
