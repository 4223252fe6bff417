import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { canonicalJson, parseJson } from './document-json.ts';
import { Generations, type GenerationsState } from './document-generations.ts';
import { SharedDocument, type DocumentNode } from './document.ts';
import { mergeSlots, slotHolder } from './slot-merge.ts';
import { compareWrites, covers, type StampedDot, type Update, type UpdateContext } from './update.ts';
import type { FlushedSides } from './writes.ts';

export type DocumentState = [stamp: number, origin: number, seq: number, content: GenerationsState | null];

/**
 * A key's document: one slot by (stamp, origin), as a string's (RULES V2, V9), that holds a root with what was edited under it, or
 * the tombstone of one. An edit names its root and counts only while that root is current.
 */
export class DocumentContent {
  /** 0 = the slot is empty. */
  stamp = 0;
  origin = 0;
  seq = 0;
  /** Null where the slot is empty or a tombstone. */
  content: Generations | null = null;

  get isLive(): boolean {
    return this.content !== null;
  }

  get isEmpty(): boolean {
    return this.stamp === 0;
  }

  get root(): DocumentNode | null {
    return this.content === null ? null : this.content.document.root;
  }

  /** The value for digests: equal values have equal texts. */
  canonicalText(): string {
    return this.content === null ? '' : canonicalJson(this.content.toJson());
  }

  /** Takes a root (or, with null, a tombstone) into the slot if it is the latest. A text that is no JSON is ignored by all alike. */
  write(text: string | null, context: UpdateContext, flush: StampedDot | null): boolean {
    const json = text === null ? null : parseJson(text);
    if (text !== null && json === null) return false;
    if (flush !== null && compareWrites(context.stamp, context.origin, flush.stamp, flush.origin) < 0) return false;
    if (compareWrites(context.stamp, context.origin, this.stamp, this.origin) < 0) return false;
    const { stamp, origin, seq } = context;
    this.stamp = stamp;
    this.origin = origin;
    this.seq = seq;
    this.content?.release();
    this.content = json === null ? null : new Generations({ stamp, origin, seq }, SharedDocument.fromJson(json.value));
    return true;
  }

  edit(update: Update, context: UpdateContext): boolean {
    return this.#isRoot(update) && this.content !== null && this.content.edit(update, context);
  }

  advance(update: Update, context: UpdateContext): boolean {
    return this.#isRoot(update) && this.content !== null && this.content.advance(update.value.toLatin1(), context);
  }

  #isRoot(update: Update): boolean {
    return update.baseOrigin === this.origin && update.baseSeq === this.seq;
  }

  /** What an operation on another type does to a document that it had seen (RULES V6): a tombstone at the root's own place. */
  removeCovered(context: UpdateContext): boolean {
    if (this.content === null || !covers(context, this.origin, this.seq)) return false;
    this.content.release();
    this.content = null;
    return true;
  }

  /** FLUSHALL: what is below the mark goes. */
  flush(mark: StampedDot): boolean {
    if (compareWrites(this.stamp, this.origin, mark.stamp, mark.origin) > 0) return false;
    const shown = this.isLive;
    this.#clear();
    return shown;
  }

  #clear(): void {
    this.stamp = 0;
    this.origin = 0;
    this.seq = 0;
    this.content = null;
  }

  settle(stable: VersionVector, flush: StampedDot | null): void {
    const isTombstone = this.content === null;
    if (isTombstone && flush === null && stable.contains(this.origin as Origin, this.seq)) this.#clear();
    this.content?.settle(stable);
  }

  isSettled(stable: VersionVector): boolean {
    return this.isEmpty || this.content?.isSettled(stable) === true;
  }

  /** A value and nothing to forget. */
  get isPlain(): boolean {
    return this.content?.isPlain === true;
  }

  latest(): StampedDot | null {
    return this.content === null ? null : this.content.latest;
  }

  /** Merges a snapshot's document by dot (RULES D6). `other` undefined is an empty one. */
  merge(other: DocumentContent | undefined, sides: FlushedSides): void {
    const their = other ?? new DocumentContent();
    const outcome = mergeSlots(slotHolder(this, sides.localFlush), slotHolder(their, sides.remoteFlush), sides);
    if (outcome === 'same') this.#mergeSameSlot(their, sides);
    else if (outcome === 'theirs') this.#take(their);
    else if (outcome === 'neither') this.#clear();
  }

  #mergeSameSlot(their: DocumentContent, sides: FlushedSides): void {
    if (this.content !== null && their.content !== null) this.content.merge(their.content, sides);
    else this.content = null;
  }

  #take(their: DocumentContent): void {
    this.stamp = their.stamp;
    this.origin = their.origin;
    this.seq = their.seq;
    this.content = their.content;
  }

  toState(): DocumentState | null {
    if (this.stamp === 0) return null;
    return [this.stamp, this.origin, this.seq, this.content === null ? null : this.content.toState()];
  }

  static fromState(state: DocumentState): DocumentContent {
    const document = new DocumentContent();
    const [stamp, origin, seq, content] = state;
    document.stamp = stamp;
    document.origin = origin;
    document.seq = seq;
    document.content = content === null ? null : Generations.fromState(content);
    return document;
  }
}
