import { DistinctWrites, type Operation } from './history.ts';
import { expiriesOf, stepsOf, strongOperations, withoutDoubt } from './key-steps.ts';
import { type Answer, type Budget, removes, searchLinearization, type Step } from './linearization-search.ts';
import { needOf } from './pending-needs.ts';
import { smallestBreak } from './smallest-break.ts';
import { effect, named, quoted, shown, who } from './told.ts';
import { Findings, type Verdict } from './verdict.ts';

/** Operations that are tried on one key before it counts as not decided, where nothing else is asked for. */
const STEPS_MAX = 3_000_000;

/** Characters of states that are remembered of one key. */
const STATE_CHARS_MAX = 100_000_000;

/** Operations that are tried to make what is broken on one key smaller. */
const SMALLER_STEPS_MAX = 3_000_000;

/** Broken keys that are explained; of more it is only said that they are. */
const EXPLAINED_MAX = 8;

/** Operations that a violation names. */
const SHOWN_MAX = 12;

/**
 * Linearizability of each strong key: is there one order of what was done on it, each at some moment between its begin and its end, in which
 * every answer is right? Of keys with strong operations all that changes them is judged and what was read strongly. Sources: Herlihy and
 * Wing, "Linearizability", 1990 (it is enough to look at each key alone); the search is in `linearization-search.ts`.
 *
 * What expires may be gone from then on, and before that by as many nanoseconds as clocks differ: at any time where that is not said.
 * The search is bounded: a key past `stepsMax` is named as undecided, as is one that is added to and expires. Throws HISTORY where a value is written twice to a key.
 */
export function checkLinearizability(
  history: readonly Operation[],
  clockSkew: number = Infinity,
  stepsMax: number = STEPS_MAX,
): Verdict {
  const findings = new Findings();
  const undecided: string[] = [];
  const distinct = new DistinctWrites();
  for (const [at, operation] of history.entries()) distinct.see(operation, at, 'operation');
  let [checked, keys, explained] = [0, 0, 0];
  for (const [key, places] of strongOperations(history)) {
    const expiries = expiriesOf(history, places, clockSkew);
    const known = stepsOf(history, places);
    if (expiries.length > 0 && known.some(({ op }) => op === 'incr')) {
      undecided.push(`${quoted(key)} is added to and expires, which is not judged (${places.length} operations)`);
      continue;
    }
    const steps = [...known, ...expiries];
    const answer = answerOf(steps, { steps: stepsMax, chars: STATE_CHARS_MAX });
    if (answer === 'undecided') {
      undecided.push(`${quoted(key)} is not decided: ${sizeText(known)}, more orders than can be tried`);
      continue;
    }
    checked += known.length;
    keys++;
    if (answer === 'linearizable') continue;
    const budget = { steps: explained++ < EXPLAINED_MAX ? SMALLER_STEPS_MAX : 0, chars: STATE_CHARS_MAX };
    const part = smallestBreak(steps, (smaller) => answerOf(smaller, budget) === 'broken');
    const { text, operations } = new Explanation(history, steps, part).told();
    findings.add({ pattern: 'NotLinearizable', text: `${quoted(key)}: ${text}`, operations });
  }
  return findings.verdict('linearizable', checked, `strong operations on ${keys} keys`, undecided);
}

function answerOf(steps: readonly Step[], budget: Budget): Answer {
  return searchLinearization(withoutDoubt(steps), budget);
}

function sizeText(steps: readonly Step[]): string {
  const unknown = steps.filter(({ end }) => end === Infinity).length;
  return `${steps.length} operations, ${unknown} of them of unknown end`;
}

/** What is wrong with a part of a key's steps, where it can be said simply. */
class Explanation {
  readonly #history: readonly Operation[];
  readonly #all: readonly Step[];
  /** Without expiries, which nobody did. */
  readonly #part: readonly Step[];

  constructor(history: readonly Operation[], all: readonly Step[], part: readonly Step[]) {
    this.#history = history;
    this.#all = all;
    this.#part = part.filter(({ op }) => op !== 'expire').toSorted((left, right) => left.start - right.start);
  }

  told(): { text: string; operations: number[] } {
    for (const step of this.#part) {
      const simple = this.#simple(step);
      if (simple !== null) return simple;
    }
    const ended = this.#part.filter(({ end }) => end < Infinity).sort((left, right) => left.end - right.end);
    const shownSteps = this.#part.length <= SHOWN_MAX ? this.#part : ended.slice(-SHOWN_MAX);
    const last = ended.at(-1);
    const among = this.#part.length <= SHOWN_MAX ? 'these' : `these and ${this.#part.length - SHOWN_MAX} before them`;
    return {
      text: `no order of ${among}, each at some moment between its begin and its end, gives what was answered${last === undefined ? '' : `, the last that ${this.#deed(last)}`}`,
      operations: shownSteps.map(({ at }) => at),
    };
  }

  /** Reasons that need no more than three operations. */
  #simple(step: Step): { text: string; operations: number[] } | null {
    const value = needOf(step);
    if (value === undefined || step.op === 'incr') return null;
    if (value === null) return this.#lost(step);
    const writer = this.#all.find((other) => (other.op === 'write' || other.op === 'cas') && other.value === value);
    // sums of increments are nobody's alone
    if (writer === undefined) return this.#all.some(({ op }) => op === 'incr') ? null : this.#ofNobody(step, value);
    if (writer.start > step.end)
      return {
        text: `${this.#deed(step)} before that was written (${named(writer.at)})`,
        operations: [step.at, writer.at],
      };
    const between = this.#part.find(
      (other) => isChange(other) && other.start > writer.end && other.end < step.start && other !== writer,
    );
    if (between === undefined) return this.#swappedTwice(step);
    return {
      text: `${this.#deed(step)}, although ${this.#what(between)} had taken its place before that began (${named(between.at)})`,
      operations: [writer.at, between.at, step.at],
    };
  }

  #ofNobody(step: Step, value: string): { text: string; operations: number[] } {
    const refused = this.#history.findIndex(
      (other) =>
        other.ok === false && other.value === value && other.key === this.#operation(step).key && other.op !== 'read',
    );
    if (refused === -1) return { text: `${this.#deed(step)}, which nobody wrote`, operations: [step.at] };
    return {
      text: `${this.#deed(step)}, whose writer was told that it was not done (${named(refused)})`,
      operations: [refused, step.at],
    };
  }

  /** Nothing was found after something was written that nobody removed. */
  #lost(step: Step): { text: string; operations: number[] } | null {
    const written = this.#part.find((other) => isChange(other) && other.op !== 'del' && other.end < step.start);
    if (written === undefined) return null;
    const removed = this.#all.some(({ op, start, end }) => removes(op) && end >= written.start && start <= step.end);
    if (removed) return null;
    return {
      text: `${this.#deed(step)}, although ${this.#what(written)} was there before (${named(written.at)}) and nobody deleted it`,
      operations: [written.at, step.at],
    };
  }

  #swappedTwice(step: Step): { text: string; operations: number[] } | null {
    const other = this.#part.find((each) => each !== step && each.did === true && each.expected === step.expected);
    if (step.did !== true || other === undefined) return null;
    return {
      text: `${this.#deed(step)}, and so did ${who(this.#operation(other).client)} (${named(other.at)}), although ${shown(step.expected)} was written once`,
      operations: [step.at, other.at],
    };
  }

  #operation({ at }: Step): Operation {
    return this.#history[at] as Operation;
  }

  #what(step: Step): string {
    return effect(this.#operation(step));
  }

  #deed(step: Step): string {
    const { client, op, value, expected, result } = this.#operation(step);
    const place = `(${named(step.at)})`;
    switch (op) {
      case 'read':
        return `${who(client)} read ${shown(value)} ${place}`;
      case 'write':
        return `${who(client)} wrote ${shown(value)} ${place}`;
      case 'del':
        return `${who(client)} deleted it ${place}`;
      case 'incr':
        return `${who(client)} added ${value ?? ''}${result === undefined ? '' : ` and was told ${result}`} ${place}`;
      case 'cas': {
        const did = step.did === false ? 'found something else than' : 'swapped';
        return `${who(client)} ${did} ${shown(expected ?? null)}${step.did === false ? '' : ` for ${shown(value)}`} ${place}`;
      }
    }
  }
}

/** Whether it certainly changed the key, and to what no number is needed to tell. */
function isChange({ op, did, end }: Step): boolean {
  return end < Infinity && (op === 'write' || op === 'del' || did === true);
}
