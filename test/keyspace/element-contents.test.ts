import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteRange, latin1Range } from '../../src/base/bytes.ts';
import { KeyHash } from '../../src/base/key-hash.ts';
import { nodeNumber, originOf, type Origin } from '../../src/clock/origin.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { HashContent } from '../../src/crdt/hash-content.ts';
import { SetContent } from '../../src/crdt/set-content.ts';
import type { UpdateContext } from '../../src/crdt/update.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { HashContent as MapHash } from '../support/map-contents/hash-content.ts';
import { SetContent as MapSet } from '../support/map-contents/set-content.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const KEY_HASH = new KeyHash([3, 5]);
const ORIGINS: readonly Origin[] = [1, 2, 3].map((node) => originOf(nodeNumber(node), 1));

function vectorOf(seqs: readonly number[]): VersionVector {
  const vector = new VersionVector();
  for (const [at, seq] of seqs.entries()) if (seq > 0) vector.raise(ORIGINS[at] as Origin, seq);
  return vector;
}

interface Step {
  readonly kind: 'write' | 'add' | 'remove' | 'clear' | 'settle' | 'merge' | 'restore';
  readonly name: string;
  readonly value: string;
  readonly amount: number;
  readonly origin: number;
  readonly seen: readonly [number, number, number];
  readonly onOther: boolean;
}

const names = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'name', 'a name that is long enough for no short cut to take it'),
  fc.nat(7).map((n) => `n${n}`),
);
const values = fc.oneof(
  fc.constantFrom('', '7', '2.5'),
  fc.nat(90).map((length) => 'v'.repeat(length)),
);
const seen = fc.tuple(fc.nat(60), fc.nat(60), fc.nat(60));

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.constantFrom<Step['kind']>(
      ...(['write', 'write', 'write', 'write', 'add', 'remove', 'clear', 'settle', 'merge', 'restore'] as const),
    ),
    name: names,
    value: values,
    amount: fc.integer({ min: -9, max: 9 }),
    origin: fc.nat(2),
    seen,
    onOther: fc.boolean(),
  }),
  { maxLength: 60, size: 'max' },
);

/** The transaction of a step: what its origin made before it has seen, of the others what the step says. */
function contextOf(step: Step, at: number): UpdateContext {
  const origin = ORIGINS[step.origin] as Origin;
  return { origin, seq: at + 1, stamp: (1_000 + ((at * 7) % 50)) as Stamp, deps: vectorOf(step.seen) };
}

describe('elements of hashes and sets', () => {
  test('a hash is as one on a Map', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const pairs = [0, 1].map(() => ({ mine: new HashContent(KEY_HASH), plain: new MapHash() }));
        for (const [at, step] of all.entries()) {
          const pair = pairs[step.onOther ? 1 : 0] as (typeof pairs)[0];
          const other = pairs[step.onOther ? 0 : 1] as (typeof pairs)[0];
          const context = contextOf(step, at);
          const name = latin1Range(step.name);
          const sides = { local: vectorOf(step.seen), remote: context.deps };
          switch (step.kind) {
            case 'write': {
              const isNew = !pair.plain.fields.has(step.name);
              pair.plain.write(step.name, step.value, context);
              expect(pair.mine.write(name, latin1Range(step.value), context)).toBe(isNew);
              break;
            }
            case 'add': {
              const amount = { integer: BigInt(step.amount), units: step.amount > 5 ? 1n : 0n };
              pair.plain.increment(step.name, amount, context);
              pair.mine.increment(name, amount, context);
              break;
            }
            case 'remove':
              expect(pair.mine.remove(name, context)).toBe(pair.plain.remove(step.name, context));
              break;
            case 'clear':
              expect(pair.mine.removeCovered(context)).toBe(pair.plain.removeCovered(context));
              break;
            case 'settle':
              expect(pair.mine.settle(context.deps)).toBe(pair.plain.settle(context.deps));
              break;
            case 'merge':
              pair.mine.merge(step.amount === 0 ? null : other.mine, sides);
              pair.plain.merge(step.amount === 0 ? null : other.plain, sides);
              break;
            case 'restore':
              pair.mine = HashContent.fromState(pair.mine.toState(), KEY_HASH);
              pair.plain = MapHash.fromState(pair.plain.toState());
              break;
          }
          expect(pair.mine.toState()).toEqual(pair.plain.toState());
          expect([pair.mine.size, pair.mine.isSettled, pair.mine.latest()?.seq]).toEqual([
            pair.plain.fields.size,
            pair.plain.isSettled,
            pair.plain.latest()?.seq,
          ]);
          const position = pair.mine.find(name);
          expect(position < 0 ? undefined : pair.mine.textAt(position)).toBe(pair.plain.fields.get(step.name)?.text());
        }
      }),
      runOptions(400, 20_000),
    );
  }, 120_000);

  test('a field of which a removal takes a part has nothing more to be forgotten than before', () => {
    const hash = new HashContent(KEY_HASH);
    const name = latin1Range('f');
    const [first, second] = [0, 1].map((origin, at) =>
      contextOf({ kind: 'add', name: 'f', value: '', amount: 1, origin, seen: [0, 0, 0], onOther: false }, at),
    ) as [UpdateContext, UpdateContext];
    for (const context of [first, second]) hash.increment(name, { integer: 1n, units: 0n }, context);
    expect([hash.settle(vectorOf([9, 9, 9])), hash.isSettled]).toEqual([true, true]);
    expect(hash.remove(name, { ...first, seq: 5 })).toBe(true);
    expect([hash.textAt(0), hash.isSettled]).toEqual(['1', true]);
  });

  test('a set is as one on a Map', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const pairs = [0, 1].map(() => ({ mine: new SetContent(KEY_HASH), plain: new MapSet() }));
        for (const [at, step] of all.entries()) {
          const pair = pairs[step.onOther ? 1 : 0] as (typeof pairs)[0];
          const other = pairs[step.onOther ? 0 : 1] as (typeof pairs)[0];
          const context = contextOf(step, at);
          const name = latin1Range(step.name);
          const sides = { local: vectorOf(step.seen), remote: context.deps };
          switch (step.kind) {
            case 'write':
            case 'add':
              expect(pair.mine.add(name, context)).toBe(pair.plain.add(step.name, context));
              break;
            case 'remove':
              expect(pair.mine.remove(name, context)).toBe(pair.plain.remove(step.name, context));
              break;
            case 'clear':
              expect(pair.mine.removeCovered(context)).toBe(pair.plain.removeCovered(context));
              break;
            case 'settle':
              expect(pair.mine.settle(context.deps)).toBe(pair.plain.settle(context.deps));
              break;
            case 'merge':
              pair.mine.merge(step.amount === 0 ? null : other.mine, sides);
              pair.plain.merge(step.amount === 0 ? null : other.plain, sides);
              break;
            case 'restore':
              pair.mine = SetContent.fromState(pair.mine.toState(), KEY_HASH);
              pair.plain = MapSet.fromState(pair.plain.toState());
              break;
          }
          expect(pair.mine.toState()).toEqual(pair.plain.toState());
          expect([pair.mine.has(name), pair.mine.isSettled, pair.mine.latest()?.seq]).toEqual([
            pair.plain.members.has(step.name),
            pair.plain.isSettled,
            pair.plain.latest()?.seq,
          ]);
        }
      }),
      runOptions(400, 20_000),
    );
  }, 120_000);

  test('a large hash keeps all through growth, removals, values of every length and the moves of its memory', () => {
    const random = new SeededRandom(17);
    const mine = new HashContent(KEY_HASH);
    const plain = new MapHash();
    const deps = new VersionVector();
    for (let seq = 1; seq <= 60_000; seq++) {
      const context: UpdateContext = { origin: ORIGINS[0] as Origin, seq, stamp: seq as Stamp, deps };
      // grows, stands still, and shrinks
      const at = random.below(6_000);
      const name = at % 3 === 0 ? `field ${at}, whose name is not a short one` : `field ${at}`;
      if (random.unit() < (seq < 40_000 ? 0.2 : 0.7)) {
        expect(mine.remove(latin1Range(name), context)).toBe(plain.remove(name, context));
      } else {
        const value = String(seq).repeat(random.below(50) === 0 ? random.below(6_000) : random.below(20));
        const isNew = !plain.fields.has(name);
        plain.write(name, value, context);
        expect(mine.write(latin1Range(name), latin1Range(value), context)).toBe(isNew);
      }
      if (seq % 10_000 === 0) expect(mine.toState()).toEqual(plain.toState());
    }
    expect(mine.toState()).toEqual(plain.toState());
    const view = [new ByteRange(), new ByteRange()] as const;
    for (let at = 0; at < mine.size; at++) {
      mine.nameInto(at, view[0]);
      mine.valueInto(at, view[1]);
      const shown = view.map((each) => each.toLatin1());
      if (shown[0] !== mine.nameAt(at) || shown[1] !== mine.textAt(at)) expect(shown).toEqual(mine.nameAt(at));
    }
    mine.removeCovered({ origin: ORIGINS[0] as Origin, seq: 70_000, stamp: 70_000 as Stamp, deps });
    expect(mine.isEmpty).toBe(true);
  }, 120_000);
});
