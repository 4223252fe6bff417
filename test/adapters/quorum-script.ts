import { latin1Bytes } from '../../src/base/bytes.ts';
import type { QuorumBatch, QuorumGroupBatch, QuorumStore } from '../../src/ports.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { asideOf, groupBatch, logEntries, stateChange } from './quorum-batches.ts';

export const SCRIPT_GROUPS: readonly string[] = ['home/region', 'home/zone'];

/** What a part of a batch does. The first three are promises alone. */
export const PART_KINDS = ['append', 'truncate', 'compact', 'state', 'both', 'install'] as const;
export type PartKind = (typeof PART_KINDS)[number];

/**
 * A group whose batches follow on each other. Whatever moves its log or promise says its number in `hardState.commit`, whatever brings
 * states in their meta, so that it can be told what of them is there.
 */
export class ScriptedGroup {
  readonly name: string;
  readonly #random: SeededRandom;
  #term: number;
  #first: number;
  #last: number;
  #applied: number;

  /** Goes on from what a store has of it. */
  constructor(name: string, store: QuorumStore, random: SeededRandom) {
    this.name = name;
    this.#random = random;
    const { hardState, log, snapshot } = store.load(name);
    this.#term = hardState?.term ?? 1;
    this.#applied = snapshot?.index ?? 0;
    this.#first = log[0]?.index ?? this.#applied + 1;
    this.#last = log.at(-1)?.index ?? this.#applied;
  }

  part(kind: PartKind, number: number, bytesMax: number): QuorumGroupBatch {
    if (kind === 'install') return this.#install(number);
    const truncateFrom = kind === 'truncate' ? this.#truncate() : null;
    const entries = kind === 'state' ? [] : this.#entries(number, bytesMax);
    const compactTo = kind === 'compact' ? this.#compact() : null;
    const hardState = kind === 'state' ? null : { term: this.#term, votedFor: number % 5, commit: number };
    const parts = { group: this.name, hardState, truncateFrom, entries, compactTo };
    return groupBatch(kind === 'state' || kind === 'both' ? { ...parts, ...this.#state(number) } : parts);
  }

  #entries(number: number, bytesMax: number): QuorumGroupBatch['entries'] {
    const texts = Array.from(
      { length: 1 + this.#random.below(4) },
      (_, at) => `${number}.${at} ${'x'.repeat(this.#random.below(bytesMax))}`,
    );
    const entries = logEntries(this.#last + 1, this.#term, ...texts);
    this.#last += texts.length;
    return entries;
  }

  #truncate(): number {
    this.#term += 1;
    this.#last = Math.max(this.#applied, this.#last - this.#random.below(6));
    return this.#last + 1;
  }

  #compact(): number {
    const compactTo = Math.max(this.#first - 1, Math.min(this.#applied, this.#first + this.#random.below(20)));
    this.#first = compactTo + 1;
    return compactTo;
  }

  #state(number: number): Partial<QuorumGroupBatch> {
    this.#applied += this.#random.below(1 + this.#last - this.#applied);
    const key = `key ${number % 50}`;
    return {
      // never used: another one takes its place, or a restart forgets it
      aside: this.#random.below(4) === 0 ? asideOf(true, { [`aside ${number}`]: 'a' }) : null,
      snapshot: { index: this.#applied, term: this.#term, meta: latin1Bytes(`members ${number}`) },
      state: stateChange(`${number}`, { [key]: number % 7 === 0 ? null : `value ${number}` }),
      audit: [[number, latin1Bytes(`audit ${number}`)]],
    };
  }

  #install(number: number): QuorumGroupBatch {
    this.#term += 1;
    this.#last += 10;
    this.#applied = this.#last;
    this.#first = this.#last + 1;
    return groupBatch({
      group: this.name,
      hardState: { term: this.#term, votedFor: 0, commit: number },
      dropsLog: true,
      snapshot: { index: this.#last, term: this.#term - 1, meta: latin1Bytes(`installed ${number}`) },
      aside: asideOf(true, { installed: `${number}` }),
      state: stateChange(`${number}`, {}, true),
    });
  }
}

/**
 * An endless script of batches of one or two groups, most of them promises alone. The same for the same seed and the same beginning, which
 * is what a store has.
 */
export function* quorumScript(seed: number, store: QuorumStore): Generator<QuorumBatch> {
  const random = new SeededRandom(seed);
  const groups = SCRIPT_GROUPS.map((name) => new ScriptedGroup(name, store, random));
  const ended = Math.max(...SCRIPT_GROUPS.flatMap((name) => Object.values(numbersOf(store, name))));
  for (let number = ended + 1; ; number++) {
    const taking = random.below(4) === 0 ? groups : [random.pick(groups)];
    yield { groups: taking.map((group) => group.part(kindOf(random.below(40)), number, bytesMaxOf(random.below(30)))) };
  }
}

function kindOf(lot: number): PartKind {
  if (lot === 0) return 'install';
  if (lot <= 2) return 'state';
  if (lot === 3) return 'both';
  if (lot <= 6) return 'compact';
  return lot <= 9 ? 'truncate' : 'append';
}

function bytesMaxOf(lot: number): number {
  return lot === 0 ? 100_000 : 400;
}

/** The last batch of a group of which its promise, and of which its state is there. */
export function numbersOf(store: QuorumStore, group: string): { readonly head: number; readonly state: number } {
  const { hardState, stateMeta } = store.load(group);
  return { head: hardState?.commit ?? 0, state: stateMeta === null ? 0 : Number(Buffer.from(stateMeta).toString()) };
}

export function isPromise({ groups }: QuorumBatch): boolean {
  return groups.every(({ state }) => state === null);
}
