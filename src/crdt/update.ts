import { ByteRange } from '../base/bytes.ts';
import type { Origin } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';
import type { VersionVector } from '../clock/version-vector.ts';

/** What an update does to its key. The numbers are on the wire and on disk: never renumber, only add. */
export const UpdateKind = {
  /** Register := value, expiry `at` (Infinity for none). */
  Set: 1,
  /** Removes every content and expiry that the deps cover; a register becomes a tombstone at its own place in the order. */
  Delete: 2,
  /** As Delete, and a stamped tombstone in the string's slot: the origin saw a live register there (RULES V2). */
  DeleteString: 3,
  /** Adds `delta` to the string whose register is `base` (0:0 = no register). */
  Increment: 4,
  /** Expiry := `at` (Infinity = PERSIST) on the register `base`, or (0:0) on everything else of the key. */
  Expire: 5,
  HashSet: 6,
  HashDelete: 7,
  HashIncrement: 8,
  SetAdd: 9,
  SetRemove: 10,
  /** No key. Every register below this stamp, seen or not, and every element that the deps cover. */
  FlushAll: 11,
  /** No key. Channel in `field`, message in `value`. Leaves no state. */
  Publish: 12,
  /** No key. Every incarnation of the origin's node below `at` is closed: all that it made is in the deps (RULES D8). */
  CloseIncarnations: 13,
  /** The root of a document := the JSON in `value`: a register as Set, that leaves the key's expiry as it is. */
  DocumentSet: 14,
  /** Edits the document whose root is `base`: the command in `field`, what Yjs made of it in `value` (RULES V9). */
  DocumentEdit: 15,
  /** As DeleteString for a live document. */
  DeleteDocument: 16,
  /** A new generation of the document whose root is `base`: the JSON in `value` is all that the origin had seen of it. */
  DocumentGeneration: 17,
  /** As Set, of what a load brought: at the place in the order that `baseSeq`, a stamp, gives it, and over all that the origin had seen (RULES V8). */
  Fill: 18,
} as const;
export type UpdateKind = (typeof UpdateKind)[keyof typeof UpdateKind];

export const UPDATE_KIND_MAX = 18;

/**
 * One change to one key: a mutable record that is filled, applied and filled again. `key`, `field` and `value` are views;
 * a delta of a counter travels in `value` as text (an integer, or a decimal with a point).
 */
export class Update {
  kind: UpdateKind = UpdateKind.Publish;
  readonly key: ByteRange = new ByteRange();
  /** The keyspace's hash of `key`. Local, never sent. */
  hash: number = 0;
  readonly field: ByteRange = new ByteRange();
  readonly value: ByteRange = new ByteRange();
  /** Unix milliseconds or Infinity. */
  atMs: number = Infinity;
  baseOrigin: number = 0;
  baseSeq: number = 0;
  /** The key's slot where the keyspace has just looked it up, else below 0. Local, never sent. */
  slot: number = -1;
  /** Whether a field or member was not there before: known once it is applied. Local, never sent. */
  isNew: boolean = false;
}

/** The transaction that an update belongs to, as far as a CRDT needs it. */
export interface UpdateContext {
  readonly origin: Origin;
  readonly seq: number;
  readonly stamp: Stamp;
  /** The version vector of the origin when the transaction was made. */
  readonly deps: VersionVector;
}

/** A write's place in the total order and its dot. */
export interface StampedDot {
  readonly stamp: number;
  readonly origin: number;
  readonly seq: number;
}

/** Whether the transaction had seen the dot (its own earlier writes included): what it removes or supersedes. */
export function covers(context: UpdateContext, origin: number, seq: number): boolean {
  return origin === context.origin ? seq <= context.seq : context.deps.get(origin as Origin) >= seq;
}

/** The total order of writes: by stamp, then by origin. Positive when left is the later. */
export function compareWrites(leftStamp: number, leftOrigin: number, rightStamp: number, rightOrigin: number): number {
  return leftStamp !== rightStamp ? leftStamp - rightStamp : leftOrigin - rightOrigin;
}
