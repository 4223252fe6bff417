import type { Operation } from '../../src/verify/history.ts';

type BadPattern = 'CyclicCO' | 'ThinAirRead' | 'WriteCOInitRead' | 'WriteCORead' | 'CyclicCF';

/** A relation over the operations of a history, as rows of bits. */
class Relation {
  readonly #rows: Uint32Array[];
  readonly #words: number;

  constructor(size: number) {
    this.#words = Math.ceil(size / 32);
    this.#rows = Array.from({ length: size }, () => new Uint32Array(this.#words));
  }

  add(from: number, to: number): void {
    const row = this.#rows[from] as Uint32Array;
    row[to >>> 5] = (row[to >>> 5] as number) | (1 << (to & 31));
  }

  has(from: number, to: number): boolean {
    return (((this.#rows[from] as Uint32Array)[to >>> 5] as number) & (1 << (to & 31))) !== 0;
  }

  union(other: Relation): Relation {
    const both = new Relation(this.#rows.length);
    for (const [at, row] of both.#rows.entries()) {
      for (let word = 0; word < this.#words; word++) {
        row[word] =
          ((this.#rows[at] as Uint32Array)[word] as number) | ((other.#rows[at] as Uint32Array)[word] as number);
      }
    }
    return both;
  }

  /** Warshall's closure, a word of bits at a time. */
  close(): this {
    for (const [middle, through] of this.#rows.entries()) {
      for (const row of this.#rows) {
        if (((row[middle >>> 5] as number) & (1 << (middle & 31))) === 0) continue;
        for (let word = 0; word < this.#words; word++) row[word] = (row[word] as number) | (through[word] as number);
      }
    }
    return this;
  }

  /** Of a closed relation. */
  get isCyclic(): boolean {
    return this.#rows.some((_row, at) => this.has(at, at));
  }
}

/** Of keys without incr and expiries, none of them weak or eventual: what takes part, by its definition. */
function judged(history: readonly Operation[]): Operation[] {
  const done = history.filter(({ ok }) => ok === true);
  const perhaps = history.filter(({ ok, op }) => ok === null && (op === 'write' || op === 'cas'));
  for (;;) {
    const seen = perhaps.find(
      (write) => !done.includes(write) && done.some((other) => other.key === write.key && found(other) === write.value),
    );
    if (seen === undefined) return history.filter((each) => done.includes(each));
    done.push(seen);
  }
}

/** What an operation found; undefined where it does not look. */
function found({ op, value, expected }: Operation): string | null | undefined {
  return op === 'read' ? value : op === 'cas' ? (expected ?? null) : undefined;
}

/** A history's causal order, as a relation of all pairs of what takes part. */
export interface SlowOrder {
  readonly history: readonly Operation[];
  /** By operation the place of the write that it read; -1 for nobody's, undefined where it read nothing. */
  readonly sourceOf: readonly (number | undefined)[];
  readonly causal: Relation;
}

export function slowOrder(all: readonly Operation[]): SlowOrder {
  const history = judged(all);
  const sourceOf = history.map((read) => {
    const value = found(read);
    return value === null || value === undefined
      ? undefined
      : history.findIndex(({ op, key, value: written }) => op !== 'read' && key === read.key && written === value);
  });
  const causal = new Relation(history.length);
  const last = new Map<string, number>();
  for (const [at, { client, ok }] of history.entries()) {
    const before = last.get(client);
    if (before !== undefined) causal.add(before, at);
    if (ok === true) last.set(client, at);
    const source = sourceOf[at];
    if (source !== undefined && source >= 0) causal.add(source, at);
  }
  return { history, sourceOf, causal: causal.close() };
}

/** The definitions of the patterns as they stand, over relations of all pairs: a few dozen operations. */
export function slowBadPatterns(all: readonly Operation[]): BadPattern[] {
  const { history, sourceOf, causal } = slowOrder(all);
  const patterns = new Set<BadPattern>();
  if (sourceOf.includes(-1)) patterns.add('ThinAirRead');
  if (causal.isCyclic) patterns.add('CyclicCO');

  const conflict = new Relation(history.length);
  for (const [reader, read] of history.entries()) {
    const source = sourceOf[reader];
    if (found(read) === undefined || source === -1) continue;
    for (const [writer, write] of history.entries()) {
      if (write.op === 'read' || write.key !== read.key || writer === source || !causal.has(writer, reader)) continue;
      if (source === undefined) {
        if (write.op !== 'del' && cannotBeGone(all, history, causal, writer)) patterns.add('WriteCOInitRead');
        continue;
      }
      conflict.add(writer, source);
      if (causal.has(source, writer)) patterns.add('WriteCORead');
    }
  }
  if (conflict.union(causal).close().isCyclic && !causal.isCyclic) patterns.add('CyclicCF');
  return [...patterns];
}

/** Every del of the key is older than the write. */
export function cannotBeGone(
  all: readonly Operation[],
  history: readonly Operation[],
  causal: Relation,
  writer: number,
): boolean {
  const key = history[writer]?.key;
  return all
    .filter(({ op, key: other, ok }) => op === 'del' && other === key && ok !== false)
    .every((del) => del.ok === true && causal.has(history.indexOf(del), writer));
}
