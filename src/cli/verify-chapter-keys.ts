import type { Draws } from './verify-draws.ts';
import type { VerifyKeys } from './verify-keys.ts';

/** New keys come into use this often, so that none has more operations than can be checked. */
const SLOT_MS = 5_000;

/** What a key of the run holds, by the letter in its name; what its clients do with it follows from that. */
export type Holding =
  | 'register'
  | 'strong register'
  | 'counter'
  | 'strong counter'
  | 'member'
  | 'expiring'
  /** Of any type, written by all at once: the nodes must agree in the end, and what was done is not in the history. */
  | 'merged';

/** A key that was used. */
export interface UsedKey {
  readonly holds: Holding;
  /** The key of the set that a member is of; the key itself otherwise. */
  readonly stored: string;
}

/** The names of a chapter's keys and of what is written to them; it knows all that were used. */
export class ChapterKeys {
  readonly #keys: VerifyKeys;
  readonly #chapter: number;
  readonly #startedMs: number = performance.now();
  readonly #used: Map<string, UsedKey> = new Map();
  #values = 0;

  constructor(keys: VerifyKeys, chapter: number) {
    this.#keys = keys;
    this.#chapter = chapter;
  }

  /** By the key of the history. */
  get used(): ReadonlyMap<string, UsedKey> {
    return this.#used;
  }

  get hasCausal(): boolean {
    return this.#keys.causal !== null;
  }

  get hasStrong(): boolean {
    return this.#keys.strong.length > 0;
  }

  /** The present key of a name, which is another one after a while. */
  causal(holds: Holding, name: string, slotMs: number = SLOT_MS): string {
    return this.#use(holds, this.#name(this.#keys.causal ?? '', name, slotMs));
  }

  /** A causal key that nobody has written, and of which only what the nodes end with is compared. */
  fresh(letter: string): string {
    return this.#use('merged', `${this.#keys.causal ?? ''}${this.unique(letter)}`);
  }

  /** A causal register that nobody has written. */
  freshRegister(letter: string): string {
    return this.#use('register', `${this.#keys.causal ?? ''}${this.unique(letter)}`);
  }

  strong(holds: Holding, name: string, draws: Draws): string {
    const { prefix } = draws.pick(this.#keys.strong);
    return this.#use(holds, this.#name(prefix, name, SLOT_MS));
  }

  /** Two causal keys that are written and read together. */
  pair(name: string): readonly [string, string] {
    const key = this.causal('register', name);
    return [key, this.#use('merged', `${key}.other`)];
  }

  /** Two strong keys of one group that are written and read together. */
  strongPair(name: string, draws: Draws): readonly [string, string] {
    const key = this.strong('strong register', name, draws);
    return [key, this.#use('merged', `${key}.other`)];
  }

  /** A member of a set, as a key of the history. */
  member(set: string, member: string): string {
    const key = `${set}/${member}`;
    this.#used.set(key, { holds: 'member', stored: set });
    return key;
  }

  /** The present set of a name, of which only members are keys of the history. */
  set(name: string): string {
    return this.#name(this.#keys.causal ?? '', name, SLOT_MS);
  }

  /** The id of a request that is to happen once: of this run alone, for groups remember those of runs before it (`ONCE_KEPT_MS`). */
  requestId(): string {
    return `${this.#keys.run}.${this.unique('once')}`;
  }

  /** A value that was not given before. */
  unique(letter: string): string {
    this.#values++;
    return `${letter}${this.#chapter}.${this.#values}`;
  }

  #use(holds: Holding, key: string): string {
    this.#used.set(key, { holds, stored: key });
    return key;
  }

  #name(prefix: string, name: string, slotMs: number): string {
    const slot = Math.floor((performance.now() - this.#startedMs) / slotMs);
    return `${prefix}${this.#chapter}.${slot}${name}`;
  }
}
