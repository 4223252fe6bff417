import { resolve } from 'node:path';
import { open, type Database, type RootDatabase } from 'lmdb';
import { CausewayError } from '../errors.ts';
import type { QuorumWitness, Store, StoreBatch, StoredImage } from '../ports.ts';
import { isAlive, ownIdentity, type ProcessIdentity } from './process-identity.ts';
import { commitCause, makePrivate, privateFolder, storeError } from './store-failure.ts';
import { ASIDE, IMAGE, IMAGE_BOUND, ImageWriter } from './image-writer.ts';
import { readStored, storeKeyOf } from './store-keys.ts';

/** The layout that this code writes; what it does not know it does not touch. */
const FORMAT_VERSION = 2;
/** Those that it goes on from: in version 1 no batch was staged. */
const FORMATS_KNOWN: readonly unknown[] = [undefined, 1, FORMAT_VERSION];

const FORMAT = 'format';
const OWNER = 'owner';
const INCARNATION = 'incarnation';
const STAMP_BOUND = 'stampBound';
const VOTES_SINCE = 'votesSince';
const QUORUM_MARK = 'quorumMark';

/** Folders open in this very process: LMDB would hand the same environment out a second time. */
const openFolders = new Set<string>();

/**
 * The durable store of one node, in LMDB. Two environments, because of what lmdb does when a synchronous transaction meets
 * an asynchronous one: it commits half of the asynchronous one first, and a batch would no longer be atomic.
 *
 *     promises/  what must be on disk before it is used: incarnation, stamp bound, who owns the folder. Synchronous.
 *     image/     entries and meta, written behind, off the event loop: see `ImageWriter`.
 *
 * Neither overlaps syncs (lmdb's `overlappingSync`): a commit is done when it is on disk. After one failure every call is
 * refused with STORE: a node must not go on with less than it has promised.
 */
export class LmdbStore implements Store, QuorumWitness {
  readonly #folder: string;
  readonly #promises: RootDatabase<unknown, string>;
  readonly #image: RootDatabase<Uint8Array, Uint8Array>;
  readonly #entries: Database<Uint8Array, Uint8Array>;
  readonly #meta: Database<Uint8Array, Uint8Array>;
  readonly #writer: ImageWriter;
  #stampBound: number;
  #failure: CausewayError | null = null;
  #isClosed = false;
  #commitsInFlight = 0;
  #whenIdle: (() => void) | null = null;

  /**
   * Opens the store in a folder, which is made when it is not there, with access for its owner only.
   * Throws STORE, which says what to do, when another process has it, when another version wrote it or when it cannot be read.
   */
  constructor(dataDir: string) {
    this.#folder = resolve(dataDir);
    if (openFolders.has(this.#folder)) throw folderTaken(this.#folder, process.pid);
    openFolders.add(this.#folder);
    let promises: RootDatabase<unknown, string> | null = null;
    try {
      const promisesFolder = privateFolder(this.#folder, 'promises');
      const imageFolder = privateFolder(this.#folder, 'image');
      promises = open<unknown, string>({ path: promisesFolder, overlappingSync: false, encoding: 'json', maxDbs: 1 });
      takeFolder(promises, this.#folder);
      this.#promises = promises;
      const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
      // each write of the image is a batch of its own already; lmdb's batch of a turn has a promise that nobody could hold when it fails
      const unbatched = { eventTurnBatching: false, overlappingSync: false };
      this.#image = open<Uint8Array, Uint8Array>({ path: imageFolder, maxDbs: 4, ...unbatched, ...binary });
      this.#entries = this.#image.openDB<Uint8Array, Uint8Array>({ name: 'entries', ...binary });
      this.#meta = this.#image.openDB<Uint8Array, Uint8Array>({ name: 'meta', ...binary });
      const staged = this.#image.openDB<Uint8Array, Uint8Array>({ name: 'staged', ...binary });
      this.#writer = new ImageWriter({ image: this.#image, entries: this.#entries, meta: this.#meta, staged });
      this.#writer.recover();
      const boundInImage = Number(this.#meta.get(IMAGE_BOUND)?.toString() ?? '0');
      this.#stampBound = Math.max(
        numberOf(promises.get(STAMP_BOUND), this.#folder),
        numberOf(boundInImage, this.#folder),
      );
      makePrivate(promisesFolder);
      makePrivate(imageFolder);
    } catch (error) {
      openFolders.delete(this.#folder);
      void promises?.close();
      throw storeError(error, this.#folder, MOVE_AWAY);
    }
  }

  /** Whether a batch of many parts is on its way, for which the disk is busy. */
  get isWritingMuch(): boolean {
    return this.#writer.isWritingMuch;
  }

  load(): StoredImage {
    return this.#guarded(() => {
      const aside = copied(this.#meta.get(ASIDE));
      return {
        meta: copied(this.#meta.get(IMAGE)),
        stampBound: this.#stampBound,
        entries: this.#storedEntries(),
        ...(aside === null ? {} : { aside }),
      };
    });
  }

  read(key: Uint8Array): Uint8Array | null {
    return this.#guarded(() => {
      const storeKey = storeKeyOf(key);
      const value = this.#entries.get(storeKey);
      return value === undefined ? null : plain((readStored(storeKey, value) ?? unshaped())[1]);
    });
  }

  nextIncarnation(atLeast: number): number {
    return this.#guarded(() => {
      let incarnation = 0;
      this.#promises.transactionSync(() => {
        const before = numberOf(this.#promises.get(INCARNATION), this.#folder);
        incarnation = Math.max(before + 1, atLeast);
        if (before === 0) this.#promises.putSync(VOTES_SINCE, incarnation);
        this.#promises.putSync(INCARNATION, incarnation);
      });
      return incarnation;
    });
  }

  votesSince(): number {
    return this.#guarded(() => numberOf(this.#promises.get(VOTES_SINCE), this.#folder));
  }

  settleVotes(): void {
    this.#guarded(() => this.#promises.transactionSync(() => this.#promises.putSync(VOTES_SINCE, 0)));
  }

  raiseStampBound(stampBound: number): void {
    this.#guarded(() => {
      if (stampBound <= this.#stampBound) return;
      this.#promises.transactionSync(() => this.#promises.putSync(STAMP_BOUND, stampBound));
      this.#stampBound = stampBound;
    });
  }

  quorumMark(): number {
    return this.#guarded(() => numberOf(this.#promises.get(QUORUM_MARK), this.#folder));
  }

  setQuorumMark(mark: number): void {
    this.#guarded(() => this.#promises.transactionSync(() => this.#promises.putSync(QUORUM_MARK, mark)));
  }

  raiseStampBoundSoon(stampBound: number, done: (error: CausewayError | null) => void): void {
    const bound = Math.max(stampBound, this.#stampBound);
    this.#write(() => this.#writer.writeBound(bound), bound, done);
  }

  commit(batch: StoreBatch, done: (error: CausewayError | null) => void): void {
    this.#write(() => this.#writer.write(batch, () => this.#stampBound), batch.stampBound, done);
  }

  #write(write: () => Promise<void>, stampBound: number, done: (error: CausewayError | null) => void): void {
    try {
      this.#guarded(() => {
        const written = write();
        this.#commitsInFlight++;
        void this.#finish(written, stampBound, done);
      });
    } catch (error) {
      const failure = storeError(error, this.#folder, MOVE_AWAY);
      queueMicrotask(() => done(failure));
    }
  }

  close(done: () => void): void {
    if (this.#isClosed) return done();
    this.#isClosed = true;
    if (this.#commitsInFlight === 0) void this.#closeNow(done);
    else this.#whenIdle = () => void this.#closeNow(done);
  }

  *#storedEntries(): Generator<readonly [key: Uint8Array, state: Uint8Array]> {
    try {
      for (const { key, value } of this.#entries.getRange({})) {
        const entry = readStored(key, value);
        const [ours, state] = entry ?? unshaped();
        yield [plain(ours), plain(state)];
      }
    } catch (error) {
      throw this.#fail(error);
    }
  }

  async #finish(
    written: Promise<void>,
    stampBound: number,
    done: (error: CausewayError | null) => void,
  ): Promise<void> {
    let failure: CausewayError | null = null;
    try {
      await written;
    } catch (error) {
      failure = this.#fail(await commitCause(error));
    }
    this.#commitsInFlight--;
    if (failure === null) this.#stampBound = Math.max(this.#stampBound, stampBound);
    done(failure);
    if (this.#commitsInFlight === 0) this.#whenIdle?.();
  }

  async #closeNow(done: () => void): Promise<void> {
    try {
      this.#promises.transactionSync(() => this.#promises.removeSync(OWNER));
    } catch {
      // The next start finds a folder whose owner is gone, and takes it.
    }
    await Promise.allSettled([this.#image.close(), this.#promises.close()]);
    openFolders.delete(this.#folder);
    done();
  }

  #guarded<T>(run: () => T): T {
    if (this.#failure !== null) throw this.#failure;
    if (this.#isClosed) throw new CausewayError('STORE', `the store in ${this.#folder} is closed`);
    try {
      return run();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #fail(cause: unknown): CausewayError {
    this.#failure ??= storeError(cause, this.#folder, MOVE_AWAY);
    return this.#failure;
  }
}

function unshaped(): never {
  throw new Error('an entry has an impossible shape');
}

/** Makes this process the owner of the folder in one transaction, so that of two that try at once one is refused. */
function takeFolder(promises: RootDatabase<unknown, string>, folder: string): void {
  promises.transactionSync(() => {
    const version = promises.get(FORMAT);
    if (!FORMATS_KNOWN.includes(version)) {
      const text = JSON.stringify(version) ?? 'none';
      throw new CausewayError(
        'STORE',
        `${folder} has format version ${text.slice(0, 40)} and this program knows ${FORMAT_VERSION} only: ` +
          'start the version that wrote it, or name another data folder, which is filled from the peers',
      );
    }
    const owner = promises.get(OWNER);
    if (isIdentity(owner) && isAlive(owner)) throw folderTaken(folder, owner.pid);
    promises.putSync(FORMAT, FORMAT_VERSION);
    promises.putSync(OWNER, ownIdentity());
  });
}

function folderTaken(folder: string, pid: number): CausewayError {
  return new CausewayError(
    'STORE',
    `${folder} is in use by process ${pid}: a data folder belongs to one node, stop that process or name another folder`,
  );
}

function isIdentity(value: unknown): value is ProcessIdentity {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, host, startedAt } = value as Partial<Record<keyof ProcessIdentity, unknown>>;
  return Number.isSafeInteger(pid) && typeof host === 'string' && (startedAt === null || typeof startedAt === 'string');
}

function numberOf(stored: unknown, folder: string): number {
  if (stored === undefined) return 0;
  if (Number.isSafeInteger(stored) && (stored as number) >= 0) return stored as number;
  const text = JSON.stringify(stored) ?? 'nothing';
  throw new CausewayError('STORE', `${folder} holds ${text.slice(0, 40)} where a number belongs: ${MOVE_AWAY}`);
}

const MOVE_AWAY = 'move the folder away and start again, the node is then filled from its peers';

/** Without Buffer's own methods: its `slice` shares the bytes, where the core's is a copy. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function copied(bytes: Uint8Array | undefined): Uint8Array | null {
  return bytes === undefined ? null : Uint8Array.from(bytes);
}
