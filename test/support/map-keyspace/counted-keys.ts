import { ExpiryQueue } from './expiry-queue.ts';
import type { Slot } from '../../../src/keyspace/keyspace.ts';

/** Records of the queue that may be outdated beside those that are not. */
const OUTDATED_MIN = 64;
const OUTDATED_FACTOR = 4;

/** Keys that show something and were not yet found to be expired (DBSIZE), and when those of them that have an expiry are due. */
export class CountedKeys {
  readonly #counted: boolean[] = [];
  readonly #expiring: Set<Slot> = new Set();
  readonly #queue: ExpiryQueue = new ExpiryQueue();
  readonly #recordOf: (slot: Slot) => [atMs: number, key: string];
  #count = 0;

  constructor(recordOf: (slot: Slot) => [atMs: number, key: string]) {
    this.#recordOf = recordOf;
  }

  get count(): number {
    return this.#count;
  }

  get expiringCount(): number {
    return this.#expiring.size;
  }

  has(slot: Slot): boolean {
    return this.#counted[slot] === true;
  }

  add(slot: Slot, key: string, expiryMs: number): void {
    this.#counted[slot] = true;
    this.#count++;
    if (expiryMs === Infinity) return;
    this.#expiring.add(slot);
    this.#queue.push(expiryMs, key);
    if (this.#queue.size > OUTDATED_MIN + this.#expiring.size * OUTDATED_FACTOR) {
      this.#queue.rebuild([...this.#expiring].map((expiring) => this.#recordOf(expiring)));
    }
  }

  remove(slot: Slot): void {
    if (this.#counted[slot] !== true) return;
    this.#counted[slot] = false;
    this.#count--;
    this.#expiring.delete(slot);
  }

  /** When the next expiry is due, in Unix milliseconds; Infinity for none. */
  get nextMs(): number {
    return this.#queue.nextMs;
  }

  /** Takes the earliest record of the queue; it may be outdated. */
  pop(): string | undefined {
    return this.#queue.pop();
  }
}
