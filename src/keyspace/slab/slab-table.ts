import { present } from '../../base/assert.ts';
import { latin1Of, latin1Range, writeLatin1, type ByteRange } from '../../base/bytes.ts';
import type { VersionVector } from '../../clock/version-vector.ts';
import { ContentType, Entry, type EntryState } from '../../crdt/entry.ts';
import { FOLDED_FROM_RUNS } from '../../crdt/increments.ts';
import type { UpdateContext } from '../../crdt/update.ts';
import { CausewayError } from '../../errors.ts';
import type { Slot } from '../keyspace.ts';
import { AccessColumn } from './access-column.ts';
import { storedValue } from '../eviction/stored-value.ts';
import { CounterRuns, RUNS_MAX } from './counter-runs.ts';
import { KeyOrder } from './key-order.ts';
import { KeyHash, type HashKey } from '../../base/key-hash.ts';
import { ReadAhead } from './read-ahead.ts';
import { OriginTable } from './origin-table.ts';
import { SlabMemory, type BlockOwners } from './slab-memory.ts';
import { NO_BLOCK, SlotBlocks } from './slot-blocks.ts';
import { SlotIndex, type IndexedKeys } from '../../base/slot-index.ts';
import { SlotFlag, SlotRecords, SLOTS_MAX } from './slot-records.ts';

/** Who is told before a slot changes or is reused. */
export interface SlotObserver {
  beforeChange(slot: Slot): void;
}

const NO_FREE_SLOT = 0xffff_ffff;
/** Blocks looked at, and buckets moved, for each key that is looked at in a tick. */
const TIDIED_A_KEY = 4;

/**
 * Which state stands where: a slot number for each key, reused when its key is gone. A string of one write, with at most the expiry that it
 * came with, lies in the slab whole: bytes of key and value in one block, the write's place in the slot's record. So does a counter that is a few
 * runs of increments. All other states are an
 * `Entry` beside it; one is made (`open`) before anything is done to a string that is not plain, and taken down again (`close`)
 * when it is plain afterwards. So all rules stay in `crdt/`.
 */
export class SlabTable implements IndexedKeys, BlockOwners {
  readonly records: SlotRecords = new SlotRecords();
  readonly access: AccessColumn = new AccessColumn(this.records);
  readonly order: KeyOrder = new KeyOrder(this.records, this);
  readonly blocks: SlotBlocks = new SlotBlocks(this.records);
  readonly #memory: SlabMemory = this.blocks.memory;
  readonly #index: SlotIndex = new SlotIndex(this);
  readonly #ahead: ReadAhead = new ReadAhead(this.#index, this.records, this.#memory);
  readonly #origins: OriginTable = new OriginTable();
  readonly #hash: KeyHash;
  readonly #objects: (Entry | null)[] = [];
  readonly #freeObjects: number[] = [];
  readonly #counter: CounterRuns = new CounterRuns();
  readonly observers: Set<SlotObserver> = new Set();
  /** Told of each plain string that was written, or came back; null for nobody. */
  onValue: ((slot: Slot) => void) | null = null;
  /** What the store behind has of a key, null for nothing: where the values of stubs are. */
  readStored: (key: string) => EntryState | null = () => null;
  #stubs = 0;
  /** Whether a value that was read from there may stay in memory. */
  mayKeep: (slot: Slot) => boolean = () => true;
  /** Values that were read from there for who asked for them, since the start. */
  refilled = 0;
  #firstFree: number = NO_FREE_SLOT;
  /** The product's own keys. */
  systemCount = 0;

  constructor(hashKey: HashKey) {
    this.#hash = new KeyHash(hashKey);
  }

  /** Slots given out so far; those of keys that are gone included. */
  get length(): number {
    return this.records.length;
  }

  /** Keys that have a slot. */
  get keyCount(): number {
    return this.#index.count;
  }

  /** Bytes of memory outside the garbage collector's: records, index, keys and values. */
  get bytes(): number {
    return this.records.bytes + this.#index.bytes + this.order.bytes + this.#memory.capacityBytes;
  }

  /** The same without what is free in the memory of keys and values. */
  get usedBytes(): number {
    return this.records.bytes + this.#index.bytes + this.order.bytes + this.#memory.usedBytes;
  }

  /** Slots whose value is not here. */
  get stubs(): number {
    return this.#stubs;
  }

  // ── keys ──

  hashOf(key: ByteRange): number {
    return this.#hash.of(key.buf, key.start, key.end);
  }

  /** The slot of a key, NO_SLOT where it has none; a hash of 0 is computed here. */
  slotOf(key: ByteRange, hash: number): Slot {
    return this.#index.find(key.buf, key.start, key.end, hash === 0 ? this.hashOf(key) : hash);
  }

  slotOfText(key: string): Slot {
    return this.slotOf(latin1Range(key), 0);
  }

  hash(slot: Slot): number {
    return this.records.hash(slot);
  }

  isKey(slot: Slot, buf: Uint8Array, start: number, end: number): boolean {
    if (this.records.keyLength(slot) !== end - start) return false;
    const address = this.records.address(slot);
    const memory = this.#memory.buffer(address);
    let at = this.#memory.offset(address);
    for (let from = start; from < end; from++) if (memory[at++] !== buf[from]) return false;
    return true;
  }

  /** Makes look-ups of keys of these hashes, which are to come, quicker; changes nothing. */
  readAhead(hashes: Int32Array, count: number): void {
    this.#ahead.readAhead(hashes, count);
  }

  isLive(slot: Slot): boolean {
    return slot < this.length && this.records.has(slot, SlotFlag.Live) !== 0;
  }

  /** Whether a slot's key is the product's own, and so in no list of keys. */
  isSystem(slot: Slot): boolean {
    return this.records.has(slot, SlotFlag.System) !== 0;
  }

  /** The key of a slot, null where there is none. */
  keyText(slot: Slot): string | null {
    if (!this.isLive(slot)) return null;
    const address = this.records.address(slot);
    const at = this.#memory.offset(address);
    return latin1Of(this.#memory.buffer(address), at, at + this.records.keyLength(slot));
  }

  /** Points at the key; good until the next update. */
  keyInto(slot: Slot, into: ByteRange): ByteRange {
    const address = this.records.address(slot);
    const at = this.#memory.offset(address);
    return into.set(this.#memory.buffer(address), at, at + this.records.keyLength(slot));
  }

  /** The slot that the next new key gets. */
  get nextSlot(): Slot {
    return this.#firstFree === NO_FREE_SLOT ? this.length : this.#firstFree;
  }

  /** Gives a key that has none a slot, with nothing in it yet. `kind` is what it is for its life. */
  add(key: ByteRange, hash: number, kind: number): Slot {
    const { records } = this;
    const keyHash = hash === 0 ? this.hashOf(key) : hash;
    const length = key.end - key.start;
    const slot = this.nextSlot;
    if (slot >= SLOTS_MAX)
      throw new CausewayError('OOM', `the keyspace has no more slots (limit keys-max: ${SLOTS_MAX})`);
    const sizeClass = SlabMemory.classFor(length);
    // the steps that can fail come first
    const address = this.#memory.allocate(slot, length, sizeClass);
    if (slot === records.length) records.push();
    else this.#firstFree = records.address(slot);
    records.setKey(slot, keyHash, length);
    records.setAddress(slot, address);
    records.setSizeClass(slot, sizeClass);
    records.setValue(slot, 0);
    records.setDot(slot, 0, 0, 0);
    this.access.begin(slot);
    records.setExpiryMs(slot, Infinity);
    records.mark(slot, SlotFlag.Live | kind);
    if ((kind & SlotFlag.System) !== 0) this.systemCount++;
    this.#memory.target(address).copy(key.buf, key.start, key.end, this.#memory.offset(address));
    this.blocks.added(slot);
    this.#index.add(slot, keyHash);
    if (this.order.isKept) this.order.add(slot);
    return slot;
  }

  remove(slot: Slot): void {
    const { records } = this;
    if (this.order.isKept) this.order.remove(slot);
    if (this.isSystem(slot)) this.systemCount--;
    this.#index.remove(slot, records.hash(slot));
    this.blocks.free(slot);
    this.#dropObject(slot);
    // what says that the slot stands in a list stays with it
    this.#noStub(slot);
    records.unmark(slot, ~(SlotFlag.Dirty | SlotFlag.DirtyToo | SlotFlag.Forget | SlotFlag.Queued));
    records.setAddress(slot, this.#firstFree);
    this.#firstFree = slot;
  }

  // ── states ──

  /** Whether what is in a slot lies in the slab: a string of one write, or a counter. */
  isPlain(slot: Slot): boolean {
    return this.records.has(slot, SlotFlag.Object) === 0;
  }

  isRegister(slot: Slot): boolean {
    return this.records.has(slot, SlotFlag.Object | SlotFlag.Counter) === 0;
  }

  /** Whether it is a plain string whose value is here. */
  hasValue(slot: Slot): boolean {
    return this.records.has(slot, SlotFlag.Object | SlotFlag.Counter | SlotFlag.Evicted) === 0;
  }

  isStub(slot: Slot): boolean {
    return this.records.has(slot, SlotFlag.Evicted) !== 0;
  }

  isCounter(slot: Slot): boolean {
    return this.records.has(slot, SlotFlag.Counter) !== 0;
  }

  /** The origin of the dot in the slot's record: of a plain string that of its write, else that of the key's last change, as far as it was noted. */
  originOf(slot: Slot): number {
    return this.#origins.at(this.records.origin(slot));
  }

  /** Notes the last change of what is not plain; false where there is no room for its origin. */
  noteChange(slot: Slot, origin: number, seq: number): boolean {
    if (!this.knowsOrigin(origin)) return false;
    this.records.setDot(slot, 0, this.#origins.placeOf(origin), seq);
    return true;
  }

  /** What is in a slot, to be read: a change to it may be lost. */
  entryAt(slot: Slot): Entry {
    return this.isPlain(slot) ? this.#inflated(slot) : this.#objectAt(slot);
  }

  /** What is in a slot, to be changed and then closed. */
  open(slot: Slot): Entry {
    if (!this.isPlain(slot)) return this.#objectAt(slot);
    const entry = this.#inflated(slot);
    this.put(slot, entry);
    return entry;
  }

  /** Puts something else into a slot, to be closed. */
  put(slot: Slot, entry: Entry): void {
    if (this.isPlain(slot)) {
      const place = this.#freeObjects.pop() ?? this.#objects.length;
      this.records.setValue(slot, place);
      this.#noStub(slot);
      this.records.unmark(slot, SlotFlag.Counter);
      this.records.mark(slot, SlotFlag.Object);
    }
    this.#objects[this.records.value(slot)] = entry;
  }

  /** Takes over what an opened entry shows, and takes the entry down where it is plain. */
  close(slot: Slot, entry: Entry): void {
    const { records } = this;
    records.setType(slot, entry.type);
    records.setExpiryMs(slot, entry.expiryMs);
    const isLaidDown = entry.isRegister ? this.#deflate(slot, entry) : this.#deflateCounter(slot, entry);
    if (!isLaidDown) this.blocks.reserve(slot, 0);
    this.blocks.freeReplaced();
  }

  #deflateCounter(slot: Slot, entry: Entry): boolean {
    const runs = entry.counterRuns(RUNS_MAX);
    if (runs === null) return false;
    this.#dropObject(slot);
    const counter = this.#resizeCounter(slot, runs.length, 0);
    counter.clear();
    for (const { origin, first, last, stamp, integer } of runs)
      counter.push(origin, first, last, stamp, Number(integer));
    this.onValue?.(slot);
    return true;
  }

  #deflate(slot: Slot, { string }: Entry): boolean {
    if (string.keepsSiblings || string.value === null || !this.knowsOrigin(string.origin)) return false;
    this.#dropObject(slot);
    const at = this.blocks.reserve(slot, string.value.length);
    writeLatin1(string.value, this.#memory.buffer(this.records.address(slot)), at);
    this.records.setValue(slot, string.value.length);
    this.records.setDot(slot, string.stamp, this.#origins.placeOf(string.origin), string.seq);
    this.onValue?.(slot);
    return true;
  }

  #objectAt(slot: Slot): Entry {
    return present(this.#objects[this.records.value(slot)], 'a slot with an object has it until it is closed');
  }

  #dropObject(slot: Slot): void {
    if (this.isPlain(slot)) return;
    const place = this.records.value(slot);
    this.#objects[place] = null;
    this.#freeObjects.push(place);
    this.records.unmark(slot, SlotFlag.Object);
  }

  #inflated(slot: Slot): Entry {
    const { records } = this;
    // a slot that was just given out
    if (records.type(slot) === ContentType.None)
      return this.#adopt(slot, new Entry(records.has(slot, SlotFlag.Siblings) !== 0));
    if (this.isCounter(slot)) return this.#adopt(slot, Entry.ofCounter(this.counterAt(slot).toState()));
    const dot = { stamp: records.stamp(slot), origin: this.originOf(slot), seq: records.seq(slot) };
    return this.#adopt(slot, Entry.ofRegister(this.#valueText(slot), dot, records.expiryMs(slot)));
  }

  /** The entry of a state, as the slot's key has it. */
  restored(slot: Slot, state: EntryState): Entry {
    const keepsSiblings = this.records.has(slot, SlotFlag.Siblings) !== 0;
    return this.#adopt(slot, Entry.fromState(state, keepsSiblings, this.#hash));
  }

  #adopt(slot: Slot, entry: Entry): Entry {
    entry.expiresByLog = this.records.has(slot, SlotFlag.Pinned) !== 0;
    entry.keyHash = this.#hash;
    return entry;
  }

  #valueText(slot: Slot): string {
    if (!this.hasValue(slot)) return this.#storedText(slot);
    const address = this.records.address(slot);
    const at = this.#memory.offset(address) + this.records.keyLength(slot);
    return latin1Of(this.#memory.buffer(address), at, at + this.records.value(slot));
  }

  // ── stubs (RULES V7) ──

  /** Whether memory is won by evicting a plain string. */
  isWorthEvicting(slot: Slot): boolean {
    return SlabMemory.classFor(this.records.keyLength(slot)) !== this.records.sizeClass(slot);
  }

  /** Drops the value of a plain string, which the store has. */
  evict(slot: Slot): void {
    this.blocks.reserve(slot, 0);
    this.blocks.freeReplaced();
    this.records.mark(slot, SlotFlag.Evicted);
    this.#stubs++;
  }

  #noStub(slot: Slot): void {
    if (this.records.has(slot, SlotFlag.Evicted) === 0) return;
    this.records.unmark(slot, SlotFlag.Evicted);
    this.#stubs--;
  }

  #storedText(slot: Slot): string {
    const { records } = this;
    const dot = { stamp: records.stamp(slot), origin: this.originOf(slot), seq: records.seq(slot) };
    return storedValue(this.readStored(this.keyText(slot) ?? ''), dot);
  }

  /** Takes the value of a stub back into memory; false where it is none, or where there is no room: it is then read without being kept. */
  refill(slot: Slot): boolean {
    if (this.records.has(slot, SlotFlag.Evicted) === 0) return false;
    this.refilled++;
    if (!this.mayKeep(slot)) return false;
    const text = this.#storedText(slot);
    const at = this.blocks.reserve(slot, text.length);
    writeLatin1(text, this.#memory.buffer(this.records.address(slot)), at);
    this.blocks.freeReplaced();
    this.records.setValue(slot, text.length);
    this.#noStub(slot);
    this.onValue?.(slot);
    return true;
  }

  /** Points at a plain string that is here; good until the next update. */
  valueInto(slot: Slot, into: ByteRange): void {
    const address = this.records.address(slot);
    const at = this.#memory.offset(address) + this.records.keyLength(slot);
    into.setTo(this.#memory.target(address), at, at + this.records.value(slot));
  }

  /** The plain form of what is in a slot. */
  stateAt(slot: Slot): EntryState {
    if (!this.isPlain(slot)) return this.#objectAt(slot).toState();
    if (this.isCounter(slot)) return [[null, 0, 0, 0, this.counterAt(slot).toState()], null, null, null];
    const { records } = this;
    const [stamp, origin, seq] = [records.stamp(slot), this.originOf(slot), records.seq(slot)];
    const expiryMs = records.expiryMs(slot);
    const expiries: EntryState[3] = expiryMs === Infinity ? null : [[expiryMs, origin, seq, stamp, origin, seq]];
    return [[this.#valueText(slot), stamp, origin, seq, null], null, null, expiries];
  }

  /** Whether writes of an origin can lie in the slab: there is room for 65,536 of them. */
  knowsOrigin(origin: number): boolean {
    return this.#origins.placeOf(origin) >= 0;
  }

  /** Makes a plain or new slot the string of one write, by an origin that is known. */
  write(slot: Slot, value: ByteRange, context: UpdateContext, expiryMs: number): void {
    const { records } = this;
    const length = value.end - value.start;
    const at = this.blocks.reserve(slot, length);
    this.#memory.target(records.address(slot)).copy(value.buf, value.start, value.end, at);
    // the value may have been read from there
    this.blocks.freeReplaced();
    records.setValue(slot, length);
    records.setDot(slot, context.stamp, this.#origins.placeOf(context.origin), context.seq);
    records.setExpiryMs(slot, expiryMs);
    records.setType(slot, ContentType.String);
    if (this.#stubs > 0) this.#noStub(slot);
    if (this.onValue !== null) this.onValue(slot);
  }

  // ── counters ──

  /** The increments of a counter in the slab; good until the next call. */
  counterAt(slot: Slot): CounterRuns {
    const address = this.records.address(slot);
    const keyLength = this.records.keyLength(slot);
    const at = this.#memory.offset(address) + keyLength + SlabMemory.padding(keyLength);
    return this.#counter.point(this.#memory.doubles(address), at / Float64Array.BYTES_PER_ELEMENT);
  }

  /** Makes a new slot a counter of one increment. */
  beginCounter(slot: Slot, amount: number, { origin, seq, stamp }: UpdateContext): void {
    const counter = this.#resizeCounter(slot, 1, 0);
    counter.clear();
    counter.push(origin, seq, seq, stamp, amount);
    this.records.setType(slot, ContentType.String);
  }

  /** Adds an increment to a counter that takes it; returns how many runs there are then. */
  increment(slot: Slot, amount: number, { origin, seq, stamp }: UpdateContext): number {
    const known = this.counterAt(slot);
    if (known.isLast(origin, seq)) {
      known.addToLast(amount);
      return known.count;
    }
    const counter = this.#roomForOneMore(slot, known);
    counter.push(origin, seq, seq, stamp, amount);
    return counter.count;
  }

  #roomForOneMore(slot: Slot, counter: CounterRuns): CounterRuns {
    const before = this.records.value(slot);
    const needed = SlabMemory.padding(this.records.keyLength(slot)) + CounterRuns.bytesFor(counter.count + 1);
    // one that was folded has more
    return needed <= before ? counter : this.#resizeCounter(slot, counter.count + 1, before);
  }

  /** Folds what is stable of a counter; says whether nothing is left to be folded. It keeps room for some: they come again. */
  foldCounter(slot: Slot, stable: VersionVector): boolean {
    const counter = this.counterAt(slot);
    const isSettled = counter.fold(stable);
    const runs = Math.max(counter.count, FOLDED_FROM_RUNS);
    const bytes = SlabMemory.padding(this.records.keyLength(slot)) + CounterRuns.bytesFor(runs);
    if (bytes < this.records.value(slot)) this.#resizeCounter(slot, runs, bytes);
    return isSettled;
  }

  /** Makes the slot's block one for so many runs; `keptBytes` of what is behind the key stay. */
  #resizeCounter(slot: Slot, runs: number, keptBytes: number): CounterRuns {
    const { records } = this;
    const keyLength = records.keyLength(slot);
    const length = SlabMemory.padding(keyLength) + CounterRuns.bytesFor(runs);
    const at = this.blocks.reserve(slot, length);
    if (this.blocks.replaced !== NO_BLOCK) {
      const before = this.blocks.replaced;
      const from = this.#memory.offset(before) + keyLength;
      this.#memory.target(records.address(slot)).copyFrom(this.#memory.target(before), from, from + keptBytes, at);
      this.blocks.freeReplaced();
    }
    records.setValue(slot, length);
    records.mark(slot, SlotFlag.Counter);
    return this.counterAt(slot);
  }

  // ── for those who keep or look at many ──

  /** To be called before an entry changes or a slot is reused. */
  beforeChange(slot: Slot): void {
    if (this.observers.size > 0) for (const observer of this.observers) observer.beforeChange(slot);
  }

  sizeClass(slot: Slot): number {
    return this.records.sizeClass(slot);
  }

  setAddress(slot: Slot, address: number): void {
    this.records.setAddress(slot, address);
  }

  /** Goes on with growth and compaction, as much as goes with a look at so many keys. Views are good no more. */
  tidy(budget: number): void {
    this.#index.move(budget * TIDIED_A_KEY);
    this.order.step(this.access.nowMs, budget);
    this.#memory.compact(budget * TIDIED_A_KEY, this);
  }
}
