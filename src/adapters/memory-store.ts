import { latin1Bytes, latin1Of } from '../base/bytes.ts';
import type { CausewayError } from '../errors.ts';
import type { QuorumWitness, Store, StoreBatch, StoredImage } from '../ports.ts';
import { MemoryCommits, type MemoryStoreOptions } from './memory-commits.ts';

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

/**
 * A `Store` in memory: for a node that keeps nothing over a restart, and for tests, which hand the disk of a crashed store
 * to the next one.
 */
export class MemoryStore implements Store, QuorumWitness {
  readonly #disk: MemoryDisk;
  readonly #commits: MemoryCommits<StoreBatch>;

  constructor(disk: MemoryDisk = new MemoryDisk(), options: MemoryStoreOptions = {}) {
    this.#disk = disk;
    this.#commits = new MemoryCommits((batch) => applyBatch(disk, batch), options);
  }

  load(): StoredImage {
    this.#commits.refuseIfOver();
    const entries = [...this.#disk.entries];
    return {
      meta: this.#disk.meta,
      stampBound: this.#disk.stampBound,
      entries: entries.map(([key, state]) => [latin1Bytes(key), state] as const),
      ...(this.#disk.aside === null ? {} : { aside: this.#disk.aside }),
    };
  }

  nextIncarnation(atLeast: number): number {
    this.#commits.refuseIfOver();
    this.#disk.incarnation = Math.max(this.#disk.incarnation + 1, atLeast);
    return this.#disk.incarnation;
  }

  raiseStampBound(stampBound: number): void {
    this.#commits.refuseIfOver();
    this.#disk.stampBound = Math.max(this.#disk.stampBound, stampBound);
  }

  quorumMark(): number {
    this.#commits.refuseIfOver();
    return this.#disk.quorumMark;
  }

  setQuorumMark(mark: number): void {
    this.#commits.refuseIfOver();
    this.#disk.quorumMark = mark;
  }

  commit(batch: StoreBatch, done: (error: CausewayError | null) => void): void {
    this.#commits.commit(() => copyOf(batch), done);
  }

  close(done: () => void): void {
    this.#commits.close(done);
  }

  /** As kill -9: what was not committed is lost, and nobody is told anything any more. */
  crash(): void {
    this.#commits.crash();
  }

  /** As a disk that fails from now on: the commits that are not done yet get this error, every later call throws it. */
  fail(error: CausewayError): void {
    this.#commits.fail(error);
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
