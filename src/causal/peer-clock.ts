/**
 * A peer's wall clock as milliseconds of it minus our monotonic clock, so that a jump of our own wall clock shows at once. Each exchange says only between which two values that is:
 * the peer read its clock after we had sent what it echoes and before we heard of it (F. Cristian, "Probabilistic clock synchronization", Distributed Computing 3, 1989). All of
 * them together say it better than the quickest (K. Marzullo, S. Owicki: "Maintaining the time in a distributed system", PODC 1983), and one that waited long, for
 * a core or a link, says less, but nothing wrong. Where one contradicts the others a clock was set, and it alone counts.
 */
export class PeerClock {
  #lowMs = -Infinity;
  #highMs = Infinity;
  /** Whether what is known is of an exchange; of a message that echoes nothing it is the least. */
  #isBounded = false;

  /** The peer's wall clock minus our monotonic one, the middle of what it can be; null before it was heard. */
  get baseMs(): number | null {
    return this.#lowMs === -Infinity ? null : (this.#lowMs + this.#highMs) / 2;
  }

  /** A message says the peer's clock. `rttMs` is what the exchange took, less what it lay at the peer; null where it echoes nothing. */
  saw(wallMs: number, monotonicMs: number, rttMs: number | null): void {
    const lowMs = wallMs - monotonicMs;
    if (rttMs === null && this.#isBounded && lowMs <= this.#highMs) return;
    const highMs = lowMs + (rttMs ?? 0);
    const agrees = this.#isBounded && lowMs <= this.#highMs && highMs >= this.#lowMs;
    this.#lowMs = agrees ? Math.max(this.#lowMs, lowMs) : lowMs;
    this.#highMs = agrees ? Math.min(this.#highMs, highMs) : highMs;
    this.#isBounded = rttMs !== null;
  }
}
