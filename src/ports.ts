import type { CausewayError } from './errors.ts';

/** Where time comes from. */
export interface Clock {
  /** Unix milliseconds; may jump. */
  wallMs(): number;
  /** Milliseconds that never go back, with fractions; for durations. */
  monotonicMs(): number;
}

/** Where randomness comes from. */
export interface Entropy {
  /** [0, 1) */
  unit(): number;
  bytes(count: number): Uint8Array;
}

/** What a store holds when it is opened: one consistent cut. */
export interface StoredImage {
  /** The node's own bookkeeping at the cut (vector, running deps …), null for an empty store. */
  readonly meta: Uint8Array | null;
  /** Stored stamp bound, 0 for none: above every stamp ever given out. */
  readonly stampBound: number;
  /** Every key with its encoded state. May be walked once. */
  readonly entries: Iterable<readonly [key: Uint8Array, state: Uint8Array]>;
}

/** What changed since the batch before: applied as one atomic step. */
export interface StoreBatch {
  /** All entries go first (after FLUSHALL). */
  readonly clear: boolean;
  /** Key with its new state, null where the key is gone. */
  readonly entries: readonly (readonly [key: Uint8Array, state: Uint8Array | null])[];
  readonly meta: Uint8Array;
  readonly stampBound: number;
}

/**
 * The durable store of one node. A batch is atomic: after a crash the store is at one batch's end. `commit` calls `done` once
 * the batch is on disk; a store that failed once takes nothing more, because it would go on with less.
 */
export interface Store {
  load(): StoredImage;
  /** Raises the incarnation to at least `atLeast`, on disk before it returns. */
  nextIncarnation(atLeast: number): number;
  /** On disk before it returns. */
  raiseStampBound(stampBound: number): void;
  commit(batch: StoreBatch, done: (error: CausewayError | null) => void): void;
  close(done: () => void): void;
}

export type LinkKind = 'bulk' | 'control';

/** One connection to a peer. */
export interface PeerConnection {
  /** Unique in this process's life. */
  readonly id: number;
  readonly kind: LinkKind;
  /** The node number that this end dialled, null for one that was accepted. */
  readonly dialledNode: number | null;
  /** Hands a frame over; order is kept. The bytes must not change afterwards. */
  send(frame: Uint8Array): void;
  /** Bytes handed over and not yet given to the kernel. */
  readonly bufferedBytes: number;
  /** Closes it; a dialled one is dialled again with backoff. */
  close(reason: string): void;
}

export interface TransportEvents {
  opened(connection: PeerConnection): void;
  frame(connection: PeerConnection, frame: Uint8Array): void;
  closed(connection: PeerConnection, reason: string): void;
}
