import { CausalOrder } from './causal-order.ts';
import type { FinalState } from './final-states.ts';
import type { Operation } from './history.ts';
import { Observations } from './observations.ts';
import { named, quoted, shown, who } from './told.ts';
import { Findings, type Verdict } from './verdict.ts';

/**
 * Counters: keys that are only added to, on either tier. In the end every node shows at least the sum of what was acknowledged and at most
 * that and all of unknown end; no read or answered sum is beyond what had been begun by then; and where only is added, no session sees
 * less than it saw before and added since. Source: the set-and-counter checks of Jepsen (`checker/counter`), with sessions.
 *
 * Keys that are also written, deleted or expire are named as undecided. Reads of any age and keys that never leave their node are left out.
 */
export function checkCounters(history: readonly Operation[], finals: readonly FinalState[]): Verdict {
  const findings = new Findings();
  const undecided: string[] = [];
  let [checked, counters] = [0, 0];
  const order = new CausalOrder(new Observations(history));
  if (order.tooLarge !== null) undecided.push(order.tooLarge);
  for (const [key, places] of countedKeys(history)) {
    if (places.some((at) => isOtherwiseChanged(history[at] as Operation))) {
      undecided.push(`${quoted(key)} is not only added to, so that its sum is not known`);
      continue;
    }
    const counter = new Counter(history, key, places, order, findings);
    checked += counter.reads() + counter.finals(finals);
    counters++;
  }
  return findings.verdict('counters', checked, `sums of ${counters} counters`, undecided);
}

/** Where in the history each key is that is added to. */
function countedKeys(history: readonly Operation[]): Map<string, number[]> {
  const counted = new Set<string>();
  const weak = new Set<string>();
  for (const { op, key, level } of history) {
    if (op === 'incr') counted.add(key);
    if (op !== 'read' && level === 'weak') weak.add(key);
  }
  const found = new Map<string, number[]>();
  for (const [at, { key }] of history.entries()) {
    if (!counted.has(key) || weak.has(key)) continue;
    const places = found.get(key);
    if (places === undefined) found.set(key, [at]);
    else places.push(at);
  }
  return found;
}

function isOtherwiseChanged({ op, ok }: Operation): boolean {
  return op !== 'read' && op !== 'incr' && ok !== false;
}

/** What was shown as a number; null where it is none. */
function sumOf(value: string | null): bigint | null {
  if (value === null) return 0n;
  return /^-?\d{1,40}$/.test(value) ? BigInt(value) : null;
}

class Counter {
  readonly #history: readonly Operation[];
  readonly #key: string;
  readonly #places: readonly number[];
  readonly #order: CausalOrder;
  readonly #findings: Findings;
  /** What each session had added with an operation and those before it. */
  readonly #addedBy: Map<number, bigint> = new Map();
  /** Begins of increments that may have been done, ascending, and what they add at most and at least together with those before. */
  readonly #starts: number[] = [];
  readonly #most: bigint[] = [];
  readonly #least: bigint[] = [];

  constructor(
    history: readonly Operation[],
    key: string,
    places: readonly number[],
    order: CausalOrder,
    findings: Findings,
  ) {
    this.#history = history;
    this.#key = key;
    this.#places = places;
    this.#order = order;
    this.#findings = findings;
    const sums = new Map<string, bigint>();
    for (const at of places) {
      const { client, ok, op, value } = this.#operation(at);
      if (op !== 'incr' || ok !== true) continue;
      const sum = (sums.get(client) ?? 0n) + BigInt(value ?? '0');
      sums.set(client, sum);
      this.#addedBy.set(at, sum);
    }
    let [most, least] = [0n, 0n];
    const increments = places.map((at) => this.#operation(at)).filter(({ op, ok }) => op === 'incr' && ok !== false);
    for (const { start, value } of increments.sort((left, right) => left.start - right.start)) {
      const amount = BigInt(value ?? '0');
      if (amount > 0n) most += amount;
      else least += amount;
      this.#starts.push(start);
      this.#most.push(most);
      this.#least.push(least);
    }
  }

  /** Judges what was read and answered; returns how many that were. */
  reads(): number {
    const growsOnly = (this.#least.at(-1) ?? 0n) === 0n;
    /** By session: no less may be seen, and where that was seen. */
    const floors = new Map<string, { sum: bigint; at: number }>();
    let judged = 0;
    for (const at of this.#places) {
      const { client, op, ok, value, result, level } = this.#operation(at);
      if (ok !== true || (op === 'read' && (level === 'weak' || level === 'eventual'))) continue;
      const floor = floors.get(client) ?? { sum: 0n, at };
      const least = floor.sum + (op === 'incr' ? BigInt(value ?? '0') : 0n);
      const shownSum = op === 'incr' ? (result ?? null) : value;
      const isShown = op === 'read' || result !== undefined;
      const sum = isShown ? sumOf(shownSum) : least;
      if (isShown) judged++;
      if (sum === null) this.#add('NotANumber', `${this.#saw(at)}, which is no whole number`, [at]);
      else if (isShown) this.#judge(at, sum);
      if (sum !== null && growsOnly && sum < least)
        this.#add('WentBack', `${this.#saw(at)}, although it must see at least ${least} (${named(floor.at)})`, [
          floor.at,
          at,
        ]);
      else if (sum !== null && isShown && growsOnly)
        this.#judgeCauses(at, sum, op === 'incr' ? BigInt(value ?? '0') : 0n);
      if (sum !== null && growsOnly) floors.set(client, { sum: sum > least ? sum : least, at });
    }
    return judged;
  }

  /** Judges what nodes show in the end; returns how many did. */
  finals(finals: readonly FinalState[]): number {
    let [low, high] = [0n, 0n];
    const [done, perhaps] = [[] as number[], [] as number[]];
    for (const at of this.#places) {
      const { op, ok, value } = this.#operation(at);
      if (op !== 'incr' || ok === false) continue;
      const amount = BigInt(value ?? '0');
      (ok === true ? done : perhaps).push(at);
      if (ok === true || amount < 0n) low += amount;
      if (ok === true || amount > 0n) high += amount;
    }
    for (const { node, values } of finals) {
      const value = values.get(this.#key) ?? null;
      const sum = sumOf(value);
      const where = `${who(node)} shows ${shown(value)} at ${quoted(this.#key)} in the end`;
      const known = `${done.length} increments are acknowledged and ${perhaps.length} of unknown end`;
      if (sum === null) this.#add('NotANumber', `${where}, which is no whole number`, []);
      else if (sum < low) this.#add('LostIncrement', `${where}, and should show at least ${low}: ${known}`, []);
      else if (sum > high) this.#add('DoubledIncrement', `${where}, and should show at most ${high}: ${known}`, []);
    }
    return finals.length;
  }

  /** A sum that was shown against what had been begun when it was. */
  #judge(at: number, sum: bigint): void {
    const { end } = this.#operation(at);
    const begun = this.#begunUntil(end);
    const [least, most] = [this.#least[begun - 1] ?? 0n, this.#most[begun - 1] ?? 0n];
    if (sum > most)
      this.#add('TooHigh', `${this.#saw(at)}, although no more than ${most} had been added by then`, [at]);
    if (sum < least)
      this.#add('TooLow', `${this.#saw(at)}, although no less than ${least} can have been left by then`, [at]);
  }

  /** A sum that was shown against what had been added before what its session knew, with what it added itself. */
  #judgeCauses(at: number, sum: bigint, own: bigint): void {
    if (this.#order.tooLarge !== null || !this.#order.seen.takesPart(at)) return;
    const causes = this.#order.lastWrites(at).filter((write) => this.#addedBy.has(write));
    const least = causes.reduce((total, write) => total + (this.#addedBy.get(write) ?? 0n), own);
    if (sum >= least) return;
    this.#add(
      'MissedCause',
      `${this.#saw(at)}, although what it knew of comes after additions of ${least} (${causes.map(named).join(', ')})`,
      [...causes, at],
    );
  }

  #begunUntil(time: number): number {
    let [low, high] = [0, this.#starts.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] as number) <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #operation(at: number): Operation {
    return this.#history[at] as Operation;
  }

  #saw(at: number): string {
    const { client, op, value, result } = this.#operation(at);
    const what = op === 'read' ? `read ${shown(value)} from` : `was told ${result ?? ''} of`;
    return `${who(client)} ${what} ${quoted(this.#key)} (${named(at)})`;
  }

  #add(pattern: string, text: string, operations: readonly number[]): void {
    this.#findings.add({ pattern, text, operations });
  }
}
