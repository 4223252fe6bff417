import { latin1Range } from '../base/bytes.ts';
import { Glob } from '../base/glob.ts';
import type { InvalidationTarget } from '../commands/invalidation-view.ts';

/** Invalidations that are remembered for loads in flight. Past it a load that began before what is forgotten is not kept. */
const RECENT_MAX = 10_000;
const RECENT_PATTERNS_MAX = 256;

interface Noted {
  readonly mark: number;
  /** What was written before it is old. */
  readonly stamp: number;
}

/** What was invalidated here lately: by it a load that began before knows that it may have brought what is old (SPEC I3). */
export class RecentInvalidations {
  #mark = 0;
  /** All up to this mark may have been forgotten, and what of it has a stamp has at most that one. */
  #forgottenUpTo = 0;
  #forgottenStamp = 0;
  readonly #names: Map<string, Noted> = new Map();
  readonly #patterns: Map<string, Noted & { readonly glob: Glob }> = new Map();

  /** Of now: what is noted from here on is above it. */
  get mark(): number {
    return this.#mark;
  }

  note({ kind, name }: InvalidationTarget, stamp: number): void {
    const noted = { mark: ++this.#mark, stamp };
    if (kind === 'pattern') this.#add(this.#patterns, name, { ...noted, glob: new Glob(latin1Range(name)) });
    else this.#add(this.#names, `${kind}:${name}`, noted);
    this.#bound(this.#patterns, RECENT_PATTERNS_MAX);
    this.#bound(this.#names, RECENT_MAX);
  }

  #add<T extends Noted>(all: Map<string, T>, id: string, noted: T): void {
    const before = all.get(id)?.stamp ?? 0;
    all.delete(id);
    all.set(id, before > noted.stamp ? { ...noted, stamp: before } : noted);
  }

  #bound(all: Map<string, Noted>, max: number): void {
    if (all.size <= max) return;
    const [[oldest, noted] = ['', null]] = all;
    all.delete(oldest);
    this.#forgottenUpTo = Math.max(this.#forgottenUpTo, noted?.mark ?? 0);
    this.#forgottenStamp = Math.max(this.#forgottenStamp, noted?.stamp ?? 0);
  }

  /** Every key may have been. */
  noteAll(): void {
    this.#forgottenUpTo = ++this.#mark;
  }

  isHit(since: number, key: string, tags: readonly string[]): boolean {
    if (since === this.#mark) return false;
    if (since < this.#forgottenUpTo) return true;
    return this.#some(key, tags, ({ mark }) => mark > since);
  }

  /** Whether what was written at a stamp is old by what is remembered, or may be by what is forgotten. */
  isOld(stamp: number, key: string, tags: readonly string[]): boolean {
    return stamp < this.#forgottenStamp || this.#some(key, tags, (noted) => stamp < noted.stamp);
  }

  #some(key: string, tags: readonly string[], isMeant: (noted: Noted) => boolean): boolean {
    const isNamed = (id: string): boolean => {
      const noted = this.#names.get(id);
      return noted !== undefined && isMeant(noted);
    };
    if (isNamed(`key:${key}`) || tags.some((tag) => isNamed(`tag:${tag}`))) return true;
    const range = latin1Range(key);
    return [...this.#patterns.values()].some((noted) => isMeant(noted) && noted.glob.matches(range));
  }
}
