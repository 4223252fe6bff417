import { resolve } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { assert } from '../base/assert.ts';
import { CausewayError } from '../errors.ts';
import type { QuorumBatch, QuorumImage, QuorumStore, QuorumWitness } from '../ports.ts';
import { fileIsWhole } from './lmdb-file.ts';
import { PreparedBatch, replayRecord, type GroupTail } from './quorum-batch.ts';
import { readAudit, readGroup, readHeads } from './quorum-image.ts';
import { QuorumJournal, type JournalRecord } from './quorum-journal.ts';
import { BlockPool } from './record-block.ts';
import { commitCause, makePrivate, privateFolder, storeError } from './store-failure.ts';

/** The layout that this code writes; what it does not know it does not touch. The first had no journal. */
const FORMAT_VERSION = '2';
const FORMAT_WITHOUT_JOURNAL = '1';
const FORMAT = Buffer.from('\0format');
const MARK = Buffer.from('\0mark');
/** The last record of the journal that is in the tree. */
const JOURNALED = Buffer.from('\0journaled');

const FOLDER = 'quorum';
/** The tree is brought up to date when so much is only in the journal. */
const BACKLOG_BYTES_MAX: number = 1024 * 1024;

/** What to do with a folder that has less than this voter promised. */
const REMOVE_AND_ADD =
  'a voter must not come back with less than it promised: remove this node from its quorum groups, move its whole data folder ' +
  'away, start it again and add it again';

/** Folders open in this very process: LMDB would hand the same environment out a second time. */
const openFolders = new Set<string>();

/** A commit on its way into the tree. */
interface Pending {
  readonly prepared: PreparedBatch;
  /** Its record in the journal, which then tells when it is done; 0 for none. */
  readonly sequence: number;
  readonly done: Done;
}

type Done = (error: CausewayError | null) => void;

export interface LmdbQuorumStoreOptions {
  /** Appends to the journal of up to so many bytes stop the event loop while they are written; see `CommitPace`. 0 for never. */
  readonly syncBytesMax?: number;
}

/**
 * The durable store of all quorum groups of a node: `quorum/` in its data folder. What a leader waits for, the ends of the logs and the
 * heads, is appended to a journal (`quorum-journal.ts`) and done once it is there. It follows into a tree, one LMDB environment
 * (`quorum-records.ts`), with what is large and nobody waits for: states, snapshots and audit records, which are not written
 * twice. The tree always has what was committed up to some point, and says which record of the journal that is; a start puts
 * the records after it into the tree.
 *
 * A transaction of the tree ends when the pages are on disk (fdatasync) and after them the root that makes them count (a write with
 * O_DSYNC), so what is acknowledged survives a power cut too. One is on its way at a time, on lmdb's thread.
 *
 * Journal, tree and the store of the node's other promises hold one mark, raised at each start and end. A folder that was
 * put back from a backup or lost alone is found by it and refused. Not found is a backup of all, and one that was made while
 * the process ran that then crashed.
 */
export class LmdbQuorumStore implements QuorumStore {
  /** Whether this is the first start on this data folder. */
  isNew = true;
  readonly #folder: string;
  readonly #witness: QuorumWitness;
  readonly #environment: RootDatabase<Uint8Array, Uint8Array>;
  readonly #journal: QuorumJournal;
  readonly #blocks: BlockPool = new BlockPool();
  readonly #tails: Map<string, GroupTail> = new Map();
  #mark = 0;
  #sequence = 0;
  /** What the tree does not have yet, in order. */
  readonly #backlog: Pending[] = [];
  #backlogBytes = 0;
  /** Commits in the backlog with which a log begins anew: what follows on that is done after it. */
  #logsAnew = 0;
  #isUnderWay = false;
  /** Of commits on their way to the journal. */
  readonly #inJournal: Set<Pending> = new Set();
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
      this.#journal = new QuorumJournal(this.#folder, options.syncBytesMax, (error) => this.#journalFailed(error));
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
    return this.#guarded(() => {
      this.#settle();
      return readGroup(this.#environment, group, (error) => this.#fail(error));
    });
  }

  audit(group: string, fromIndex: number): Iterable<readonly [index: number, record: Uint8Array]> {
    return this.#guarded(() => readAudit(this.#environment, group, fromIndex, (error) => this.#fail(error)));
  }

  /** Brings the tree up to date before it is read. */
  #settle(): void {
    assert(!this.#isUnderWay, 'a group is loaded while nothing is on its way into the tree');
    const taken = this.#backlog.splice(0);
    this.#backlogBytes = 0;
    if (taken.length > 0) this.#environment.transactionSync(() => this.#putAll(taken));
  }

  commit(batch: QuorumBatch, done: Done): void {
    const refusal = this.#refusal();
    if (refusal !== null) return queueMicrotask(() => done(refusal));
    const prepared = new PreparedBatch(batch, this.#tails, this.#blocks);
    const inJournal = !prepared.isBulk && this.#logsAnew === 0;
    if (inJournal) this.#sequence += 1;
    const pending = { prepared, sequence: inJournal ? this.#sequence : 0, done };
    this.#backlog.push(pending);
    this.#backlogBytes += prepared.bytes;
    if (prepared.dropsLog) this.#logsAnew += 1;
    if (inJournal) this.#record(pending);
    if (!inJournal || this.#backlogBytes > BACKLOG_BYTES_MAX) this.#bringUp();
  }

  #record(pending: Pending): void {
    const { prepared, sequence, done } = pending;
    const { bytes } = prepared;
    this.#inJournal.add(pending);
    this.#journal.append({ sequence, bytes, writeTo: (into, at) => prepared.recordTo(into, at) }, () => {
      this.#inJournal.delete(pending);
      done(this.#failure);
    });
  }

  close(done: () => void): void {
    if (this.#isClosed) return done();
    this.#isClosed = true;
    this.#journal.whenIdle(() => {
      this.#whenIdle = () => void this.#closeNow(done);
      this.#bringUp();
    });
  }

  /** The marks must agree, or be as a crash between the two writes leaves them. */
  #begin(): void {
    const version = this.#environment.get(FORMAT)?.toString();
    if (version !== undefined && version !== FORMAT_VERSION && version !== FORMAT_WITHOUT_JOURNAL) {
      throw new CausewayError(
        'STORE',
        `${this.#folder} has format version ${version.slice(0, 40)} and this program knows ${FORMAT_VERSION} only: ` +
          'start the version that wrote it',
      );
    }
    const mark = Number(this.#environment.get(MARK)?.toString() ?? '0');
    const witnessed = this.#witness.quorumMark();
    const { mark: journalMark, records } = this.#journal.read();
    const isJournalOf =
      journalMark === null
        ? mark === 0 || version === FORMAT_WITHOUT_JOURNAL
        : (journalMark === mark || journalMark === mark + 1) && journalMark <= witnessed + 1;
    if ((mark !== witnessed && mark !== witnessed + 1) || !isJournalOf) {
      throw new CausewayError(
        'STORE',
        `${this.#folder} is not the folder that this node had last (mark ${mark} in the tree, ${journalMark ?? 'none'} in the journal, ` +
          `expected ${witnessed}): it or a part of it was lost or put back from a backup. Bring the right one back; if there is none: ${REMOVE_AND_ADD}`,
      );
    }
    this.isNew = witnessed === 0;
    this.#replay(records);
    this.#raiseMark(witnessed + 1);
  }

  /** Puts into the tree what only the journal has. */
  #replay(records: readonly JournalRecord[]): void {
    this.#sequence = Number(this.#environment.get(JOURNALED)?.toString() ?? '0');
    const [first] = records;
    if (first !== undefined && first.sequence > this.#sequence + 1)
      throw new Error('MDB_CORRUPTED: the beginning of the journal is missing');
    const missing = records.filter(({ sequence }) => sequence > this.#sequence);
    if (missing.length === 0) return;
    this.#sequence = missing.at(-1)?.sequence ?? this.#sequence;
    this.#environment.transactionSync(() => {
      for (const { body } of missing) replayRecord(body, this.#environment);
      this.#environment.putSync(JOURNALED, Buffer.from(String(this.#sequence)));
    });
  }

  /** The journal first, which has nothing then; a crash in between is found at the next start. */
  #raiseMark(mark: number): void {
    this.#journal.begin(mark, this.#sequence + 1);
    this.#environment.transactionSync(() => {
      this.#environment.putSync(FORMAT, Buffer.from(FORMAT_VERSION));
      this.#environment.putSync(MARK, Buffer.from(String(mark)));
    });
    this.#witness.setQuorumMark(mark);
    this.#mark = mark;
  }

  /** Brings the tree up to date with what was committed. */
  #bringUp(): void {
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    // after this piece of work: what else it commits goes along
    queueMicrotask(() => void this.#writeBacklog());
  }

  async #writeBacklog(): Promise<void> {
    do {
      const taken = this.#takeBacklog();
      // those that came while another failed
      if (this.#failure === null && taken.length > 0) await this.#write(taken);
      for (const { prepared, sequence, done } of taken) {
        if (prepared.dropsLog) this.#logsAnew -= 1;
        if (sequence === 0) done(this.#failure);
      }
    } while (this.#backlog.length > 0 && (this.#isClosed || this.#isWaitedFor));
    this.#isUnderWay = false;
    this.#whenIdle?.();
  }

  get #isWaitedFor(): boolean {
    return this.#backlogBytes > BACKLOG_BYTES_MAX || this.#backlog.some(({ sequence }) => sequence === 0);
  }

  /** What goes into one transaction: a batch that clears a group's state looks at what is on disk, so it comes first. */
  #takeBacklog(): Pending[] {
    const next = this.#backlog.findIndex(({ prepared }, position) => position > 0 && prepared.clears.length > 0);
    const taken = this.#backlog.splice(0, next === -1 ? this.#backlog.length : next);
    for (const { prepared } of taken) this.#backlogBytes -= prepared.bytes;
    return taken;
  }

  async #write(taken: readonly Pending[]): Promise<void> {
    try {
      await this.#environment.batch(() => this.#putAll(taken));
      this.#journal.retire(lastSequence(taken));
    } catch (error) {
      this.#fail(await commitCause(error));
    }
  }

  /** To be called in a transaction. */
  #putAll(taken: readonly Pending[]): void {
    for (const { prepared } of taken) prepared.writeTo(this.#environment);
    const sequence = lastSequence(taken);
    if (sequence > 0) void this.#environment.put(JOURNALED, Buffer.from(String(sequence)));
  }

  #journalFailed(error: unknown): void {
    const failure = this.#fail(error);
    for (const { done } of this.#inJournal) done(failure);
    this.#inJournal.clear();
  }

  async #closeNow(done: () => void): Promise<void> {
    try {
      if (this.#failure === null) this.#raiseMark(this.#mark + 1);
    } catch {
      // As after a crash: the next start takes it so.
    }
    this.#journal.close();
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

function lastSequence(taken: readonly Pending[]): number {
  return taken.reduce((last, { sequence }) => Math.max(last, sequence), 0);
}
