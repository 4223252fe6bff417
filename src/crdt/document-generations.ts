import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { parseCommand } from './document-edits.ts';
import { formatJson, JSON_BYTES_MAX, parseJson, type Json } from './document-json.ts';
import { clientIdOf, SharedDocument } from './document.ts';
import { compareWrites, covers, type StampedDot, type Update, type UpdateContext } from './update.ts';
import type { MergeSides } from './writes.ts';

/** An edit that some generation still to come may not contain. */
interface KeptEdit {
  readonly stamp: number;
  readonly origin: number;
  readonly seq: number;
  /** As it travelled (`document-edits.ts`). */
  readonly command: string;
  /** Of the origins of other edits kept then: what this one had seen, flat (origin, sequence). */
  readonly seen: readonly number[];
  /** What replaying it on the current generation's base gave; null when it was made on this generation or is contained in it. */
  carried: Uint8Array | null;
}

/** What the edits of one origin are played again on. */
interface Replay {
  readonly document: SharedDocument;
  readonly included: Set<KeptEdit>;
}

export type KeptEditState = [
  stamp: number,
  origin: number,
  seq: number,
  command: string,
  seen: number[],
  carried: Uint8Array | null,
];

export type GenerationsState = [
  latest: [stamp: number, origin: number, seq: number],
  generation: [stamp: number, origin: number, seq: number],
  base: string | null,
  content: Uint8Array,
  edits: KeptEditState[],
];

/** Encoded bytes below which history is not worth a new generation. */
const HISTORY_BYTES_MIN = 512;
/** A document is re-encoded when it is longer than this many times a fresh one. */
const HISTORY_FACTOR = 3;
/** And when at most one in so many of the edits since its generation is not stable yet. */
const UNSTABLE_SHARE = 4;

/**
 * The content under one root, in generations (RULES V9). A generation is named by its dot and carries, as JSON, all that its maker had
 * seen; the latest by (stamp, origin) is current. An edit travels as what Yjs made of it on its generation and as its command. Where the
 * current generation is another one and does not contain it, every replica plays the command again on the generation's base with those
 * of the edits it had seen that were carried over too: a function of the transactions alone, so all get the same bytes.
 */
export class Generations {
  #generation: StampedDot;
  #document: SharedDocument;
  /** JSON of the generation's base, as long as edits may arrive that were made without it; the root's has none. */
  #base: string | null = null;
  #edits: KeptEdit[] = [];
  readonly #editOrigins: Set<number> = new Set();
  /** By origin, the base with those carried edits that its latest one had seen. */
  readonly #replays: Map<number, Replay> = new Map();
  /** The latest write: the root or an edit. */
  latest: StampedDot;
  /** Edits since the generation, and bytes that came since it was measured. */
  #editsSince = 0;
  #bytesSince = 0;
  #measuredBytes = 0;

  constructor(root: StampedDot, document: SharedDocument) {
    this.#generation = root;
    this.latest = root;
    this.#document = document;
  }

  get document(): SharedDocument {
    return this.#document;
  }

  get generation(): StampedDot {
    return this.#generation;
  }

  /** Edits kept for generations to come. */
  get keptEdits(): number {
    return this.#edits.length;
  }

  /** Of the edits kept those that a transaction has not seen: all of them, as what is not kept is stable. */
  editsUnseenBy(context: UpdateContext): (StampedDot & { readonly command: string })[] {
    return this.#edits.filter((edit) => !covers(context, edit.origin, edit.seq));
  }

  /** Applies an edit made on the root; one made here has no bytes yet and gets them. Says whether it was taken. */
  edit(update: Update, context: UpdateContext): boolean {
    const text = update.field.toLatin1();
    const command = parseCommand(text);
    if (command === null) return false;
    const isOfThis =
      command.generationOrigin === this.#generation.origin && command.generationSeq === this.#generation.seq;
    const client = clientIdOf(context.origin, false);
    if (isOfThis && update.value.length === 0) {
      const bytes = this.#document.play(command.operations, client);
      update.value.set(bytes, 0, bytes.length);
    } else if (isOfThis) {
      const bytes = update.value.toBytes();
      if (!this.#document.accepts(bytes, client) || !this.#document.merge(bytes)) return false;
    }
    const { stamp, origin, seq } = context;
    const edit: KeptEdit = { stamp, origin, seq, command: text, seen: this.#seenBy(context), carried: null };
    if (!isOfThis) this.#carryOver(edit);
    this.#keep(edit);
    this.#editsSince++;
    this.#bytesSince += update.value.length;
    if (compareWrites(stamp, origin, this.latest.stamp, this.latest.origin) >= 0) this.latest = { stamp, origin, seq };
    return true;
  }

  #seenBy(context: UpdateContext): number[] {
    const seen: number[] = [];
    for (const origin of this.#editOrigins) {
      const seq = origin === context.origin ? 0 : context.deps.get(origin as Origin);
      if (seq > 0) seen.push(origin, Math.min(seq, Number.MAX_SAFE_INTEGER));
    }
    return seen;
  }

  #keep(edit: KeptEdit): void {
    this.#edits.push(edit);
    this.#editOrigins.add(edit.origin);
  }

  /** Plays an edit that the generation does not contain again. */
  #carryOver(edit: KeptEdit): void {
    const operations = parseCommand(edit.command)?.operations ?? [];
    const client = clientIdOf(edit.origin as Origin, true);
    const replay = this.#replayFor(edit.origin);
    for (const other of this.#edits) {
      if (other.carried === null || replay.included.has(other) || !hasSeen(edit, other)) continue;
      replay.document.merge(other.carried);
      replay.included.add(other);
    }
    edit.carried = replay.document.play(operations, client);
    replay.included.add(edit);
    this.#document.merge(edit.carried);
  }

  /** An origin sees more and more: what one of its edits is played on is what the one before was, and more. */
  #replayFor(origin: number): Replay {
    let replay = this.#replays.get(origin);
    if (replay === undefined) {
      replay = { document: this.#freshBase(), included: new Set() };
      this.#replays.set(origin, replay);
    }
    return replay;
  }

  #dropReplays(): void {
    for (const { document } of this.#replays.values()) document.release();
    this.#replays.clear();
  }

  /** Not to be used any more. */
  release(): void {
    this.#document.release();
    this.#dropReplays();
  }

  #freshBase(): SharedDocument {
    const base = this.#base === null ? null : parseJson(this.#base);
    // a stable generation is contained in what everybody writes, so nothing is ever carried over to it by honest peers
    return base === null ? this.#document.copy() : SharedDocument.fromJson(base.value);
  }

  /** Takes a generation: its base, and over it every kept edit that it does not contain. Says whether the value changed. */
  advance(base: string, context: UpdateContext): boolean {
    if (compareWrites(context.stamp, context.origin, this.#generation.stamp, this.#generation.origin) <= 0)
      return false;
    const parsed = parseJson(base);
    if (parsed === null) return false;
    const before = this.jsonText();
    const { stamp, origin, seq } = context;
    const uncontained = this.#edits.filter((edit) => !covers(context, edit.origin, edit.seq));
    const contained = this.#edits.filter((edit) => covers(context, edit.origin, edit.seq));
    this.#begin({ stamp, origin, seq }, base, SharedDocument.fromJson(parsed.value));
    for (const edit of contained) this.#keep({ ...edit, carried: null });
    for (const edit of uncontained) this.#carryAndKeep(edit);
    this.#sortEdits();
    return this.jsonText() !== before;
  }

  #begin(generation: StampedDot, base: string | null, document: SharedDocument): void {
    this.#document.release();
    this.#generation = generation;
    this.#base = base;
    this.#document = document;
    this.#edits = [];
    this.#editOrigins.clear();
    this.#dropReplays();
    this.#editsSince = 0;
    this.#bytesSince = 0;
    this.#measuredBytes = 0;
  }

  #carryAndKeep(edit: KeptEdit): void {
    const again = { ...edit, carried: null };
    this.#carryOver(again);
    this.#keep(again);
  }

  #sortEdits(): void {
    this.#edits.sort((left, right) => compareWrites(left.stamp, left.origin, right.stamp, right.origin));
  }

  /** The value's JSON text: what a new generation carries. */
  jsonText(): string {
    return formatJson(this.#document.root.toJson());
  }

  toJson(): Json {
    return this.#document.root.toJson();
  }

  /** Forgets what is stable, once the generation is: whatever comes later was made on it. */
  settle(stable: VersionVector): void {
    if (!this.#isStable(stable)) return;
    this.#base = null;
    this.#dropReplays();
    if (this.#edits.length === 0) return;
    const kept = this.#edits.filter((edit) => !stable.contains(edit.origin as Origin, edit.seq));
    if (kept.length === this.#edits.length) return;
    this.#edits = kept;
    this.#editOrigins.clear();
    for (const edit of kept) this.#editOrigins.add(edit.origin);
  }

  #isStable(stable: VersionVector): boolean {
    return stable.contains(this.#generation.origin as Origin, this.#generation.seq);
  }

  isSettled(stable: VersionVector): boolean {
    return this.#edits.length === 0 && this.#base === null && this.#isStable(stable);
  }

  /** Nothing to forget, without knowing what is stable: no edits and no base. */
  get isPlain(): boolean {
    return this.#edits.length === 0 && this.#base === null;
  }

  /**
   * Whether the history is worth a new generation (after `settle`): `long` when it is much longer than the value, and most of it stable;
   * `unsettled` when that is to be asked again.
   */
  history(stable: VersionVector): 'short' | 'long' | 'unsettled' {
    if (!this.#isStable(stable) || this.#edits.length * UNSTABLE_SHARE > this.#editsSince) return 'unsettled';
    const isQuiet = this.#edits.length === 0;
    if (!isQuiet && this.#bytesSince < Math.max(HISTORY_BYTES_MIN, this.#measuredBytes / 4)) return 'unsettled';
    if (this.#bytesSince > 0) {
      this.#measuredBytes = this.#document.encode().length;
      this.#bytesSince = 0;
      const isLong =
        this.#measuredBytes > HISTORY_BYTES_MIN &&
        this.#measuredBytes > HISTORY_FACTOR * SharedDocument.freshBytes(this.toJson());
      // a value that is too long to be a base keeps its history
      if (isLong && this.jsonText().length <= JSON_BYTES_MAX) return 'long';
    }
    return isQuiet ? 'short' : 'unsettled';
  }

  /** Merges a snapshot's content of the same root (RULES D6). */
  merge(their: Generations, sides: MergeSides): void {
    const mine = this.#generation;
    const order = compareWrites(their.#generation.stamp, their.#generation.origin, mine.stamp, mine.origin);
    const theirNews = their.#edits.filter((edit) => !sides.local.contains(edit.origin as Origin, edit.seq));
    if (order === 0) {
      this.#document.merge(their.#document.encode());
      this.#dropReplays();
      for (const edit of theirNews) this.#keep({ ...edit });
    } else if (order < 0) {
      for (const edit of theirNews) this.#carryAndKeep(edit);
    } else {
      const myNews = this.#edits.filter((edit) => !sides.remote.contains(edit.origin as Origin, edit.seq));
      this.#begin(their.#generation, their.#base, their.#document.copy());
      for (const edit of their.#edits) this.#keep({ ...edit });
      for (const edit of myNews) this.#carryAndKeep(edit);
    }
    this.#sortEdits();
    const { latest } = their;
    if (compareWrites(latest.stamp, latest.origin, this.latest.stamp, this.latest.origin) > 0) this.latest = latest;
  }

  toState(): GenerationsState {
    const dot = ({ stamp, origin, seq }: StampedDot): [number, number, number] => [stamp, origin, seq];
    return [
      dot(this.latest),
      dot(this.#generation),
      this.#base,
      this.#document.encode(),
      this.#edits.map((edit) => [edit.stamp, edit.origin, edit.seq, edit.command, [...edit.seen], edit.carried]),
    ];
  }

  static fromState(state: GenerationsState): Generations {
    const [latest, generation, base, content, edits] = state;
    const dot = ([stamp, origin, seq]: [number, number, number]): StampedDot => ({ stamp, origin, seq });
    const generations = new Generations(dot(generation), SharedDocument.fromBytes(new Uint8Array(content)));
    generations.latest = dot(latest);
    generations.#base = base;
    for (const [stamp, origin, seq, command, seen, carried] of edits) {
      generations.#keep({
        stamp,
        origin,
        seq,
        command,
        seen,
        carried: carried === null ? null : new Uint8Array(carried),
      });
    }
    generations.#editsSince = edits.length;
    generations.#bytesSince = 1;
    return generations;
  }
}

/** Whether an edit had seen another that was kept when it came. */
function hasSeen(edit: KeptEdit, other: KeptEdit): boolean {
  if (other.origin === edit.origin) return other.seq <= edit.seq;
  const at = edit.seen.findIndex((origin, index) => index % 2 === 0 && origin === other.origin);
  return at >= 0 && (edit.seen[at + 1] as number) >= other.seq;
}
