import { latin1Range } from '../base/bytes.ts';
import { systemKey, systemKeyParts } from '../base/system-keys.ts';
import { nodeOf } from '../clock/origin.ts';
import type { InvalidationEffect, InvalidationTarget } from '../commands/invalidation-view.ts';
import { refuse, overLimit } from '../commands/refusals.ts';
import { NO_SLOT } from '../keyspace/keyspace.ts';
import { TARGET_KINDS } from './invalidation-record.ts';
import type { InvalidationsHost } from './invalidations.ts';

const KIND = 'delayed';
/** Invalidations of all nodes that wait for their time. Past it: error. */
const DELAYED_MAX = 10_000;
/** A node that is not there at the time is waited for so long, and for each place in the order of nodes once more. */
const WAITED_MS = 30_000;

interface Delayed {
  readonly nodeNumber: number;
  readonly dueMs: number;
  readonly targets: readonly InvalidationTarget[];
  readonly effect: InvalidationEffect;
}

/**
 * Invalidations that wait for their time, in system keys, so that they survive their node. That one begins them; where it is away the
 * others do, one after the other. Whoever begins one removes it in the same transaction.
 */
export class DelayedInvalidations {
  readonly #host: InvalidationsHost;
  /** The nodes of the cluster, in one order. */
  readonly #nodes: readonly number[];
  /** By system key, latin1. May have some that are begun. */
  readonly #waiting: Map<string, Delayed> = new Map();
  #nextMs = Infinity;

  constructor(host: InvalidationsHost) {
    this.#host = host;
    this.#nodes = host.nodes.toSorted((a, b) => a - b);
  }

  /** In the open transaction. */
  add(targets: readonly InvalidationTarget[], effect: InvalidationEffect, dueMs: number): void {
    if (this.#waiting.size >= DELAYED_MAX)
      throw overLimit('too many invalidations wait for their time', 'delayed-invalidations-max', DELAYED_MAX);
    const { origin, seq } = this.#host.open();
    const key = systemKey(KIND, `${origin}:${seq}:${this.#waiting.size}`);
    if (this.#waiting.has(key)) throw refuse('ask again');
    const value = JSON.stringify([nodeOf(origin), dueMs, targets, effect]);
    this.#host.transaction.set(latin1Range(key), 0, latin1Range(value), Infinity);
  }

  /** A system key was written, or found. */
  note(key: string, value: string): void {
    if (systemKeyParts(key)?.kind !== KIND) return;
    const delayed = delayedOf(value);
    if (delayed === null) return;
    this.#waiting.set(key, delayed);
    this.#nextMs = Math.min(this.#nextMs, this.#turnMs(delayed));
  }

  /** When this node is to begin it. */
  #turnMs({ nodeNumber, dueMs }: Delayed): number {
    const own = nodeOf(this.#host.replica.origin);
    const after =
      (this.#nodes.indexOf(own) - this.#nodes.indexOf(nodeNumber) + this.#nodes.length) % this.#nodes.length;
    return dueMs + after * WAITED_MS;
  }

  /** Those that wait; may count some that another node has begun. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether some may be due. */
  isDue(nowMs: number): boolean {
    return nowMs >= this.#nextMs;
  }

  /** Takes out those that are due, and says what is to be invalidated; in the open transaction. */
  take(nowMs: number): Delayed[] {
    const due: Delayed[] = [];
    this.#nextMs = Infinity;
    for (const [key, delayed] of this.#waiting) {
      const { keyspace, transaction } = this.#host;
      const range = latin1Range(key);
      const turnMs = this.#turnMs(delayed);
      if (keyspace.findToWrite(range, 0, nowMs) === NO_SLOT) this.#waiting.delete(key);
      else if (turnMs > nowMs) this.#nextMs = Math.min(this.#nextMs, turnMs);
      else {
        transaction.delete(range, 0);
        this.#waiting.delete(key);
        due.push(delayed);
      }
    }
    return due;
  }
}

/** Null for what no node of this version writes. */
function delayedOf(value: string): Delayed | null {
  try {
    const [nodeNumber, dueMs, targets, effect] = JSON.parse(value) as readonly unknown[];
    if (typeof nodeNumber !== 'number' || typeof dueMs !== 'number' || !Array.isArray(targets)) return null;
    if (!targets.every(isTarget) || !isEffect(effect)) return null;
    return { nodeNumber, dueMs, targets, effect };
  } catch {
    return null;
  }
}

function isTarget(value: unknown): value is InvalidationTarget {
  const { kind, name } = (value ?? {}) as Record<keyof InvalidationTarget, unknown>;
  return TARGET_KINDS.some((known) => known === kind) && typeof name === 'string';
}

function isEffect(value: unknown): value is InvalidationEffect {
  const { kind, graceMs } = (value ?? {}) as { readonly kind?: unknown; readonly graceMs?: unknown };
  return kind === 'remove' || (kind === 'lazy' && Number.isSafeInteger(graceMs));
}
