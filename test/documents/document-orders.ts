import { expect } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { formatJson, parseJson, type Json } from '../../src/crdt/document-json.ts';
import type { Operation, Place } from '../../src/crdt/document-edits.ts';
import { ContentType } from '../../src/crdt/entry.ts';
import type { LocalTransaction } from '../../src/keyspace/local-transaction.ts';
import type { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import type { Transaction } from '../properties/values/transaction.ts';
import { START_MS } from '../properties/values/virtual-replica.ts';
import { lookAtEveryOrder, Observer, orderText } from '../rules-values/every-causal-order.ts';

const NOTHING = 'nothing';

/** What a key shows: a document's JSON, members in their order, or the type of something else. */
export function shownDocument(keyspace: SlabKeyspace, key: string): string {
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

/**
 * In every order (`lookAtEveryOrder`) what shows is a function of the set of transactions applied, and at the end it is `end`.
 */
export function expectOneEnd(transactions: readonly Transaction[], end: string, key = 'd'): void {
  expect(shownDocument(new Observer(transactions).keyspace, key)).toBe(end);
  const shownBySet = new Map<string, string>([[setName(transactions), end]]);
  lookAtEveryOrder(transactions, ({ keyspace }, applied, how) => {
    const name = setName(applied);
    const shown = shownDocument(keyspace, key);
    const known = shownBySet.get(name) ?? shown;
    shownBySet.set(name, known);
    if (shown !== known) expect({ shown, how: how(), name }).toEqual({ shown: known, how: how(), name });
  });
}

const setName = (transactions: readonly Transaction[]): string => orderText(transactions).split(' ').sort().join(' ');
