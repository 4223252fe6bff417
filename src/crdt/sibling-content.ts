import type { Dot } from '../clock/dot.ts';
import type { Origin } from '../clock/origin.ts';
import { msOfStamp, type Stamp } from '../clock/stamp.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { Expiries } from './expiries.ts';
import { Increments, sumText, type Amount, type RunState } from './increments.ts';
import { compareWrites, covers, type StampedDot, type UpdateContext } from './update.ts';
import type { FlushedSides } from './writes.ts';

/** A write that nothing has superseded, as people and resolvers see it. */
export interface SiblingView {
  /** Latin1, one char a byte; with the increments made on it. */
  readonly value: string;
  /** When it was made, by its node's hybrid clock: Unix milliseconds. */
  readonly stampMs: number;
  readonly dot: Dot;
}

/** One of the writes that a string shows. */
export interface KeptSibling extends SiblingView {
  /** Unix milliseconds, Infinity for none. */
  readonly expiryMs: number;
}

/** What a key with several siblings shows. */
export interface ShownSiblings {
  /** Latin1. */
  readonly text: string;
  /** Why the rule of the key could make nothing of the siblings, so that the latest shows; null when it did. */
  readonly error: string | null;
  /** To be asked again at the next read, though the siblings are the same. */
  readonly isProvisional?: true;
}

/** A register with the increments made on it. */
interface Register extends StampedDot {
  readonly value: string;
  increments: Increments | null;
}

interface Sibling {
  readonly text: string;
  readonly at: StampedDot;
  readonly isRegister: boolean;
}

export type RegisterState = [value: string, stamp: number, origin: number, seq: number, runs: RunState[] | null];

export type SiblingsState = [registers: RegisterState[], runs: RunState[] | null];

/**
 * A key's string where concurrent writes are all kept (RULES V5): every register that no write and no removal has seen, each with the
 * increments made on it, and, as one more sibling, the increments made where there was no register. A write deletes what it has seen and
 * nothing else, so what is here is a function of the set of transactions; no tombstones are needed, and no loser is ever forgotten: an
 * origin has one register at most.
 */
export class SiblingContent {
  /** In the order of writes, the latest last. */
  #registers: Register[] = [];
  /** Those made where there was no register. */
  increments: Increments | null = null;
  /** What several siblings show, until they change. */
  #shown: ShownSiblings | null = null;

  get keepsSiblings(): true {
    return true;
  }

  /** Of the latest register, as a plain string's slot has it: null and zeros for none. */
  get value(): string | null {
    return this.#registers.at(-1)?.value ?? null;
  }

  get stamp(): number {
    return this.#registers.at(-1)?.stamp ?? 0;
  }

  get origin(): number {
    return this.#registers.at(-1)?.origin ?? 0;
  }

  get seq(): number {
    return this.#registers.at(-1)?.seq ?? 0;
  }

  /** Whether it holds a register. */
  get isLive(): boolean {
    return this.#registers.length > 0;
  }

  /** A removal leaves none. */
  get isTombstone(): boolean {
    return false;
  }

  get isEmpty(): boolean {
    return this.#registers.length === 0 && this.increments === null;
  }

  get shows(): boolean {
    return !this.isEmpty;
  }

  get count(): number {
    return this.#registers.length + (this.increments === null ? 0 : 1);
  }

  /** Nothing to forget later. */
  get isPlain(): boolean {
    const isPlain = (increments: Increments | null): boolean => increments?.isShort !== false;
    return isPlain(this.increments) && this.#registers.every((register) => isPlain(register.increments));
  }

  /** The registers, the latest last. */
  get registers(): readonly Register[] {
    return this.#registers;
  }

  /** The register that an increment made now counts on, where it is the only sibling. */
  get base(): Register | null {
    return this.increments === null && this.#registers.length === 1 ? (this.#registers[0] ?? null) : null;
  }

  /** What an expiry of all siblings is set on: each register, and null where there are increments without one. */
  bases(): (StampedDot | null)[] {
    return this.increments === null ? [...this.#registers] : [...this.#registers, null];
  }

  hasRegister(origin: number, seq: number): boolean {
    return this.#registers.some((register) => isOf(register, origin, seq));
  }

  /** All siblings in the order of writes, the latest last; increments without a register stand at their latest one. */
  views(): SiblingView[] {
    return this.#inOrder().map((sibling) => viewOf(sibling.text, sibling.at));
  }

  /** As `views`, with when each expires. */
  kept(expiries: Expiries | null): KeptSibling[] {
    return this.#inOrder().map(({ text, at, isRegister }) => {
      const expiryMs = isRegister ? expiries?.view(at.origin, at.seq) : expiries?.view(0, 0);
      return { ...viewOf(text, at), expiryMs: expiryMs ?? Infinity };
    });
  }

  #inOrder(): Sibling[] {
    const siblings = this.#registers.map((at): Sibling => ({ text: textOf(at), at, isRegister: true }));
    const at = this.increments?.latest() ?? null;
    if (this.increments === null || at === null) return siblings;
    const { integer, units } = this.increments;
    siblings.push({ text: sumText(null, integer, units), at, isRegister: false });
    return siblings.sort((left, right) =>
      compareWrites(left.at.stamp, left.at.origin, right.at.stamp, right.at.origin),
    );
  }

  /** The latest sibling. */
  text(): string {
    const { base } = this;
    if (base !== null) return textOf(base);
    return this.#inOrder().at(-1)?.text ?? '';
  }

  /** The siblings' texts in the order of writes, for digests. */
  texts(): string[] {
    return this.#inOrder().map(({ text }) => text);
  }

  /** What it shows: one sibling as it is; of several what `show` makes of them, asked again only once they have changed. */
  shown(show: (siblings: readonly SiblingView[]) => ShownSiblings): ShownSiblings {
    if (this.#shown !== null && this.#shown.isProvisional !== true) return this.#shown;
    this.#shown = this.count > 1 ? show(this.views()) : { text: this.text(), error: null };
    return this.#shown;
  }

  /** The latest time of its siblings' expiries. */
  expiryMs(expiries: Expiries): number {
    let latestMs = this.increments === null ? -Infinity : expiries.view(0, 0);
    for (const { origin, seq } of this.#registers) latestMs = Math.max(latestMs, expiries.view(origin, seq));
    return latestMs;
  }

  /** Takes a register in, beside those that it has not seen. A removal (null) has removed what it saw: it leaves nothing. */
  write(value: string | null, context: UpdateContext, flush: StampedDot | null): boolean {
    if (value === null || isBelow(context, flush)) return false;
    this.#keep((register) => !covers(context, register.origin, register.seq));
    const { stamp, origin, seq } = context;
    this.#insert({ value, stamp, origin, seq, increments: null });
    return true;
  }

  #insert(register: Register): void {
    this.#shown = null;
    let at = this.#registers.length;
    while (at > 0 && isBelow(register, this.#registers[at - 1] ?? null)) at--;
    this.#registers.splice(at, 0, register);
  }

  #keep(keep: (register: Register) => boolean): boolean {
    const kept = this.#registers.filter(keep);
    if (kept.length === this.#registers.length) return false;
    this.#registers = kept;
    this.#shown = null;
    return true;
  }

  /** An increment counts while the register that it was made on is here; one without is a sibling of its own. */
  increment(
    amount: Amount,
    baseOrigin: number,
    baseSeq: number,
    context: UpdateContext,
    flush: StampedDot | null,
  ): boolean {
    const base = this.#registers.find((register) => isOf(register, baseOrigin, baseSeq));
    if (baseOrigin === 0 ? isBelow(context, flush) : base === undefined) return false;
    this.#shown = null;
    ((base ?? this).increments ??= new Increments()).add(amount, context);
    return true;
  }

  /** What any operation that is not an increment does to what it had seen. */
  removeCovered(context: UpdateContext): boolean {
    const removed = this.#keep((register) => !covers(context, register.origin, register.seq));
    return this.removeCoveredIncrements(context) || removed;
  }

  removeCoveredIncrements(context: UpdateContext): boolean {
    return this.#keepIncrements((increments) => increments.removeCovered(context));
  }

  #keepIncrements(change: (increments: Increments) => boolean): boolean {
    if (this.increments === null || !change(this.increments)) return false;
    if (this.increments.isEmpty) this.increments = null;
    this.#shown = null;
    return true;
  }

  /** FLUSHALL: whatever is not above the mark goes. */
  flush(mark: StampedDot): boolean {
    const removed = this.#keep((register) => isBelow(mark, register));
    return this.#keepIncrements((increments) => increments.retain((run) => isBelow(mark, run))) || removed;
  }

  /** Folds stable increments; siblings stay. */
  settle(stable: VersionVector): void {
    this.increments?.fold(stable);
    for (const register of this.#registers) register.increments?.fold(stable);
  }

  isSettled(stable: VersionVector): boolean {
    const areSettled = (increments: Increments | null): boolean => increments === null || increments.isSettled(stable);
    return areSettled(this.increments) && this.#registers.every((register) => areSettled(register.increments));
  }

  /** The latest surviving write, for the order between types (RULES V6). */
  latest(): StampedDot | null {
    let latest = this.increments?.latest() ?? null;
    for (const register of this.#registers) {
      for (const write of [register, register.increments?.latest() ?? null]) {
        if (write !== null && (latest === null || isBelow(latest, write))) latest = write;
      }
    }
    return latest;
  }

  /** Merges a snapshot's siblings by dot (RULES D6). `other` undefined is none. */
  merge(other: SiblingContent | undefined, sides: FlushedSides): void {
    const their = other ?? new SiblingContent();
    const { local, remote, localFlush, remoteFlush } = sides;
    const mine = this.#registers;
    this.#keep((register) => {
      const isNews = !remote.contains(register.origin as Origin, register.seq);
      return their.hasRegister(register.origin, register.seq) || (isNews && !isBelow(register, remoteFlush));
    });
    for (const register of their.#registers) {
      const same = mine.find(({ origin, seq }) => isOf(register, origin, seq));
      if (same !== undefined) same.increments = mergedIncrements(same.increments, register.increments, sides);
      else if (!local.contains(register.origin as Origin, register.seq) && !isBelow(register, localFlush))
        this.#insert(register);
    }
    const merged = mergedIncrements(this.increments, their.increments, sides);
    // what only one side had may be below the FLUSHALL that the other keeps in mind
    merged?.retain((run) => !isBelow(run, localFlush) && !isBelow(run, remoteFlush));
    this.increments = merged === null || merged.isEmpty ? null : merged;
    this.#shown = null;
  }

  toState(): SiblingsState | null {
    if (this.isEmpty) return null;
    const registers = this.#registers.map(({ value, stamp, origin, seq, increments }): RegisterState => [
      value,
      stamp,
      origin,
      seq,
      runsOf(increments),
    ]);
    return [registers, runsOf(this.increments)];
  }

  static fromState([registers, runs]: SiblingsState): SiblingContent {
    const content = new SiblingContent();
    for (const [value, stamp, origin, seq, registerRuns] of registers) {
      content.#insert({ value, stamp, origin, seq, increments: incrementsOf(registerRuns) });
    }
    content.increments = incrementsOf(runs);
    return content;
  }
}

export function viewOf(value: string, { stamp, origin, seq }: StampedDot): SiblingView {
  return { value, stampMs: msOfStamp(stamp as Stamp), dot: { origin: origin as Origin, seq } };
}

const isOf = (register: StampedDot, origin: number, seq: number): boolean =>
  register.origin === origin && register.seq === seq;

/** A place in the order of writes. */
type Place = Pick<StampedDot, 'stamp' | 'origin'>;

/** Whether a write comes before another in the order of writes; nothing comes before null. */
function isBelow(write: Place, other: Place | null): boolean {
  return other !== null && compareWrites(write.stamp, write.origin, other.stamp, other.origin) < 0;
}

function textOf({ value, increments }: Register): string {
  return increments === null ? value : sumText(value, increments.integer, increments.units);
}

function mergedIncrements(mine: Increments | null, their: Increments | null, sides: FlushedSides): Increments | null {
  if (mine === null && their === null) return null;
  const merged = mine ?? new Increments();
  merged.merge(their ?? undefined, sides);
  return merged.isEmpty ? null : merged;
}

const runsOf = (increments: Increments | null): RunState[] | null =>
  increments === null ? null : increments.toState();

const incrementsOf = (runs: RunState[] | null): Increments | null =>
  runs === null || runs.length === 0 ? null : Increments.fromState(runs);
