import { CausewayError } from '../errors.ts';
import { Digest } from './digest.ts';
import type { Slot } from './keyspace.ts';
import type { KeyspaceParts } from './opened-entries.ts';
import type { SlabTable, SlotObserver } from './slab/slab-table.ts';

/** Digests that are made at a time: each is told of every change. */
const RUNS_MAX = 8;
/** Slots that are looked at in a turn, of all of them together. */
const SLOTS_A_TURN = 2_000;
/** Characters of keys and values that take as long as a slot. */
const CHARACTERS_A_SLOT = 128;

/**
 * A digest of all keys as they are at the moment at which it is begun (SPEC S2), made bit by bit while changes go on: a slot that changes before it came by is added
 * first, as in a `SnapshotCursor`.
 */
class DigestRun implements SlotObserver {
  readonly #slots: SlabTable;
  readonly #isShown: (slot: Slot) => boolean;
  readonly #digest: Digest = new Digest();
  #position: Slot = 0;
  /** Slots from it on were given out later. */
  readonly #end: Slot;
  /** Slots behind the position that are in it, or were empty. */
  readonly #done: Set<Slot> = new Set();

  constructor(slots: SlabTable, isShown: (slot: Slot) => boolean) {
    this.#slots = slots;
    this.#isShown = isShown;
    this.#end = slots.length;
  }

  get isDone(): boolean {
    return this.#position >= this.#end;
  }

  /** 32 hex digits, once it is done. */
  get hex(): string {
    return this.#digest.hex();
  }

  beforeChange(slot: Slot): void {
    if (slot < this.#position || slot >= this.#end || this.#done.has(slot)) return;
    this.#done.add(slot);
    this.#add(slot);
  }

  /** Goes on for about so many slots; returns how many of them are left. */
  advance(slots: number): number {
    let left = slots;
    for (; left > 0 && this.#position < this.#end; left--) {
      const slot = this.#position++;
      if (!this.#done.delete(slot)) left -= this.#add(slot) / CHARACTERS_A_SLOT;
    }
    return left;
  }

  #add(slot: Slot): number {
    const key = this.#slots.isLive(slot) && this.#isShown(slot) ? this.#slots.keyText(slot) : null;
    return key === null ? 0 : this.#digest.add(key, this.#slots.entryAt(slot));
  }
}

/** Digests that are on their way, one after the other. */
export class DigestRuns {
  readonly #slots: SlabTable;
  readonly #parts: Pick<KeyspaceParts, 'pending' | 'recent'>;
  readonly #counts: (slot: Slot) => boolean;
  #open: DigestRun[] = [];

  /** `counts` says of a slot that shows whether it is in a digest. */
  constructor(slots: SlabTable, parts: Pick<KeyspaceParts, 'pending' | 'recent'>, counts: (slot: Slot) => boolean) {
    this.#slots = slots;
    this.#parts = parts;
    this.#counts = counts;
  }

  get isOpen(): boolean {
    return this.#open.length > 0;
  }

  /** One of this moment, with its first turn done: what is small is whole then. Throws ERR past the limit. */
  begin(nowMs: number): DigestRun {
    if (this.#open.length >= RUNS_MAX)
      throw new CausewayError('ERR', `too many digests at a time (limit digests-max ${RUNS_MAX})`);
    const run = this.#runAt(nowMs);
    run.advance(SLOTS_A_TURN);
    if (run.isDone) return run;
    this.#open.push(run);
    this.#slots.observers.add(run);
    return run;
  }

  /** The digest of this moment, in one step. */
  now(nowMs: number): string {
    const run = this.#runAt(nowMs);
    run.advance(Infinity);
    return run.hex;
  }

  #runAt(nowMs: number): DigestRun {
    this.#parts.recent.readAll();
    // what is on its way now is in it, what comes later is not: by slots the two could not be told apart
    this.#parts.pending.settleAll();
    const { records } = this.#slots;
    return new DigestRun(this.#slots, (slot) => records.isVisible(slot, nowMs) && this.#counts(slot));
  }

  /** Goes on for a turn, or a share of one. */
  step(share = 1): void {
    for (let left = SLOTS_A_TURN * share; left > 0;) {
      const [run] = this.#open;
      if (run === undefined) return;
      left = run.advance(left);
      if (!run.isDone) return;
      this.#slots.observers.delete(run);
      this.#open = this.#open.slice(1);
    }
  }
}
