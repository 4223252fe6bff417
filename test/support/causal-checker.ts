/** One operation of a session on a variable. Values written are unique in a history; a read of `null` saw the initial value. */
export interface Operation {
  readonly session: string;
  readonly kind: 'read' | 'write';
  readonly key: string;
  readonly value: string | null;
}

export type BadPattern = 'CyclicCO' | 'ThinAirRead' | 'WriteCOInitRead' | 'WriteCORead' | 'CyclicCF';

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

/**
 * The bad patterns of causal convergence (CCv) in a history: it is causally convergent if and only if there is none.
 * Source: Bouajjani, Enea, Guerraoui, Hamza, "On Verifying Causal Consistency", POPL 2017, sections 4 and 5. Operations of a session
 * stand in its order; different sessions may be mixed in any way. Throws where a value is written twice.
 */
export function badPatterns(history: readonly Operation[]): BadPattern[] {
  const found = new Set<BadPattern>();
  const writers = writersOf(history);
  const writerOfRead = history.map(({ kind, key, value }) =>
    kind === 'read' && value !== null ? writers.get(`${key} ${value}`) : undefined,
  );
  const causal = new Relation(history.length);
  const last = new Map<string, number>();
  for (const [at, { session, kind, value }] of history.entries()) {
    const before = last.get(session);
    if (before !== undefined) causal.add(before, at);
    last.set(session, at);
    if (kind !== 'read' || value === null) continue;
    const writer = writerOfRead[at];
    if (writer === undefined) found.add('ThinAirRead');
    else causal.add(writer, at);
  }
  causal.close();
  if (causal.isCyclic) found.add('CyclicCO');

  const conflict = new Relation(history.length);
  for (const [reader, read] of history.entries()) {
    if (read.kind !== 'read') continue;
    const source = writerOfRead[reader];
    if (read.value !== null && source === undefined) continue;
    for (const [writer, write] of history.entries()) {
      if (write.kind !== 'write' || write.key !== read.key || writer === source || !causal.has(writer, reader))
        continue;
      if (source === undefined) {
        found.add('WriteCOInitRead');
        continue;
      }
      conflict.add(writer, source);
      if (causal.has(source, writer)) found.add('WriteCORead');
    }
  }
  if (conflict.union(causal).close().isCyclic && !causal.isCyclic) found.add('CyclicCF');
  return [...found];
}

function writersOf(history: readonly Operation[]): Map<string, number> {
  const writers = new Map<string, number>();
  for (const [at, { kind, key, value }] of history.entries()) {
    if (kind !== 'write') continue;
    const name = `${key} ${value}`;
    if (writers.has(name) || value === null) throw new Error(`the history writes ${name} twice, or nothing`);
    writers.set(name, at);
  }
  return writers;
}
