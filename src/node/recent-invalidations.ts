import { latin1Range } from '../base/bytes.ts';
import { Glob } from '../base/glob.ts';
import { RecentNames } from '../base/recent-names.ts';
import type { InvalidationTarget } from '../commands/invalidation-view.ts';

/** Invalidations that are remembered for loads in flight. Past it a load that began before what is forgotten is not kept. */
const RECENT_MAX = { names: 10_000, chars: 16 * 1024 * 1024 };
const RECENT_PATTERNS_MAX = { names: 256, chars: 1024 * 1024 };

interface Noted {
  readonly mark: number;
  /** What was written before it is old. */
  readonly stamp: number;
}

interface NotedPattern extends Noted {
  readonly glob: Glob;
}

/** What was invalidated here lately: by it a load that began before knows that it may have brought what is old (SPEC I3). */
export class RecentInvalidations {
  #mark = 0;
  /** All up to this mark may have been forgotten, and what of it has a stamp has at most that one. */
  #forgottenUpTo = 0;
  #forgottenStamp = 0;
  readonly #names: RecentNames<Noted>;
  readonly #patterns: RecentNames<NotedPattern>;

  constructor() {
    const forgotten = (_name: string, { mark, stamp }: Noted): void => {
      this.#forgottenUpTo = Math.max(this.#forgottenUpTo, mark);
      this.#forgottenStamp = Math.max(this.#forgottenStamp, stamp);
    };
    this.#names = new RecentNames(RECENT_MAX, forgotten);
    this.#patterns = new RecentNames<NotedPattern>(RECENT_PATTERNS_MAX, forgotten);
  }

  /** Of now: what is noted from here on is above it. */
  get mark(): number {
    return this.#mark;
  }

  note({ kind, name }: InvalidationTarget, stamp: number): void {
    const noted = { mark: ++this.#mark, stamp };
    if (kind === 'pattern') add(this.#patterns, name, { ...noted, glob: new Glob(latin1Range(name)) });
    else add(this.#names, `${kind}:${name}`, noted);
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
    return [...this.#patterns].some(([, noted]) => isMeant(noted) && noted.glob.matches(range));
  }
}

/** What was written before the latest of its invalidations is old. */
function add<T extends Noted>(all: RecentNames<T>, id: string, noted: T): void {
  const before = all.get(id)?.stamp ?? 0;
  all.set(id, before > noted.stamp ? { ...noted, stamp: before } : noted);
}
