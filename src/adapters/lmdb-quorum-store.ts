import { resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { open, type RootDatabase } from 'lmdb';
import { CausewayError } from '../errors.ts';
import type { QuorumBatch, QuorumImage, QuorumStore, QuorumWitness } from '../ports.ts';
import { CommitPace } from './commit-pace.ts';
import { fileIsWhole } from './lmdb-file.ts';
import { PreparedBatch, type GroupTail } from './quorum-batch.ts';
import { readAudit, readGroup, readHeads } from './quorum-image.ts';
import { BlockPool } from './record-block.ts';
import { commitCause, makePrivate, privateFolder, storeError } from './store-failure.ts';

/** The layout that this code writes; what it does not know it does not touch. */
const FORMAT_VERSION = '1';
const FORMAT = Buffer.from('\0format');
const MARK = Buffer.from('\0mark');

const FOLDER = 'quorum';

/** What to do with a folder that has less than this voter promised. */
const REMOVE_AND_ADD =
  'a voter must not come back with less than it promised: remove this node from its quorum groups, move its whole data folder ' +
  'away, start it again and add it again';

/** Folders open in this very process: LMDB would hand the same environment out a second time. */
const openFolders = new Set<string>();

interface WaitingCommit {
  readonly prepared: PreparedBatch;
  readonly done: (error: CausewayError | null) => void;
}

export interface LmdbQuorumStoreOptions {
  /** Commits of up to so many bytes stop the event loop while they are written; see `CommitPace`. 0 for never. */
  readonly syncBytesMax?: number;
}

/**
 * The durable store of all quorum groups of a node: `quorum/` in its data folder, one LMDB environment of its own, which
 * is one tree (`quorum-records.ts`). Nothing in it overlaps syncs: a commit ends when the pages are on disk (fdatasync) and after
 * them the root that makes them count (a write with O_DSYNC), so what is acknowledged survives a power cut too.
 *
 * One transaction is on its way at a time, what comes meanwhile goes into the next. A transaction is run on the event loop
 * or on lmdb's thread; the first is quicker and cheaper, the second lets the loop go on (`CommitPace` chooses).
 *
 * `quorum/` and the store of the node's other promises hold one mark, raised at each start and end. A folder that was
 * put back from a backup or lost alone is found by it and refused. Not found is a backup of both, and one that was made while
 * the process ran that then crashed.
 */
export class LmdbQuorumStore implements QuorumStore {
  /** Whether this is the first start on this data folder. */
  isNew = true;
  readonly #folder: string;
  readonly #witness: QuorumWitness;
  readonly #environment: RootDatabase<Uint8Array, Uint8Array>;
  readonly #pace: CommitPace;
  readonly #blocks: BlockPool = new BlockPool();
  readonly #tails: Map<string, GroupTail> = new Map();
  #mark = 0;
  readonly #waiting: WaitingCommit[] = [];
  #isUnderWay = false;
  #failure: CausewayError | null = null;
  #isClosed = false;
  #whenIdle: (() => void) | null = null;

  /**
   * Opens the store in a data folder that the witness has open, to be closed before that. Throws STORE, which says what
   * to do, when it is damaged, of another version, or not the one that this node had last.
   */
  constructor(dataDir: string, witness: QuorumWitness, options: LmdbQuorumStoreOptions = {}) {
    this.#folder = resolve(dataDir, FOLDER);
    this.#witness = witness;
    this.#pace = new CommitPace(options.syncBytesMax);
    if (openFolders.has(this.#folder))
      throw new CausewayError('STORE', `${this.#folder} is open in this process already`);
    openFolders.add(this.#folder);
    let environment: RootDatabase<Uint8Array, Uint8Array> | null = null;
    try {
      privateFolder(resolve(dataDir), FOLDER);
      if (!fileIsWhole(this.#folder))
        throw new CausewayError('STORE', `${this.#folder} is cut short or damaged: ${REMOVE_AND_ADD}`);
      const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
      environment = open<Uint8Array, Uint8Array>({ path: this.#folder, overlappingSync: false, maxDbs: 1, ...binary });
      this.#environment = environment;
      this.#begin();
      makePrivate(this.#folder);
      for (const [group, head] of readHeads(environment)) this.#tails.set(group, head);
    } catch (error) {
      openFolders.delete(this.#folder);
      void environment?.close();
      throw storeError(error, this.#folder, REMOVE_AND_ADD);
    }
  }

  groups(): readonly string[] {
    return this.#guarded(() => [...this.#tails.keys()].toSorted());
  }

  load(group: string): QuorumImage {
    return this.#guarded(() => readGroup(this.#environment, group, (error) => this.#fail(error)));
  }

  audit(group: string, fromIndex: number): Iterable<readonly [index: number, record: Uint8Array]> {
    return this.#guarded(() => readAudit(this.#environment, group, fromIndex, (error) => this.#fail(error)));
  }

  commit(batch: QuorumBatch, done: (error: CausewayError | null) => void): void {
    const refusal = this.#refusal();
    if (refusal !== null) return queueMicrotask(() => done(refusal));
    this.#waiting.push({ prepared: new PreparedBatch(batch, this.#tails, this.#blocks), done });
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    // After this piece of work: what else it commits goes along, and what it sends leaves before the loop stops.
    queueMicrotask(() => void this.#writeWaiting());
  }

  close(done: () => void): void {
    if (this.#isClosed) return done();
    this.#isClosed = true;
    if (this.#isUnderWay) this.#whenIdle = () => void this.#closeNow(done);
    else void this.#closeNow(done);
  }

  /** The marks must agree, or be as a crash between the two writes leaves them. */
  #begin(): void {
    const version = this.#environment.get(FORMAT)?.toString();
    if (version !== undefined && version !== FORMAT_VERSION) {
      throw new CausewayError(
        'STORE',
        `${this.#folder} has format version ${version.slice(0, 40)} and this program knows ${FORMAT_VERSION} only: ` +
          'start the version that wrote it',
      );
    }
    const mark = Number(this.#environment.get(MARK)?.toString() ?? '0');
    const witnessed = this.#witness.quorumMark();
    if (mark !== witnessed && mark !== witnessed + 1) {
      throw new CausewayError(
        'STORE',
        `${this.#folder} is not the folder that this node had last (mark ${mark}, expected ${witnessed}): it was lost or put ` +
          `back from a backup. Bring the right one back; if there is none: ${REMOVE_AND_ADD}`,
      );
    }
    this.isNew = witnessed === 0;
    this.#raiseMark(witnessed + 1);
  }

  #raiseMark(mark: number): void {
    this.#environment.transactionSync(() => {
      this.#environment.putSync(FORMAT, Buffer.from(FORMAT_VERSION));
      this.#environment.putSync(MARK, Buffer.from(String(mark)));
    });
    this.#witness.setQuorumMark(mark);
    this.#mark = mark;
  }

  /** Writes until nothing waits any more. */
  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const commits = this.#takeWaiting();
      // Those that came while another failed.
      if (this.#failure === null) await this.#write(commits.map(({ prepared }) => prepared));
      for (const { prepared } of commits) prepared.release();
      for (const { done } of commits) done(this.#failure);
    }
    this.#isUnderWay = false;
    this.#whenIdle?.();
  }

  /** What goes into one transaction: a batch that clears a group's state looks at what is on disk, so it comes first. */
  #takeWaiting(): WaitingCommit[] {
    const next = this.#waiting.findIndex(({ prepared }, position) => position > 0 && prepared.clears.length > 0);
    return this.#waiting.splice(0, next === -1 ? this.#waiting.length : next);
  }

  async #write(batches: readonly PreparedBatch[]): Promise<void> {
    const bytes = batches.reduce((sum, batch) => sum + batch.bytes, 0);
    const put = (): void => batches.forEach((batch) => batch.writeTo(this.#environment));
    try {
      if (this.#pace.staysOnLoop(bytes)) {
        const startedMs = performance.now();
        this.#environment.transactionSync(put);
        this.#pace.tookOnLoop(performance.now() - startedMs);
      } else {
        await this.#environment.batch(put);
      }
    } catch (error) {
      this.#fail(await commitCause(error));
    }
  }

  async #closeNow(done: () => void): Promise<void> {
    try {
      if (this.#failure === null) this.#raiseMark(this.#mark + 1);
    } catch {
      // As after a crash: the next start takes it so.
    }
    await Promise.allSettled([this.#environment.close()]);
    openFolders.delete(this.#folder);
    done();
  }

  #guarded<T>(run: () => T): T {
    const refusal = this.#refusal();
    if (refusal !== null) throw refusal;
    try {
      return run();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #refusal(): CausewayError | null {
    if (this.#failure !== null) return this.#failure;
    return this.#isClosed ? new CausewayError('STORE', `the store in ${this.#folder} is closed`) : null;
  }

  #fail(cause: unknown): CausewayError {
    this.#failure ??= storeError(cause, this.#folder, REMOVE_AND_ADD);
    return this.#failure;
  }
}
