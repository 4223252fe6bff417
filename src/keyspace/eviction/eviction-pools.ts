import { ByteRange } from '../../base/bytes.ts';
import type { Slot } from '../keyspace.ts';
import type { SlabTable } from '../slab/slab-table.ts';
import { DEFAULT_EVICTION, EVICTION_PRIORITIES, type EvictionRule, type EvictionRules } from './eviction-rules.ts';
import { S3Fifo, type Evictable } from './s3-fifo.ts';

/** The part of a class's `max` that is left free for what comes in a turn; what is read back from the store gets a half of it. */
const CLASS_ROOM_PART = 1 / 16;

const NO_CLASS = -1;

/** What the pools need to know of the slots; `hasStore` says whether what goes has to be in a store first. */
type Evictables = Evictable & { readonly hasStore: boolean };

/** Keys among which the policy chooses: those of a class with a limit of its own, or all others of a priority. */
class Pool {
  readonly priority: number;
  readonly maxBytes: number;
  readonly #fifo: S3Fifo;
  /** Bytes that the class's keys and values take, counted where there is a limit. */
  bytes = 0;
  /** Looks since one was evicted. */
  inVain = 0;
  /** Raised by its length in each choice among pools, and lowered by that of all when it was chosen: so they take turns by length. */
  credit = 0;

  constructor(rule: EvictionRule, evictable: Evictables, isOurs: (slot: Slot, pool: Pool) => boolean) {
    this.priority = EVICTION_PRIORITIES.indexOf(rule.priority);
    this.maxBytes = rule.maxBytes ?? Infinity;
    this.#fifo = new S3Fifo({
      uses: (slot) => evictable.uses(slot),
      setUses: (slot, uses) => {
        evictable.setUses(slot, uses);
        // it comes nearer to its end; where a store is behind it is that which is waited for
        if (!evictable.hasStore) this.inVain = 0;
      },
      hash: (slot) => evictable.hash(slot),
      // the slot may have got a key of another class
      isEvictable: (slot) => evictable.isEvictable(slot) && isOurs(slot, this),
      evict: (slot) => {
        const isGone = evictable.evict(slot);
        if (isGone) this.inVain = 0;
        return isGone;
      },
    });
  }

  get length(): number {
    return this.#fifo.length;
  }

  /** Whether a look may find something. */
  get hasMore(): boolean {
    return this.inVain < this.length;
  }

  get isOver(): boolean {
    return this.bytes > this.maxBytes * (1 - CLASS_ROOM_PART);
  }

  add(slot: Slot): void {
    this.#fifo.add(slot);
  }

  /** As `S3Fifo.look`. */
  look(): Slot {
    this.inVain++;
    return this.#fifo.look();
  }
}

/** The keys that can be evicted, a policy's queues for each class with a limit of its own and each priority. */
export class EvictionPools {
  readonly #slots: SlabTable;
  readonly #evictable: Evictables;
  #rules: EvictionRules = null;
  /** One for each priority; what is never evicted has none. */
  #shared: readonly Pool[] = [];
  /** By the class's place. */
  #ofClass: readonly (Pool | null)[] = [];
  #limited: readonly Pool[] = [];
  #all: readonly Pool[] = [];
  /** Whether keys of some class go with their values. */
  hasDrops = false;
  readonly #key: ByteRange = new ByteRange();

  constructor(slots: SlabTable, evictable: Evictables) {
    this.#slots = slots;
    this.#evictable = evictable;
    this.use(null);
  }

  /** Whether some class has a limit of its own. */
  get hasLimits(): boolean {
    return this.#limited.length > 0;
  }

  get length(): number {
    let length = 0;
    for (const pool of this.#all) length += pool.length;
    return length;
  }

  /** All keys are to be added, and counted, anew. */
  use(rules: EvictionRules): void {
    this.#rules = rules;
    const poolOf = (rule: EvictionRule): Pool =>
      new Pool(rule, this.#evictable, (slot, pool) => this.#rules === null || this.#poolOf(slot) === pool);
    this.#shared = EVICTION_PRIORITIES.filter((priority) => priority !== 'never').map((priority) =>
      poolOf({ ...DEFAULT_EVICTION, priority }),
    );
    this.#ofClass = rules?.rules.map((rule) => (rule.maxBytes === null ? null : poolOf(rule))) ?? [];
    this.#limited = this.#ofClass.filter((pool) => pool !== null);
    this.#all = [...this.#shared, ...this.#limited].sort((left, right) => left.priority - right.priority);
    this.hasDrops = rules?.rules.some(({ to }) => to === 'nothing') ?? false;
  }

  clear(): void {
    this.use(this.#rules);
  }

  /** More may be evicted than before. */
  wake(): void {
    for (const pool of this.#all) pool.inVain = 0;
  }

  /** False where the key's class is never evicted. */
  add(slot: Slot): boolean {
    const pool = this.#poolOf(slot);
    pool?.add(slot);
    return pool !== undefined;
  }

  #poolOf(slot: Slot): Pool | undefined {
    const index = this.#indexOf(slot);
    const { priority } = this.#rules?.rules[index] ?? DEFAULT_EVICTION;
    return this.#ofClass[index] ?? this.#shared[EVICTION_PRIORITIES.indexOf(priority)];
  }

  ruleOf(slot: Slot): EvictionRule {
    return this.#rules?.rules[this.#indexOf(slot)] ?? DEFAULT_EVICTION;
  }

  #indexOf(slot: Slot): number {
    return this.#rules?.indexOf(this.#slots.keyInto(slot, this.#key)) ?? NO_CLASS;
  }

  /** The pool of a slot whose class has a limit of its own. */
  #limitedOf(slot: Slot): Pool | null {
    return this.hasLimits ? (this.#ofClass[this.#indexOf(slot)] ?? null) : null;
  }

  /** A slot takes so many bytes more. */
  resized(slot: Slot, bytes: number): void {
    const pool = this.#limitedOf(slot);
    if (pool !== null) pool.bytes += bytes;
  }

  /** Whether the limit of the slot's class leaves room for so many bytes that were read from the store. */
  mayKeep(slot: Slot, bytes: number): boolean {
    const pool = this.#limitedOf(slot);
    return pool === null || pool.bytes + bytes <= pool.maxBytes * (1 - CLASS_ROOM_PART / 2);
  }

  /** Whether there is something to look at; `isOver` says whether all together take too much. */
  hasNext(isOver: boolean): boolean {
    if (this.#limited.some((pool) => pool.isOver && pool.hasMore)) return true;
    return isOver && this.#lowest().some(({ hasMore }) => hasMore);
  }

  /** The pool to look at next: that of a class which takes too much, else, where all together do, one of the lowest priority that there is. */
  next(isOver: boolean): Pick<Pool, 'look'> | null {
    for (const pool of this.#limited) if (pool.isOver && pool.hasMore) return pool;
    return isOver ? this.#byTurns(this.#lowest()) : null;
  }

  #lowest(): readonly Pool[] {
    const first = this.#all.find(({ length }) => length > 0);
    if (first === undefined) return [];
    return this.#all.filter(({ priority, length }) => priority === first.priority && length > 0);
  }

  #byTurns(pools: readonly Pool[]): Pool | null {
    let chosen: Pool | null = null;
    let total = 0;
    for (const pool of pools) {
      if (!pool.hasMore) continue;
      pool.credit += pool.length;
      total += pool.length;
      if (chosen === null || pool.credit > chosen.credit) chosen = pool;
    }
    if (chosen !== null) chosen.credit -= total;
    return chosen;
  }
}
