import type { Operation } from '../verify/history.ts';

/**
 * The end of a node, as far as it can be told. What it answered before `savedNs` was on its disk, as it said itself; what it answered after that and no
 * other node had may be gone (SPEC R1). At `toNs` it had ended.
 */
export interface NodeEnd {
  readonly node: string;
  readonly savedNs: number;
  readonly toNs: number;
}

/** What is recorded of a chapter, without what went with nodes. */
interface Recorded {
  /** Sorted by their end; those that went with an ended node are of unknown outcome. */
  readonly operations: Operation[];
  /** How many acknowledged writes these are, and how long before the end of its node the oldest was answered. */
  readonly lostWrites: number;
  readonly lostBeforeMs: number;
}

/** What is recorded of one chapter of a run. */
export class Recorder {
  readonly #startedMs: number;
  readonly #operations: { readonly node: string; operation: Operation }[] = [];
  readonly #ends: NodeEnd[] = [];

  /** Times are counted from `startedMs` of `performance.now()`. */
  constructor(startedMs: number) {
    this.#startedMs = startedMs;
  }

  nowNs(): number {
    return Math.round((performance.now() - this.#startedMs) * 1e6);
  }

  get count(): number {
    return this.#operations.length;
  }

  /** `node` is whom it was asked. */
  add(node: string, operation: Operation): void {
    this.#operations.push({ node, operation });
  }

  noteEnd(end: NodeEnd): void {
    this.#ends.push(end);
  }

  /** Whether a node may have lost what it had at some time since. */
  mayHaveLost(node: string, sinceNs: number): boolean {
    return this.#ends.some((end) => end.node === node && end.toNs >= sinceNs);
  }

  finish(): Recorded {
    let lostWrites = 0;
    let lostBeforeMs = 0;
    const lost = this.#lostWrites();
    const operations = this.#operations.map(({ node, operation }) => {
      const { key, level, op, value } = operation;
      if (operation.ok !== true || level === 'strong') return operation;
      const end = this.#endOf(node, operation);
      const isLost = lost.has(`${key} ${value}`) || (op !== 'read' && op !== 'write' && end !== null);
      if (!isLost) return operation;
      if (op !== 'read') lostWrites++;
      if (op !== 'read' && end !== null) lostBeforeMs = Math.max(lostBeforeMs, (end.toNs - operation.end) / 1e6);
      const { result: _result, ...rest } = operation;
      return { ...rest, ok: null };
    });
    return { operations: operations.toSorted((left, right) => left.end - right.end), lostWrites, lostBeforeMs };
  }

  /** Values of registers that were answered just before their node ended, and that nobody saw after that or elsewhere. */
  #lostWrites(): Set<string> {
    const suspects = new Map<string, { readonly node: string; readonly end: NodeEnd }>();
    for (const { node, operation } of this.#operations) {
      if (operation.op !== 'write' || operation.ok !== true || operation.level === 'strong') continue;
      const end = this.#endOf(node, operation);
      if (end !== null) suspects.set(`${operation.key} ${operation.value}`, { node, end });
    }
    for (const { node, operation } of this.#operations) {
      if (operation.op !== 'read' || operation.ok !== true) continue;
      const name = `${operation.key} ${operation.value}`;
      const suspect = suspects.get(name);
      if (suspect !== undefined && (node !== suspect.node || operation.end > suspect.end.toNs)) suspects.delete(name);
    }
    return new Set(suspects.keys());
  }

  /** The end of its node that an operation may have gone with. */
  #endOf(node: string, { end }: Operation): NodeEnd | null {
    return this.#ends.find((each) => each.node === node && end >= each.savedNs && end <= each.toNs) ?? null;
  }
}
