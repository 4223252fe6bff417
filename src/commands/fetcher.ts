import type { ByteRange } from '../base/bytes.ts';
import type { KeyClass } from '../classes/key-class.ts';
import type { CausewayError } from '../errors.ts';
import type { Slot } from '../keyspace/keyspace.ts';
import type { CommandEntry } from './command-index.ts';

/** Outside this node there are, in the order in which they are asked: */
export const FETCH_ORDER = ['peers', 'redis', 'source'] as const;
export type FetchKind = (typeof FETCH_ORDER)[number];

/** A key that a request names, looked at before the request is run. One object for all: good for the call. */
export interface Wanted {
  readonly key: ByteRange;
  /** What shows of it here, `NO_SLOT` for nothing. */
  readonly slot: Slot;
  readonly keyClass: KeyClass;
  /** The request; of an EXEC the one that names the key. */
  readonly entry: CommandEntry;
  readonly isInExec: boolean;
  /** Whether what the request writes depends on what was there: INCR, SET NX … */
  readonly needsOld: boolean;
  /** Whether what is here does not do, however fresh it is: a read at level `strong` of a key that is not. */
  readonly isStrong: boolean;
  /** Whether the request comes later: it is not counted yet. */
  readonly isAhead: boolean;
  /** Unix milliseconds, the time that the request would be run at. */
  readonly nowMs: number;
}

/** What became of asking for a key. */
export type Fetched =
  /**
   * The request can be run. `value` is what a read shows that waited for it, where the key shows nothing here all the same (it was not
   * to be kept), or where the read was strong; null for what is here by now.
   */
  | { readonly kind: 'found'; readonly value: Uint8Array | null }
  /** It has nothing; the next is asked. */
  | { readonly kind: 'absent' }
  /** The key was changed here meanwhile, so that what came is not good: it is looked at anew. */
  | { readonly kind: 'changed' }
  /** It does not answer; the next is asked. */
  | { readonly kind: 'failed'; readonly error: CausewayError };

/**
 * Something outside that may have what a key lacks here. It puts into the keyspace what it found, by a way of its own that obeys SPEC V8 (fills) or V7
 * (evicted values), and says so; the requests that wait are then run again.
 */
export interface Fetcher {
  readonly kind: FetchKind;
  /** Whether keys of a class are its concern: asked once a policy, for each class. */
  serves(keyClass: KeyClass): boolean;
  /**
   * Whether the request has to wait until this was asked. Called for each key of each request on keys of its classes, also of those that
   * are here: quick, without waiting. Here it may begin, beside the request, what nobody waits for.
   */
  isNeeded(wanted: Wanted): boolean;
  /** Asks for a key (`key` is good for the call), not from anything that may be old where the read is strong. Tells `done` once, at once or later, whatever happens; not much later than `keyClass.missing`'s `withinMs`. */
  ask(key: ByteRange, keyClass: KeyClass, done: (fetched: Fetched) => void, isStrong: boolean): void;
  /** A key was changed, here or by another node (latin1, null for all): to be quick. */
  keyChanged?(key: string | null): void;
}
