import type { OperationKind } from './history.ts';
import { needOf, PendingNeeds } from './pending-needs.ts';

/** An operation on one key as the search takes it; `expire` removes the value that is `expected` and nothing else, at some time or never. */
export interface Step {
  /** The operation's place in the history. */
  readonly at: number;
  readonly op: OperationKind | 'expire';
  readonly value: string | null;
  readonly expected: string | null;
  /** Of a cas whether it swapped; null where that is not known. */
  readonly did: boolean | null;
  /** Of an incr the sum; null where that is not known. */
  readonly result: string | null;
  readonly start: number;
  /** Infinity where nobody was told how it ended: it happens at some time, or never. */
  readonly end: number;
}

/** What a search may cost; it counts what it uses. */
export interface Budget {
  /** Operations that may still be tried. */
  steps: number;
  /** Characters of states that may still be remembered. */
  chars: number;
}

export type Answer = 'linearizable' | 'broken' | 'undecided';

interface Event {
  /** Of the known steps by their begins. */
  readonly step: number;
  readonly isEnd: boolean;
  readonly time: number;
  before: Event | null;
  after: Event | null;
}

interface Choice {
  /** The begin of a known step; null where an unknown one was taken. */
  readonly event: Event | null;
  /** Nothing else needs to be tried in its place. */
  readonly isForced: boolean;
  readonly unknown: number;
  readonly value: string | null;
  readonly lastDone: number;
}

/** A key's value after a step; undefined where its answer is not that of the step at this value, or where it would tell nothing to take it. */
function valueAfter(value: string | null, step: Step): string | null | undefined {
  switch (step.op) {
    case 'read':
      return step.value === value ? value : undefined;
    case 'write':
      return step.value;
    case 'del':
      return step.end === Infinity && value === null ? undefined : null;
    case 'cas':
      if (step.did === false) return value === step.expected ? undefined : value;
      return value === step.expected ? step.value : undefined;
    case 'expire':
      return value === step.expected ? null : undefined;
    case 'incr': {
      const sum = sumOf(value ?? '0', step.value ?? '0');
      return step.result === null || step.result === sum ? sum : undefined;
    }
  }
}

/** Whether nothing is there after a step of this kind. */
export function removes(op: Step['op']): boolean {
  return op === 'del' || op === 'expire';
}

export function valuesThatExpire(steps: readonly Step[]): ReadonlySet<string | null> {
  return new Set(steps.flatMap(({ op, expected }) => (op === 'expire' ? [expected] : [])));
}

/** Undefined where the value is no number: an increment of it is refused. */
function sumOf(value: string, amount: string): string | undefined {
  if (!/^-?\d{1,20}$/.test(value)) return undefined;
  if (value.length < 15 && amount.length < 15) return String(Number(value) + Number(amount));
  return String(BigInt(value) + BigInt(amount));
}

/**
 * Whether there is one order of a key's steps, each at some moment between its begin and its end, in which every answer is right, beginning
 * with an absent key. Wing and Gong, "Testing and verifying concurrent objects" (1993), with the memory of states seen of Lowe, "Testing
 * for linearizability" (2017), in the form of Horn and Kroening (2015). Orders are passed over that have their like among the others:
 *
 * - what only looks and is right now is taken at once: in any order that takes it later it can come here;
 * - a value is not left for good while somebody must still see it (`PendingNeeds`);
 * - steps of unknown end are tried last, and of those that do the same only the one that began first; where nothing is counted, only when
 *   somebody waits for what they bring. `steps` must then be without those whose value somebody saw: `withoutDoubt` says when they happened.
 */
export function searchLinearization(steps: readonly Step[], budget: Budget): Answer {
  if (steps.some(({ start, end }) => end < start)) return 'broken';
  return new Search(steps, budget).run();
}

class Search {
  readonly #known: readonly Step[];
  readonly #unknown: readonly Step[];
  /** Of each unknown step the one before it that does the same, or -1. */
  readonly #twin: readonly number[];
  readonly #isCounted: boolean;
  readonly #passing: ReadonlySet<string | null>;
  readonly #pending: PendingNeeds;
  readonly #budget: Budget;
  readonly #head: Event = { step: -1, isEnd: false, time: -1, before: null, after: null };
  readonly #ends: Event[] = [];
  readonly #isDone: Uint8Array;
  readonly #isUsed: Uint8Array;
  readonly #seen: Set<string> = new Set();
  readonly #valueNumbers: Map<string | null, number> = new Map();
  #value: string | null = null;
  /** The highest of the known steps that are done. */
  #lastDone = -1;

  constructor(steps: readonly Step[], budget: Budget) {
    const byStart = steps.toSorted((left, right) => left.start - right.start);
    this.#known = byStart.filter(({ end }) => end < Infinity);
    this.#unknown = byStart.filter(({ end }) => end === Infinity);
    const last = new Map<string, number>();
    this.#twin = this.#unknown.map(({ op, value, expected }, index) => {
      const deed = JSON.stringify([op, value, expected]);
      const before = last.get(deed) ?? -1;
      last.set(deed, index);
      return before;
    });
    this.#passing = valuesThatExpire(steps);
    this.#isCounted = steps.some(({ op }) => op === 'incr');
    this.#pending = new PendingNeeds(this.#known, this.#unknown);
    this.#budget = budget;
    this.#isDone = new Uint8Array(this.#known.length);
    this.#isUsed = new Uint8Array(this.#unknown.length);
    this.#linkEvents();
  }

  run(): Answer {
    const choices: Choice[] = [];
    let left = this.#known.length;
    // what is tried next: a known step, and where those are through an unknown one
    let event = this.#head.after;
    let unknown = 0;
    while (left > 0) {
      if (this.#budget.steps <= 0 || this.#budget.chars <= 0) return 'undecided';
      const look = event === this.#head.after && unknown === 0 ? this.#rightLook() : null;
      if (look !== null) event = look;
      if (event !== null && !event.isEnd) {
        const choice = this.#choice(event, -1, look !== null);
        if (this.#takeKnown(event)) {
          choices.push(choice);
          left--;
          event = this.#head.after;
        } else event = event.after;
        continue;
      }
      const next = this.#nextUnknown(unknown);
      if (next >= 0) {
        const choice = this.#choice(null, next, false);
        if (this.#takeUnknown(next)) {
          choices.push(choice);
          event = this.#head.after;
          unknown = 0;
        } else unknown = next + 1;
        continue;
      }
      let last = choices.pop();
      for (; last !== undefined; last = choices.pop()) {
        this.#takeBack(last);
        if (last.event !== null) left++;
        if (!last.isForced) break;
      }
      if (last === undefined) return 'broken';
      event = last.event?.after ?? null;
      unknown = last.unknown + 1;
    }
    return 'linearizable';
  }

  #choice(event: Event | null, unknown: number, isForced: boolean): Choice {
    return { event, unknown, isForced, value: this.#value, lastDone: this.#lastDone };
  }

  /** A step that may come now, changes nothing and is right. */
  #rightLook(): Event | null {
    for (let event = this.#head.after; event !== null && !event.isEnd; event = event.after) {
      const step = this.#known[event.step] as Step;
      const isLook = step.op === 'read' || step.did === false;
      if (isLook && valueAfter(this.#value, step) !== undefined) return event;
    }
    return null;
  }

  #takeKnown(event: Event): boolean {
    this.#budget.steps--;
    const after = valueAfter(this.#value, this.#known[event.step] as Step);
    if (after === undefined) return false;
    this.#pending.done(event.step);
    if (!this.#pending.mayChange(this.#value, after)) {
      this.#pending.undone(event.step);
      return false;
    }
    const choice = this.#choice(event, -1, false);
    this.#isDone[event.step] = 1;
    this.#value = after;
    this.#lastDone = Math.max(this.#lastDone, event.step);
    unlink(event);
    unlink(this.#ends[event.step] as Event);
    if (this.#isNew()) return true;
    this.#takeBack(choice);
    return false;
  }

  #takeUnknown(index: number): boolean {
    this.#budget.steps--;
    const after = valueAfter(this.#value, this.#unknown[index] as Step);
    if (after === undefined || !this.#pending.mayChange(this.#value, after)) return false;
    const choice = this.#choice(null, index, false);
    this.#isUsed[index] = 1;
    this.#value = after;
    if (this.#isNew()) return true;
    this.#takeBack(choice);
    return false;
  }

  #takeBack({ event, unknown, value, lastDone }: Choice): void {
    this.#value = value;
    this.#lastDone = lastDone;
    if (event === null) {
      this.#isUsed[unknown] = 0;
      return;
    }
    this.#isDone[event.step] = 0;
    this.#pending.undone(event.step);
    relink(this.#ends[event.step] as Event);
    relink(event);
  }

  /** The next unknown step that may come now, from `index` on, or -1. */
  #nextUnknown(index: number): number {
    if (index >= this.#unknown.length) return -1;
    let [isNothingNeeded, isOtherNeeded] = [false, false];
    let first = this.#head.after;
    for (; first !== null && !first.isEnd; first = first.after) {
      const step = this.#known[first.step] as Step;
      if (needOf(step) === null) isNothingNeeded = true;
      if (step.did === false && step.expected === this.#value) isOtherNeeded = true;
    }
    const untilTime = first?.time ?? Infinity;
    for (let at = index; at < this.#unknown.length; at++) {
      const { start, op, value } = this.#unknown[at] as Step;
      if (start > untilTime) return -1;
      const twin = this.#twin[at] as number;
      if (this.#isUsed[at] === 1 || (twin >= 0 && this.#isUsed[twin] === 0)) continue;
      if (this.#isCounted || isOtherNeeded || (isNothingNeeded && (removes(op) || this.#passing.has(value)))) return at;
    }
    return -1;
  }

  /**
   * Notes the state; false where it was there before. A state is the value, what unknown steps were taken, and what known ones: all before
   * the first that is not, and of those behind it a bit each.
   */
  #isNew(): boolean {
    const firstLeft = this.#head.after?.step ?? this.#known.length;
    let number = this.#valueNumbers.get(this.#value);
    if (number === undefined) this.#valueNumbers.set(this.#value, (number = this.#valueNumbers.size));
    const codes = [firstLeft >>> 15, firstLeft & 0x7fff, number >>> 15, number & 0x7fff];
    pushBits(codes, this.#isUsed, 0, this.#isUsed.length);
    pushBits(codes, this.#isDone, firstLeft + 1, this.#lastDone + 1);
    const state = String.fromCharCode(...codes);
    if (this.#seen.has(state)) return false;
    this.#seen.add(state);
    this.#budget.chars -= state.length + STATE_CHARS;
    return true;
  }

  /** Puts begins and ends in the order of time behind the head, ends last of what is at once. */
  #linkEvents(): void {
    const timed = this.#known.flatMap(({ start, end }, step): Event[] => {
      const begin: Event = { step, isEnd: false, time: start, before: null, after: null };
      const ending: Event = { step, isEnd: true, time: end, before: null, after: null };
      this.#ends.push(ending);
      return [begin, ending];
    });
    timed.sort((left, right) => left.time - right.time || Number(left.isEnd) - Number(right.isEnd));
    let last = this.#head;
    for (const event of timed) {
      event.before = last;
      last.after = event;
      last = event;
    }
  }
}

/** What remembering a state costs beside its characters. */
const STATE_CHARS = 24;

/** The bits of a range, fifteen a code, the first lowest: ranges of other lengths are other codes. */
function pushBits(codes: number[], bits: Uint8Array, from: number, to: number): void {
  for (let at = from; at < to; at += 15) {
    let code = 0;
    for (let bit = at; bit < Math.min(at + 15, to); bit++) code |= (bits[bit] as number) << (bit - at);
    codes.push(code);
  }
}

function unlink(event: Event): void {
  if (event.before !== null) event.before.after = event.after;
  if (event.after !== null) event.after.before = event.before;
}

function relink(event: Event): void {
  if (event.before !== null) event.before.after = event;
  if (event.after !== null) event.after.before = event;
}
