import { latin1Range } from '../base/bytes.ts';
import { parseDecimal } from '../base/decimal.ts';
import type { LostWrite } from '../causal/lost-list.ts';
import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { isInt64 } from '../commands/numbers.ts';
import type { EntryState } from '../crdt/entry.ts';
import type { TransactionWriter } from '../keyspace/keyspace.ts';
import { jsonOf, registersOf, shownText } from './lost-writes.ts';

/** What became of a write that was offered again; else why it stays in the list. */
export type Verdict = 'written' | 'already' | { readonly reason: string };

type Dot = readonly [origin: number, seq: number, stamp: number];

/** What the cluster has where a lost write would go: all that is kept there, and what shows. */
interface Place {
  readonly dots: readonly Dot[];
  /** Null where nothing shows. */
  readonly shown: string | null;
}

const EMPTY: Place = { dots: [], shown: null };
const ABSENT = 'nothing is there: it may have been removed since, which cannot be told';
const AS_INTEGER = /^-?\d+$/;

/** Offers lost writes to the key that they were made on, as new writes (RULES D7). */
export interface OfferOptions {
  readonly nowMs: number;
  /** What the write's origin had seen when it made its last transaction. */
  readonly seen: VersionVector;
  /** Whether a write is of the transaction in which this is offered: several lost writes may go to one place. */
  readonly isOwn: (origin: number, seq: number) => boolean;
  /** Writes also where nothing is there, so that it cannot be told whether anything was. */
  readonly isAbsentTaken: boolean;
}

/**
 * Writes one again, where its base is unchanged: all that is kept where it goes was seen by it, or by a later transaction of its origin
 * and is older than it. What is there already is not written again.
 */
export function offerWrite(
  write: LostWrite,
  state: EntryState | null,
  tx: TransactionWriter,
  { nowMs, seen, isOwn, isAbsentTaken }: OfferOptions,
): Verdict {
  if (write.kind === 'edit') return { reason: 'an edit within a document: it can only be made again by hand' };
  if (write.expireAtMs !== -1 && write.expireAtMs <= nowMs) return { reason: 'it has expired' };
  if (state !== null && isOfAnotherType(write, state)) return { reason: 'the key is of another type now' };
  const { dots, shown } = state === null ? EMPTY : placeOf(write, state);
  const isThere = isRemoval(write) ? shown === null : shown !== null && shown === write.value && !isIncrement(write);
  if (isThere && write.kind !== 'expiry') return 'already';
  const isSeen = ([origin, seq, stamp]: Dot): boolean =>
    isOwn(origin, seq) ||
    (origin === write.origin ? seq < write.seq : stamp < write.stamp && seen.contains(origin as Origin, seq));
  if (!dots.every(isSeen)) return { reason: 'it was written since by what this write had not seen' };
  if (dots.length === 0 && (!isAbsentTaken || write.kind === 'expiry')) return { reason: ABSENT };
  return writeAgain(write, shown, tx);
}

function isRemoval({ kind }: LostWrite): boolean {
  return kind === 'removal' || kind === 'removal of document';
}

function isIncrement({ kind }: LostWrite): boolean {
  return kind === 'increment' || kind === 'increment of field';
}

/** A write of a part of a key goes only into a key of its type; one of the whole key goes over whatever it had seen. */
function isOfAnotherType({ kind }: LostWrite, state: EntryState): boolean {
  const [string, hash, set, , document] = state;
  const others = { string: string !== null, hash: hash !== null, set: set !== null, document: document !== undefined };
  if (kind === 'increment') return others.hash || others.set || others.document;
  if (kind === 'field' || kind === 'increment of field') return others.string || others.set || others.document;
  return kind === 'member' && (others.string || others.hash || others.document);
}

function placeOf({ kind, field }: LostWrite, state: EntryState): Place {
  const [, hash, set, , document] = state;
  if (kind === 'field' || kind === 'increment of field') {
    const [, writes, runs] = hash?.find(([name]) => name === field) ?? [field, [], null];
    const dots = [...writes.map(([, stamp, origin, seq]): Dot => [origin, seq, stamp]), ...dotsOfRuns(runs ?? [])];
    const latest = writes.toSorted((left, right) => right[1] - left[1])[0];
    return { dots, shown: dots.length === 0 ? null : shownText(latest?.[0] ?? null, runs ?? []) };
  }
  if (kind === 'member') {
    const adds = set?.find(([name]) => name === field)?.[1] ?? [];
    return {
      dots: adds.map(([, stamp, origin, seq]) => [origin, seq, stamp]),
      shown: adds.length === 0 ? null : field,
    };
  }
  const registers = registersOf(state);
  const dots = registers.flatMap(([, stamp, origin, seq, runs]): Dot[] => [
    ...(origin === 0 ? [] : [[origin, seq, stamp] as const]),
    ...dotsOfRuns(runs),
  ]);
  for (const [, writes, runs] of hash ?? [])
    dots.push(...writes.map(([, stamp, origin, seq]): Dot => [origin, seq, stamp]), ...dotsOfRuns(runs ?? []));
  for (const [, adds] of set ?? []) dots.push(...adds.map(([, stamp, origin, seq]): Dot => [origin, seq, stamp]));
  if (document !== undefined) dots.push([document[1], document[2], document[0]], ...dotsOfEdits(document));
  return { dots, shown: shownOf(kind, state) };
}

function dotsOfRuns(runs: readonly (readonly [number, number, number, number, ...unknown[]])[]): Dot[] {
  return runs.map(([origin, , last, stamp]) => [origin, last, stamp]);
}

function dotsOfEdits([, , , content]: NonNullable<EntryState[4]>): Dot[] {
  return (content?.[4] ?? []).map(([stamp, origin, seq]) => [origin, seq, stamp]);
}

/** What a key shows to a write of the whole of it; a removal asks only whether anything does. */
function shownOf(kind: LostWrite['kind'], state: EntryState): string | null {
  const [, hash, set, , document] = state;
  if (kind === 'document' || kind === 'removal of document')
    return document === undefined || document[3] === null ? null : jsonOf(document);
  const [register] = registersOf(state)
    .filter(([value, , , , runs]) => value !== null || runs.length > 0)
    .toSorted((left, right) => right[1] - left[1]);
  if (register !== undefined) return shownText(register[0], register[4]);
  return kind === 'expiry' && (hash !== null || set !== null || document !== undefined) ? '' : null;
}

function writeAgain(
  { kind, key: name, field, value, expireAtMs }: LostWrite,
  shown: string | null,
  tx: TransactionWriter,
): Verdict {
  const key = latin1Range(name);
  const part = latin1Range(field ?? '');
  const text = latin1Range(value ?? '');
  switch (kind) {
    case 'string':
      tx.set(key, 0, text, expireAtMs === -1 ? Infinity : expireAtMs);
      return 'written';
    case 'removal':
    case 'removal of document':
      tx.delete(key, 0);
      return 'written';
    case 'field':
      tx.hashSet(key, 0, part, text);
      return 'written';
    case 'member':
      tx.setAdd(key, 0, part);
      return 'written';
    case 'document':
      tx.documentSet(key, 0, text);
      return 'written';
    case 'expiry':
      tx.expire(key, 0, value === null ? Infinity : Number(value));
      return 'written';
    case 'edit':
      return { reason: 'it can only be made again by hand' };
    case 'increment':
      return addAgain(value ?? '0', shown, {
        whole: (amount) => tx.increment(key, 0, amount),
        decimal: (units) => tx.incrementDecimal(key, 0, units),
      });
    case 'increment of field':
      return addAgain(value ?? '0', shown, {
        whole: (amount) => tx.hashIncrement(key, 0, part, amount),
        decimal: (units) => tx.hashIncrementDecimal(key, 0, part, units),
      });
  }
}

interface Adder {
  whole(amount: bigint): void;
  decimal(units: bigint): void;
}

function addAgain(amount: string, shown: string | null, adder: Adder): Verdict {
  const base = shown ?? '0';
  if (AS_INTEGER.test(amount) && AS_INTEGER.test(base)) {
    if (!isInt64(BigInt(base) + BigInt(amount))) return { reason: 'the sum would be no 64-bit integer' };
    adder.whole(BigInt(amount));
    return 'written';
  }
  const units = parseDecimal(amount);
  if (units === null || parseDecimal(base) === null) return { reason: 'what is there is no number' };
  adder.decimal(units);
  return 'written';
}
