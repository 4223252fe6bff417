import { write } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { CommitPace } from './commit-pace.ts';
import { FILE_BYTES, openFiles, readFiles, seedOfLife } from './journal-files.ts';
import type { JournalContent, JournalFile, JournalLife } from './journal-files.ts';
import { FrameWriter, SECTOR_BYTES, type JournalEntry, type TreeReach } from './journal-frames.ts';

/** What waits goes into one frame up to about so much. */
const FRAME_BYTES: number = 1024 * 1024;

interface Waiting {
  readonly entry: JournalEntry;
  readonly done: () => void;
}

/** What decides where a frame is written: on the event loop or on a thread. */
export interface WrittenWhere {
  /** Writes of up to so many bytes stop the event loop while they are written; see `CommitPace`. 0 for never. */
  readonly syncBytesMax?: number;
  /** Whether something else of this process keeps the disk busy now: then a write is long, and none stops the loop. Never when left out. */
  readonly isDiskBusy?: () => boolean;
}

/**
 * A redo journal of two files that take turns: what is appended is on disk when it is said to be done (O_DSYNC), and is kept until it is
 * said to be kept elsewhere. A frame takes one write of one file that has its size already, where a transaction of LMDB takes two
 * with the pages between them. What comes while a write is on its way goes into the next.
 */
export class QuorumJournal {
  readonly #folder: string;
  readonly #pace: CommitPace;
  readonly #isDiskBusy: () => boolean;
  readonly #failed: (error: unknown) => void;
  readonly #writer: FrameWriter = new FrameWriter();
  #waiting: Waiting[] = [];
  #files: JournalFile[] = [];
  #life: JournalLife = { identity: new Uint8Array(0), mark: 0, turn: 0, treeBytes: 0 };
  #seed = 0;
  #current = 0;
  #at = 0;
  #written = 0;
  #retired = 0;
  #tree: TreeReach = { turn: 0, treeBytes: 0 };
  #isUnderWay = false;
  #isOver = false;
  #whenIdle: (() => void) | null = null;

  /** `failed` is told once of a write that failed: what is on disk is not known from then on, and nothing is done any more. */
  constructor(folder: string, where: WrittenWhere, failed: (error: unknown) => void) {
    this.#folder = folder;
    this.#pace = new CommitPace(where.syncBytesMax);
    this.#isDiskBusy = where.isDiskBusy ?? ((): boolean => false);
    this.#failed = failed;
  }

  /** What the files have; see `readFiles`. */
  read(): JournalContent | null {
    return readFiles(this.#folder);
  }

  /** Begins anew, with nothing in it: what it had is kept elsewhere. Nothing is on its way then. */
  begin(life: JournalLife, nextSequence: number): void {
    if (this.#files.length === 0) this.#files = openFiles(this.#folder);
    this.#life = life;
    this.#seed = seedOfLife(life);
    this.#current = 0;
    this.#at = SECTOR_BYTES;
    this.#written = nextSequence - 1;
    this.#retired = this.#written;
    this.#tree = { turn: life.turn, treeBytes: life.treeBytes };
    this.#file(0).begin(life, nextSequence);
    this.#file(1).begin(life, 0);
    for (const file of this.#files) file.lastSequence = this.#retired;
  }

  /** Sequences go up by one. `done` comes when it is on disk, in order, never before this returns. */
  append(entry: JournalEntry, done: () => void): void {
    this.#waiting.push({ entry, done });
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    // after this piece of work: what else it appends goes along, and what it sends leaves before the loop stops
    queueMicrotask(() => this.#writeNext());
  }

  /** All up to this sequence is kept in a tree that has so much on disk. */
  retire(sequence: number, tree: TreeReach): void {
    this.#retired = Math.max(this.#retired, sequence);
    this.#tree = tree;
  }

  /** All up to this sequence is on disk here. */
  get written(): number {
    return this.#written;
  }

  /** Calls back when nothing is on its way any more, or nothing will be done. */
  whenIdle(idle: () => void): void {
    if (!this.#isUnderWay || this.#isOver) idle();
    else this.#whenIdle = idle;
  }

  close(): void {
    this.#isOver = true;
    for (const file of this.#files.splice(0)) file.close();
  }

  #file(number: number): JournalFile {
    return this.#files[number] as JournalFile;
  }

  #writeNext(): void {
    if (this.#isOver) return;
    const taken = this.#takeWaiting();
    try {
      const frame = this.#writer.frameOf(
        taken.map(({ entry }) => entry),
        this.#tree,
        this.#seed,
      );
      const file = this.#fileFor(taken, frame.length);
      const at = this.#at;
      this.#at += frame.length;
      if (this.#isDiskBusy() || !this.#pace.staysOnLoop(frame.length))
        return this.#writeOffLoop(file, frame, at, taken);
      const startedMs = performance.now();
      file.write(frame, at);
      this.#pace.tookOnLoop(performance.now() - startedMs);
    } catch (error) {
      return this.#fail(error);
    }
    this.#ended(taken);
  }

  #takeWaiting(): readonly Waiting[] {
    let bytes = 0;
    const next = this.#waiting.findIndex(({ entry }, position) => {
      bytes += entry.bytes;
      return position > 0 && bytes > FRAME_BYTES;
    });
    if (next !== -1) return this.#waiting.splice(0, next);
    const taken = this.#waiting;
    this.#waiting = [];
    return taken;
  }

  #ended(taken: readonly Waiting[]): void {
    this.#written = taken.at(-1)?.entry.sequence ?? this.#written;
    for (const { done } of taken) done();
    // not from here: who appends again and again when it is done would never let go of the stack
    if (this.#waiting.length > 0) return queueMicrotask(() => this.#writeNext());
    this.#isUnderWay = false;
    this.#whenIdle?.();
    this.#whenIdle = null;
  }

  /** Where the next frame goes, long enough for it. */
  #fileFor(taken: readonly Waiting[], bytes: number): JournalFile {
    const other = this.#file(1 - this.#current);
    if (this.#at >= FILE_BYTES && other.lastSequence <= this.#retired) {
      // on disk before the frame is begun: of one write any part may be there after a power cut
      other.begin({ ...this.#life, ...this.#tree }, taken[0]?.entry.sequence ?? 0);
      this.#current = 1 - this.#current;
      this.#at = SECTOR_BYTES;
    }
    const file = this.#file(this.#current);
    file.growTo(this.#at + bytes);
    file.lastSequence = taken.at(-1)?.entry.sequence ?? file.lastSequence;
    return file;
  }

  #writeOffLoop(file: JournalFile, frame: Buffer, at: number, taken: readonly Waiting[]): void {
    const startedMs = performance.now();
    const next = (written: number): void => {
      write(file.descriptor, frame, written, frame.length - written, at + written, (error, count) => {
        if (error !== null) this.#fail(error);
        else if (written + count < frame.length) next(written + count);
        else {
          this.#pace.tookOnThread(performance.now() - startedMs);
          this.#ended(taken);
        }
      });
    };
    next(0);
  }

  #fail(error: unknown): void {
    this.#isOver = true;
    this.#waiting = [];
    this.#failed(error);
    this.#whenIdle?.();
    this.#whenIdle = null;
  }
}
