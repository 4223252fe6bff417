import { FRACTION_UNIT, formatDecimal, parseDecimal } from '../base/decimal.ts';
import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { compareWrites, covers, type StampedDot, type UpdateContext } from './update.ts';
import type { MergeSides } from './writes.ts';

/** An amount: an integer part and units of 10^-17; `decimal` says that it is to be shown as a decimal. */
export interface Amount {
  readonly integer: bigint;
  readonly units: bigint;
}

/** Increments `first … last` of one origin as one sum. A single increment is a run of one. */
export interface Run {
  readonly origin: number;
  readonly first: number;
  readonly last: number;
  readonly stamp: number;
  readonly integer: bigint;
  readonly units: bigint;
}

export type RunState = [origin: number, first: number, last: number, stamp: number, integer: string, units: string];

/** Fewer runs are left as they are: a counter that is incremented now and then need not be looked at after each time. */
export const FOLDED_FROM_RUNS = 3;

const AS_INTEGER = /^-?\d+$/;

/** Reads a delta as it travels in an update: an integer, or a decimal with a point. Null when it is neither. */
export function parseAmount(text: string): Amount | null {
  if (text.length <= 21 && AS_INTEGER.test(text)) return { integer: BigInt(text), units: 0n };
  const units = parseDecimal(text);
  return units === null ? null : { integer: 0n, units };
}

/** Text of a decimal delta that `parseAmount` reads back as units: it has a point always. */
export function unitsText(units: bigint): string {
  const text = formatDecimal(units);
  return text.includes('.') ? text : `${text}.0`;
}

/**
 * The increments on one base (RULES V4). Each is a dot with an amount, removed only by what observed it. Under causal delivery
 * what a removal covers of one origin is always a prefix, so what is left of an origin is a suffix, and increments that are
 * stable (which every later removal covers whole) are folded into one run: (first, last, sum) an origin.
 * Amounts are exact, so the order of adding does not matter.
 */
export class Increments {
  #runs: Run[] = [];
  #integer = 0n;
  #units = 0n;

  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  /** Whether there are too few runs to be folded. */
  get isShort(): boolean {
    return this.#runs.length < FOLDED_FROM_RUNS;
  }

  get integer(): bigint {
    return this.#integer;
  }

  get units(): bigint {
    return this.#units;
  }

  /** The runs, where there are at most so many, each and their sum whole and exact as a double; else null. */
  exactRuns(runsMax: number): readonly Run[] | null {
    if (this.#runs.length > runsMax || this.#units !== 0n || !isExact(this.#integer)) return null;
    return this.#runs.every(({ integer, units }) => units === 0n && isExact(integer)) ? this.#runs : null;
  }

  add(amount: Amount, context: UpdateContext): void {
    const run = { origin: context.origin, first: context.seq, last: context.seq, stamp: context.stamp, ...amount };
    const before = this.#runs.at(-1);
    // several increments of one transaction have one dot, so they are one run
    if (before !== undefined && before.origin === run.origin && before.first === run.first) {
      this.#runs.pop();
      this.#integer -= before.integer;
      this.#units -= before.units;
      this.#push(joined(before, run));
    } else {
      this.#push(run);
    }
  }

  #push(run: Run): void {
    this.#runs.push(run);
    this.#integer += run.integer;
    this.#units += run.units;
  }

  /** Keeps the runs that pass; says whether any went. */
  retain(keep: (run: Run) => boolean): boolean {
    const kept = this.#runs.filter(keep);
    if (kept.length === this.#runs.length) return false;
    this.#runs = [];
    this.#integer = 0n;
    this.#units = 0n;
    for (const run of kept) this.#push(run);
    return true;
  }

  /** Removes what the transaction had seen; says whether anything went. */
  removeCovered(context: UpdateContext): boolean {
    return this.retain((run) => !covers(context, run.origin, run.last));
  }

  /** Folds the stable runs of each origin into one. */
  fold(stable: VersionVector): void {
    if (this.isShort) return;
    const folded = new Map<number, Run>();
    const rest: Run[] = [];
    for (const run of this.#runs) {
      if (!stable.contains(run.origin as Origin, run.last)) {
        rest.push(run);
        continue;
      }
      const before = folded.get(run.origin);
      folded.set(run.origin, before === undefined ? run : joined(before, run));
    }
    this.#runs = [...folded.values(), ...rest];
  }

  /** The latest write by (stamp, origin), for the order between types. */
  latest(): StampedDot | null {
    let latest: Run | null = null;
    for (const run of this.#runs) {
      if (latest === null || compareWrites(run.stamp, run.origin, latest.stamp, latest.origin) > 0) latest = run;
    }
    return latest === null ? null : { stamp: latest.stamp, origin: latest.origin, seq: latest.last };
  }

  /** The last write of each run. */
  dots(): StampedDot[] {
    return this.#runs.map(({ stamp, origin, last }) => ({ stamp, origin, seq: last }));
  }

  /** Each run's origin and sequences, for explaining. */
  describe(): { origin: number; first: number; last: number; text: string }[] {
    return this.#runs.map((run) => ({
      origin: run.origin,
      first: run.first,
      last: run.last,
      text: sumText(null, run.integer, run.units),
    }));
  }

  /** Whether there is nothing to be folded, now or later. */
  isSettled(stable: VersionVector): boolean {
    if (this.isShort) return true;
    const origins = new Set<number>();
    for (const run of this.#runs) {
      if (!stable.contains(run.origin as Origin, run.last) || origins.has(run.origin)) return false;
      origins.add(run.origin);
    }
    return true;
  }

  /**
   * Merges a snapshot's increments on the same base (RULES D6), by suffixes: a side has an increment when its first one left of
   * that origin is not later. A run that spans what the other side knows only in part is stable there, and no side that is
   * behind it can have removed a part of it.
   */
  merge(other: Increments | undefined, sides: MergeSides): void {
    const theirs = other === undefined ? [] : other.#runs;
    const firstOf = new Map<number, number>();
    for (const run of theirs) firstOf.set(run.origin, Math.min(run.first, firstOf.get(run.origin) ?? Infinity));
    this.retain(
      (run) =>
        !sides.remote.contains(run.origin as Origin, run.last) || (firstOf.get(run.origin) ?? Infinity) <= run.first,
    );
    for (const run of theirs) {
      if (sides.local.contains(run.origin as Origin, run.last)) continue;
      this.retain((mine) => mine.origin !== run.origin || mine.last < run.first || mine.first > run.last);
      this.#push(run);
    }
  }

  toState(): RunState[] {
    return this.#runs.map((run) => [
      run.origin,
      run.first,
      run.last,
      run.stamp,
      run.integer.toString(),
      run.units.toString(),
    ]);
  }

  static fromState(state: readonly RunState[]): Increments {
    const increments = new Increments();
    for (const [origin, first, last, stamp, integer, units] of state) {
      increments.#push({ origin, first, last, stamp, integer: BigInt(integer), units: BigInt(units) });
    }
    return increments;
  }
}

const isExact = (integer: bigint): boolean => Number.isSafeInteger(Number(integer));

function joined(left: Run, right: Run): Run {
  return {
    origin: left.origin,
    first: Math.min(left.first, right.first),
    last: Math.max(left.last, right.last),
    stamp: Math.max(left.stamp, right.stamp),
    integer: left.integer + right.integer,
    units: left.units + right.units,
  };
}

/**
 * What a base with increments shows. A base that is no number (it was set concurrently with an increment of a hash field)
 * shows as it is.
 */
export function sumText(base: string | null, integer: bigint, units: bigint): string {
  if (base !== null && !AS_INTEGER.test(base)) {
    const baseUnits = parseDecimal(base);
    return baseUnits === null ? base : formatDecimal(baseUnits + integer * FRACTION_UNIT + units);
  }
  const whole = (base === null ? 0n : BigInt(base)) + integer;
  return units === 0n ? whole.toString() : formatDecimal(whole * FRACTION_UNIT + units);
}
