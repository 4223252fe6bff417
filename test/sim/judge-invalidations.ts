import { latin1Range } from '../../src/base/bytes.ts';
import { Glob } from '../../src/base/glob.ts';
import type { Dot } from '../../src/clock/dot.ts';
import type { Origin } from '../../src/clock/origin.ts';

/** A value that was written, with links in the same transaction: a key's links go only with all that is there of it. */
export interface Stored {
  readonly key: string;
  readonly value: string;
  readonly tags: readonly string[];
  /** Keys that it depends on, and those on whose writes it does. */
  readonly on: readonly string[];
  readonly onWrites: readonly string[];
  /** Null where nobody knows whether it was done. */
  readonly dot: Dot | null;
}

export interface Removal {
  readonly kind: 'key' | 'tag' | 'pattern' | 'del';
  readonly name: string;
  /** Where it begins: what that had seen is old. */
  readonly dot: Dot | null;
  /** What its session had written when it was answered: where that is, all that its maker had seen is gone. As `dot` where it is not said. */
  readonly lastDot?: Dot | null;
  /** What it comes to is shown for some time still (SPEC I5). */
  readonly isLazy?: boolean;
  /** It begins some time after its transaction, by whichever node: known where it has begun by the end. */
  readonly isDelayed?: boolean;
}

/** A link that was taken away again: of its kind only what its maker had seen. */
export interface Unlinked {
  readonly kind: 'tag' | 'on';
  readonly key: string;
  readonly name: string;
  readonly dot: Dot | null;
}

/** What a client was shown, and what the node had then. */
export interface Reads {
  readonly key: string;
  readonly value: string;
  readonly has: { contains(origin: Origin, seq: number): boolean };
}

export interface InvalidationRun {
  readonly writes: readonly Stored[];
  readonly removals: readonly Removal[];
  readonly unlinked: readonly Unlinked[];
  readonly reads: readonly Reads[];
  /** At rest, of each node and key, when what had its last time is over. */
  readonly shown: readonly { readonly node: string; readonly key: string; readonly value: string | null }[];
  /** Whether some node merged a snapshot: a key that one took away then counts as written at that time (SPEC I4). */
  readonly hasMerged: boolean;
  /** 0 for one that is not known. */
  stampOf(dot: Dot): number;
  /** Whether the maker of the one had certainly applied the other. */
  hasSeen(by: Dot, what: Dot): boolean;
}

/** How much was judged: values that had to go, by what; reads of what had not; and keys that had to stay. */
export interface InvalidationCounts {
  goneByTag: number;
  goneByPattern: number;
  goneByKey: number;
  goneByWrite: number;
  goneByDependency: number;
  goneLazily: number;
  goneLater: number;
  /** That its maker had not seen. */
  goneUnseen: number;
  readsBeside: number;
  leftAlone: number;
  /** Of those, that something would have come to by a link that was taken away. */
  leftUnlinked: number;
}

/** What ends values: an invalidation, a removal, or the write of what others depend on. */
interface End {
  readonly kind: Removal['kind'] | 'write';
  readonly name: string;
  readonly dot: Dot | null;
  readonly lastDot?: Dot | null;
  /** Infinity where it is not known; the least that it can be where it began later. */
  readonly stamp: number;
  /** The highest that it can be. */
  readonly stampMost: number;
  readonly isLazy: boolean;
  readonly isDelayed: boolean;
}

type Known = Stored & { readonly dot: Dot; readonly stamp: number };

const matches = (glob: string, key: string): boolean => new Glob(latin1Range(glob)).matches(latin1Range(key));
const isAsked = ({ kind }: End): boolean => kind !== 'write' && kind !== 'del';

/** Which keys and values ends come to, by what is known of links (SPEC I1, I2, I4). */
class Reach {
  readonly #run: InvalidationRun;
  readonly ends: readonly End[];
  readonly known: readonly Known[];
  readonly #unlinked: readonly (Unlinked & { readonly stamp: number })[];
  readonly #possible: Map<End, ReadonlySet<string>> = new Map();

  constructor(run: InvalidationRun) {
    this.#run = run;
    const stampOf = (dot: Dot | null): number => (dot === null ? 0 : run.stampOf(dot));
    this.known = run.writes.flatMap((write) => {
      const stamp = stampOf(write.dot);
      return write.dot === null || stamp === 0 ? [] : [{ ...write, dot: write.dot, stamp }];
    });
    const atOnce = { isLazy: false, isDelayed: false };
    const asWrites = run.writes.map(({ key, dot }) => ({ kind: 'write', name: key, dot, ...atOnce }) as const);
    const removals = run.removals.map((removal) => ({ ...atOnce, ...removal }));
    this.ends = [...removals, ...asWrites].map((end) => {
      const stamp = stampOf(end.dot) || Infinity;
      return { ...end, stamp, stampMost: end.isDelayed ? Infinity : stamp };
    });
    if (run.hasMerged) this.ends = [...this.ends, ...this.#takenByMerges()];
    this.#unlinked = run.unlinked.map((unlinked) => ({ ...unlinked, stamp: stampOf(unlinked.dot) || Infinity }));
  }

  /** Writes that nobody made: of what others depend on the writes of, and some end may have come to. Nobody knows when. */
  #takenByMerges(): End[] {
    const names = new Set(this.#run.writes.flatMap(({ onWrites }) => onWrites));
    const untimed = { dot: null, stamp: Infinity, stampMost: Infinity, isLazy: false, isDelayed: false };
    return [...names]
      .filter((name) => this.ends.some((end) => this.closure(end, (write) => write).has(name)))
      .map((name) => ({ kind: 'write', name, ...untimed }));
  }

  /** Every key that it may come to, by any link that was ever written but those that its maker knew to be gone. */
  possible(end: End): ReadonlySet<string> {
    let keys = this.#possible.get(end);
    if (keys === undefined)
      this.#possible.set(end, (keys = this.closure(end, (write) => this.#withoutGone(end, write))));
    return keys;
  }

  closure(end: End, linksOf: (write: Stored) => Stored): ReadonlySet<string> {
    const writes = this.#run.writes.map(linksOf);
    const met = new Set(isAsked(end) && end.kind === 'key' ? [end.name] : []);
    // a pattern is one of names that others depend on, too, whether they are there or not
    if (end.kind === 'pattern') for (const on of writes.flatMap(madeOf)) if (matches(end.name, on)) met.add(on);
    for (let before = -1; before < met.size;) {
      before = met.size;
      for (const write of writes) if (isRoot(end, write) || madeOf(write).some((on) => met.has(on))) met.add(write.key);
    }
    if (end.kind === 'del') met.add(end.name);
    return met;
  }

  /** Without the links that were certainly gone wherever the end came. */
  #withoutGone(end: End, write: Stored): Stored {
    const { dot } = write;
    if (dot === null || end.dot === null) return write;
    const by = end.dot;
    return this.#without(write, (unlinked) => {
      return unlinked.dot !== null && this.#run.hasSeen(unlinked.dot, dot) && this.#run.hasSeen(by, unlinked.dot);
    });
  }

  /** Only with the links that certainly stood wherever the end came. */
  #firmly(end: End, write: Known): Known {
    return this.#without(write, ({ dot, stamp }) => {
      if (stamp < write.stamp) return false;
      // one that begins later may come after it
      return end.isDelayed || dot === null || end.dot === null || !this.#run.hasSeen(dot, end.dot);
    });
  }

  #without<T extends Stored>(write: T, isGone: (unlinked: Unlinked & { readonly stamp: number }) => boolean): T {
    const gone = this.#unlinked.filter((unlinked) => unlinked.key === write.key && isGone(unlinked));
    if (gone.length === 0) return write;
    const without = (kind: Unlinked['kind'], names: readonly string[]): string[] =>
      names.filter((name) => !gone.some((unlinked) => unlinked.kind === kind && unlinked.name === name));
    const { tags, on, onWrites } = write;
    return { ...write, tags: without('tag', tags), on: without('on', on), onWrites: without('on', onWrites) };
  }

  /** Whether it comes to a value: by the value's own links, and by what it depends on. `isSeen`: by what its maker had applied. */
  comesTo(end: End, stored: Known, isSeen: boolean): 'itself' | 'dependent' | null {
    const write = this.#firmly(end, stored);
    if (end.dot === null || write.stamp >= end.stamp || end.stamp === Infinity) return null;
    if (isSeen && !this.#run.hasSeen(end.dot, write.dot)) return null;
    if ((end.kind === 'key' || end.kind === 'del') && end.name === write.key) return 'itself';
    if (isRoot(end, write)) return 'itself';
    return madeOf(write).some((on) => this.#meets(end, on, isSeen, new Set())) ? 'dependent' : null;
  }

  /** Whether it certainly comes to a key, whose own dependents it then comes to. */
  #meets(end: End, key: string, isSeen: boolean, past: Set<string>): boolean {
    if (end.kind === 'key' && end.name === key) return true;
    if (end.kind === 'pattern' && matches(end.name, key)) return true;
    if (past.has(key)) return false;
    past.add(key);
    return this.known.some((stored) => {
      if (stored.key !== key || !this.#isFirm(stored, end, isSeen)) return false;
      const write = this.#firmly(end, stored);
      return isRoot(end, write) || madeOf(write).some((on) => this.#meets(end, on, isSeen, past));
    });
  }

  /** Whether the links of a key stood wherever the end came: they go with the key, some time after that is removed. */
  #isFirm(write: Known, end: End, isSeen: boolean): boolean {
    const { dot } = end;
    if (dot === null || write.stamp >= end.stamp || (isSeen && !this.#run.hasSeen(dot, write.dot))) return false;
    return this.ends.every((other) => {
      if (other === end || other.stampMost < write.stamp || !this.possible(other).has(write.key)) return true;
      return !end.isDelayed && other.dot !== null && this.#run.hasSeen(other.dot, dot);
    });
  }
}

/** An invalidation follows either mode. */
const madeOf = ({ on, onWrites }: Stored): readonly string[] => [...on, ...onWrites];

/** Whether an end begins with the key of a write by that write's links, or its name. */
function isRoot({ kind, name }: End, { key, tags, onWrites }: Stored): boolean {
  if (kind === 'tag') return tags.includes(name);
  if (kind === 'pattern') return matches(name, key);
  return (kind === 'write' || kind === 'del') && onWrites.includes(name);
}

const COUNTED = {
  tag: 'goneByTag',
  pattern: 'goneByPattern',
  key: 'goneByKey',
  del: 'goneByWrite',
  write: 'goneByWrite',
} as const;

/**
 * What must hold of invalidations: of what is older than one that comes to it nothing shows at rest anywhere, and none of what its maker had seen
 * where it was applied; and what none can have come to is there.
 */
export function judgeInvalidations(run: InvalidationRun): {
  readonly wrong: string[];
  readonly counts: InvalidationCounts;
} {
  const reach = new Reach(run);
  const wrong: string[] = [];
  const counts: InvalidationCounts = {
    ...{ goneByTag: 0, goneByPattern: 0, goneByKey: 0, goneByWrite: 0 },
    ...{ goneByDependency: 0, goneLazily: 0, goneLater: 0, goneUnseen: 0 },
    ...{ readsBeside: 0, leftAlone: 0, leftUnlinked: 0 },
  };
  for (const write of reach.known) {
    const shownAt = run.shown.filter(({ key, value }) => key === write.key && value === write.value);
    const reads = run.reads.filter(({ key, value }) => key === write.key && value === write.value);
    for (const end of reach.ends) {
      const how = reach.comesTo(end, write, false);
      if (how === null || end.dot === null) continue;
      counts[how === 'dependent' ? 'goneByDependency' : COUNTED[end.kind]]++;
      if (end.isLazy) counts.goneLazily++;
      if (end.isDelayed) counts.goneLater++;
      if (!run.hasSeen(end.dot, write.dot)) counts.goneUnseen++;
      const what = `${write.key} ${write.value}, which ${end.kind} ${end.name} (${end.dot.origin}:${end.dot.seq}) ended`;
      for (const { node } of shownAt) wrong.push(`I2: ${node} shows ${what}`);
      if (end.isLazy || end.isDelayed) continue;
      if (reads.length === 0 || reach.comesTo(end, write, true) === null) continue;
      counts.readsBeside += reads.length;
      const { origin, seq } = end.lastDot ?? end.dot;
      if (reads.some(({ has }) => has.contains(origin, seq))) wrong.push(`I2: a client was shown ${what}`);
    }
  }
  for (const key of new Set(run.shown.map((each) => each.key))) judgeLeft(run, reach, key, wrong, counts);
  return { wrong, counts };
}

/** The latest write of a key stays where nothing that may come to it is as late. */
function judgeLeft(run: InvalidationRun, reach: Reach, key: string, wrong: string[], counts: InvalidationCounts): void {
  const known = reach.known.filter((write) => write.key === key);
  const latest = known.reduce<Known | null>((best, each) => (best === null || isBelow(best, each) ? each : best), null);
  if (latest === null || known.length < run.writes.filter((write) => write.key === key).length) return;
  const later = reach.ends.filter((end) => end.stampMost >= latest.stamp);
  if (later.some((end) => reach.possible(end).has(key))) return;
  counts.leftAlone++;
  if (later.some((end) => reach.closure(end, (write) => write).has(key))) counts.leftUnlinked++;
  for (const { node, value } of run.shown.filter((each) => each.key === key))
    if (value !== latest.value) wrong.push(`I2: ${node} shows ${value} as ${key}, and nothing ended ${latest.value}`);
}

const isBelow = (left: Known, right: Known): boolean =>
  left.stamp < right.stamp || (left.stamp === right.stamp && left.dot.origin < right.dot.origin);
