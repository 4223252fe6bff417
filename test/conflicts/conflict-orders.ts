import type { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import type { ConflictRecord, RecordedSide } from '../../src/keyspace/conflict-log.ts';
import { ContentType } from '../../src/crdt/entry.ts';
import { newKeyspace } from '../properties/values/keyspaces.ts';
import { letterOf, updateOf, type Transaction } from '../properties/values/transaction.ts';
import { causalOrders } from '../rules-values/every-causal-order.ts';

const TYPE_TEXTS: Readonly<Record<ContentType, string>> = {
  [ContentType.None]: 'removal',
  [ContentType.String]: 'string',
  [ContentType.Hash]: 'hash',
  [ContentType.Set]: 'set',
  [ContentType.Document]: 'document',
};

export const dotOf = ({ origin, seq }: { readonly origin: number; readonly seq: number }): string =>
  `${letterOf(origin)}:${seq}`;

function sideText({ type, value, origin, seq }: RecordedSide): string {
  return `${value === null ? TYPE_TEXTS[type] : JSON.stringify(value.text)} ${dotOf({ origin, seq })}`;
}

/** `string: "b" B:1 over "a" A:1`, `field f: …`. */
function recordText({ kind, field, kept, other }: ConflictRecord): string {
  return `${kind}${field === null ? '' : ` ${field.text}`}: ${sideText(kept)} over ${sideText(other)}`;
}

/** All that a keyspace keeps, oldest first. */
export function recordsOf(keyspace: SlabKeyspace): ConflictRecord[] {
  return keyspace.conflicts.latest(Infinity, () => true).toReversed();
}

export function applied(order: readonly Transaction[]): SlabKeyspace {
  const keyspace = newKeyspace();
  for (const transaction of order)
    for (const effect of transaction.effects) keyspace.apply(updateOf(effect), transaction);
  return keyspace;
}

/** What a node that applies the transactions reports, sorted, each different list once: one list where no order matters. */
export function reportsOf(transactions: readonly Transaction[]): string[][] {
  const reports = new Map<string, string[]>();
  for (const order of causalOrders(transactions)) {
    const report = recordsOf(applied(order)).map(recordText).toSorted();
    reports.set(report.join('\n'), report);
  }
  return [...reports.keys()].toSorted().map((text) => reports.get(text) ?? []);
}
