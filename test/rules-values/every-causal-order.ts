import { expect } from 'vitest';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { MapKeyspace } from '../../src/keyspace/map-keyspace.ts';
import { declaredKeys, shownKeys, type ShownKeys } from '../properties/values/shown-keys.ts';
import {
  letterOf,
  sawTransaction,
  transactionText,
  updateOf,
  type Transaction,
} from '../properties/values/transaction.ts';
import { snapshotOf, START_MS } from '../properties/values/virtual-replica.ts';

/** Every order of the transactions that keeps happens-before: all linear extensions. */
export function* causalOrders(transactions: readonly Transaction[]): Generator<Transaction[]> {
  if (transactions.length === 0) yield [];
  for (const first of transactions) {
    if (transactions.some((other) => other !== first && sawTransaction(first, other))) continue;
    for (const rest of causalOrders(transactions.filter((other) => other !== first))) yield [first, ...rest];
  }
}

/** Every set of transactions that a replica can have: with each transaction all that it saw. */
export function causalCuts(transactions: readonly Transaction[]): Transaction[][] {
  const cuts = new Map<string, Transaction[]>();
  for (const order of causalOrders(transactions)) {
    for (let length = 0; length <= order.length; length++) {
      const cut = transactions.filter((transaction) => order.indexOf(transaction) < length);
      cuts.set(cut.map((transaction) => transactions.indexOf(transaction)).join(), cut);
    }
  }
  return [...cuts.values()];
}

/** A replica that applies transactions in the order given. */
class Observer {
  readonly keyspace: MapKeyspace = new MapKeyspace();
  readonly vector: VersionVector = new VersionVector();

  constructor(transactions: readonly Transaction[] = []) {
    for (const transaction of transactions) this.apply(transaction);
  }

  apply(transaction: Transaction): void {
    for (const effect of transaction.effects) this.keyspace.apply(updateOf(effect), transaction);
    this.vector.raise(transaction.origin, transaction.seq);
  }

  /** Forgets what of it is stable when every transaction that is still to come has seen as much as it can. */
  forget(stable: VersionVector): void {
    // fence, quiet, gone
    for (let look = 0; look < 3; look++) this.keyspace.forgetStable(this.vector, stable, 1_000);
  }

  merge(other: Observer): void {
    const sides = { local: this.vector.clone(), remote: other.vector.clone() };
    this.keyspace.mergeSnapshot(snapshotOf(other.keyspace), other.keyspace.flushMark, sides);
    this.vector.merge(other.vector);
  }
}

/** The most that can be stable at a replica that has `applied`: whatever is still to come has seen it. */
function mostStable(applied: VersionVector, toCome: readonly Transaction[]): VersionVector {
  const stable = applied.clone();
  for (const { origin, seq, deps } of toCome) {
    const seen = deps.clone();
    seen.raise(origin, seq - 1);
    stable.lowerTo(seen);
  }
  return stable;
}

const orderText = (order: readonly Transaction[]): string =>
  order.map(({ origin, seq }) => `${letterOf(origin)}:${seq}`).join(' ');

/** What a check looks at. Times are milliseconds of the schedule. */
export interface OrderCheck {
  readonly keys: readonly string[];
  /** What shows at the end, before any expiry; times in `until` as START_MS plus the schedule's. */
  readonly end: ShownKeys;
}

/**
 * Applies the transactions to fresh keyspaces in every causal order: without forgetting, with forgetting all that can be stable
 * after every step, and after one step only (as where one replica forgot and another did not). Every end is `end`, every state on
 * the way is what the declaration says of the transactions applied so far, and every two cuts merge to that of their union.
 */
export function expectEveryOrder(transactions: readonly Transaction[], { keys, end }: OrderCheck): void {
  expect(declaredKeys(transactions, keys, START_MS - 1)).toEqual(end);
  let orders = 0;
  for (const order of causalOrders(transactions)) {
    orders++;
    expectOrder(order, keys, () => false);
    expectOrder(order, keys, () => true);
    for (let step = 1; step < order.length; step++) expectOrder(order, keys, (at) => at === step);
  }
  expect(orders).toBeGreaterThan(0);
  expectCutsMerge(transactions, keys);
}

function expectOrder(
  order: readonly Transaction[],
  keys: readonly string[],
  forgetsAfter: (step: number) => boolean,
): void {
  const observer = new Observer();
  const forgot: number[] = [];
  for (const [index, transaction] of order.entries()) {
    observer.apply(transaction);
    if (forgetsAfter(index + 1)) {
      observer.forget(mostStable(observer.vector, order.slice(index + 1)));
      forgot.push(index + 1);
    }
    expectShown(
      observer,
      order.slice(0, index + 1),
      keys,
      () => `order ${orderText(order)}, forgot after ${forgot.join()}`,
    );
  }
}

function expectShown(
  observer: Observer,
  applied: readonly Transaction[],
  keys: readonly string[],
  how: () => string,
): void {
  const shown = shownKeys(observer.keyspace, keys, START_MS - 1);
  const declared = declaredKeys(applied, keys, START_MS - 1);
  const isSame = JSON.stringify(shown) === JSON.stringify(declared);
  // written out only where it is needed: there are many
  const told = isSame ? [] : [how(), ...applied.map(transactionText)];
  expect({ shown, told }).toEqual({ shown: declared, told });
}

/** RULES D6: what one replica has merged with what another has is what one with all of it shows, whoever merges. */
function expectCutsMerge(transactions: readonly Transaction[], keys: readonly string[]): void {
  const cuts = causalCuts(transactions);
  for (const left of cuts) {
    for (const right of cuts) {
      for (const forgets of [false, true]) expectMerge(transactions, left, right, forgets, keys);
    }
  }
}

function expectMerge(
  transactions: readonly Transaction[],
  left: readonly Transaction[],
  right: readonly Transaction[],
  forgets: boolean,
  keys: readonly string[],
): void {
  const mine = new Observer(left);
  const theirs = new Observer(right);
  if (forgets) {
    // both are members, so what is stable is in both
    const stable = mostStable(
      mine.vector,
      transactions.filter((transaction) => !left.includes(transaction)),
    );
    stable.lowerTo(
      mostStable(
        theirs.vector,
        transactions.filter((transaction) => !right.includes(transaction)),
      ),
    );
    mine.forget(stable);
    theirs.forget(stable);
  }
  const how = (): string =>
    `[${orderText(left)}] merged with [${orderText(right)}]${forgets ? ', both forgetting' : ''}`;
  const union = transactions.filter((transaction) => left.includes(transaction) || right.includes(transaction));
  mine.merge(theirs);
  expectShown(mine, union, keys, how);
  mine.merge(theirs);
  expectShown(mine, union, keys, () => `${how()} twice`);
  const [rest = []] = causalOrders(transactions.filter((transaction) => !union.includes(transaction)));
  for (const transaction of rest) mine.apply(transaction);
  expectShown(mine, transactions, keys, () => `${how()} and then the rest`);
}
