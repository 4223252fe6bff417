import type { NodeNumber, Origin } from './origin.ts';
import { floorOf, incarnationOf, originOf } from './origin.ts';

/**
 * Origin → highest sequence contained with no gap. A node's floor (incarnation 0 of the node) holds the lowest incarnation
 * that is not retired; every lower one is contained whole, whatever its sequence (SPEC, D8), so that a crash loop does not
 * grow a vector.
 */
export class VersionVector {
  readonly #entries: Map<Origin, number>;
  /** The origin looked at last, which is there, and how far it is: each write looks at its own, and a map of such numbers is slow to ask. */
  #latestOrigin: Origin | null = null;
  #latestSeq = 0;
  /** Whether the entry of that is behind. */
  #isBehind = false;

  constructor(entries?: Iterable<readonly [Origin, number]>) {
    this.#entries = new Map(entries);
  }

  get size(): number {
    return this.#kept().size;
  }

  /** The highest sequence contained; 0 for none, Infinity for a retired origin. */
  get(origin: Origin): number {
    if (origin === this.#latestOrigin) return this.#latestSeq;
    const seq = this.#entries.get(origin);
    if (seq === undefined) return this.isRetired(origin) ? Infinity : 0;
    this.#turnTo(origin, seq);
    return seq;
  }

  #turnTo(origin: Origin, seq: number): void {
    this.#keepLatest();
    // a floor drops entries of its node
    if (incarnationOf(origin) === 0) return;
    this.#latestOrigin = origin;
    this.#latestSeq = seq;
  }

  #keepLatest(): void {
    if (!this.#isBehind) return;
    this.#entries.set(this.#latestOrigin as Origin, this.#latestSeq);
    this.#isBehind = false;
  }

  /** All entries, for more than a look at one of them. */
  #kept(): Map<Origin, number> {
    this.#keepLatest();
    return this.#entries;
  }

  /** As `#kept`, where entries may be dropped. */
  #changed(): Map<Origin, number> {
    this.#keepLatest();
    this.#latestOrigin = null;
    return this.#entries;
  }

  /** The lowest incarnation of a node that is not retired; 0 where none is. */
  floor(node: NodeNumber): number {
    return this.#entries.get(originOf(node, 0)) ?? 0;
  }

  isRetired(origin: Origin): boolean {
    const incarnation = incarnationOf(origin);
    return incarnation !== 0 && incarnation < (this.#entries.get(floorOf(origin)) ?? 0);
  }

  contains(origin: Origin, seq: number): boolean {
    return this.get(origin) >= seq;
  }

  /** Raises one entry; says whether it changed. Raising a floor drops the retired origins' entries. */
  raise(origin: Origin, seq: number): boolean {
    if (origin === this.#latestOrigin) {
      if (seq <= this.#latestSeq) return false;
      this.#latestSeq = seq;
      this.#isBehind = true;
      return true;
    }
    if (incarnationOf(origin) === 0) return this.#raiseFloor(origin, seq);
    if (seq <= this.get(origin)) return false;
    this.#entries.set(origin, seq);
    this.#turnTo(origin, seq);
    return true;
  }

  #raiseFloor(floor: Origin, incarnation: number): boolean {
    const entries = this.#changed();
    if (incarnation <= (entries.get(floor) ?? 0)) return false;
    entries.set(floor, incarnation);
    for (const origin of entries.keys()) {
      if (origin !== floor && floorOf(origin) === floor && incarnationOf(origin) < incarnation) entries.delete(origin);
    }
    return true;
  }

  /** Raises every entry to at least the other's. */
  merge(other: VersionVector): void {
    for (const [origin, seq] of other.#kept()) this.raise(origin, seq);
  }

  /** Raises floors only: which incarnations the other holds for retired. */
  mergeFloors(other: VersionVector): void {
    for (const [origin, seq] of other.#kept()) if (incarnationOf(origin) === 0) this.raise(origin, seq);
  }

  /** Whether everything in `other` is contained here. */
  covers(other: VersionVector): boolean {
    for (const [origin, seq] of other.#kept()) {
      if (incarnationOf(origin) === 0) continue;
      if (this.get(origin) < seq) return false;
    }
    return true;
  }

  /** As `covers`, and every floor of `other` is known here too. */
  includes(other: VersionVector): boolean {
    for (const [origin, seq] of other.#kept()) {
      const known = incarnationOf(origin) === 0 ? (this.#entries.get(origin) ?? 0) : this.get(origin);
      if (known < seq) return false;
    }
    return true;
  }

  equals(other: VersionVector): boolean {
    return this.covers(other) && other.covers(this);
  }

  /** Lowers every entry to at most the other's (the meet); a floor stays where only one has it. */
  lowerTo(other: VersionVector): void {
    const entries = this.#changed();
    for (const [origin, seq] of [...entries]) {
      if (incarnationOf(origin) === 0) continue;
      const least = Math.min(seq, other.get(origin));
      if (least === 0) entries.delete(origin);
      else entries.set(origin, least);
    }
  }

  /** Entries of `this` that are above `base`: raising `base` by them gives `this` merged with it. */
  changesSince(base: VersionVector): [Origin, number][] {
    const changes: [Origin, number][] = [];
    for (const [origin, seq] of this.#kept()) {
      const known = incarnationOf(origin) === 0 ? (base.#kept().get(origin) ?? 0) : base.get(origin);
      if (seq > known) changes.push([origin, seq]);
    }
    return changes;
  }

  entries(): IterableIterator<[Origin, number]> {
    return this.#kept().entries();
  }

  /** Origins with their sequences, without floors. */
  *dots(): IterableIterator<[Origin, number]> {
    for (const entry of this.#kept()) if (incarnationOf(entry[0]) !== 0) yield entry;
  }

  clone(): VersionVector {
    return new VersionVector(this.#kept());
  }
}
