/** How often a node asks how far its group is: while clients of it want to know how old its copy is, and while none does. */
const ASK_EVERY_MS = 200;
const ASK_IDLE_EVERY_MS = 1_000;
/** How long after a client wanted to know others are expected to. */
const WANTED_MS = 10_000;
/** Answers that wait until this node shows as much. */
const WAITING_MAX = 64;

interface Confirmed {
  readonly askedAtMs: number;
  readonly index: number;
}

/**
 * How old what a node shows of a group can be (RULES T4), by this node's own clock. It asks for a read index, as a linearizable read
 * does: whatever was acknowledged before the question was sent is at that index or below, for a leader that was replaced gives no
 * answer. Once the node shows that index, what it shows is no older than the question.
 */
export class CopyAge {
  readonly #asked: Map<number, number> = new Map();
  /** Ascending in both. */
  readonly #confirmed: Confirmed[] = [];
  #freshAtMs = -Infinity;
  #dueMs = -Infinity;
  #wantedUntilMs = -Infinity;

  /** When the next question is due. */
  get dueMs(): number {
    return this.#dueMs;
  }

  ask(id: number, nowMs: number): void {
    this.#dueMs = nowMs + (nowMs < this.#wantedUntilMs ? ASK_EVERY_MS : ASK_IDLE_EVERY_MS);
    this.#asked.set(id, nowMs);
  }

  /** A client reads the copy by its age. */
  want(nowMs: number): void {
    this.#wantedUntilMs = nowMs + WANTED_MS;
    this.#dueMs = Math.min(this.#dueMs, nowMs + ASK_EVERY_MS);
  }

  /** The answer to a question, null where there was no leader that could say. False where nobody asked this here. */
  answered(id: number, index: number | null): boolean {
    const askedAtMs = this.#asked.get(id);
    if (askedAtMs === undefined) return false;
    this.#asked.delete(id);
    if (index !== null) this.#note({ askedAtMs, index });
    return true;
  }

  #note(confirmed: Confirmed): void {
    const last = this.#confirmed.at(-1);
    // answers may overtake each other, and a later question says more
    if (last !== undefined && confirmed.askedAtMs < last.askedAtMs) return;
    const isSame = last !== undefined && last.index === confirmed.index;
    if (isSame || this.#confirmed.length >= WAITING_MAX) this.#confirmed.pop();
    this.#confirmed.push(confirmed);
  }

  /** Milliseconds since what is shown up to `visible` was all there was, at most; null where that is not known. */
  ageMs(visible: number, nowMs: number): number | null {
    while ((this.#confirmed[0]?.index ?? Infinity) <= visible)
      this.#freshAtMs = this.#confirmed.shift()?.askedAtMs ?? this.#freshAtMs;
    return this.#freshAtMs === -Infinity ? null : Math.max(0, nowMs - this.#freshAtMs);
  }
}
