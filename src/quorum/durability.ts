import { assert } from '../base/assert.ts';
import type { Message } from './messages.ts';
import { HELD_MESSAGES_MAX } from './options.ts';

interface Held {
  readonly batch: number;
  readonly message: Message;
}

/**
 * What must be on disk before what is said (Raft paper, figure 2: "updated on stable storage before responding"; thesis,
 * 10.2.1: a leader's appends need not wait). Batches are numbered; at most one is under way, and what comes meanwhile is
 * gathered for the next, so that one flush serves all that waits.
 */
export class Durability {
  /** The number of the batch that is being gathered. */
  #gathering = 1;
  #durable = 0;
  #isUnderWay = false;
  /** The batch that has the newest term or vote. */
  #votedIn = 0;
  readonly #held: Map<string, Held> = new Map();

  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  /** Term or vote changed: no answer of this term leaves before they are on disk. */
  hardStateChanged(): void {
    this.#votedIn = this.#gathering;
  }

  /** Whether the term or the vote is for the next batch. */
  get isHardStateNew(): boolean {
    return this.#votedIn === this.#gathering;
  }

  /** The batch whose end makes everything of now durable. */
  batchOfAll(hasUnsaved: boolean): number {
    return hasUnsaved || this.isHardStateNew ? this.#gathering : this.#gathering - 1;
  }

  /** The batch whose end makes term and vote durable. */
  get batchOfVote(): number {
    return this.#votedIn;
  }

  isDurable(batch: number): boolean {
    return batch <= this.#durable;
  }

  /**
   * Keeps a message until its batch is on disk. Of one kind to one node and for one batch the newest is enough: answers
   * that repeat each other need no room.
   */
  hold(batch: number, message: Message): void {
    const key = `${message.type} ${message.to} ${batch}`;
    if (this.#held.size >= HELD_MESSAGES_MAX && !this.#held.has(key)) return;
    this.#held.set(key, { batch, message });
  }

  taken(): void {
    assert(!this.#isUnderWay, 'one batch is under way at a time');
    this.#isUnderWay = true;
    this.#gathering += 1;
  }

  /** The batch under way is on disk. Returns what may be said now. */
  persisted(): Message[] {
    assert(this.#isUnderWay, 'a batch is under way');
    this.#isUnderWay = false;
    this.#durable = this.#gathering - 1;
    const released: Message[] = [];
    for (const [key, { batch, message }] of this.#held) {
      if (!this.isDurable(batch)) continue;
      this.#held.delete(key);
      released.push(message);
    }
    return released;
  }
}
