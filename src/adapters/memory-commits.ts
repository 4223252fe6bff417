import { CausewayError } from '../errors.ts';

type Done = (error: CausewayError | null) => void;

/** Options of the stores in memory. */
export interface MemoryStoreOptions {
  /** Runs the end of a commit later; a commit is never done before `commit` returns. Default: after this turn of the event loop. */
  readonly defer?: (run: () => void) => void;
}

/** What stores in memory have in common: commits that are done one after the other in later turns, and how they end. */
export abstract class MemoryCommits<Batch> {
  readonly #defer: (run: () => void) => void;
  #pending: { readonly apply: () => void; readonly done: Done }[] = [];
  #failure: CausewayError | null = null;
  #isClosed = false;
  #whenIdle: (() => void) | null = null;

  constructor(options: MemoryStoreOptions) {
    this.#defer = options.defer ?? ((run) => void setImmediate(run));
  }

  /** A batch is on disk. */
  protected abstract apply(batch: Batch): void;

  /** A copy of a batch that is taken, which is its caller's again. */
  protected abstract taken(batch: Batch): Batch;

  commit(batch: Batch, done: Done): void {
    const taken = this.#refusal() === null ? this.taken(batch) : null;
    this.committing(() => {
      if (taken !== null) this.apply(taken);
    }, done);
  }

  /** Does what a commit of that alone would, in its order. */
  protected committing(apply: () => void, done: Done): void {
    const refusal = this.#refusal();
    if (refusal !== null) return this.#defer(() => done(refusal));
    this.#pending.push({ apply, done });
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

  protected refuseIfOver(): void {
    const refusal = this.#refusal();
    if (refusal !== null) throw refusal;
  }

  #finishOldest(): void {
    const oldest = this.#pending.shift();
    if (oldest === undefined) return;
    if (this.#failure === null) oldest.apply();
    oldest.done(this.#failure);
    if (this.#pending.length === 0) this.#whenIdle?.();
  }

  #refusal(): CausewayError | null {
    if (this.#failure !== null) return this.#failure;
    return this.#isClosed ? new CausewayError('STORE', 'the store in memory is closed') : null;
  }
}
