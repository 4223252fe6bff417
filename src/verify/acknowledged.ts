import type { FinalState } from './final-states.ts';
import type { Operation } from './history.ts';
import { stepsOf, strongOperations } from './key-steps.ts';
import type { Step } from './linearization-search.ts';
import { needOf } from './pending-needs.ts';
import { effect, named, quoted, shown, who } from './told.ts';
import { Findings, type Verdict } from './verdict.ts';

/**
 * Strong writes are done once if they are acknowledged, and not at all if they are refused; in one pass and without a search, so that it is
 * also said of keys whose linearizability cannot be decided. Of each strong key:
 *
 * - LostWrite: what a node shows in the end was over before an acknowledged change began;
 * - CameBack: a value was seen, then another, then the first again, each after the other: it was written twice, or what replaced it is lost;
 * - SwappedTwice: two swaps of the same value, which is written once, both succeeded;
 * - RefusedButDone: a value is seen whose only writer was told that it was not done.
 *
 * `finals` are of nodes that hold the keys. Counters and keys that expire are left out: `counters.ts` looks at the first.
 */
export function checkAcknowledged(history: readonly Operation[], finals: readonly FinalState[]): Verdict {
  const findings = new Findings();
  let [checked, keys] = [0, 0];
  for (const [key, places] of strongOperations(history)) {
    if (places.some((at) => history[at]?.op === 'incr' || history[at]?.expires !== undefined)) continue;
    const check = new KeyCheck(history, key, places, findings);
    check.run(finals);
    checked += check.acknowledged;
    keys++;
  }
  return findings.verdict('acknowledged', checked, `acknowledged strong writes on ${keys} keys`);
}

/** Two sightings that ended first, of different values. */
interface Earliest {
  readonly step: Step;
  readonly value: string | null;
}

class KeyCheck {
  readonly acknowledged: number;
  readonly #history: readonly Operation[];
  readonly #key: string;
  readonly #findings: Findings;
  readonly #steps: readonly Step[];
  readonly #writers: ReadonlyMap<string | null, Step>;
  readonly #refused: Map<string, number> = new Map();
  /** Steps that show what was there. */
  readonly #sightings: readonly Step[];

  constructor(history: readonly Operation[], key: string, places: readonly number[], findings: Findings) {
    this.#history = history;
    this.#key = key;
    this.#findings = findings;
    this.#steps = stepsOf(history, places);
    this.#writers = new Map(
      this.#steps
        .filter(({ op, did }) => op === 'write' || (op === 'cas' && did !== false))
        .map((step) => [step.value, step]),
    );
    for (const at of places) {
      const { op, value, ok } = history[at] as Operation;
      if (ok === false && op !== 'read' && value !== null && !this.#writers.has(value)) this.#refused.set(value, at);
    }
    this.#sightings = this.#steps.filter((step) => needOf(step) !== undefined);
    this.acknowledged = this.#steps.filter(isAcknowledged).length;
  }

  run(finals: readonly FinalState[]): void {
    for (const step of this.#sightings) this.#judgeRefused(needOf(step) ?? null, this.#saw(step), [step.at]);
    this.#judgeSwaps();
    this.#judgeReturns();
    for (const { node, values } of finals) {
      const value = values.get(this.#key) ?? null;
      const where = `${who(node)} shows ${shown(value)} at ${quoted(this.#key)} in the end`;
      this.#judgeRefused(value, where, []);
      this.#judgeFinal(value, where);
    }
  }

  #judgeRefused(value: string | null, saw: string, operations: readonly number[]): void {
    const refused = value === null ? undefined : this.#refused.get(value);
    if (refused === undefined) return;
    const text = `${saw}, although its writer was told that it was not done (${named(refused)})`;
    this.#findings.add({ pattern: 'RefusedButDone', text, operations: [refused, ...operations] });
  }

  #judgeSwaps(): void {
    const swaps = new Map<string | null, Step>();
    for (const step of this.#steps) {
      if (step.did !== true || step.expected === null) continue;
      const other = swaps.get(step.expected);
      if (other === undefined) swaps.set(step.expected, step);
      else
        this.#findings.add({
          pattern: 'SwappedTwice',
          text: `${this.#saw(other)} and ${this.#saw(step)}: both succeeded, and it was written once`,
          operations: [other.at, step.at],
        });
    }
  }

  /** From the last sighting back, the two that end first among those begun later, of different values: one of them is another value's. */
  #judgeReturns(): void {
    const ended = new Map<string | null, Step>();
    const begun = new Map<string | null, Step>();
    for (const step of this.#sightings) {
      const value = needOf(step) ?? null;
      if (value === null) continue;
      if (step.end < (ended.get(value)?.end ?? Infinity)) ended.set(value, step);
      if (step.start > (begun.get(value)?.start ?? -Infinity)) begun.set(value, step);
    }
    const byStart = this.#sightings.toSorted((left, right) => left.start - right.start);
    const firsts = [...ended].sort(([, left], [, right]) => right.end - left.end);
    let earliest: readonly Earliest[] = [];
    for (const [value, first] of firsts) {
      for (let last = byStart.at(-1); last !== undefined && last.start > first.end; last = byStart.at(-1)) {
        earliest = withSighting(earliest, { step: last, value: needOf(last) ?? null });
        byStart.pop();
      }
      const again = begun.get(value);
      const between = earliest.find((each) => each.value !== value)?.step;
      if (again === undefined || between === undefined || between.end >= again.start) continue;
      this.#findings.add({
        pattern: 'CameBack',
        text: `${this.#saw(first)}, then ${this.#saw(between)}, then ${this.#saw(again)} again, although it was written once`,
        operations: [first.at, between.at, again.at],
      });
    }
  }

  #judgeFinal(value: string | null, where: string): void {
    const lost = value === null ? this.#lostToNothing() : this.#lostTo(value);
    if (value !== null && !this.#writers.has(value) && !this.#refused.has(value))
      this.#findings.add({ pattern: 'ThinAir', text: `${where}, which nobody wrote`, operations: [] });
    if (lost === undefined) return;
    const operation = this.#history[lost.at] as Operation;
    this.#findings.add({
      pattern: 'LostWrite',
      text: `${where}, although ${effect(operation)} of ${who(operation.client)} came later and was acknowledged (${named(lost.at)})`,
      operations: [lost.at],
    });
  }

  /** An acknowledged change that began when the writing of the value was over. */
  #lostTo(value: string): Step | undefined {
    const writer = this.#writers.get(value);
    if (writer === undefined) return undefined;
    // what somebody saw was done by then
    const seen = this.#sightings.filter((step) => needOf(step) === value).map(({ end }) => end);
    const doneBy = Math.min(writer.end, ...seen);
    return this.#steps.find((step) => isAcknowledged(step) && step.start > doneBy);
  }

  /** An acknowledged write that began when every del was over. */
  #lostToNothing(): Step | undefined {
    const doneBy = this.#steps.reduce((time, { op, end }) => (op === 'del' ? Math.max(time, end) : time), -Infinity);
    return this.#steps.find((step) => isAcknowledged(step) && step.start > doneBy);
  }

  #saw(step: Step): string {
    const { client, op, value, expected } = this.#history[step.at] as Operation;
    const what = op === 'read' ? `read ${shown(value)}` : `swapped ${shown(expected ?? null)} for ${shown(value)}`;
    return `${who(client)} ${what} (${named(step.at)})`;
  }
}

function isAcknowledged({ op, did, end }: Step): boolean {
  return end < Infinity && (op === 'write' || op === 'del' || did === true);
}

/** The sighting that ended first, and the one that ended first among those of other values. */
function withSighting(earliest: readonly Earliest[], added: Earliest): readonly Earliest[] {
  const all = [...earliest, added].sort((left, right) => left.step.end - right.step.end);
  const [first] = all;
  const second = all.find(({ value }) => value !== first?.value);
  return [first, second].filter((each) => each !== undefined);
}
