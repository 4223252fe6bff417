/** One operation as its client saw it, in milliseconds of virtual time. */
export interface SimOperation {
  /** The session: a client that goes on without what it had seen has another name from then on. */
  readonly client: string;
  readonly region: string;
  readonly op: 'read' | 'write' | 'cas' | 'incr' | 'del';
  readonly key: string;
  /** What was read or is there afterwards; of an increment the amount. */
  readonly value: string | null;
  readonly expected?: string | null;
  /** Of an increment the sum, of a compare and set whether it did; absent where that is not known. */
  readonly result?: string | boolean;
  readonly startMs: number;
  /** Infinity where nobody was told how it ended. */
  readonly endMs: number;
  /** Whether it is one of the linearizable ones: not a read of the copy on a node. */
  readonly isStrong: boolean;
}
