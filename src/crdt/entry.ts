import { OPEN_KEY_HASH, type KeyHash } from '../base/key-hash.ts';
import type { Origin } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { DocumentContent, type DocumentState } from './document-content.ts';
import { Expiries, type ExpiryState } from './expiries.ts';
import { HashContent, type FieldState } from './hash-content.ts';
import { Increments, parseAmount, type Run, type RunState } from './increments.ts';
import { SetContent, type MemberState } from './set-content.ts';
import { SiblingContent, type SiblingsState } from './sibling-content.ts';
import { restoredString } from './string-forms.ts';
import { StringContent, type FlushMark, type StringState } from './string-content.ts';
import { compareWrites, UpdateKind, type StampedDot, type Update, type UpdateContext } from './update.ts';
import type { FlushedSides } from './writes.ts';

/** What a key shows. */
export const ContentType = { None: 0, String: 1, Hash: 2, Set: 3, Document: 4 } as const;
export type ContentType = (typeof ContentType)[keyof typeof ContentType];

/** The plain form of an entry, for snapshots and the store. */
export type EntryState = [
  /** That of a key which keeps siblings is told by its length. */
  string: StringState | SiblingsState | null,
  hash: FieldState[] | null,
  set: MemberState[] | null,
  expiries: ExpiryState[] | null,
  /** Left out where there is none. */
  document?: DocumentState,
];

/**
 * All that one key holds: content per type (RULES V6) and expiries. The type that shows is that of the latest surviving write;
 * every operation removes the other types' content that its deps cover. Pure state: equal sets of transactions, applied in any
 * causal order, give equal entries.
 */
export class Entry {
  string: StringContent | SiblingContent;
  hash: HashContent | null = null;
  set: SetContent | null = null;
  document: DocumentContent | null = null;
  expiries: Expiries | null = null;
  /** Whether time does not hide it: it goes when a log says so (RULES D9). */
  expiresByLog = false;
  /** By which elements are found. */
  keyHash: KeyHash = OPEN_KEY_HASH;
  /** Derived by `refresh`. */
  type: ContentType = ContentType.None;
  /** Derived by `refresh`: Unix milliseconds of the visible type's expiry, Infinity for none. */
  expiryMs: number = Infinity;

  /** `keepsSiblings` says whether concurrent writes of its string are all kept (RULES V5): the same for the key's life. */
  constructor(keepsSiblings = false) {
    this.string = keepsSiblings ? new SiblingContent() : new StringContent();
  }

  /** The entry of a string that is one write, with the expiry that it came with (Infinity for none), and was nothing else before. */
  static ofRegister(value: string, { stamp, origin, seq }: StampedDot, expiryMs: number): Entry {
    const entry = new Entry();
    entry.string = StringContent.ofRegister(value, stamp, origin, seq);
    if (expiryMs !== Infinity) entry.expiries = Expiries.ofRegister(expiryMs, stamp, origin, seq);
    entry.type = ContentType.String;
    entry.expiryMs = expiryMs;
    return entry;
  }

  /** The entry of a counter that is increments and nothing else. */
  static ofCounter(runs: readonly RunState[]): Entry {
    const entry = new Entry();
    const string = new StringContent();
    string.increments = Increments.fromState(runs);
    entry.string = string;
    entry.type = ContentType.String;
    return entry;
  }

  /** The runs of such an entry, where they are few and exact (`Increments.exactRuns`); else null. */
  counterRuns(runsMax: number): readonly Run[] | null {
    const { string } = this;
    if (string.keepsSiblings || string.value !== null || string.stamp !== 0 || string.increments === null) return null;
    if (this.hash !== null || this.set !== null || this.document !== null || this.expiries !== null) return null;
    return string.increments.exactRuns(runsMax);
  }

  /** Whether `ofRegister` makes the same of its parts. */
  get isRegister(): boolean {
    const { string, expiries } = this;
    if (string.keepsSiblings || string.value === null || string.increments !== null) return false;
    if (this.hash !== null || this.set !== null || this.document !== null) return false;
    return expiries === null || expiries.isOfRegister(string.stamp, string.origin, string.seq);
  }

  /**
   * Applies one keyed update; says whether some content may have changed. What shows can also change with the type or the expiry
   * after `refresh`. Malformed deltas are ignored by all alike.
   */
  apply(update: Update, context: UpdateContext, flush: FlushMark | null): boolean {
    const othersChanged = this.#removeOthers(contentOf(update), context);
    return this.#applyOwn(update, context, flush) || othersChanged;
  }

  /**
   * Applies a field or a member of a key that holds nothing but others like it, where that leaves one write of it: then nothing else of the
   * entry changes. False where it is not that, and nothing was done.
   */
  writeElement(update: Update, context: UpdateContext): boolean {
    if (this.document !== null || this.string.shows) return false;
    const { hash, set } = this;
    let isNew: boolean | null = null;
    if (update.kind === UpdateKind.HashSet && hash !== null && set === null)
      isNew = hash.writePlain(update.field, update.value, context);
    else if (update.kind === UpdateKind.SetAdd && set !== null && hash === null)
      isNew = set.addPlain(update.field, context);
    update.isNew = isNew === true;
    return isNew !== null;
  }

  #applyOwn(update: Update, context: UpdateContext, flush: FlushMark | null): boolean {
    switch (update.kind) {
      case UpdateKind.Set:
        return this.#set(update, context, flush);
      case UpdateKind.Fill:
        return this.#fill(update, context, flush);
      case UpdateKind.Delete:
        this.expiries?.removeCovered(context);
        return false;
      case UpdateKind.DeleteString:
        this.expiries?.removeCovered(context);
        return this.string.write(null, context, flush);
      case UpdateKind.Increment: {
        const amount = parseAmount(update.value.toLatin1());
        return amount !== null && this.string.increment(amount, update.baseOrigin, update.baseSeq, context, flush);
      }
      case UpdateKind.Expire:
        return this.#expire(update, context);
      case UpdateKind.HashSet:
        this.hash ??= new HashContent(this.keyHash);
        update.isNew = this.hash.write(update.field, update.value, context);
        return true;
      case UpdateKind.HashDelete:
        return this.hash?.remove(update.field, context) ?? false;
      case UpdateKind.HashIncrement: {
        const amount = parseAmount(update.value.toLatin1());
        if (amount !== null) (this.hash ??= new HashContent(this.keyHash)).increment(update.field, amount, context);
        return amount !== null;
      }
      case UpdateKind.SetAdd:
        update.isNew = (this.set ??= new SetContent(this.keyHash)).add(update.field, context);
        return update.isNew;
      case UpdateKind.SetRemove:
        return this.set?.remove(update.field, context) ?? false;
      case UpdateKind.DocumentSet:
        return (this.document ??= new DocumentContent()).write(update.value.toLatin1(), context, flush);
      case UpdateKind.DocumentEdit:
        return this.document?.edit(update, context) ?? false;
      case UpdateKind.DocumentGeneration:
        return this.document?.advance(update, context) ?? false;
      case UpdateKind.DeleteDocument:
        this.expiries?.removeCovered(context);
        return (this.document ??= new DocumentContent()).write(null, context, flush);
      case UpdateKind.FlushAll:
      case UpdateKind.Publish:
      case UpdateKind.CloseIncarnations:
        return false;
    }
  }

  #set(update: Update, context: UpdateContext, flush: FlushMark | null): boolean {
    const counted = this.string.removeCoveredIncrements(context);
    this.expiries?.removeCovered(context);
    const written = this.string.write(update.value.toLatin1(), context, flush);
    if (!written) return counted;
    this.expiries?.dropBase(context.origin, context.seq);
    if (update.atMs !== Infinity)
      (this.expiries ??= new Expiries()).add(update.atMs, context.origin, context.seq, context);
    return true;
  }

  /** As `#set`, at the stamp of the load. Keys that keep siblings take none. */
  #fill(update: Update, { origin, seq, deps }: UpdateContext, flush: FlushMark | null): boolean {
    const { string } = this;
    if (string.keepsSiblings) return false;
    const context = { origin, seq, deps, stamp: update.baseSeq as Stamp };
    const counted = string.removeCoveredIncrements(context);
    this.expiries?.removeCovered(context);
    if (!string.fill(update.value.toLatin1(), context, flush)) return counted;
    this.expiries?.dropBase(origin, seq);
    if (update.atMs !== Infinity) (this.expiries ??= new Expiries()).add(update.atMs, origin, seq, context);
    return true;
  }

  #expire(update: Update, context: UpdateContext): boolean {
    if (update.baseOrigin !== 0 && !this.string.hasRegister(update.baseOrigin, update.baseSeq)) return false;
    const expiries = (this.expiries ??= new Expiries());
    const beforeMs = expiries.view(update.baseOrigin, update.baseSeq);
    expiries.add(update.atMs, update.baseOrigin, update.baseSeq, context);
    // PERSIST of what has no expiry is kept, for others made at the same time, but changes nothing
    return beforeMs !== Infinity || expiries.view(update.baseOrigin, update.baseSeq) !== Infinity;
  }

  /** Removes what the transaction had seen of the types other than its own; null is an operation on whatever is there. */
  #removeOthers(own: ContentType | null, context: UpdateContext): boolean {
    if (own === null) return false;
    let changed = false;
    if (own !== ContentType.String && this.string.removeCovered(context)) changed = true;
    if (own !== ContentType.Hash && this.hash !== null && this.hash.removeCovered(context)) changed = true;
    if (own !== ContentType.Set && this.set !== null && this.set.removeCovered(context)) changed = true;
    if (own !== ContentType.Document && this.document?.removeCovered(context) === true) changed = true;
    return changed;
  }

  /** FLUSHALL: registers and documents below the mark (null when a later FLUSHALL came before it), and what the deps cover of the rest. */
  flush(mark: FlushMark | null, context: UpdateContext): void {
    if (mark !== null) {
      this.string.flush(mark);
      this.document?.flush(mark);
    }
    this.hash?.removeCovered(context);
    this.set?.removeCovered(context);
    this.expiries?.removeCovered(context);
  }

  /** Derives what shows after changes: drops empty contents and the expiries of registers that are gone. */
  refresh(): void {
    if (this.hash !== null && this.hash.isEmpty) this.hash = null;
    if (this.set !== null && this.set.isEmpty) this.set = null;
    if (this.document !== null && this.document.isEmpty) this.document = null;
    if (this.expiries !== null) {
      this.expiries.keepBases(this.string);
      if (this.expiries.isEmpty) this.expiries = null;
    }
    this.type = this.#visibleType();
    this.expiryMs = this.#visibleExpiryMs();
  }

  #visibleType(): ContentType {
    const string = this.string.shows;
    if (this.hash === null && this.set === null && this.document === null)
      return string ? ContentType.String : ContentType.None;
    return this.#latestType();
  }

  #latestType(): ContentType {
    if (!this.hasSeveralTypes) {
      if (this.string.shows) return ContentType.String;
      if (this.hash !== null) return ContentType.Hash;
      if (this.set !== null) return ContentType.Set;
      return this.#showsDocument ? ContentType.Document : ContentType.None;
    }
    let type: ContentType = ContentType.None;
    let best: StampedDot | null = null;
    for (const candidateType of [ContentType.String, ContentType.Hash, ContentType.Set, ContentType.Document]) {
      const candidate = this.#latestOf(candidateType);
      if (candidate === null) continue;
      if (best !== null && compareWrites(candidate.stamp, candidate.origin, best.stamp, best.origin) < 0) continue;
      best = candidate;
      type = candidateType;
    }
    return type;
  }

  /** The latest surviving write of a type. */
  #latestOf(type: ContentType): StampedDot | null {
    if (type === ContentType.String) return this.string.latest();
    if (type === ContentType.Hash) return this.hash?.latest() ?? null;
    if (type === ContentType.Set) return this.set?.latest() ?? null;
    return this.document?.latest() ?? null;
  }

  get #showsDocument(): boolean {
    return this.document !== null && this.document.isLive;
  }

  #visibleExpiryMs(): number {
    if (this.expiries === null || this.type === ContentType.None) return Infinity;
    return this.type === ContentType.String ? this.string.expiryMs(this.expiries) : this.expiries.view(0, 0);
  }

  /** Whether anything is kept, visible or not. */
  get isEmpty(): boolean {
    return (
      this.string.isEmpty && this.hash === null && this.set === null && this.document === null && this.expiries === null
    );
  }

  /** Whether something hidden is left that a new write must remove first (RULES V7), given that nothing is visible. */
  get hasResidue(): boolean {
    return (
      this.string.shows || this.hash !== null || this.set !== null || this.#showsDocument || this.expiries !== null
    );
  }

  /**
   * Forgets what is stable and does not show: tombstones, losing writes, covered expiries. Returns whether there
   * is nothing left to forget later. Any transaction still to come covers all that is stable, so nobody can tell the difference.
   */
  settle(stable: VersionVector, flush: FlushMark | null): boolean {
    this.string.settle(stable, flush);
    this.hash?.settle(stable);
    this.set?.settle(stable);
    this.document?.settle(stable, flush);
    this.expiries?.settle(stable);
    this.refresh();
    return this.isSettled(stable);
  }

  isSettled(stable: VersionVector): boolean {
    return (
      !this.hasSeveralTypes &&
      this.string.isSettled(stable) &&
      (this.hash === null || this.hash.isSettled) &&
      (this.set === null || this.set.isSettled) &&
      (this.document === null || this.document.isSettled(stable)) &&
      (this.expiries === null || this.expiries.isSettled)
    );
  }

  get hasSeveralTypes(): boolean {
    const containers = (this.hash === null ? 0 : 1) + (this.set === null ? 0 : 1);
    return (this.string.shows ? 1 : 0) + containers + (this.#showsDocument ? 1 : 0) > 1;
  }

  /**
   * Removes what loses, just as every later operation on the key would (RULES V6). To be called only when all that was ever
   * applied to the key is stable, removals too: who has not seen the winner, or the removal of what beat it, may still write to
   * a loser, and it wins again as a whole.
   */
  forgetLosingTypes(stable: VersionVector): void {
    if (!this.hasSeveralTypes) return;
    const seenAllStable: UpdateContext = { origin: 0 as Origin, seq: 0, stamp: 0 as Stamp, deps: stable };
    this.#removeOthers(this.type, seenAllStable);
    this.refresh();
  }

  /** Merges a snapshot's entry of the same key by dot (RULES D6); null is an absent one. */
  merge(other: Entry | null, sides: FlushedSides): void {
    this.#mergeString(other?.string, sides);
    if (other !== null && other.hash !== null) this.hash ??= new HashContent(this.keyHash);
    this.hash?.merge(other?.hash ?? null, sides);
    if (other !== null && other.set !== null) this.set ??= new SetContent(this.keyHash);
    this.set?.merge(other?.set ?? null, sides);
    if (other !== null && other.document !== null) this.document ??= new DocumentContent();
    this.document?.merge(other?.document ?? undefined, sides);
    if (other !== null && other.expiries !== null) this.expiries ??= new Expiries();
    this.expiries?.merge(other?.expiries ?? null, sides);
    this.refresh();
  }

  /** Both sides have the string in one form: which keys keep siblings is agreed between members. */
  #mergeString(their: StringContent | SiblingContent | undefined, sides: FlushedSides): void {
    const mine = this.string;
    if (mine.keepsSiblings) mine.merge(their?.keepsSiblings === true ? their : undefined, sides);
    else mine.merge(their?.keepsSiblings === false ? their : undefined, sides);
  }

  toState(): EntryState {
    const state: EntryState = [
      this.string.toState(),
      this.hash === null ? null : this.hash.toState(),
      this.set === null ? null : this.set.toState(),
      this.expiries === null ? null : this.expiries.toState(),
    ];
    const document = this.document?.toState() ?? null;
    if (document !== null) state.push(document);
    return state;
  }

  /** The entry of a state; a string in the other form, from before the class of the key changed, is converted. */
  static fromState(state: EntryState, keepsSiblings = false, keyHash: KeyHash = OPEN_KEY_HASH): Entry {
    const entry = new Entry(keepsSiblings);
    entry.keyHash = keyHash;
    const [string, hash, set, expiries, document] = state;
    if (string !== null) entry.string = restoredString(string, keepsSiblings);
    if (hash !== null) entry.hash = HashContent.fromState(hash, keyHash);
    if (set !== null) entry.set = SetContent.fromState(set, keyHash);
    if (expiries !== null) entry.expiries = Expiries.fromState(expiries);
    if (document !== undefined) entry.document = DocumentContent.fromState(document);
    entry.refresh();
    return entry;
  }
}

/** The content that an operation is about: it removes what it saw of the others. None is all of them, null is whatever there is. */
function contentOf(update: Update): ContentType | null {
  switch (update.kind) {
    case UpdateKind.Set:
    case UpdateKind.Fill:
    case UpdateKind.Increment:
      return ContentType.String;
    case UpdateKind.Expire:
      return update.baseOrigin === 0 ? null : ContentType.String;
    case UpdateKind.HashSet:
    case UpdateKind.HashDelete:
    case UpdateKind.HashIncrement:
      return ContentType.Hash;
    case UpdateKind.SetAdd:
    case UpdateKind.SetRemove:
      return ContentType.Set;
    case UpdateKind.Delete:
    case UpdateKind.DeleteString:
    case UpdateKind.DeleteDocument:
      return ContentType.None;
    case UpdateKind.DocumentSet:
    case UpdateKind.DocumentEdit:
      return ContentType.Document;
    case UpdateKind.DocumentGeneration:
    case UpdateKind.FlushAll:
    case UpdateKind.Publish:
    case UpdateKind.CloseIncarnations:
      return null;
  }
}
