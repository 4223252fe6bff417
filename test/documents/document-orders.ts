import { expect } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { formatJson, parseJson, type Json } from '../../src/crdt/document-json.ts';
import type { Operation, Place } from '../../src/crdt/document-edits.ts';
import { ContentType } from '../../src/crdt/entry.ts';
import type { LocalTransaction } from '../../src/keyspace/local-transaction.ts';
import { MapKeyspace } from '../../src/keyspace/map-keyspace.ts';
import { letterOf, updateOf, type Transaction } from '../properties/values/transaction.ts';
import { snapshotOf, START_MS } from '../properties/values/virtual-replica.ts';
import { causalCuts, causalOrders } from '../rules-values/every-causal-order.ts';

const NOTHING = 'nothing';

/** What a key shows: a document's JSON, members in their order, or the type of something else. */
export function shownDocument(keyspace: MapKeyspace, key: string): string {
  const slot = keyspace.find(latin1Range(key), 0, START_MS);
  if (slot < 0) return NOTHING;
  if (keyspace.typeOf(slot) !== ContentType.Document) return `a value of type ${keyspace.typeOf(slot)}`;
  return formatJson(keyspace.documentAt(slot).toJson());
}

export function json(text: string): Json {
  const parsed = parseJson(text);
  if (parsed === null) throw new Error(`no JSON: ${text}`);
  return parsed.value;
}

/** Writes to one document by name. */
export const docSet =
  (text: string, key = 'd') =>
  (tx: LocalTransaction): void =>
    tx.documentSet(latin1Range(key), 0, latin1Range(text));
export const docEdit =
  (...operations: Operation[]) =>
  (tx: LocalTransaction): void =>
    tx.documentEdit(latin1Range('d'), 0, operations);
export const docRenew = (tx: LocalTransaction): void => tx.documentGeneration(latin1Range('d'), 0);
export const set = (place: Place, text: string): Operation => ['set', place, json(text)];
export const push = (place: Place, ...texts: string[]): Operation => ['insert', place, Infinity, texts.map(json)];

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

  forget(stable: VersionVector): void {
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

const nameOf = ({ origin, seq }: Transaction): string => `${letterOf(origin)}:${seq}`;

/** Says of each set of transactions what it shows, and complains when it once showed something else. */
class ShownSets {
  readonly #shown: Map<string, string> = new Map();

  expectSame(observer: Observer, applied: readonly Transaction[], key: string, how: string): void {
    const name = applied.map(nameOf).sort().join(' ');
    const shown = shownDocument(observer.keyspace, key);
    const known = this.#shown.get(name) ?? shown;
    this.#shown.set(name, known);
    if (shown !== known) expect({ shown, how, name }).toEqual({ shown: known, how, name });
  }
}

/**
 * Applies the transactions in every causal order, without forgetting, forgetting all that can be stable after every step, and after
 * one step only, and merges every two cuts as snapshots do: what shows is a function of the set of transactions, and at the end it
 * is `end`.
 */
export function expectOneEnd(transactions: readonly Transaction[], end: string, key = 'd'): void {
  const sets = new ShownSets();
  const all = new Observer(transactions);
  expect(shownDocument(all.keyspace, key)).toBe(end);
  sets.expectSame(all, transactions, key, 'as they were made');
  for (const order of causalOrders(transactions)) {
    for (let forgetful = -1; forgetful <= order.length; forgetful++) {
      const observer = new Observer();
      for (const [index, transaction] of order.entries()) {
        observer.apply(transaction);
        const forgets = forgetful === order.length || forgetful === index;
        if (forgets) observer.forget(mostStable(observer.vector, order.slice(index + 1)));
        const applied = order.slice(0, index + 1);
        sets.expectSame(observer, applied, key, `${order.map(nameOf).join(' ')} forgetting ${forgetful}`);
      }
    }
  }
  expectMerges(transactions, key, sets);
}

function expectMerges(transactions: readonly Transaction[], key: string, sets: ShownSets): void {
  const cuts = causalCuts(transactions);
  for (const left of cuts) {
    for (const right of cuts) {
      for (const forgets of [false, true]) {
        const mine = new Observer(left);
        const theirs = new Observer(right);
        const absent = (cut: readonly Transaction[]): Transaction[] =>
          transactions.filter((each) => !cut.includes(each));
        if (forgets) {
          const stable = mostStable(mine.vector, absent(left));
          stable.lowerTo(mostStable(theirs.vector, absent(right)));
          mine.forget(stable);
          theirs.forget(stable);
        }
        mine.merge(theirs);
        const union = transactions.filter((each) => left.includes(each) || right.includes(each));
        const how = `[${left.map(nameOf).join(' ')}] merged with [${right.map(nameOf).join(' ')}] ${forgets}`;
        sets.expectSame(mine, union, key, how);
        mine.merge(theirs);
        sets.expectSame(mine, union, key, `${how} twice`);
        for (const each of causalOrders(absent(union)).next().value ?? []) mine.apply(each);
        sets.expectSame(mine, transactions, key, `${how} and then the rest`);
      }
    }
  }
}
