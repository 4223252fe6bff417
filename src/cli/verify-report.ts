import { printOperation, type Operation } from '../verify/history.ts';
import type { Verdict, Violation } from '../verify/verdict.ts';
import { bold, printable, type Terminal } from './usage.ts';
import type { ChapterResult } from './verify-chapter.ts';
import { judge } from './verify-judge.ts';

/** Violations of one promise that are shown, and operations of each. */
const VIOLATIONS_SHOWN = 3;
const OPERATIONS_SHOWN = 8;
const UNDECIDED_SHOWN = 10;

/** One promise over all chapters. */
interface Line {
  readonly promise: string;
  checked: number;
  found: number;
  unit: string;
  readonly undecided: string[];
  /** The text of each, with the operations that show it. */
  readonly shown: string[];
}

/** What is said in the end: a verdict a promise, what shows that one is broken, what was done. */
export class Report {
  readonly #lines: Map<string, Line> = new Map();
  /** Those whose effect was seen, and the others. */
  readonly #faults: Map<string, number> = new Map();
  readonly #idleFaults: Map<string, number> = new Map();
  readonly #left: string[] = [];
  #operations = 0;
  #unknown = 0;
  #lostWrites = 0;
  #lostBeforeMs = 0;

  /** How many operations were recorded. */
  get operations(): number {
    return this.#operations;
  }

  /** Whether something that was promised did not hold. */
  get isBroken(): boolean {
    return [...this.#lines.values()].some(({ found }) => found > 0);
  }

  /** Whether nothing happened that tells anything. */
  get isEmpty(): boolean {
    return [...this.#lines.values()].every(({ checked }) => checked === 0);
  }

  /** Whether something could not be judged. */
  get isOpen(): boolean {
    return [...this.#lines.values()].some(({ undecided }) => undecided.length > 0);
  }

  /** Judges a chapter. */
  add(result: ChapterResult): void {
    const { faults, left, lostBeforeMs, lostWrites, operations } = result;
    for (const verdict of judge(result)) this.#merge(verdict, operations);
    for (const { fault, hadEffect } of faults) {
      const of = hadEffect ? this.#faults : this.#idleFaults;
      of.set(fault, (of.get(fault) ?? 0) + 1);
    }
    if (left !== null) this.#left.push(left);
    this.#unknown += operations.filter(({ ok }) => ok === null).length;
    this.#lostWrites += lostWrites;
    this.#lostBeforeMs = Math.max(this.#lostBeforeMs, lostBeforeMs);
    this.#operations += operations.length;
  }

  /** `faultsPath` is of the file that tells the faults, null where there were to be none. */
  text(terminal: Terminal, path: string, faultsPath: string | null = null): string {
    const lines = [...this.#lines.values()];
    const broken = lines.filter(({ found }) => found > 0);
    return [
      '',
      ...lines.map((line) => `  ${verdictOf(line)}`),
      '',
      ...broken.flatMap(({ found, promise, shown }) => [
        bold(terminal, `${promise}: broken ${found} ${found === 1 ? 'time' : 'times'}`),
        ...shown,
        '',
      ]),
      ...lines.flatMap(({ promise, undecided }) =>
        undecided.map((why) => `${promise}: not decided: ${printable(why)}`),
      ),
      this.#done(),
      ...(this.#lostWrites === 0 ? [] : [LOST(this.#lostWrites, this.#lostBeforeMs)]),
      ...this.#left.map((left) => `Not removed: ${printable(left)}`),
      `What happened, a line an operation: ${path}`,
      ...(faultsPath === null ? [] : [`The faults, a line each: ${faultsPath}`]),
      bold(
        terminal,
        broken.length === 0 ? this.#summary() : `Broken: ${broken.map(({ promise }) => promise).join(', ')}.`,
      ),
    ].join('\n');
  }

  #summary(): string {
    if (this.isEmpty) return 'Nothing happened that could be judged.';
    return this.isOpen ? 'No promise was seen broken; not all is decided.' : 'Every promise held.';
  }

  #done(): string {
    const counted = (faults: ReadonlyMap<string, number>): string =>
      [...faults].map(([kind, count]) => `${count} × ${kind}`).join(', ');
    const idle = this.#idleFaults.size === 0 ? '' : `; without effect: ${counted(this.#idleFaults)}`;
    const told = (this.#faults.size === 0 ? 'no faults' : `faults: ${counted(this.#faults)}`) + idle;
    return `${this.#operations} operations, ${this.#unknown} of unknown outcome; ${told}.`;
  }

  #merge({ checked, found, promise, undecided, unit, violations }: Verdict, operations: readonly Operation[]): void {
    const line = this.#lines.get(promise) ?? { promise, checked: 0, found: 0, unit, undecided: [], shown: [] };
    this.#lines.set(promise, line);
    line.checked += checked;
    line.found += found;
    line.unit = checked === 0 ? line.unit : line.checked === checked ? unit : unitOfBoth(line.unit, unit);
    // Of a run of days as many are kept as of one of minutes.
    line.undecided.push(...undecided.slice(0, UNDECIDED_SHOWN - line.undecided.length));
    for (const violation of violations.slice(0, VIOLATIONS_SHOWN - line.shown.length)) {
      line.shown.push(this.#shown(violation, operations));
    }
  }

  /** In the lines of the file, which goes on where the chapter before has ended. */
  #shown({ operations: places, pattern, text }: Violation, operations: readonly Operation[]): string {
    const told = text.replace(/\boperation (\d+)/g, (_, at: string) => `operation ${Number(at) + this.#operations}`);
    const shown = places.slice(0, OPERATIONS_SHOWN).flatMap((at) => {
      const operation = operations[at];
      return operation === undefined ? [] : [`    ${at + 1 + this.#operations}: ${printOperation(operation)}`];
    });
    return [`  ${pattern}: ${printable(told)}`, ...shown].join('\n');
  }
}

/** What is promised, in plain words, by the promise's name. */
const MEANINGS: ReadonlyMap<string, string> = new Map([
  ['causal', 'nobody saw an effect without its cause, and concurrent writes end alike everywhere'],
  ['acknowledged', 'what was acknowledged is there, and what was refused is not'],
  ['counters', 'each counter is what was added to it'],
  ['removals', 'what was removed or has expired stayed away'],
  ['convergence', 'left alone, all nodes came to show the same'],
  ['linearizable', 'strong keys behaved as one copy that does one thing after the other'],
  ['read your writes', 'no session missed what it had written'],
  ['monotonic reads', 'no session went back in time'],
  ['monotonic writes', "a session's writes were seen in its order"],
  ['writes follow reads', 'nobody saw a write without what its writer had read'],
]);

/** `operations of 9 sessions` and `operations of 7 sessions` are of 16: each chapter has its own, but for the nodes. */
function unitOfBoth(one: string, other: string): string {
  const counts = [...one.matchAll(/\d+/g)].map(([count]) => Number(count));
  let at = 0;
  return other.replace(/(\d+)( \w+)?/g, (_, count: string, what = '') => {
    const before = counts[at++] ?? 0;
    return `${what === ' nodes' ? Math.max(before, Number(count)) : before + Number(count)}${String(what)}`;
  });
}

function verdictOf({ checked, found, promise, undecided, unit }: Line): string {
  const judged = `${checked.toLocaleString('en-US')} ${unit}`;
  if (found > 0) return `BROKEN   ${promise}: ${found} ${found === 1 ? 'violation' : 'violations'} in ${judged}`;
  if (checked === 0) return `not seen ${promise}: nothing happened that could tell`;
  if (undecided.length > 0) return `open     ${promise}: nothing wrong was found, but not all is decided; ${judged}`;
  const meaning = MEANINGS.get(promise);
  return `holds    ${promise}: ${meaning === undefined ? '' : `${meaning}; `}${judged}`;
}

const LOST = (count: number, beforeMs: number): string =>
  `${count} acknowledged causal writes were not on disk yet when their node ended, as it had said itself, and were not seen again; the first was made ${Math.ceil(beforeMs)} ms before that at most. What no other region has seen may go with a node (SPEC R1): they count as of unknown outcome.`;
