/** Processor time that work behind may take of a turn: requests wait for that long, or as much longer as the processor is somebody else's. */
const TURN_MS = 4;
/** Below it more is done in the next turn. */
const SHORT_MS: number = TURN_MS / 2;
/** What a turn begins with: what was not done for long is slow at first. */
const FIRST_SHARE = 1 / 4;
/** A turn has more to do than what this is a share of: who gets ever less of it would never be done. */
const SHARE_MIN = 1 / 8;
const GROWTH = 1.25;

/**
 * How much of what is left over from the turn before is done in the next one, as a share of the node's limits: those are for a machine on which a key takes a microsecond
 * or two. It may take ten times that, where the code is new, the caches are somebody else's or the values are large.
 */
export class TurnPace {
  #share: number = FIRST_SHARE;

  /** Above 0, 1 at most. */
  get share(): number {
    return this.#share;
  }

  /** A turn that had more to do than it might took so long, in milliseconds of processor time. */
  took(cpuMs: number): void {
    if (cpuMs > TURN_MS) this.#share = Math.max(SHARE_MIN, (this.#share * TURN_MS) / cpuMs);
    else if (cpuMs < SHORT_MS) this.#share = Math.min(1, this.#share * GROWTH);
  }
}
