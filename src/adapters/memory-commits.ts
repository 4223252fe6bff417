import { CausewayError } from '../errors.ts';

type Done = (error: CausewayError | null) => void;

/** Options of the stores in memory. */
export interface MemoryStoreOptions {
  /** Runs the end of a commit later; a commit is never done before `commit` returns. Default: after this turn of the event loop. */
  readonly defer?: (run: () => void) => void;
}

/** The commits of a store in memory, done one after the other in later turns; and how it ends. */
export class MemoryCommits<Batch> {
  readonly #apply: (batch: Batch) => void;
  readonly #defer: (run: () => void) => void;
  #pending: { readonly batch: Batch; readonly done: Done }[] = [];
  #failure: CausewayError | null = null;
  #isClosed = false;
  #whenIdle: (() => void) | null = null;

  constructor(apply: (batch: Batch) => void, options: MemoryStoreOptions) {
    this.#apply = apply;
    this.#defer = options.defer ?? ((run) => void setImmediate(run));
  }

  /** `batchOf` gives what is kept until then; it is not called where the store is over. */
  commit(batchOf: () => Batch, done: Done): void {
    const refusal = this.#refusal();
    if (refusal !== null) return this.#defer(() => done(refusal));
    this.#pending.push({ batch: batchOf(), done });
    this.#defer(() => this.#finishOldest());
  }

  close(done: () => void): void {
    const wasClosed = this.#isClosed;
    this.#isClosed = true;
    if (wasClosed || this.#pending.length === 0) return done();
    this.#whenIdle = done;
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

  refuseIfOver(): void {
    const refusal = this.#refusal();
    if (refusal !== null) throw refusal;
  }

  #finishOldest(): void {
    const oldest = this.#pending.shift();
    if (oldest === undefined) return;
    if (this.#failure === null) this.#apply(oldest.batch);
    oldest.done(this.#failure);
    if (this.#pending.length === 0) this.#whenIdle?.();
  }

  #refusal(): CausewayError | null {
    if (this.#failure !== null) return this.#failure;
    return this.#isClosed ? new CausewayError('STORE', 'the store in memory is closed') : null;
  }
}
