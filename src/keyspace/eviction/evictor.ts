import type { ByteRange } from '../../base/bytes.ts';
import type { Origin } from '../../clock/origin.ts';
import type { EntryState } from '../../crdt/entry.ts';
import { sampleClasses, type ClassSample } from '../class-sample.ts';
import { NO_SLOT, type Slot } from '../keyspace.ts';
import { KIND_FLAGS, SlotFlag } from '../slab/slot-records.ts';
import type { SlabTable } from '../slab/slab-table.ts';
import { SlotQueue } from '../slot-queue.ts';
import { EvictionPools } from './eviction-pools.ts';
import type { EvictionRules } from './eviction-rules.ts';
import { MemoryLimit, type MemoryView } from './memory-limit.ts';
import type { Evictable } from './s3-fifo.ts';

/** What the store has: of the writes that keys show, and of all before them. */
export interface Durable {
  contains(origin: Origin, seq: number): boolean;
}

/** What is left free below the limit, for what comes until the store has it: a sixteenth, more where the limit is small. */
const ROOM_PART = 1 / 16;
const ROOM_BYTES: number = 8 * 1024 * 1024;
const ROOM_PART_MAX = 1 / 4;
/** Slots that are looked at in a step. */
const LOOKS_MAX = 2_000;
/** What can be evicted is a live slot with none of these: a plain string that lies in the slab, of a key as all are. */
const DECIDING: number =
  SlotFlag.Live | SlotFlag.Object | SlotFlag.Counter | SlotFlag.Evicted | SlotFlag.System | KIND_FLAGS;
/** A key that never leaves this node can go whole where it is a live slot with none of these others. */
const DECIDING_WEAK: number = DECIDING & ~SlotFlag.Counter;
const WEAK: number = SlotFlag.Live | SlotFlag.Weak;
/** Slots that are entered in a step, of those that were there before there was a limit. */
const ENTERED_MAX = 10_000;
/** Free blocks of empty segments that are taken out of their lists in a step. */
const GIVEN_BACK_MAX = 4_000;

/**
 * Keeps the keyspace within its limit: values of plain strings go, and a stub with all that is known of the write stays (RULES V7). It is no
 * operation: nobody else hears of it, and what the keyspace shows is the same, as the value lies in the node's store and is read from there when it is
 * asked for. So only what the store has goes, by the vector that is durable. In small steps, what has expired first; which of the
 * others says the policy (`S3Fifo`), a pool for each priority. A class may have a limit of its own, and keys that never leave this node may go whole.
 */
export class Evictor implements Evictable, MemoryView {
  readonly limit: MemoryLimit = new MemoryLimit();
  readonly #slots: SlabTable;
  readonly #pools: EvictionPools;
  /** Whether values that go are kept somewhere. */
  hasStore = false;
  readonly #expired: SlotQueue = new SlotQueue();
  /** Slots before it are in a pool, if they can be evicted; null while there is no limit. */
  #enteredTo: Slot | null = null;
  #rules: EvictionRules = null;
  #rulesNow: () => EvictionRules = () => null;
  /** What the store has. */
  #durable: Durable | null = null;
  readonly #drop: (slot: Slot) => void;
  /** Values that went, since the start. */
  evicted = 0;
  /** Whether a key goes for want of memory, while the keyspace tells that it does. */
  isDropping = false;

  /** `drop` takes a key away, with all that is known of it. */
  constructor(slots: SlabTable, drop: (slot: Slot) => void) {
    this.#slots = slots;
    this.#drop = drop;
    this.#pools = new EvictionPools(slots, this);
    slots.mayKeep = (slot) => this.#mayKeep(slot);
  }

  /** Asks from now on what classes say. */
  follows(rules: () => EvictionRules): void {
    this.#rulesNow = rules;
  }

  /** Where the values are that went; until it is known none goes but with its key. */
  keepsValuesIn(read: (key: string) => EntryState | null): void {
    this.#slots.readStored = read;
    this.hasStore = true;
  }

  /** Bytes that count against the limit: records, index, and the bytes of keys and of strings and counters in memory. */
  get usedBytes(): number {
    return this.#slots.usedBytes;
  }

  /** Whether there is to be no more. */
  get isFull(): boolean {
    const { bytes } = this.limit;
    return bytes > 0 && this.usedBytes >= bytes;
  }

  get mayFree(): boolean {
    return this.#isActive && this.#pools.length > 0;
  }

  get stubs(): number {
    return this.#slots.stubs;
  }

  isStub(slot: Slot): boolean {
    return this.#slots.isStub(slot);
  }

  get refilled(): number {
    return this.#slots.refilled;
  }

  get hasDrops(): boolean {
    return this.#pools.hasDrops;
  }

  get #isOver(): boolean {
    return this.#isLimited && this.usedBytes > this.limit.bytes - this.#room;
  }

  get #room(): number {
    const { bytes } = this.limit;
    return Math.min(bytes * ROOM_PART_MAX, Math.max(bytes * ROOM_PART, ROOM_BYTES));
  }

  /**
   * Whether a value that was read from the store may stay. What makes room are values that the store has: while it is behind there
   * may be none, and reads would take more and more. They get a half of what is left free; the other one is for writes.
   */
  #mayKeep(slot: Slot): boolean {
    const valueBytes = this.#slots.records.value(slot);
    const { bytes } = this.limit;
    if (bytes > 0 && this.usedBytes + valueBytes > bytes - this.#room / 2) return false;
    return this.#pools.mayKeep(slot, valueBytes);
  }

  /** Whether a step would go on with what the last one left. */
  get isBehind(): boolean {
    return this.#slots.blocks.memory.hasEmptied || (this.#isActive && this.#pools.hasNext(this.#isOver));
  }

  /** Whether all together have a limit that is kept by eviction. */
  get #isLimited(): boolean {
    return this.limit.bytes > 0 && this.limit.evicts;
  }

  get #isActive(): boolean {
    return (this.#isLimited || this.#pools.hasLimits) && (this.hasStore || this.#pools.hasDrops);
  }

  sample(count: number, indexOf: (key: ByteRange) => number, nowMs: number): readonly ClassSample[] {
    return sampleClasses(this.#slots, count, indexOf, nowMs);
  }

  /** A slot's key was found to be expired: its value goes first. */
  noteExpired(slot: Slot): void {
    if (this.#isActive) this.#expired.push(slot);
  }

  /** More is durable: what could not go may go now. */
  wake(): void {
    this.#pools.wake();
  }

  /** Goes on for a turn: gives back what is empty, and evicts what the limit asks for. `durable` is what the store has; without a store nothing goes. */
  step(durable: Durable): void {
    const { memory } = this.#slots.blocks;
    if (memory.hasEmptied) memory.compact(GIVEN_BACK_MAX, this.#slots);
    const rules = this.#rulesNow();
    if (rules !== this.#rules) {
      this.#rules = rules;
      if (this.#enteredTo !== null) this.#end();
      this.#pools.use(rules);
    }
    if (!this.#isActive) {
      if (this.#enteredTo !== null) this.#end();
      return;
    }
    this.#durable = durable;
    if (this.#enteredTo === null) this.#begin();
    this.#enterMore();
    let looks = LOOKS_MAX;
    for (; looks > 0 && this.#expired.length > 0 && this.#isOver; looks--) {
      const slot = this.#expired.shift();
      if (this.isEvictable(slot)) this.evict(slot);
    }
    for (; looks > 0; looks--) {
      const pool = this.#pools.next(this.#isOver);
      if (pool === null) break;
      const gone = pool.look();
      if (gone === NO_SLOT) continue;
      this.#slots.records.unmark(gone, SlotFlag.Queued);
      // it may have a key of another class by now
      this.#enter(gone);
    }
  }

  #begin(): void {
    this.#enteredTo = 0;
    this.#slots.onValue = (slot) => this.#enter(slot);
    if (this.#pools.hasLimits)
      this.#slots.blocks.onResize = (slot, bytes) => {
        if (slot < (this.#enteredTo ?? 0)) this.#pools.resized(slot, bytes);
      };
  }

  /** There is no limit any more. */
  #end(): void {
    this.#enteredTo = null;
    this.#slots.onValue = null;
    this.#slots.blocks.onResize = null;
    this.#pools.clear();
    const { records } = this.#slots;
    for (let slot = 0; slot < records.length; slot++) records.unmark(slot, SlotFlag.Queued);
    while (this.#expired.length > 0) this.#expired.shift();
  }

  #enterMore(): void {
    const { records } = this.#slots;
    let slot = this.#enteredTo ?? 0;
    for (let left = ENTERED_MAX; left > 0 && slot < records.length; left--, slot++) {
      this.#enter(slot);
      if (this.#pools.hasLimits && this.#slots.isLive(slot)) this.#pools.resized(slot, this.#slots.blocks.sizeOf(slot));
    }
    this.#enteredTo = slot;
  }

  /** A slot has a value, maybe a new one. */
  #enter(slot: Slot): void {
    if (this.#slots.records.has(slot, SlotFlag.Queued) !== 0) return;
    if (!this.isEvictable(slot) || !this.#pools.add(slot)) return;
    this.#slots.records.mark(slot, SlotFlag.Queued);
  }

  // ── what the policy asks ──

  uses(slot: Slot): number {
    return this.#slots.records.uses(slot);
  }

  setUses(slot: Slot, uses: number): void {
    this.#slots.records.setUse(slot, this.#slots.records.usedAt(slot), uses);
  }

  hash(slot: Slot): number {
    return this.#slots.records.hash(slot);
  }

  isEvictable(slot: Slot): boolean {
    const { records } = this.#slots;
    if (this.#canDrop(slot)) return true;
    return this.hasStore && records.has(slot, DECIDING) === SlotFlag.Live && this.#slots.isWorthEvicting(slot);
  }

  /** Whether a slot's key is to go with its value. */
  #canDrop(slot: Slot): boolean {
    if (!this.#pools.hasDrops || this.#slots.records.has(slot, DECIDING_WEAK) !== WEAK) return false;
    return this.#pools.ruleOf(slot).to === 'nothing';
  }

  evict(slot: Slot): boolean {
    const { records } = this.#slots;
    if (this.#canDrop(slot)) {
      this.isDropping = true;
      this.#drop(slot);
      this.isDropping = false;
    } else if (this.#durable?.contains(this.#slots.originOf(slot) as Origin, records.seq(slot)) !== true) return false;
    else this.#slots.evict(slot);
    this.evicted++;
    return true;
  }
}
