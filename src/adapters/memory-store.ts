import { latin1Bytes, latin1Of } from '../base/bytes.ts';
import type { CausewayError } from '../errors.ts';
import type { QuorumWitness, Store, StoreBatch, StoredImage } from '../ports.ts';
import { MemoryCommits, type MemoryStoreOptions } from './memory-commits.ts';

/** What survives a crash of the process: the disk of a `MemoryStore`. */
export class MemoryDisk {
  incarnation = 0;
  stampBound = 0;
  votesSince = 0;
  quorumMark = 0;
  meta: Uint8Array | null = null;
  aside: Uint8Array | null = null;
  /** By the key as a latin1 string. */
  readonly entries: Map<string, Uint8Array> = new Map();

  raise(stampBound: number): void {
    this.stampBound = Math.max(this.stampBound, stampBound);
  }
}

/**
 * A `Store` in memory: for a node that keeps nothing over a restart, and for tests, which hand the disk of a crashed store
 * to the next one.
 */
export class MemoryStore extends MemoryCommits<StoreBatch> implements Store, QuorumWitness {
  readonly #disk: MemoryDisk;

  constructor(disk: MemoryDisk = new MemoryDisk(), options: MemoryStoreOptions = {}) {
    super(options);
    this.#disk = disk;
  }

  load(): StoredImage {
    this.refuseIfOver();
    const entries = [...this.#disk.entries];
    return {
      meta: this.#disk.meta,
      stampBound: this.#disk.stampBound,
      entries: entries.map(([key, state]) => [latin1Bytes(key), state] as const),
      ...(this.#disk.aside === null ? {} : { aside: this.#disk.aside }),
    };
  }

  read(key: Uint8Array): Uint8Array | null {
    this.refuseIfOver();
    return this.#disk.entries.get(latin1Of(key, 0, key.length)) ?? null;
  }

  nextIncarnation(atLeast: number): number {
    this.refuseIfOver();
    const isFirst = this.#disk.incarnation === 0;
    this.#disk.incarnation = Math.max(this.#disk.incarnation + 1, atLeast);
    if (isFirst) this.#disk.votesSince = this.#disk.incarnation;
    return this.#disk.incarnation;
  }

  votesSince(): number {
    this.refuseIfOver();
    return this.#disk.votesSince;
  }

  settleVotes(): void {
    this.refuseIfOver();
    this.#disk.votesSince = 0;
  }

  raiseStampBound(stampBound: number): void {
    this.refuseIfOver();
    this.#disk.raise(stampBound);
  }

  raiseStampBoundSoon(stampBound: number, done: (error: CausewayError | null) => void): void {
    this.committing(() => this.#disk.raise(stampBound), done);
  }

  quorumMark(): number {
    this.refuseIfOver();
    return this.#disk.quorumMark;
  }

  setQuorumMark(mark: number): void {
    this.refuseIfOver();
    this.#disk.quorumMark = mark;
  }

  protected override taken(batch: StoreBatch): StoreBatch {
    return copyOf(batch);
  }

  protected override apply(batch: StoreBatch): void {
    applyBatch(this.#disk, batch);
  }
}

function copyOf(batch: StoreBatch): StoreBatch {
  const entries = Array.from(batch.entries, ([key, state]) => [key.slice(), state?.slice() ?? null] as const);
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
  disk.raise(batch.stampBound);
}
