interface Round {
  readonly round: number;
  readonly sentMs: number;
}

/**
 * A leader's rounds: each is a number that goes out with every message from its beginning on and comes back with the
 * answers. A quorum that echoes round r followed this leader after r began: reads that came before r are confirmed
 * (thesis, 6.4), and the lease counts from when r began, never from when the answer came (6.4.1).
 */
export class Rounds {
  #current = 0;
  #confirmed = 0;
  #leaseFromMs = -Infinity;
  /** Rounds up to this one give no lease. */
  #voidUpTo = 0;
  /** Those that are not confirmed, oldest first. */
  readonly #underWay: Round[] = [];

  get current(): number {
    return this.#current;
  }

  get confirmed(): number {
    return this.#confirmed;
  }

  get underWay(): number {
    return this.#underWay.length;
  }

  begin(nowMs: number): number {
    this.#current += 1;
    this.#underWay.push({ round: this.#current, sentMs: nowMs });
    return this.#current;
  }

  /** A quorum of the configuration of now has echoed `round`. */
  confirm(round: number): void {
    if (round <= this.#confirmed) return;
    this.#confirmed = round;
    const later = this.#underWay.findIndex((each) => each.round > round);
    const confirmed = this.#underWay.splice(0, later === -1 ? this.#underWay.length : later);
    const newest = confirmed.at(-1);
    if (newest !== undefined && newest.round > this.#voidUpTo) this.#leaseFromMs = newest.sentMs;
  }

  /** Whatever was sent so far gives no lease. */
  voidLease(): void {
    this.#voidUpTo = this.#current;
    this.#leaseFromMs = -Infinity;
  }

  /** When the newest round with a lease began; -Infinity for none. */
  get leaseFromMs(): number {
    return this.#leaseFromMs;
  }
}
