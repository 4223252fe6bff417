import { ByteRange, latin1Range } from '../base/bytes.ts';
import type { KeyHash } from '../base/key-hash.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { ElementTable, NO_ELEMENT } from './element-table.ts';
import { compareWrites, covers, type StampedDot, type UpdateContext } from './update.ts';
import { ObservedWrites, type MergeSides, type WriteState } from './writes.ts';

export type MemberState = [member: string, adds: WriteState<null>[]];

/**
 * A set where an add wins over a concurrent removal. Each member keeps the adds that nothing has seen; a removal takes what its
 * deps cover and needs no tombstone, because delivery is causal and exactly once.
 */
export class SetContent {
  readonly #members: ElementTable<ObservedWrites<null>>;
  /** Members that keep more than one add, so that forgetting looks only at them. */
  #unsettled: Set<string> | null = null;

  constructor(keyHash: KeyHash) {
    this.#members = new ElementTable(keyHash, false);
  }

  get size(): number {
    return this.#members.size;
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  // ── reads ──

  has(member: ByteRange): boolean {
    return this.#find(member) !== NO_ELEMENT;
  }

  #find(member: ByteRange): number {
    return this.#members.find(member, this.#members.hashOf(member));
  }

  nameAt(position: number): string {
    return this.#members.nameAt(position);
  }

  /** Points at the member; good until the next change. */
  nameInto(position: number, into: ByteRange): void {
    this.#members.nameInto(position, into);
  }

  /** The adds of a member, to be read. */
  addsAt(position: number): ObservedWrites<null> {
    return this.#members.objectAt(position) ?? this.#oneAdd(position);
  }

  #oneAdd(position: number): ObservedWrites<null> {
    const members = this.#members;
    const adds = new ObservedWrites<null>();
    adds.best = {
      value: null,
      stamp: members.stamp(position),
      origin: members.origin(position),
      seq: members.seq(position),
    };
    return adds;
  }

  // ── changes ──

  /** Says whether the member is new. */
  add(member: ByteRange, context: UpdateContext): boolean {
    return this.addPlain(member, context) ?? this.#addBeside(member, context);
  }

  /** As `add`, where that leaves one add and nothing else, as nearly all do; null where it does not, and nothing was done. */
  addPlain(member: ByteRange, context: UpdateContext): boolean | null {
    const members = this.#members;
    const hash = members.hashOf(member);
    const position = members.find(member, hash);
    if (position !== NO_ELEMENT) return members.supersede(position, context) ? false : null;
    members.setDot(members.add(member, hash, 0), context);
    return true;
  }

  /** Whether a member has one add, which the transaction had seen. */
  #isCovered(position: number, context: UpdateContext): boolean {
    const members = this.#members;
    return members.isPlain(position) && covers(context, members.origin(position), members.seq(position));
  }

  /** Adds a member that is there beside what the transaction had not seen of it. */
  #addBeside(member: ByteRange, context: UpdateContext): boolean {
    const position = this.#find(member);
    const adds = this.addsAt(position);
    adds.add(null, context);
    this.#put(position, adds);
    return false;
  }

  /** Says whether the member went. */
  remove(member: ByteRange, context: UpdateContext): boolean {
    const position = this.#find(member);
    return position !== NO_ELEMENT && this.#removeAt(position, context);
  }

  #removeAt(position: number, context: UpdateContext): boolean {
    if (this.#isCovered(position, context)) {
      this.#members.remove(position);
      return true;
    }
    const adds = this.#members.objectAt(position);
    if (adds?.removeCovered(context) === true) this.#put(position, adds);
    return adds !== null && adds.isEmpty;
  }

  removeCovered(context: UpdateContext): boolean {
    let changed = false;
    for (let at = this.#members.size - 1; at >= 0; at--) if (this.#removeAt(at, context)) changed = true;
    return changed;
  }

  /** Takes in the adds of a member that changed. */
  #put(position: number, adds: ObservedWrites<null>): void {
    const members = this.#members;
    if (adds.best === null) {
      members.remove(position);
    } else if (adds.losers === null) {
      members.setDot(position, adds.best);
    } else {
      members.putObject(position, adds);
      (this.#unsettled ??= new Set()).add(members.nameAt(position));
    }
  }

  // ── forgetting, and the whole ──

  /** Forgets stable losers; says whether nothing is left to forget later. */
  settle(stable: VersionVector): boolean {
    for (const member of this.#unsettled ?? []) {
      const position = this.#find(latin1Range(member));
      const adds = position === NO_ELEMENT ? null : this.#members.objectAt(position);
      adds?.forgetStableLosers(stable);
      if (adds !== null) this.#put(position, adds);
      if (adds === null || adds.losers === null) this.#unsettled?.delete(member);
    }
    return this.isSettled;
  }

  get isSettled(): boolean {
    return this.#unsettled === null || this.#unsettled.size === 0;
  }

  /** All adds that it consists of. */
  *dots(): Generator<StampedDot> {
    for (let at = 0; at < this.#members.size; at++) yield* this.addsAt(at).all();
  }

  latest(): StampedDot | null {
    let latest: StampedDot | null = null;
    for (let at = 0; at < this.#members.size; at++) {
      const add = this.addsAt(at).best;
      if (add !== null && (latest === null || compareWrites(add.stamp, add.origin, latest.stamp, latest.origin) > 0))
        latest = add;
    }
    return latest;
  }

  merge(other: SetContent | null, sides: MergeSides): void {
    const member = new ByteRange();
    for (let at = this.#members.size - 1; at >= 0; at--) {
      this.#members.nameInto(at, member);
      const their = other === null ? NO_ELEMENT : other.#find(member);
      const adds = this.addsAt(at);
      adds.merge(their === NO_ELEMENT ? undefined : other?.addsAt(their), sides);
      this.#put(at, adds);
    }
    if (other === null) return;
    for (let at = 0; at < other.size; at++) {
      other.nameInto(at, member);
      if (this.has(member)) continue;
      const adds = new ObservedWrites<null>();
      adds.merge(other.addsAt(at), sides);
      if (!adds.isEmpty) this.#put(this.#members.add(member, this.#members.hashOf(member), 0), adds);
    }
  }

  toState(): MemberState[] {
    return Array.from({ length: this.#members.size }, (_unused, at): MemberState => [
      this.nameAt(at),
      this.addsAt(at).toState(),
    ]);
  }

  static fromState(state: readonly MemberState[], keyHash: KeyHash): SetContent {
    const content = new SetContent(keyHash);
    for (const [member, adds] of state) {
      const range = latin1Range(member);
      const position = content.#members.add(range, content.#members.hashOf(range), 0);
      content.#put(position, ObservedWrites.fromState(adds));
    }
    return content;
  }
}
