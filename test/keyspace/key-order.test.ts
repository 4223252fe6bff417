import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteRange, latin1Range } from '../../src/base/bytes.ts';
import type { Slot } from '../../src/keyspace/keyspace.ts';
import { SlabTable } from '../../src/keyspace/slab/slab-table.ts';
import { SlotFlag } from '../../src/keyspace/slab/slot-records.ts';
import { runs } from '../support/fast-check-runs.ts';

const HOUR_MS = 3_600_000;

/** A table whose keys are in order, beside a plain list of them. */
class Modelled {
  readonly table: SlabTable = new SlabTable([1, 2]);
  readonly keys: Set<string> = new Set();

  add(key: string, kind = 0): void {
    if (this.table.slotOfText(key) >= 0) return;
    this.table.add(latin1Range(key), 0, kind);
    if (kind === 0) this.keys.add(key);
  }

  remove(key: string): void {
    const slot = this.table.slotOfText(key);
    if (slot >= 0) this.table.remove(slot);
    this.keys.delete(key);
  }

  /** Brings the order on by so many slots; says whether it is whole. */
  use(slotsMax: number): boolean {
    return this.table.order.use(0, slotsMax);
  }

  from(key: string, isBehind: boolean, countMax = Infinity): string[] {
    const found: string[] = [];
    const name = new ByteRange();
    this.table.order.visit(latin1Range(key), isBehind, (slot: Slot) => {
      found.push(this.table.keyInto(slot, name).toLatin1());
      return found.length < countMax;
    });
    return found;
  }

  expectInOrder(probes: readonly string[]): void {
    const sorted = [...this.keys].sort();
    expect(this.from('', false)).toEqual(sorted);
    for (const probe of probes) {
      expect(this.from(probe, false)).toEqual(sorted.filter((key) => key >= probe));
      expect(this.from(probe, true, 3)).toEqual(sorted.filter((key) => key > probe).slice(0, 3));
    }
  }
}

/** Keys that begin one another, differ in one bit, or have bytes of any kind. */
const key = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\0'), maxLength: 4 }),
  fc.constantFrom('page:1', 'page:2', 'page:10', 'page:1:', 'page:', 'pages', 'p', '\u007f', '\u0080', '\u00ff\u00ff'),
  fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)), maxLength: 3 }),
);

const step = fc.record({ kind: fc.constantFrom('add', 'add', 'remove', 'fill', 'restart'), key });

describe('keys in the order of their bytes', () => {
  it('are those of a sorted list, whatever comes and goes while it is filled', () => {
    const history = fc.property(fc.array(key), fc.array(step, { maxLength: 60 }), (before, steps) => {
      const model = new Modelled();
      for (const name of before) model.add(name);
      model.use(0);
      for (const { kind, key: name } of steps) {
        if (kind === 'add') model.add(name);
        else if (kind === 'remove') model.remove(name);
        else if (kind === 'fill') model.table.order.step(0, 2);
        else model.table.order.restart();
      }
      while (!model.use(3));
      model.expectInOrder([...before.slice(0, 5), ...steps.slice(0, 10).map(({ key: name }) => name)]);
    });
    fc.assert(history, { numRuns: runs(300) });
  });

  it('leave out what is the product’s own', () => {
    const model = new Modelled();
    model.add('a');
    model.use(10);
    model.add('own', SlotFlag.System);
    model.add('z');
    expect(model.from('', false)).toEqual(['a', 'z']);
    model.remove('own');
    expect(model.from('', false)).toEqual(['a', 'z']);
  });

  it('take so many slots a step, and no memory before anybody asks or when nobody has for an hour', () => {
    const model = new Modelled();
    for (let number = 0; number < 40_000; number++) model.add(`key:${number}`);
    expect(model.table.order.bytes).toBe(0);
    let steps = 0;
    while (!model.use(1_000)) steps++;
    expect(steps).toBe(39);
    expect(model.table.order.bytes / 40_000).toBeLessThan(16);
    expect(model.from('key:3999', false, 12).slice(1, 12)).toEqual(
      Array.from({ length: 10 }, (_, digit) => `key:3999${digit}`).concat('key:4'),
    );
    model.table.order.step(HOUR_MS, 1_000);
    expect(model.table.order.isKept).toBe(true);
    model.table.order.step(HOUR_MS + 1, 1_000);
    expect([model.table.order.isKept, model.table.order.bytes]).toEqual([false, 0]);
    model.remove('key:7');
    while (!model.use(10_000));
    expect(model.from('key:69999', true, 1)).toEqual(['key:70']);
  });

  it('cost at most nine steps a byte where each begins the next', () => {
    const model = new Modelled();
    model.use(0);
    const longest = 'a'.repeat(2_000);
    for (let length = 1; length <= longest.length; length++) model.add(longest.slice(0, length));
    expect(model.from(longest.slice(1), false)).toEqual([longest.slice(1), longest]);
    expect(model.from(longest, true)).toEqual([]);
    for (let length = 2; length <= longest.length; length += 2) model.remove(longest.slice(0, length));
    expect(model.from('', false)).toHaveLength(1_000);
  });
});
