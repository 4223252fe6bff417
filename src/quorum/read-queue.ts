/** A read that waits at the leader. */
export interface WaitingRead {
  /** Who asked: 0 for this node's own. */
  readonly from: number;
  readonly id: number;
}

interface ReadsOfRound {
  readonly round: number;
  readonly index: number;
  readonly reads: readonly WaitingRead[];
}

/**
 * Reads at a leader (read-index: thesis, 6.4). They wait for a round that begins after they came; an echo of an earlier
 * round says nothing to them. All that came before a round share it.
 */
export class ReadQueue {
  #waiting: WaitingRead[] = [];
  #underWay: ReadsOfRound[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  add(read: WaitingRead): void {
    this.#waiting.push(read);
    this.#size += 1;
  }

  /** `round` begins now: what waits is answered with `index` once it is confirmed. */
  begin(round: number, index: number): void {
    if (this.#waiting.length === 0) return;
    this.#underWay.push({ round, index, reads: this.#waiting });
    this.#waiting = [];
  }

  confirmed(round: number, answer: (read: WaitingRead, index: number) => void): void {
    while (this.#underWay[0] !== undefined && this.#underWay[0].round <= round) {
      const first = this.#underWay.shift();
      if (first === undefined) return;
      this.#size -= first.reads.length;
      for (const read of first.reads) answer(read, first.index);
    }
  }

  /** Nobody will be answered with an index here. */
  drop(): WaitingRead[] {
    const dropped = [...this.#underWay.flatMap(({ reads }) => reads), ...this.#waiting];
    this.#underWay = [];
    this.#waiting = [];
    this.#size = 0;
    return dropped;
  }
}
