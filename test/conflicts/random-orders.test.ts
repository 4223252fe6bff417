import fc from 'fast-check';
import { expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { UpdateKind } from '../../src/crdt/update.ts';
import type { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import { newKeyspace } from '../properties/values/keyspaces.ts';
import {
  sawTransaction,
  transactionText,
  updateOf,
  type Effect,
  type Transaction,
} from '../properties/values/transaction.ts';
import { causalOrders } from '../rules-values/every-causal-order.ts';
import { Schedule } from '../rules-values/schedule.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { dotOf, recordsOf } from './conflict-orders.ts';

const KEYS = ['k', 'sib', 'h'] as const;

/** A write of one node, and whom it hears of before it. */
const step = fc.record({
  node: fc.constantFrom('A', 'B', 'C'),
  hears: fc.constantFrom('', '', 'A', 'B', 'C', 'ABC'),
  key: fc.constantFrom(...KEYS),
  does: fc.constantFrom('write', 'write', 'write', 'remove'),
  value: fc.constantFrom('x', 'y', 'z', 'u', 'v', 'w'),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function historyOf(steps: readonly Step[]): Transaction[] {
  const schedule = new Schedule();
  for (const [index, { node, hears, key, does, value }] of steps.entries()) {
    if (hears !== '') schedule.receive(node, hears);
    schedule.write(node, (index + 1) * 10, (tx) => {
      if (key === 'h') return does === 'write' ? tx.hset(key, 'f', value) : tx.hdel(key, 'f');
      return does === 'write' ? tx.set(key, value) : tx.del(key);
    });
  }
  return schedule.transactions;
}

const isWrite = ({ kind }: Effect): boolean => kind === UpdateKind.Set || kind === UpdateKind.HashSet;

/** The latest value that a key shows, or its field. */
function latestOf(keyspace: SlabKeyspace, key: string): string | null {
  const entry = keyspace.entryOf(latin1Range(key));
  if (key === 'h') {
    const at = entry?.hash?.find(latin1Range('f')) ?? -1;
    return at < 0 ? null : (entry?.hash?.textAt(at) ?? null);
  }
  return entry?.string.shows === true ? entry.string.text() : null;
}

/** Values that nobody has seen and that differ from what shows: all that a conflict may have cost somebody. */
function lostUnseen(transactions: readonly Transaction[], shown: (key: string) => string | null): string[] {
  return transactions.flatMap((transaction) =>
    transaction.effects.flatMap((effect) => {
      const isSeen = transactions.some(
        (later) =>
          later !== transaction &&
          sawTransaction(later, transaction) &&
          later.effects.some(({ key }) => key === effect.key),
      );
      // who wrote the same at the same time took its place in agreement, whatever came after
      const isShared = transactions.some(
        (other) =>
          other !== transaction &&
          !sawTransaction(transaction, other) &&
          other.effects.some(({ key, value }) => key === effect.key && value === effect.value),
      );
      const isLost = isWrite(effect) && !isSeen && !isShared && shown(effect.key) !== effect.value;
      return isLost ? [dotOf(transaction)] : [];
    }),
  );
}

it('S4: in every causal order every pair is concurrent and named once, and who was lost unseen is named', () => {
  let conflicts = 0;
  let lost = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 2, maxLength: 5 }), (steps) => {
      const transactions = historyOf(steps);
      const byDot = new Map(transactions.map((transaction) => [dotOf(transaction), transaction]));
      const told = transactions.map(transactionText).join('\n');
      for (const order of causalOrders(transactions)) {
        const keyspace = newKeyspace();
        for (const transaction of order)
          for (const effect of transaction.effects) keyspace.apply(updateOf(effect), transaction);
        const records = recordsOf(keyspace);
        const pairs = new Set<string>();
        for (const { key, kept, other } of records) {
          const [left, right] = [byDot.get(dotOf(kept)), byDot.get(dotOf(other))];
          if (left === undefined || right === undefined) throw new Error(`a dot of nobody's\n${told}`);
          expect(sawTransaction(left, right) || sawTransaction(right, left), told).toBe(false);
          expect(
            left.effects.concat(right.effects).every((effect) => effect.key === key),
            told,
          ).toBe(true);
          expect(kept.value?.text === other.value?.text, told).toBe(false);
          pairs.add([dotOf(kept), dotOf(other)].toSorted().join());
        }
        expect(pairs.size, told).toBe(records.length);
        const lostHere = lostUnseen(transactions, (key) => latestOf(keyspace, key));
        const others = new Set(records.flatMap(({ kept, other }) => [dotOf(kept), dotOf(other)]));
        for (const dot of lostHere) expect(others, `${dot} is named\n${told}`).toContain(dot);
        conflicts += records.length;
        lost += lostHere.length;
      }
    }),
    runOptions(300, 20_000),
  );
  expect(Math.min(conflicts, lost)).toBeGreaterThan(100);
});
