import type { CausalOrder } from './causal-order.ts';
import { effect, named, quoted, who } from './told.ts';
import type { Violation } from './verdict.ts';

/** Cycles of different origin that are told. */
const CYCLES_MAX = 8;

/** Operations from which the shortest cycle of a component is looked for. */
const STARTS_MAX = 24;

/** Operations that are looked at for that, over all. */
const VISITS_MAX = 1_000_000;

/**
 * CyclicCF of causal convergence: the causal order and "w1 counts as older than w2", where somebody who knew of w1 read w2, contradict each
 * other. Components of the graph by Tarjan, "Depth-first search and linear graph algorithms", 1972; of each the shortest cycle found is
 * told. Components through writes of `explained` are passed over: those are told of as WriteCORead.
 */
export function findConflictCycles(order: CausalOrder, explained: ReadonlySet<number>): Violation[] {
  const graph = new ConflictGraph(order);
  const violations: Violation[] = [];
  for (const component of graph.components()) {
    if (component.some((at) => explained.has(at))) continue;
    if (violations.length < CYCLES_MAX) violations.push(graph.told(graph.shortestCycle(component)));
  }
  return violations;
}

class ConflictGraph {
  readonly #order: CausalOrder;
  readonly #component: Int32Array;
  #visits = 0;

  constructor(order: CausalOrder) {
    this.#order = order;
    this.#component = new Int32Array(order.seen.history.length).fill(-1);
  }

  /** What is directly before an operation. */
  #before(at: number): number[] {
    const before = this.#order.lastWritesOfReaders(at);
    const [previous, source] = [this.#order.previous(at), this.#order.source(at)];
    if (previous >= 0) before.push(previous);
    if (source >= 0) before.push(source);
    return before;
  }

  /** Operations that are before each other, where there is more than one. */
  components(): number[][] {
    const { seen } = this.#order;
    const size = seen.history.length;
    const [index, low] = [new Int32Array(size).fill(-1), new Int32Array(size)];
    const found: number[][] = [];
    const open: number[] = [];
    let next = 0;
    for (let root = 0; root < size; root++) {
      if (!seen.takesPart(root) || index[root] !== -1) continue;
      const stack: { readonly at: number; readonly before: readonly number[]; taken: number }[] = [];
      const enter = (at: number): void => {
        index[at] = low[at] = next++;
        open.push(at);
        stack.push({ at, before: this.#before(at), taken: 0 });
      };
      enter(root);
      for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
        const { at } = top;
        const other = top.before[top.taken++];
        if (other !== undefined) {
          if (index[other] === -1) enter(other);
          else if (this.#component[other] === -1) low[at] = Math.min(low[at] as number, index[other] as number);
          continue;
        }
        stack.pop();
        const parent = stack.at(-1)?.at;
        if (parent !== undefined) low[parent] = Math.min(low[parent] as number, low[at] as number);
        if (low[at] !== index[at]) continue;
        const component = open.splice(placeIn(open, index, at));
        for (const member of component) this.#component[member] = at;
        if (component.length > 1) found.push(component);
      }
    }
    return found;
  }

  /** A cycle in the order of time, each operation before the next and the last before the first. */
  shortestCycle(component: readonly number[]): number[] {
    let shortest: number[] = [];
    // only writes that are read after others are where a cycle turns
    const starts = component.filter((at) =>
      this.#order.lastWritesOfReaders(at).some((other) => this.#isWithin(other, at)),
    );
    for (const start of starts.slice(0, STARTS_MAX)) {
      if (shortest.length > 0 && this.#visits > VISITS_MAX) break;
      const cycle = this.#cycleThrough(start);
      if (shortest.length === 0 || cycle.length < shortest.length) shortest = cycle;
    }
    return shortest;
  }

  #isWithin(at: number, of: number): boolean {
    return this.#component[at] === this.#component[of];
  }

  /** Steps along a session are free; of the others there are as few as can be. */
  #cycleThrough(start: number): number[] {
    const after = new Map<number, number>();
    let near = [start];
    while (near.length > 0) {
      const far: number[] = [];
      for (let at = near.pop(); at !== undefined; at = near.pop()) {
        this.#visits++;
        const previous = this.#order.previous(at);
        for (const other of this.#before(at)) {
          if (!this.#isWithin(other, start) || after.has(other)) continue;
          after.set(other, at);
          if (other === start) return this.#turns(start, after);
          (other === previous ? near : far).push(other);
        }
      }
      near = far;
    }
    return [start];
  }

  /** The cycle without what is passed along a session. */
  #turns(start: number, after: ReadonlyMap<number, number>): number[] {
    const cycle = [start];
    for (let at = after.get(start) as number; at !== start; at = after.get(at) as number) cycle.push(at);
    return cycle.filter((at, index) => {
      const before = cycle.at(index - 1) as number;
      const next = cycle[(index + 1) % cycle.length] as number;
      return this.#order.previous(at) !== before || this.#order.previous(next) !== at;
    });
  }

  told(cycle: readonly number[]): Violation {
    const { seen } = this.#order;
    const steps: string[] = [];
    const operations: number[] = [];
    for (const [index, at] of cycle.entries()) {
      const next = cycle[(index + 1) % cycle.length] as number;
      operations.push(at);
      const reader = this.#readerBetween(at, next);
      if (reader === null) continue;
      const [older, newer] = [seen.operation(at), seen.operation(next)];
      const { client } = seen.operation(reader);
      operations.push(reader);
      steps.push(
        `${who(client)}, which knew of ${effect(older)}, found ${effect(newer)} at ${quoted(newer.key)} (${named(reader)})`,
      );
    }
    return {
      pattern: 'CyclicCF',
      text: `no order of the writes fits what was read: ${steps.join('; ')}`,
      operations: [...new Set(operations)],
    };
  }

  /** Who read `newer` and knew of `older`, where that alone puts the one before the other. */
  #readerBetween(older: number, newer: number): number | null {
    if (this.#order.source(newer) === older || this.#order.previous(newer) === older) return null;
    if (!this.#order.lastWritesOfReaders(newer).includes(older)) return null;
    return this.#order.readers(newer).find((reader) => this.#order.lastWrites(reader).includes(older)) ?? null;
  }
}

/** The place of an operation among those that are open: they lie in the order in which they were met. */
function placeIn(open: readonly number[], index: Int32Array, at: number): number {
  let [low, high] = [0, open.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((index[open[middle] as number] as number) < (index[at] as number)) low = middle + 1;
    else high = middle;
  }
  return low;
}
