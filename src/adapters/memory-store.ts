import { latin1Bytes, latin1Of } from '../base/bytes.ts';
import { CausewayError } from '../errors.ts';
import type { QuorumWitness, Store, StoreBatch, StoredImage } from '../ports.ts';

/** What survives a crash of the process: the disk of a `MemoryStore`. */
export class MemoryDisk {
  incarnation = 0;
  stampBound = 0;
  quorumMark = 0;
  meta: Uint8Array | null = null;
  aside: Uint8Array | null = null;
  /** By the key as a latin1 string. */
  readonly entries: Map<string, Uint8Array> = new Map();
}

interface PendingCommit {
  readonly batch: StoreBatch;
  readonly done: (error: CausewayError | null) => void;
}

export interface MemoryStoreOptions {
  /** Runs the end of a commit later; a commit is never done before `commit` returns. Default: after this turn of the event loop. */
  readonly defer?: (run: () => void) => void;
}

/**
 * A `Store` in memory: for a node that keeps nothing over a restart, and for tests, which hand the disk of a crashed store
 * to the next one.
 */
export class MemoryStore implements Store, QuorumWitness {
  readonly #disk: MemoryDisk;
  readonly #defer: (run: () => void) => void;
  #pending: PendingCommit[] = [];
  #failure: CausewayError | null = null;
  #isClosed = false;

  constructor(disk: MemoryDisk = new MemoryDisk(), options: MemoryStoreOptions = {}) {
    this.#disk = disk;
    this.#defer = options.defer ?? ((run) => void setImmediate(run));
  }

  load(): StoredImage {
    this.#refuseIfOver();
    const entries = [...this.#disk.entries];
    return {
      meta: this.#disk.meta,
      stampBound: this.#disk.stampBound,
      entries: entries.map(([key, state]) => [latin1Bytes(key), state] as const),
      ...(this.#disk.aside === null ? {} : { aside: this.#disk.aside }),
    };
  }

  nextIncarnation(atLeast: number): number {
    this.#refuseIfOver();
    this.#disk.incarnation = Math.max(this.#disk.incarnation + 1, atLeast);
    return this.#disk.incarnation;
  }

  raiseStampBound(stampBound: number): void {
    this.#refuseIfOver();
    this.#disk.stampBound = Math.max(this.#disk.stampBound, stampBound);
  }

  quorumMark(): number {
    this.#refuseIfOver();
    return this.#disk.quorumMark;
  }

  setQuorumMark(mark: number): void {
    this.#refuseIfOver();
    this.#disk.quorumMark = mark;
  }

  commit(batch: StoreBatch, done: (error: CausewayError | null) => void): void {
    const refusal = this.#refusal();
    if (refusal !== null) return this.#defer(() => done(refusal));
    this.#pending.push({ batch: copyOf(batch), done });
    this.#defer(() => this.#finishOldest());
  }

  close(done: () => void): void {
    const wasClosed = this.#isClosed;
    this.#isClosed = true;
    if (wasClosed || this.#pending.length === 0) return done();
    const last = this.#pending.pop();
    if (last === undefined) return done();
    this.#pending.push({
      batch: last.batch,
      done: (error) => {
        last.done(error);
        done();
      },
    });
  }

  /** As kill -9: what was not committed is lost, and nobody is told anything any more. */
  crash(): void {
    this.#pending = [];
    this.#isClosed = true;
  }

  /** As a disk that fails from now on: the commits that are not done yet get this error, every later call throws it. */
  fail(error: CausewayError): void {
    this.#failure = error;
  }

  #finishOldest(): void {
    const oldest = this.#pending.shift();
    if (oldest === undefined) return;
    if (this.#failure === null) applyBatch(this.#disk, oldest.batch);
    oldest.done(this.#failure);
  }

  #refuseIfOver(): void {
    const refusal = this.#refusal();
    if (refusal !== null) throw refusal;
  }

  #refusal(): CausewayError | null {
    if (this.#failure !== null) return this.#failure;
    return this.#isClosed ? new CausewayError('STORE', 'the store in memory is closed') : null;
  }
}

function copyOf(batch: StoreBatch): StoreBatch {
  const entries = batch.entries.map(([key, state]) => [key.slice(), state?.slice() ?? null] as const);
  const aside = batch.aside === undefined ? {} : { aside: batch.aside.slice() };
  return { ...batch, ...aside, entries, meta: batch.meta.slice() };
}

function applyBatch(disk: MemoryDisk, batch: StoreBatch): void {
  if (batch.clear) disk.entries.clear();
  for (const [key, state] of batch.entries) {
    const name = latin1Of(key, 0, key.length);
    if (state === null) disk.entries.delete(name);
    else disk.entries.set(name, state);
  }
  disk.meta = batch.meta;
  if (batch.aside !== undefined) disk.aside = batch.aside;
  disk.stampBound = Math.max(disk.stampBound, batch.stampBound);
}
