import type { ByteRange } from '../base/bytes.ts';
import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { ContentType, Entry, type EntryState } from '../crdt/entry.ts';
import type { FlushMark } from '../crdt/string-content.ts';
import type { UpdateContext } from '../crdt/update.ts';
import type { FlushedSides } from '../crdt/writes.ts';
import type { Arrivals } from './arrivals.ts';
import type { GrownDocuments } from './grown-documents.ts';
import type { KeyKinds } from './key-kinds.ts';
import type { KeyLedger } from './key-ledger.ts';
import { NO_SLOT, type Slot } from './keyspace.ts';
import type { RecentChanges } from './recent-changes.ts';
import { SlotFlag } from './slab/slot-records.ts';
import type { SlabTable } from './slab/slab-table.ts';

/** What else of a keyspace has to do with a change. */
export interface KeyspaceParts {
  readonly arrivals: Arrivals;
  readonly kinds: KeyKinds;
  readonly recent: RecentChanges;
  readonly grownDocuments: GrownDocuments;
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
    if (this.#parts.arrivals.isOpen) this.#parts.arrivals.settle(key.toLatin1());
    const known = this.#slots.slotOf(key, hash);
    if (known === NO_SLOT) return this.add(key, hash, this.#parts.kinds.flagsOf(key));
    this.#slots.beforeChange(known);
    return known;
  }

  /** Makes a slot for a key that has none. */
  add(key: ByteRange, hash: number, kind: number): Slot {
    this.#slots.beforeChange(this.#slots.nextSlot);
    // the key may have had one, whose removal is noted
    return this.#slots.add(key, hash, this.#parts.recent.count > 0 ? kind | SlotFlag.Noted : kind);
  }

  /** What is in a slot, to be changed; a write that said itself that it was made recently is noted. */
  open(slot: Slot): Entry {
    const { records } = this.#slots;
    if (this.#slots.isPlain(slot) && records.type(slot) !== ContentType.None) {
      const origin = this.#slots.originOf(slot) as Origin;
      if (this.#parts.recent.isRecent(origin, records.seq(slot))) {
        this.#parts.recent.note(this.#slots.keyText(slot) ?? '', origin, records.seq(slot));
        records.mark(slot, SlotFlag.Noted);
      }
    }
    return this.#slots.open(slot);
  }

  /** A transaction changed a key, whose slot may be gone. */
  noteRecent(slot: Slot, key: ByteRange, { origin, seq }: UpdateContext): void {
    const { records } = this.#slots;
    const isLive = this.#slots.isLive(slot);
    if (isLive && this.#slots.isPlain(slot) && records.seq(slot) === seq && this.#slots.originOf(slot) === origin) {
      this.#parts.recent.noteWrite(origin, seq);
      return;
    }
    this.#parts.recent.note(key.toLatin1(), origin, seq);
    if (isLive) records.mark(slot, SlotFlag.Noted);
  }

  /** Takes in an entry that changed, and closes it. */
  changed(slot: Slot, entry: Entry): void {
    this.#ledger.changed(slot, entry);
    if (entry.document !== null) this.#parts.grownDocuments.note(this.#slots.keyText(slot) ?? '');
  }

  /** Forgets what is stable of a key; says whether nothing is left to wait for. */
  settle(slot: Slot, stable: VersionVector, flush: FlushMark | null): boolean {
    if (!this.#slots.isLive(slot) || this.#slots.isPlain(slot)) return true;
    this.#slots.beforeChange(slot);
    const entry = this.open(slot);
    const isSettled = entry.settle(stable, flush);
    this.#ledger.forgotten(slot, entry);
    return isSettled;
  }

  /** All that was applied to a key is stable. */
  quiet(slot: Slot, stable: VersionVector): void {
    this.#ledger.purge.markQuiet(slot);
    if (this.#slots.isPlain(slot) || !this.#slots.entryAt(slot).hasSeveralTypes) return;
    this.#slots.beforeChange(slot);
    const entry = this.open(slot);
    entry.forgetLosingTypes(stable);
    this.#ledger.forgotten(slot, entry);
  }

  /** Merges what another side has of a key that is about to change; null is nothing. */
  mergeEntry(slot: Slot, other: Entry | null, sides: FlushedSides): void {
    const entry = this.open(slot);
    entry.merge(other, entry.expiresByLog ? { ...sides, localFlush: null, remoteFlush: null } : sides);
    this.merged(slot, entry);
  }

  /** Takes in an entry of which it is not known when it changed last. */
  merged(slot: Slot, entry: Entry): void {
    this.changed(slot, entry);
    this.#ledger.forget.noteMerged(slot, entry);
  }

  /** The entry of a state, as the slot's key has it. */
  restored(slot: Slot, state: EntryState): Entry {
    const { records } = this.#slots;
    const entry = Entry.fromState(state, records.has(slot, SlotFlag.Siblings) !== 0);
    entry.expiresByLog = records.has(slot, SlotFlag.Pinned) !== 0;
    return entry;
  }

  /** Whether a slot's key never leaves this node. */
  isWeak(slot: Slot): boolean {
    return this.#slots.records.has(slot, SlotFlag.Weak) !== 0;
  }
}
