import { latin1Bytes } from '../../src/base/bytes.ts';
import type { QuorumBatch, QuorumGroupBatch } from '../../src/ports.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { asideOf, groupBatch, logEntries, stateChange } from './quorum-batches.ts';

export const SCRIPT_GROUPS = ['home/region', 'home/zone'];

/** What the script remembers of a group, so that its batches follow on each other. */
class ScriptedGroup {
  readonly name: string;
  readonly #random: () => number;
  #term = 1;
  #first = 1;
  #last = 0;
  #applied = 0;
  #asideParts = 0;

  constructor(name: string, random: () => number) {
    this.name = name;
    this.#random = random;
  }

  /** The group's part of batch `number`. */
  next(number: number): QuorumGroupBatch {
    if (this.#asideParts > 2) return this.#install(number);
    const begins = this.#asideParts === 0;
    // a state comes in, in parts; now and then one begins anew
    const aside =
      this.#random() < 0.15 ? asideOf(begins || this.#random() < 0.2, { [`aside ${number}`]: `${number}` }) : null;
    if (aside !== null) this.#asideParts = aside.begins ? 1 : this.#asideParts + 1;
    const from = this.#last > this.#applied && this.#random() < 0.1 ? this.#applied + 1 : null;
    if (from !== null) {
      this.#last = from - 1;
      this.#term += 1;
    }
    const texts = Array.from(
      { length: 1 + Math.floor(this.#random() * 4) },
      (_, at) => `${number}.${at} ${'x'.repeat(this.#random() * 400)}`,
    );
    const entries = logEntries(this.#last + 1, this.#term, ...texts);
    this.#last += texts.length;
    this.#applied += Math.floor(this.#random() * (this.#last - this.#applied));
    const compacts = this.#applied > this.#first && this.#random() < 0.1;
    if (compacts) this.#first = this.#applied;
    return groupBatch({
      group: this.name,
      hardState: { term: this.#term, votedFor: number % 5, commit: this.#applied },
      truncateFrom: from,
      entries,
      aside,
      snapshot: compacts ? { index: this.#applied, term: this.#term, meta: latin1Bytes(`members ${number}`) } : null,
      compactTo: compacts ? this.#applied - 1 : null,
      state: stateChange(`${number}`, { [`key ${number % 50}`]: number % 7 === 0 ? null : `value ${number}` }, false, {
        [`row ${number}`]: `${number}`,
        [`row ${number - 20}`]: null,
      }),
      audit: [[number, latin1Bytes(`audit ${number}`)]],
    });
  }

  #install(number: number): QuorumGroupBatch {
    this.#asideParts = 0;
    this.#term += 1;
    this.#last += 10;
    this.#applied = this.#last;
    this.#first = this.#last + 1;
    return groupBatch({
      group: this.name,
      hardState: { term: this.#term, votedFor: 0, commit: this.#applied },
      dropsLog: true,
      snapshot: { index: this.#last, term: this.#term - 1, meta: latin1Bytes(`installed ${number}`) },
      aside: asideOf(false, { installed: `${number}` }),
      state: stateChange(`${number}`, {}, true, { received: `${number}` }),
    });
  }
}

/** An endless script of batches of two groups: appends, overwritten tails, compaction, installed snapshots. The same for the same seed. */
export function* quorumScript(seed: number): Generator<QuorumBatch> {
  const seeded = new SeededRandom(seed);
  const random = (): number => seeded.unit();
  const groups = SCRIPT_GROUPS.map((name) => new ScriptedGroup(name, random));
  for (let number = 1; ; number++) yield { groups: groups.map((group) => group.next(number)) };
}
