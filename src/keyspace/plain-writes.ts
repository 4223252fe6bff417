import type { ByteRange } from '../base/bytes.ts';
import type { FlushMark } from '../crdt/string-content.ts';
import { compareWrites, covers, UpdateKind, type Update, type UpdateContext } from '../crdt/update.ts';
import type { ConflictLog } from './conflict-log.ts';
import type { KeyLedger } from './key-ledger.ts';
import { NO_SLOT, type Slot } from './keyspace.ts';
import type { KeyspaceParts, OpenedEntries } from './opened-entries.ts';
import type { SlabTable } from './slab/slab-table.ts';
import { KIND_FLAGS, SlotFlag } from './slab/slot-records.ts';

/** Digits of a number that is exact as a double, whatever they are. */
const EXACT_DIGITS = 15;
const MINUS = 0x2d;
const ZERO = 0x30;

/** The number that an increment's text is, if it is a whole one of few digits; else null. */
function smallInteger({ buf, start, end }: ByteRange): number | null {
  const from = buf[start] === MINUS ? start + 1 : start;
  if (from >= end || end - from > EXACT_DIGITS) return null;
  let number = 0;
  for (let at = from; at < end; at++) {
    const digit = (buf[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return null;
    number = number * 10 + digit;
  }
  return from === start || number === 0 ? number : -number;
}

/**
 * Whether a SET of a key of this kind may be plain: of one that is nobody's in particular, or a quorum group's. What expires of the latter is
 * no clock's business, and so not plain.
 */
function isPlainKind(flags: number, { atMs }: Update): boolean {
  return flags === 0 || (flags === SlotFlag.Pinned && atMs === Infinity);
}

/** The updates that are nearly all there are: they make no object, and no rule but the plain one decides. */
export class PlainWrites {
  readonly #slots: SlabTable;
  readonly #ledger: KeyLedger;
  readonly #entries: OpenedEntries;
  readonly #parts: KeyspaceParts & { readonly conflicts: ConflictLog };

  constructor(
    slots: SlabTable,
    ledger: KeyLedger,
    entries: OpenedEntries,
    parts: KeyspaceParts & { readonly conflicts: ConflictLog },
  ) {
    this.#slots = slots;
    this.#ledger = ledger;
    this.#entries = entries;
    this.#parts = parts;
  }

  /** Applies an update if it is plain. False where it is not, and nothing was done. */
  apply(update: Update, context: UpdateContext, flush: FlushMark | null): boolean {
    switch (update.kind) {
      case UpdateKind.Set:
        return this.#set(update, context, flush);
      case UpdateKind.Increment:
        return this.#increment(update, context, flush);
      case UpdateKind.HashSet:
      case UpdateKind.SetAdd:
        return this.#element(update, context);
      default:
        return false;
    }
  }

  /**
   * SET of what is nothing or one write that it has seen: the latest and only write of the key, whatever else there is (RULES V1–V6). False
   * where it is not that, and nothing was done.
   */
  #set(update: Update, context: UpdateContext, flush: FlushMark | null): boolean {
    const { origin, seq, stamp } = context;
    if (flush !== null && compareWrites(stamp, origin, flush.stamp, flush.origin) < 0) return false;
    const slots = this.#slots;
    if (this.#parts.pending.isOpen || this.#parts.conflicts.isFollowing || !slots.knowsOrigin(origin)) return false;
    const { key } = update;
    const hash = update.hash === 0 ? slots.hashOf(key) : update.hash;
    const known = slots.slotOf(key, hash);
    const kind = known === NO_SLOT ? this.#parts.kinds.flagsOf(key) : 0;
    if (known === NO_SLOT ? !isPlainKind(kind, update) : !this.#isSupersededBy(known, update, context)) return false;
    if (known !== NO_SLOT) {
      slots.beforeChange(known);
      if (origin === this.#parts.conflicts.host.origin) slots.access.touch(known);
    }
    const slot = known === NO_SLOT ? this.#entries.add(key, hash, kind) : known;
    const staysCounted = update.atMs === Infinity && this.#ledger.isSteady(slot);
    if (!staysCounted) this.#ledger.beforeWrite(slot);
    slots.write(slot, update.value, context, update.atMs);
    if (staysCounted) this.#ledger.dirty.note(slot);
    else this.#ledger.written(slot);
    this.#parts.recent.noteWrite(origin, seq);
    return true;
  }

  /**
   * An increment without a base of a key that is nothing, or increments alone: it counts (RULES V4). False where it is not that, or does
   * not stay exact or few, and nothing was done.
   */
  #increment(update: Update, context: UpdateContext, flush: FlushMark | null): boolean {
    if (update.baseOrigin !== 0 || flush !== null) return false;
    if (this.#parts.pending.isOpen || this.#parts.conflicts.isFollowing || !this.#slots.knowsOrigin(context.origin))
      return false;
    const { key } = update;
    const amount = smallInteger(update.value);
    if (amount === null) return false;
    const hash = update.hash === 0 ? this.#slots.hashOf(key) : update.hash;
    const known = this.#slots.slotOf(key, hash);
    if (known === NO_SLOT) {
      if (this.#parts.kinds.flagsOf(key) !== 0) return false;
    } else {
      if (this.#slots.records.has(known, KIND_FLAGS | SlotFlag.Object) !== 0) return false;
      if (!this.#slots.isCounter(known) || !this.#slots.takesIncrement(known, amount, context)) return false;
      this.#slots.beforeChange(known);
    }
    const slot = known === NO_SLOT ? this.#entries.add(key, hash, 0) : known;
    this.#entries.increment(slot, key, amount, context);
    return true;
  }

  /**
   * A field or a member of a hash or a set that shows, and of which nothing is written that it has not seen (RULES V1). False where it is
   * not that, and nothing was done.
   */
  #element(update: Update, context: UpdateContext): boolean {
    if (this.#parts.pending.isOpen || this.#parts.conflicts.isFollowing) return false;
    const { key } = update;
    const slots = this.#slots;
    const slot = slots.slotOf(key, update.hash);
    if (slot === NO_SLOT || slots.records.has(slot, KIND_FLAGS | SlotFlag.Object) !== SlotFlag.Object) return false;
    if (!this.#ledger.isShown(slot)) return false;
    slots.beforeChange(slot);
    if (!slots.entryAt(slot).writeElement(update, context)) return false;
    this.#entries.elementWritten(slot, key, context);
    return true;
  }

  /** Whether a slot holds one write, as any key has it, and a SET in this context has seen that and is later. */
  #isSupersededBy(slot: Slot, update: Update, context: UpdateContext): boolean {
    const { records } = this.#slots;
    const flags = records.has(slot, KIND_FLAGS | SlotFlag.Object | SlotFlag.Counter | SlotFlag.Expires);
    if (flags !== 0 && flags !== SlotFlag.Expires && !isPlainKind(flags, update)) return false;
    const origin = this.#slots.originOf(slot);
    if (compareWrites(context.stamp, context.origin, records.stamp(slot), origin) < 0) return false;
    // what is made here has seen all that is here
    return context.origin === this.#parts.conflicts.host.origin || covers(context, origin, records.seq(slot));
  }
}
