import type { Database, RootDatabase } from 'lmdb';
import type { StoreBatch } from '../ports.ts';
import { decodePart, encodePart, partsOf, type BatchPart } from './batch-parts.ts';
import { commitCause } from './store-failure.ts';
import { BatchBlock, storeKeyOf, storeValueOf } from './store-keys.ts';

type Bytes = Database<Uint8Array, Uint8Array>;

/** The environment of the image and the databases in it. */
export interface ImageFiles {
  readonly image: RootDatabase<Uint8Array, Uint8Array>;
  readonly entries: Bytes;
  readonly meta: Bytes;
  /** Parts of a large batch until each is in its place. */
  readonly staged: Bytes;
}

/** Keys of `meta`. */
export const IMAGE: Buffer = Buffer.from('image');
export const IMAGE_BOUND: Buffer = Buffer.from('stampBound');
export const ASIDE: Buffer = Buffer.from('aside');
/** There while a large batch is on disk whole and not in its place: the parts that are still to be moved, and whether all entries go first. */
const MOVING = Buffer.from('moving');

interface Moving {
  readonly first: number;
  readonly parts: number;
  readonly clear: boolean;
}

/**
 * Writes batches, each as one atomic step, and none as one pause: lmdb takes about a microsecond of the event loop for each key that it is given, and all
 * of a transaction in one turn.
 *
 * - A batch of one part is one transaction.
 * - A larger one is staged part by part, a turn and a transaction each, as values of some hundred KiB. The transaction that brings its meta also says
 *   that it is whole: from then on it counts. Then the parts are moved into their place, again a turn and a transaction each. Whoever opens the
 *   folder moves what was not moved (`recover`), and drops what was staged of a batch that did not become whole.
 */
export class ImageWriter {
  readonly #files: ImageFiles;
  /** Of the writes of a transaction, most of which have one together. */
  #lastPart: Promise<unknown> | null = null;
  /** The large batch that is on its way: what comes behind it waits. */
  #large: Promise<unknown> | null = null;
  /** The highest bound that was put. */
  #bound = 0;

  constructor(files: ImageFiles) {
    this.#files = files;
  }

  /** Whether a large batch is on its way. */
  get isWritingMuch(): boolean {
    return this.#large !== null;
  }

  /** Finishes what was on its way when the store was last used. */
  recover(): void {
    const { image, meta, staged } = this.#files;
    const found = meta.get(MOVING);
    if (found !== undefined) {
      const { first, parts, clear } = JSON.parse(Buffer.from(found).toString()) as Moving;
      for (let part = first; part < parts; part++) {
        const encoded = staged.get(partKey(part));
        if (encoded === undefined) throw new Error('a part of a batch has an impossible shape: it is not there');
        const moved = decodePart(Uint8Array.from(encoded));
        image.transactionSync(() => this.#move(moved, { first: part, parts, clear }));
      }
    }
    if (staged.getKeysCount() > 0) staged.clearSync();
  }

  /** Fulfilled when the batch is on disk and in its place. Its bytes must not change until then. `stampBound` is asked when it is written. */
  async write(batch: StoreBatch, stampBound: () => number): Promise<void> {
    // what is behind one that fails fails with it
    while (this.#large !== null) await this.#large;
    const parts = partsOf(batch.entries);
    const { value: first } = parts.next() as IteratorYieldResult<BatchPart>;
    const { value: second } = parts.next();
    if (second === undefined) {
      await this.#files.image.batch(() => {
        if (batch.clear) this.#isPart(this.#files.entries.clearAsync());
        this.#put(first);
        this.#putMeta(batch, stampBound());
      });
      return;
    }
    const large = this.#writeLarge(batch, [first, second], parts, stampBound);
    this.#large = large;
    try {
      await large;
    } finally {
      this.#large = null;
    }
  }

  /** Fulfilled when the bound is on disk, which may be before the batch that was given earlier is. */
  async writeBound(stampBound: number): Promise<void> {
    await this.#files.image.batch(() => this.#putBound(stampBound));
  }

  async #writeLarge(
    batch: StoreBatch,
    taken: readonly BatchPart[],
    left: Iterable<BatchPart>,
    stampBound: () => number,
  ): Promise<void> {
    const { image, meta } = this.#files;
    const { clear } = batch;
    const staging: Promise<unknown>[] = [];
    // what waits for its move waits encoded: one object a part
    const encoded: Buffer[] = [];
    for (const some of [taken, left]) {
      for (const part of some) {
        staging.push(this.#stage(encoded, part));
        await turn();
      }
    }
    // a disk that is nearly full may take a small transaction after it refused a large one: each step waits for what it builds on
    await Promise.all(staging);
    const parts = encoded.length;
    await image.batch(() => {
      this.#putMeta(batch, stampBound());
      this.#isPart(meta.put(MOVING, movingOf({ first: 0, parts, clear })));
    });
    for (const [part, bytes] of encoded.entries())
      await image.batch(() => this.#move(decodePart(bytes), { first: part, parts, clear }));
  }

  #stage(encoded: Buffer[], part: BatchPart): Promise<unknown> {
    const bytes = encodePart(part);
    const write = this.#files.staged.put(partKey(encoded.length), bytes);
    this.#isPart(write);
    encoded.push(bytes);
    return write;
  }

  /** One part goes to its place, and what says so goes on. */
  #move(part: BatchPart, { first, parts, clear }: Moving): void {
    const { meta, staged } = this.#files;
    if (first === 0 && clear) this.#isPart(this.#files.entries.clearAsync());
    this.#put(part);
    this.#isPart(staged.remove(partKey(first)));
    if (first + 1 === parts) this.#isPart(meta.remove(MOVING));
    else this.#isPart(meta.put(MOVING, movingOf({ first: first + 1, parts, clear })));
  }

  /**
   * A write of several that are waited for as a whole. Where one fails before that, lmdb may reject this one too: that is nobody's unhandled
   * rejection, for the whole tells it.
   */
  #isPart(write: Promise<unknown>): void {
    if (write === this.#lastPart) return;
    this.#lastPart = write;
    write.catch(commitCause);
  }

  #put({ entries, bytes }: BatchPart): void {
    const block = new BatchBlock(bytes);
    for (const [key, state] of entries) {
      const storeKey = storeKeyOf(key);
      if (state === null) this.#isPart(this.#files.entries.remove(storeKey));
      else this.#isPart(this.#files.entries.put(storeKey, storeValueOf(key, state, block)));
    }
  }

  #putMeta(batch: StoreBatch, stampBound: number): void {
    const { meta } = this.#files;
    this.#isPart(meta.put(IMAGE, Buffer.from(batch.meta)));
    if (batch.aside !== undefined) this.#isPart(meta.put(ASIDE, Buffer.from(batch.aside)));
    // a bound that rides in a batch spares the synchronous write that would stop the event loop
    this.#putBound(Math.max(stampBound, batch.stampBound));
  }

  /** Writes come to the disk in their order: what is put later is not lower. */
  #putBound(stampBound: number): void {
    this.#bound = Math.max(this.#bound, stampBound);
    this.#isPart(this.#files.meta.put(IMAGE_BOUND, Buffer.from(String(this.#bound))));
  }
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

function partKey(part: number): Uint8Array {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, part);
  return key;
}

function movingOf(moving: Moving): Buffer {
  return Buffer.from(JSON.stringify(moving));
}
