import { ByteRange, sameBytes } from '../base/bytes.ts';
import type { Origin } from '../clock/origin.ts';
import { isFillStamp } from '../clock/stamp.ts';
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

/** What a plain update did. */
export const Applied = {
  /** It is not plain, and nothing was done. */
  No: 0,
  /** What the key shows may have changed. */
  Shown: 1,
  /** It did not. */
  Hidden: 2,
} as const;
export type Applied = (typeof Applied)[keyof typeof Applied];

/** The updates that are nearly all there are: they make no object, and no rule but the plain one decides. */
export class PlainWrites {
  readonly #slots: SlabTable;
  readonly #ledger: KeyLedger;
  readonly #entries: OpenedEntries;
  readonly #parts: KeyspaceParts & { readonly conflicts: ConflictLog };
  readonly #held: ByteRange = new ByteRange();

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

  /** Applies an update if it is plain. */
  apply(update: Update, context: UpdateContext, flush: FlushMark | null): Applied {
    switch (update.kind) {
      case UpdateKind.Set:
        return this.#set(update, context, flush);
      case UpdateKind.Increment:
        return this.#increment(update, context, flush);
      case UpdateKind.HashSet:
      case UpdateKind.SetAdd:
        return this.#element(update, context);
      default:
        return Applied.No;
    }
  }

  /**
   * SET of what is nothing or one write. One that it has seen it follows: it is then the latest and only write of the key, whatever else there is (RULES V1–V6). With one
   * that it has not seen the later of the two stays (V2).
   */
  #set(update: Update, context: UpdateContext, flush: FlushMark | null): Applied {
    const { origin, seq, stamp } = context;
    if (flush !== null && compareWrites(stamp, origin, flush.stamp, flush.origin) < 0) return Applied.No;
    if (!this.#isPlainTurn(context)) return Applied.No;
    const slots = this.#slots;
    const { key } = update;
    const hash = update.hash === 0 ? slots.hashOf(key) : update.hash;
    const known = slots.slotOf(key, hash);
    if (known !== NO_SLOT) return this.#setOver(known, update, context);
    const kind = this.#parts.kinds.flagsOf(key);
    if (!isPlainKind(kind, update)) return Applied.No;
    const slot = this.#entries.add(key, hash, kind);
    this.#ledger.beforeWrite(slot);
    slots.write(slot, update.value, context, update.atMs);
    this.#ledger.written(slot);
    this.#parts.recent.noteWrite(origin, seq);
    return Applied.Shown;
  }

  /** Whether plain updates of a transaction can be applied as such: nothing else is on its way, and no list to be kept true of what it wrote before. */
  #isPlainTurn(context: UpdateContext): boolean {
    return (
      !this.#parts.pending.isOpen &&
      !this.#parts.conflicts.isFollowing(context) &&
      this.#slots.knowsOrigin(context.origin)
    );
  }

  /** SET of a key that has a slot. */
  #setOver(slot: Slot, update: Update, context: UpdateContext): Applied {
    const slots = this.#slots;
    const { records } = slots;
    const flags = records.has(slot, KIND_FLAGS | SlotFlag.Object | SlotFlag.Counter | SlotFlag.Expires);
    if (flags !== 0 && flags !== SlotFlag.Expires && !isPlainKind(flags, update)) return Applied.No;
    const origin = slots.originOf(slot);
    const isLater = compareWrites(context.stamp, context.origin, records.stamp(slot), origin) >= 0;
    // what is made here has seen all that is here
    const isOwn = context.origin === this.#parts.conflicts.host.origin;
    if (!isOwn && !covers(context, origin, records.seq(slot))) return this.#meet(slot, update, context, isLater);
    if (!isLater) return Applied.No;
    slots.beforeChange(slot);
    if (isOwn) slots.access.touch(slot);
    this.#replace(slot, update, context);
    return Applied.Shown;
  }

  #replace(slot: Slot, update: Update, context: UpdateContext): void {
    const staysCounted = update.atMs === Infinity && this.#ledger.isSteady(slot);
    if (!staysCounted) this.#ledger.beforeWrite(slot);
    this.#slots.write(slot, update.value, context, update.atMs);
    if (staysCounted) this.#ledger.dirty.note(slot);
    else this.#ledger.written(slot);
    this.#parts.recent.noteWrite(context.origin, context.seq);
  }

  /** SET of another node, of a key whose one write it has not seen: the later stays, whole (RULES V2), and the pair is listed (S4). */
  #meet(slot: Slot, update: Update, context: UpdateContext, isLater: boolean): Applied {
    const { records } = this.#slots;
    if (records.has(slot, KIND_FLAGS | SlotFlag.Evicted) !== 0) return Applied.No;
    // what expires, or is on its way out, comes to be counted anew
    if (!isLater && !this.#ledger.isSteady(slot)) return Applied.No;
    const [stamp, origin, seq] = [records.stamp(slot), this.#slots.originOf(slot) as Origin, records.seq(slot)];
    this.#slots.valueInto(slot, this.#held);
    // what a load brought is nobody's loss (RULES V8), and what is written equally neither
    if (!this.#slots.isSystem(slot) && !isFillStamp(stamp) && !sameBytes(this.#held, update.value))
      this.#parts.conflicts.addStrings(update, context, this.#held.toLatin1(), { stamp, origin, seq });
    if (!isLater) {
      this.#entries.noteSlot(slot, context.origin, context.seq);
      return Applied.Hidden;
    }
    this.#slots.beforeChange(slot);
    if (this.#parts.recent.isRecent(origin, seq)) this.#entries.noteSlot(slot, origin, seq);
    this.#replace(slot, update, context);
    return Applied.Shown;
  }

  /**
   * An increment without a base of a key that is nothing, or increments alone: it counts (RULES V4). `No` where it is not that, or does
   * not stay exact or few.
   */
  #increment(update: Update, context: UpdateContext, flush: FlushMark | null): Applied {
    if (update.baseOrigin !== 0 || flush !== null) return Applied.No;
    if (!this.#isPlainTurn(context)) return Applied.No;
    const { key } = update;
    const amount = smallInteger(update.value);
    if (amount === null) return Applied.No;
    const hash = update.hash === 0 ? this.#slots.hashOf(key) : update.hash;
    const known = update.slot < 0 ? this.#slots.slotOf(key, hash) : update.slot;
    if (known === NO_SLOT) {
      if (this.#parts.kinds.flagsOf(key) !== 0) return Applied.No;
    } else {
      const flags = this.#slots.records.has(known, KIND_FLAGS | SlotFlag.Object | SlotFlag.Counter);
      if (flags !== SlotFlag.Counter) return Applied.No;
      this.#slots.beforeChange(known);
      const counter = this.#slots.counterAt(known);
      if (this.#parts.stable !== null) counter.foldLast(this.#parts.stable);
      if (!counter.takes(amount, context.origin, context.seq)) return Applied.No;
    }
    const slot = known === NO_SLOT ? this.#entries.add(key, hash, 0) : known;
    this.#entries.increment(slot, key, amount, context, known === NO_SLOT);
    return Applied.Shown;
  }

  /**
   * A field or a member of a hash or a set that shows, and of which nothing is written that it has not seen (RULES V1). `No` where it is
   * not that.
   */
  #element(update: Update, context: UpdateContext): Applied {
    if (this.#parts.pending.isOpen || this.#parts.conflicts.isFollowing(context)) return Applied.No;
    const { key } = update;
    const slots = this.#slots;
    const slot = update.slot < 0 ? slots.slotOf(key, update.hash) : update.slot;
    if (slot === NO_SLOT || slots.records.has(slot, KIND_FLAGS | SlotFlag.Object) !== SlotFlag.Object)
      return Applied.No;
    if (!this.#ledger.isShown(slot)) return Applied.No;
    slots.beforeChange(slot);
    if (!slots.entryAt(slot).writeElement(update, context)) return Applied.No;
    this.#entries.elementWritten(slot, key, context);
    return update.kind !== UpdateKind.SetAdd || update.isNew ? Applied.Shown : Applied.Hidden;
  }
}
