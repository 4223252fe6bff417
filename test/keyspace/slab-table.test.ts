import { describe, expect, it } from 'vitest';
import { latin1Range, type ByteRange } from '../../src/base/bytes.ts';
import { originOf, nodeNumber } from '../../src/clock/origin.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { Entry, type EntryState } from '../../src/crdt/entry.ts';
import { Increments, type RunState } from '../../src/crdt/increments.ts';
import type { UpdateContext } from '../../src/crdt/update.ts';
import type { Slot } from '../../src/keyspace/keyspace.ts';
import { RUNS_MAX } from '../../src/keyspace/slab/counter-runs.ts';
import { bytesOf, CLASS_BYTES_MAX, classOf, SIZE_CLASSES } from '../../src/keyspace/slab/size-classes.ts';
import { SlabTable } from '../../src/keyspace/slab/slab-table.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const MIB = 1024 * 1024;

const contextOf = (seq: number): UpdateContext => ({
  origin: originOf(nodeNumber(1 + (seq % 3)), 1),
  seq,
  stamp: seq as Stamp,
  deps: new VersionVector(),
});

const keyOf = (n: number): ByteRange => latin1Range(n === 0 ? '' : `key:${n}`);

/** A value that says whose it is, in any place of it. */
function valueOf(seed: number, length: number): string {
  const part = `${seed}.`;
  return part.repeat(Math.ceil(length / part.length)).slice(0, length);
}

/** A table beside a plain map of what it has to hold. */
class Modelled {
  readonly table: SlabTable = new SlabTable([11, 12]);
  readonly model: Map<number, EntryState> = new Map();
  #seq = 0;

  set(n: number, length: number, expiryMs: number): void {
    const key = keyOf(n);
    const hash = this.table.hashOf(key);
    const context = contextOf(++this.#seq);
    const { stamp, origin, seq } = context;
    const value = valueOf(seq, length);
    const slot = this.#plainSlot(key, hash);
    this.table.write(slot, latin1Range(value), context, expiryMs);
    const expiries: EntryState[3] = expiryMs === Infinity ? null : [[expiryMs, origin, seq, stamp, origin, seq]];
    this.model.set(n, [[value, stamp, origin, seq, null], null, null, expiries]);
  }

  /** A counter's slot, made where there is none, with its runs in the model. */
  counter(n: number): [slot: Slot, runs: RunState[]] {
    const key = keyOf(n);
    const known = this.table.slotOf(key, 0);
    if (known >= 0) return [known, this.model.get(n)?.[0]?.[4] as RunState[]];
    const runs: RunState[] = [];
    this.model.set(n, [[null, 0, 0, 0, runs], null, null, null]);
    return [this.table.add(key, 0, 0), runs];
  }

  increment(slot: Slot, runs: RunState[], amount: number, seq: number): void {
    const context = contextOf(seq);
    if (runs.length === 0) this.table.beginCounter(slot, amount, context);
    else expect(this.table.increment(slot, amount, context)).toBe(runs.length + 1);
    runs.push([context.origin, seq, seq, context.stamp, String(amount), '0']);
  }

  /** As the increments of an entry are folded. */
  fold(slot: Slot, runs: RunState[], stableSeq: number): void {
    const stable = new VersionVector();
    for (const node of [1, 2, 3]) if (stableSeq > 0) stable.raise(originOf(nodeNumber(node), 1), stableSeq);
    const increments = Increments.fromState(runs);
    increments.fold(stable);
    expect(this.table.foldCounter(slot, stable)).toBe(increments.isSettled(stable));
    runs.splice(0, runs.length, ...increments.toState());
  }

  /** A plain slot, whatever was there. */
  #plainSlot(key: ByteRange, hash: number): Slot {
    const known = this.table.slotOf(key, hash);
    if (known >= 0 && this.table.isPlain(known)) return known;
    if (known >= 0) this.table.remove(known);
    return this.table.add(key, hash, 0);
  }

  /** As what is not plain lies beside the slab. */
  put(n: number, member: string): void {
    const key = keyOf(n);
    const known = this.table.slotOf(key, 0);
    const slot = known >= 0 ? known : this.table.add(key, 0, 0);
    const state: EntryState = [null, null, [[member, [[null, 1, 2 ** 32 + 1, 1]]]], null];
    const entry = Entry.fromState(state);
    this.table.put(slot, entry);
    this.table.close(slot, entry);
    this.model.set(n, state);
  }

  remove(n: number): void {
    const slot = this.table.slotOf(keyOf(n), 0);
    expect(slot >= 0).toBe(this.model.delete(n));
    if (slot >= 0) this.table.remove(slot);
  }

  check(keysMax: number): void {
    expect(this.table.keyCount).toBe(this.model.size);
    for (let n = 0; n < keysMax; n++) {
      const slot = this.table.slotOf(keyOf(n), 0);
      const state = slot < 0 ? undefined : this.table.stateAt(slot);
      if (JSON.stringify(state) !== JSON.stringify(this.model.get(n)))
        expect([n, state]).toEqual([n, this.model.get(n)]);
      if (slot >= 0) expect(this.table.keyText(slot)).toBe(keyOf(n).toLatin1());
    }
  }
}

describe('the slab table', () => {
  it('has the smallest class of blocks for each length, with little that is not used', () => {
    const misfits: number[] = [];
    for (let bytes = 1; bytes <= CLASS_BYTES_MAX; bytes++) {
      const sizeClass = classOf(bytes);
      const isSmallest = bytesOf(sizeClass) >= bytes && (sizeClass === 0 || bytesOf(sizeClass - 1) < bytes);
      const isTight = bytes < 128 || bytesOf(sizeClass) <= bytes * 1.126;
      if (!isSmallest || !isTight || sizeClass >= SIZE_CLASSES) misfits.push(bytes);
    }
    expect(misfits).toEqual([]);
  });

  it('holds what was put in, through growth, reuse, other states, long values and compaction', () => {
    const random = new SeededRandom(7);
    const modelled = new Modelled();
    const keys = 3_000;
    const lengths = [0, 1, 20, 64, 65, 300, 1_000, 9_000, 130_000, 200_000];
    for (let step = 0; step < 40_000; step++) {
      const n = random.below(keys);
      const what = random.below(20);
      // long ones are rare, or they are all that there is
      const length = random.pick(lengths.slice(0, random.below(30) === 0 ? lengths.length : 6)) + random.below(16);
      if (what < 12) modelled.set(n, length, random.below(3) === 0 ? 5_000 + step : Infinity);
      else if (what < 14) modelled.put(n, valueOf(step, 10));
      else modelled.remove(n);
      if (what === 19) modelled.table.tidy(20);
      if (step % 8_000 === 0) modelled.check(keys);
    }
    modelled.check(keys);
    expect(modelled.model.size).toBeGreaterThan(1_000);
  });

  it('gives memory back when what took it is gone or shorter, a few blocks a time', () => {
    const modelled = new Modelled();
    const keys = 30_000;
    for (let n = 0; n < keys; n++) modelled.set(n, 400, Infinity);
    const fullBytes = modelled.table.bytes;
    // one in eight stays long, so that no segment is empty
    for (let n = 0; n < keys; n++) if (n % 8 !== 0) modelled.set(n, 8, Infinity);
    for (let tick = 0; tick < 2_000; tick++) modelled.table.tidy(50);
    modelled.check(keys);
    expect(modelled.table.bytes).toBeLessThan(fullBytes * 0.6);
    for (let n = 0; n < keys; n++) modelled.remove(n);
    for (let tick = 0; tick < 2_000; tick++) modelled.table.tidy(50);
    // what stays are the records of slots, and a segment that keys are cut from
    expect(modelled.table.bytes).toBeLessThan(keys * 40 + 3 * MIB);
    modelled.set(1, 100, Infinity);
    modelled.check(keys);
  });

  it('gives a segment that is empty back in steps of so many blocks, and uses it again until then', () => {
    const modelled = new Modelled();
    const { memory } = modelled.table.blocks;
    const keys = 60_000;
    for (let n = 0; n < keys; n++) modelled.set(n, 64, Infinity);
    const fullBytes = memory.capacityBytes;
    for (let n = 0; n < keys; n++) modelled.remove(n);
    // removing the last key of a segment is no longer than any other removal
    expect([memory.usedBytes, memory.capacityBytes]).toEqual([0, fullBytes]);
    const blocks = 1_000;
    memory.compact(blocks, modelled.table);
    for (let n = 0; n < 100; n++) modelled.set(n, 64, Infinity);
    let steps = 1;
    for (let before = memory.capacityBytes; memory.hasEmptied; steps++) {
      memory.compact(blocks, modelled.table);
      expect(before - memory.capacityBytes).toBeLessThanOrEqual(MIB);
      before = memory.capacityBytes;
    }
    // all but what is in the last segment, and what is written there
    expect(steps).toBeGreaterThan((keys * 0.7) / blocks);
    expect(memory.capacityBytes).toBeLessThanOrEqual(2 * MIB);
    modelled.check(keys);
  });

  it('finds each key while the index grows, and while it becomes smaller', () => {
    const { table } = new Modelled();
    const slots: Slot[] = [];
    for (let n = 0; n < 20_000; n++) {
      const key = keyOf(n);
      slots.push(table.add(key, table.hashOf(key), 0));
      const some = (n * 7) % (n + 1);
      if (table.slotOf(keyOf(some), 0) !== slots[some]) expect([n, some]).toBe('found');
    }
    for (let n = 0; n < 20_000; n++) {
      table.remove(slots[n] as Slot);
      if (n % 16 === 0) table.tidy(1);
      const last = 19_999;
      if (n < last && table.slotOf(keyOf(last), 0) !== slots[last]) expect(n).toBe('found');
      if (table.slotOf(keyOf(n), 0) !== -1) expect(n).toBe('gone');
    }
    expect(table.keyCount).toBe(0);
  });

  it('keeps keys apart that have one hash', () => {
    const { table } = new Modelled();
    const slots = Array.from({ length: 300 }, (_unused, n) => table.add(keyOf(n), -16, 0));
    for (let n = 0; n < 300; n += 2) table.remove(slots[n] as Slot);
    for (let n = 0; n < 300; n++) expect(table.slotOf(keyOf(n), -16)).toBe(n % 2 === 0 ? -1 : (slots[n] as Slot));
  });

  it('counters take increments and are folded, and nothing that lies beside them changes', () => {
    const modelled = new Modelled();
    const random = new SeededRandom(9);
    const keys = 500;
    for (let n = keys; n < keys * 2; n++) modelled.set(n, random.below(200), Infinity);
    for (let step = 1; step <= 20_000; step++) {
      const n = random.below(keys);
      const [at, runs] = modelled.counter(n);
      const isFull = runs.length === RUNS_MAX;
      // what is older than some steps is stable
      if (isFull || (runs.length >= 3 && random.below(3) === 0)) modelled.fold(at, runs, isFull ? step : step - 700);
      else modelled.increment(at, runs, random.below(19) - 9, step);
      if (step % 4_000 === 0) modelled.check(keys * 2);
    }
    expect(modelled.table.keyCount).toBe(keys * 2);
  });

  it('writes a value that is read from the key itself', () => {
    const modelled = new Modelled();
    const view = latin1Range('');
    modelled.set(5, 1_000, Infinity);
    const { table } = modelled;
    const slot = table.slotOf(keyOf(5), 0);
    const before = modelled.model.get(5)?.[0]?.[0] as string;
    table.valueInto(slot, view);
    table.write(slot, view.set(view.buf, view.start + 3, view.end - 200), contextOf(9), Infinity);
    expect(table.stateAt(slot)[0]?.[0]).toBe(before.slice(3, -200));
  });
});
