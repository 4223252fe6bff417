import { expect } from 'vitest';
import { VersionVector } from '../../src/clock/version-vector.ts';
import type { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import { newKeyspace } from '../properties/values/keyspaces.ts';
import { declaredKeys, shownKeys, type ShownKeys } from '../properties/values/shown-keys.ts';
import {
  letterOf,
  sawTransaction,
  transactionText,
  updateOf,
  type Transaction,
} from '../properties/values/transaction.ts';
import { snapshotOf, START_MS } from '../properties/values/virtual-replica.ts';
import { stagedFor } from '../support/staged.ts';

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
export class Observer {
  readonly keyspace: SlabKeyspace = newKeyspace();
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
    this.keyspace.pending.settleAll();
    // fence, quiet, gone
    for (let look = 0; look < 3; look++) this.keyspace.forgetStable(this.vector, stable, 1_000);
  }

  merge(other: Observer): void {
    const sides = { local: this.vector.clone(), remote: other.vector.clone() };
    this.keyspace.mergeSnapshot(stagedFor(this.keyspace, snapshotOf(other.keyspace)), other.keyspace.flushMark, sides);
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

/** `A:1 B:1 A:2` */
export const orderText = (order: readonly Transaction[]): string =>
  order.map(({ origin, seq }) => `${letterOf(origin)}:${seq}`).join(' ');

/** Looks at a replica that has applied these transactions; `how` says on which way it came to have them. */
export type Look = (observer: Observer, applied: readonly Transaction[], how: () => string) => void;

/**
 * Applies the transactions to fresh keyspaces in every causal order: without forgetting, with forgetting all that can be stable
 * after every step, and after one step only (as where one replica forgot and another did not); and merges every two cuts as snapshots
 * do (RULES D6), twice, and with the rest behind it. Every state on the way is looked at.
 */
export function lookAtEveryOrder(transactions: readonly Transaction[], look: Look): void {
  for (const order of causalOrders(transactions)) {
    lookOnTheWay(order, () => false, look);
    lookOnTheWay(order, () => true, look);
    for (let step = 1; step <= order.length; step++) lookOnTheWay(order, (at) => at === step, look);
  }
  const cuts = causalCuts(transactions);
  for (const left of cuts) {
    for (const right of cuts) {
      for (const forgets of [false, true]) lookAtMerge(transactions, left, right, forgets, look);
    }
  }
}

function lookOnTheWay(order: readonly Transaction[], forgetsAfter: (step: number) => boolean, look: Look): void {
  const observer = new Observer();
  const forgot: number[] = [];
  for (const [index, transaction] of order.entries()) {
    observer.apply(transaction);
    if (forgetsAfter(index + 1)) {
      observer.forget(mostStable(observer.vector, order.slice(index + 1)));
      forgot.push(index + 1);
    }
    look(observer, order.slice(0, index + 1), () => `order ${orderText(order)}, forgot after ${forgot.join()}`);
  }
}

function lookAtMerge(
  transactions: readonly Transaction[],
  left: readonly Transaction[],
  right: readonly Transaction[],
  forgets: boolean,
  look: Look,
): void {
  const mine = new Observer(left);
  const theirs = new Observer(right);
  if (forgets) {
    const absentFrom = (cut: readonly Transaction[]): Transaction[] =>
      transactions.filter((each) => !cut.includes(each));
    // both are members, so what is stable is in both
    const stable = mostStable(mine.vector, absentFrom(left));
    stable.lowerTo(mostStable(theirs.vector, absentFrom(right)));
    mine.forget(stable);
    theirs.forget(stable);
  }
  const how = (): string =>
    `[${orderText(left)}] merged with [${orderText(right)}]${forgets ? ', both forgetting' : ''}`;
  const union = transactions.filter((each) => left.includes(each) || right.includes(each));
  mine.merge(theirs);
  look(mine, union, how);
  mine.merge(theirs);
  look(mine, union, () => `${how()} twice`);
  const [rest = []] = causalOrders(transactions.filter((each) => !union.includes(each)));
  for (const transaction of rest) mine.apply(transaction);
  look(mine, transactions, () => `${how()} and then the rest`);
}

/** What a check looks at. Times are milliseconds of the schedule. */
export interface OrderCheck {
  readonly keys: readonly string[];
  /** What shows at the end, before any expiry; times in `until` as START_MS plus the schedule's. */
  readonly end: ShownKeys;
}

/** In every order (`lookAtEveryOrder`) the end is `end`, and every state what the declaration says of the transactions applied. */
export function expectEveryOrder(transactions: readonly Transaction[], { keys, end }: OrderCheck): void {
  expect(declaredKeys(transactions, keys, START_MS - 1)).toEqual(end);
  let looks = 0;
  lookAtEveryOrder(transactions, ({ keyspace }, applied, how) => {
    looks++;
    const shown = shownKeys(keyspace, keys, START_MS - 1);
    const declared = declaredKeys(applied, keys, START_MS - 1);
    const isSame = JSON.stringify(shown) === JSON.stringify(declared);
    // written out only where it is needed: there are many
    const told = isSame ? [] : [how(), ...applied.map(transactionText)];
    expect({ shown, told }).toEqual({ shown: declared, told });
  });
  expect(looks).toBeGreaterThan(transactions.length);
}
