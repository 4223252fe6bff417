import type { ComparisonMessage } from './comparison-messages.ts';

/** A question to all members of what one key shows at them. */
export interface Inquiry {
  readonly id: number;
  readonly key: string;
  readonly endMs: number;
  /** What was settled where it was answered. */
  readonly votes: Map<string, string | null>;
  readonly answered: Set<string>;
}

const RUNNING_MAX = 64;
/** Who does not answer within this has no vote. */
const ANSWERED_WITHIN_MS = 5_000;
/** A key that was asked about rests for so long: what its repair changes has to settle. */
const REST_MS = 5_000;
const RESTING_MAX = 1_024;

/** Questions that are on their way, one a key; more than some are not asked at a time. */
export class KeyInquiries {
  readonly #running: Map<string, Inquiry> = new Map();
  /** Until when, the earliest first. */
  readonly #resting: Map<string, number> = new Map();
  #last = 0;

  /** Null where the key is asked about already, or was a moment ago, or too many are. */
  begin(key: string, monotonicMs: number): number | null {
    if (this.#running.has(key) || this.#running.size >= RUNNING_MAX) return null;
    if ((this.#resting.get(key) ?? -Infinity) > monotonicMs) return null;
    const id = ++this.#last;
    const endMs = monotonicMs + ANSWERED_WITHIN_MS;
    this.#running.set(key, { id, key, endMs, votes: new Map(), answered: new Set() });
    return id;
  }

  voted({ from, inquiry, key, hex, isSettled }: ComparisonMessage & { kind: 'vote' }): void {
    const running = this.#running.get(key);
    if (running?.id !== inquiry) return;
    running.answered.add(from);
    if (isSettled) running.votes.set(from, hex);
  }

  /** Takes out those that all of the members have answered, and those whose time is over. */
  due(monotonicMs: number, members: readonly string[]): readonly Inquiry[] {
    const due = [...this.#running.values()].filter(
      ({ endMs, answered }) => endMs <= monotonicMs || members.every((member) => answered.has(member)),
    );
    for (const [key, untilMs] of this.#resting) {
      if (untilMs > monotonicMs && this.#resting.size <= RESTING_MAX) break;
      this.#resting.delete(key);
    }
    for (const { key } of due) {
      this.#running.delete(key);
      this.#resting.delete(key);
      this.#resting.set(key, monotonicMs + REST_MS);
    }
    return due;
  }
}
