import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { assert } from '../base/assert.ts';
import { CausewayError } from '../errors.ts';
import type { QuorumBatch, QuorumImage, QuorumStore, QuorumWitness } from '../ports.ts';
import { IDENTITY_BYTES, type JournalContent } from './journal-files.ts';
import { frameBytes, type TreeReach } from './journal-frames.ts';
import { mendEnd, treeBytes, treeIsWhole } from './lmdb-file.ts';
import { PreparedBatch, replayRecord, type GroupTail } from './quorum-batch.ts';
import { readAudit, readGroup, readHeads } from './quorum-image.ts';
import { QuorumJournal, type WrittenWhere } from './quorum-journal.ts';
import { FORMAT, FORMAT_VERSION, refuseOtherFormat } from './quorum-format.ts';
import { QuorumLanes, type TreeOnly } from './quorum-lanes.ts';
import { BlockPool } from './record-block.ts';
import { commitCause, makePrivate, privateFolder, storeError } from './store-failure.ts';
import { discordOf, PLACE, placeOf, placeValue } from './tree-place.ts';

const MARK = Buffer.from('\0mark');

const FOLDER = 'quorum';
/** The tree is brought up to date when so much is only in the journal. */
const BACKLOG_BYTES: number = 2 * 1024 * 1024;
/** With so much, promises wait for the tree: a tree that is slower than the journal would be ever further behind. */
const BACKLOG_BYTES_MAX: number = 32 * 1024 * 1024;
/** Larger batches only the tree gets: writing them once takes less time than twice. */
const JOURNALED_BYTES_MAX: number = 2 * 1024 * 1024;

/** What to do with a folder that has less than this voter promised. */
const REMOVE_AND_ADD =
  'a voter must not come back with less than it promised: remove this node from its quorum groups, move its whole data folder ' +
  'away, start it again and add it again';

/** Folders open in this very process: LMDB would hand the same environment out a second time. */
const openFolders = new Set<string>();

/** A commit on its way into the tree. */
interface Pending {
  readonly prepared: PreparedBatch;
  /** Of what it takes in memory and in the journal, an estimate from above. */
  readonly bytes: number;
  /** Its record in the journal, which then tells when it is done; 0 for none. */
  readonly sequence: number;
  /** Null where it has one. */
  readonly treeOnly: TreeOnly | null;
  readonly done: Done;
}

type Done = (error: CausewayError | null) => void;

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
  readonly #folder: string;
  readonly #witness: QuorumWitness;
  readonly #environment: RootDatabase<Uint8Array, Uint8Array>;
  readonly #journal: QuorumJournal;
  readonly #blocks: BlockPool = new BlockPool();
  readonly #tails: Map<string, GroupTail> = new Map();
  readonly #lanes: QuorumLanes = new QuorumLanes();
  #identity: Uint8Array = new Uint8Array(0);
  #mark = 0;
  #sequence = 0;
  /** The last record that is in the tree, and how many transactions that has. */
  #inTree = 0;
  #turn = 0;
  /** What the tree does not have yet, in order. */
  readonly #backlog: Pending[] = [];
  /** Of the backlog and of what is on its way from there. */
  #backlogBytes = 0;
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
  constructor(dataDir: string, witness: QuorumWitness, options: WrittenWhere = {}) {
    this.#folder = resolve(dataDir, FOLDER);
    this.#witness = witness;
    if (openFolders.has(this.#folder))
      throw new CausewayError('STORE', `${this.#folder} is open in this process already`);
    openFolders.add(this.#folder);
    let environment: RootDatabase<Uint8Array, Uint8Array> | null = null;
    this.#journal = new QuorumJournal(this.#folder, options, (error) => this.#journalFailed(error));
    try {
      privateFolder(resolve(dataDir), FOLDER);
      const journal = this.#journal.read();
      if (!treeIsWhole(this.#folder, journal?.treeBytes ?? 0)) {
        throw new CausewayError(
          'STORE',
          `the tree in ${this.#folder} is cut short, damaged or an older one. Bring the right one back; if there is none: ${REMOVE_AND_ADD}`,
        );
      }
      mendEnd(this.#folder);
      const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
      // with `eventTurnBatching` lmdb has a promise of its own for each transaction, at which nobody looks when it fails
      const each = { overlappingSync: false, eventTurnBatching: false, maxDbs: 1 } as const;
      environment = open<Uint8Array, Uint8Array>({ path: this.#folder, ...each, ...binary });
      this.#environment = environment;
      this.#begin(journal);
      makePrivate(this.#folder);
      for (const [group, head] of readHeads(environment)) this.#tails.set(group, head);
    } catch (error) {
      openFolders.delete(this.#folder);
      this.#journal.close();
      void environment?.close();
      throw storeError(error, this.#folder, REMOVE_AND_ADD);
    }
  }

  groups(): readonly string[] {
    return this.#guarded(() => [...this.#tails.keys()].toSorted());
  }

  load(group: string): QuorumImage {
    const refusal = this.#refusal();
    if (refusal !== null) throw refusal;
    assert(!this.#isUnderWay, 'a group is loaded while nothing is on its way into the tree');
    return this.#guarded(() => {
      const taken = this.#backlog.splice(0);
      if (taken.length > 0) this.#environment.transactionSync(() => this.#putAll(taken));
      this.#areInTree(taken);
      return readGroup(this.#environment, group, (error) => this.#fail(error));
    });
  }

  audit(group: string, fromIndex: number): Iterable<readonly [index: number, record: Uint8Array]> {
    return this.#guarded(() => readAudit(this.#environment, group, fromIndex, (error) => this.#fail(error)));
  }

  commit(batch: QuorumBatch, done: Done): void {
    const refusal = this.#refusal();
    if (refusal !== null) return queueMicrotask(() => done(refusal));
    const prepared = new PreparedBatch(batch, this.#tails, this.#blocks);
    const bytes = frameBytes(prepared.bytes);
    const inJournal =
      bytes <= JOURNALED_BYTES_MAX && this.#backlogBytes <= BACKLOG_BYTES_MAX && this.#lanes.mayUseJournal(batch);
    const sequence = inJournal ? this.#sequence + 1 : 0;
    const treeOnly = inJournal ? null : this.#lanes.enter(batch);
    const pending = { prepared, bytes, sequence, treeOnly, done };
    this.#backlog.push(pending);
    this.#backlogBytes += bytes;
    if (inJournal) this.#record(pending);
    if (!inJournal || this.#backlogBytes > BACKLOG_BYTES) this.#bringUp();
  }

  #record(pending: Pending): void {
    const { prepared, sequence, done } = pending;
    const { bytes } = prepared;
    this.#sequence = sequence;
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
  #begin(journal: JournalContent | null): void {
    refuseOtherFormat(this.#environment, this.#folder);
    const mark = Number(this.#environment.get(MARK)?.toString() ?? '0');
    const witnessed = this.#witness.quorumMark();
    if (mark !== witnessed && mark !== witnessed + 1)
      throw this.#notTheFolder(`mark ${mark} in the tree, expected ${witnessed}`);
    const place = placeOf(this.#environment.get(PLACE));
    // the first start ends with the place
    if (place === null && mark !== 0) throw new Error('MDB_CORRUPTED: the place of the tree is damaged');
    if (journal === null && place !== null) throw this.#notTheFolder('there is no journal');
    const discord = journal === null ? null : discordOf(place, mark, journal);
    if (discord !== null) throw this.#notTheFolder(discord);
    this.#identity = place?.identity ?? journal?.identity ?? randomBytes(IDENTITY_BYTES);
    this.#inTree = place?.sequence ?? 0;
    this.#turn = place?.turn ?? 0;
    if (journal !== null) this.#replay(journal);
    this.#sequence = this.#inTree;
    this.#raiseMark(witnessed + 1);
  }

  get #reach(): TreeReach {
    return { turn: this.#turn, treeBytes: treeBytes(this.#folder) };
  }

  #notTheFolder(why: string): CausewayError {
    return new CausewayError(
      'STORE',
      `${this.#folder} is not the folder that this node had last (${why}): ` +
        `it or a part of it was lost or put back from a backup. Bring the right one back; if there is none: ${REMOVE_AND_ADD}`,
    );
  }

  /** Puts into the tree what only the journal has. */
  #replay({ before, records, last }: JournalContent): void {
    if (before > this.#inTree) throw new Error('MDB_CORRUPTED: the beginning of the journal is damaged');
    const missing = records.filter(({ sequence }) => sequence > this.#inTree);
    if (missing.length === 0) return;
    this.#environment.transactionSync(() => {
      for (const { body } of missing) replayRecord(body, this.#environment);
      this.#putPlace(last, last);
    });
    this.#inTree = last;
    this.#turn += 1;
  }

  /** The journal first, which has nothing then; a crash in between is found at the next start. */
  #raiseMark(mark: number): void {
    this.#journal.begin({ identity: this.#identity, mark, ...this.#reach }, this.#sequence + 1);
    this.#environment.transactionSync(() => {
      this.#environment.putSync(FORMAT, Buffer.from(FORMAT_VERSION));
      this.#environment.putSync(MARK, Buffer.from(String(mark)));
      this.#putPlace(this.#sequence, this.#sequence);
    });
    this.#turn += 1;
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
      for (const { sequence, done } of taken) if (sequence === 0) done(this.#failure);
    } while (this.#backlog.length > 0 && (this.#isClosed || this.#isWaitedFor));
    this.#isUnderWay = false;
    this.#whenIdle?.();
    this.#whenIdle = null;
  }

  get #isWaitedFor(): boolean {
    return this.#backlogBytes > BACKLOG_BYTES || this.#backlog.some(({ sequence }) => sequence === 0);
  }

  #takeBacklog(): readonly Pending[] {
    return this.#backlog.splice(0);
  }

  async #write(taken: readonly Pending[]): Promise<void> {
    try {
      await this.#environment.batch(() => this.#putAll(taken));
      this.#areInTree(taken);
    } catch (error) {
      this.#fail(await commitCause(error));
    }
  }

  /** To be called in a transaction. */
  #putAll(taken: readonly Pending[]): void {
    for (const { prepared } of taken) prepared.writeTo(this.#environment);
    this.#putPlace(this.#lastIn(taken), this.#journal.written);
  }

  /** With each transaction. */
  #putPlace(sequence: number, written: number): void {
    const place = { identity: this.#identity, sequence, turn: this.#turn + 1, written };
    void this.#environment.put(PLACE, placeValue(place));
  }

  /** These are on disk in the tree now. */
  #areInTree(taken: readonly Pending[]): void {
    if (taken.length === 0) return;
    this.#inTree = this.#lastIn(taken);
    this.#turn += 1;
    this.#journal.retire(this.#inTree, this.#reach);
    for (const { bytes, treeOnly } of taken) {
      this.#backlogBytes -= bytes;
      if (treeOnly !== null) this.#lanes.leave(treeOnly);
    }
  }

  #lastIn(taken: readonly Pending[]): number {
    return taken.reduce((last, { sequence }) => Math.max(last, sequence), this.#inTree);
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
