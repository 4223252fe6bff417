import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { latin1Of } from '../../src/base/bytes.ts';
import { PackedEntries } from '../../src/base/packed-entries.ts';
import { runOptions } from '../support/fast-check-runs.ts';

/** Sizes around those of the blocks, and larger than any. */
const lengths = fc.oneof({ weight: 8, arbitrary: fc.nat(40) }, fc.constantFrom(0, 4_095, 4_096, 4_097, 262_145));

const sameAs = (left: Uint8Array, right: Uint8Array): boolean => Buffer.compare(left, right) === 0;

describe('entries packed for the store', () => {
  test('are those that were added, in their order, whatever their sizes', () => {
    const added = fc.record({ key: lengths, state: fc.option(lengths), fill: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(added, { maxLength: 60 }), (entries) => {
        const packed = new PackedEntries();
        const plain = entries.map(({ key, state, fill }): [string, Uint8Array | null] => [
          String.fromCharCode(fill).repeat(key),
          state === null ? null : new Uint8Array(state).fill(fill),
        ]);
        for (const [key, state] of plain) packed.add(key, state);
        expect(packed.count).toBe(plain.length);
        for (let look = 0; look < 2; look++) {
          const seen = Array.from(packed, ([key, state]) => [latin1Of(key, 0, key.length), state] as const);
          const isSame = seen.every(([key, state], at) => {
            const [name, expected] = plain[at] ?? ['', null];
            return key === name && (state === null || expected === null ? state === expected : sameAs(state, expected));
          });
          expect([seen.length, isSame]).toEqual([plain.length, true]);
        }
      }),
      runOptions(30, 20_000),
    );
  });

  test('of several runs are walked by the bytes of their keys, those of one key as they were added', () => {
    // few keys, so that many are there several times and are beginnings of others
    const key = fc.string({ unit: fc.constantFrom('a', 'b', '\u00ff'), maxLength: 3 });
    const runs = fc.array(fc.array(key, { maxLength: 12 }), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(runs, (keys) => {
        const packed = new PackedEntries();
        const added: { name: string; state: number }[] = [];
        for (const run of keys) {
          for (const name of run) {
            packed.add(name, Uint8Array.of(added.length));
            added.push({ name, state: added.length });
          }
          packed.endRun();
        }
        const seen = Array.from(packed, ([name, state]) => ({
          name: latin1Of(name, 0, name.length),
          state: state?.[0],
        }));
        const isBefore = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
        expect(seen).toEqual(added.toSorted((left, right) => isBefore(left.name, right.name)));
      }),
      runOptions(300, 20_000),
    );
  });
});
