import { CausewayError } from '../../src/errors.ts';
import type { QuorumBatch, QuorumImage, QuorumStore } from '../../src/ports.ts';

type Done = (error: CausewayError | null) => void;

export interface Faults {
  /** The number of the commit that fails, counted from 1; every one after it fails too. */
  readonly failsAt?: number;
  /** Whether the failing commit is on disk all the same: its caller cannot know. */
  readonly isKept?: boolean;
}

/**
 * A `QuorumStore` whose disk misbehaves: it fails from a commit on, with that commit's batch on disk or not, and it can be held
 * up. As with the real one all of a batch is there or nothing, and after one failure nothing is taken any more.
 */
export class FaultyQuorumStore implements QuorumStore {
  readonly #inner: QuorumStore;
  readonly #faults: Faults;
  #commits = 0;
  #failure: CausewayError | null = null;
  #held: (() => void)[] | null = null;

  constructor(inner: QuorumStore, faults: Faults = {}) {
    this.#inner = inner;
    this.#faults = faults;
  }

  /** Commits that were begun so far. */
  get commits(): number {
    return this.#commits;
  }

  groups(): readonly string[] {
    this.#refuseIfFailed();
    return this.#inner.groups();
  }

  load(group: string): QuorumImage {
    this.#refuseIfFailed();
    return this.#inner.load(group);
  }

  audit(group: string, fromIndex: number): Iterable<readonly [index: number, record: Uint8Array]> {
    this.#refuseIfFailed();
    return this.#inner.audit(group, fromIndex);
  }

  commit(batch: QuorumBatch, done: Done): void {
    this.#commits += 1;
    if (this.#failure === null && this.#commits === this.#faults.failsAt) {
      this.#failure = new CausewayError(
        'STORE',
        `the disk failed at commit ${this.#commits}: replace it and start again`,
      );
      const failure = this.#failure;
      return this.#pass(this.#faults.isKept === true ? batch : { groups: [] }, () => done(failure));
    }
    const failure = this.#failure;
    this.#pass(failure === null ? batch : { groups: [] }, (error) => done(failure ?? error));
  }

  /** From now on nothing gets to the disk until `release`: as a disk that hangs. */
  hold(): void {
    this.#held ??= [];
  }

  /** What was held gets to the disk, in order. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const run of held) run();
  }

  close(done: () => void): void {
    this.release();
    this.#inner.close(done);
  }

  #pass(batch: QuorumBatch, done: Done): void {
    const run = (): void => this.#inner.commit(batch, done);
    if (this.#held === null) run();
    else this.#held.push(run);
  }

  #refuseIfFailed(): void {
    if (this.#failure !== null) throw this.#failure;
  }
}
