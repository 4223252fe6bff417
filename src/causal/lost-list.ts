import type { Origin } from '../clock/origin.ts';
import type { VectorEntries } from './peer-frames.ts';

/** What a lost write did. */
export const LOST_KINDS = [
  'string',
  'removal',
  'increment',
  'field',
  'increment of field',
  'member',
  'document',
  'removal of document',
  'edit',
  'expiry',
] as const;
export type LostKind = (typeof LOST_KINDS)[number];

/** A write that only a removed node had (RULES D7), as its disk still shows it. */
export interface LostWrite {
  /** Latin1 text of its bytes, as `field` and `value`. */
  readonly key: string;
  readonly kind: LostKind;
  /** The field or member; null for what is about the whole key. */
  readonly field: string | null;
  readonly origin: Origin;
  readonly seq: number;
  readonly stamp: number;
  /** What was written: an amount for an increment, JSON for a document, a command for an edit; null for a removal. */
  readonly value: string | null;
  /** When what was written expires, Unix milliseconds; −1 for never. */
  readonly expireAtMs: number;
}

/** What a node that was removed keeps of its own for an operator, beside its keyspace. */
export interface LostList {
  readonly writes: readonly LostWrite[];
  /** What each of the origins had seen when it made its last transaction. */
  readonly seen: readonly (readonly [Origin, VectorEntries])[];
  /** Transactions beyond the cut, whether or not they left anything that can be listed. */
  readonly transactions: number;
  /** Transactions that left something. */
  readonly left: number;
  /** Writes of the list that were offered again and are no longer in it. */
  readonly offered: number;
}

export const NOTHING_LOST: LostList = { writes: [], seen: [], transactions: 0, left: 0, offered: 0 };
