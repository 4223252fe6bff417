/**
 * One way between two regions: what its bytes meet at present. All connections that go this way share it.
 */
export class Direction {
  readonly from: string;
  readonly to: string;
  /** The topology's figure, what `heal` goes back to. */
  readonly measuredMs: number;
  /** Mean of the random part of the delay; 0 for none. */
  readonly jitterMs: number;
  /** Null for no limit. */
  readonly bytesPerMs: number | null;
  /** The delay in force. It holds for all that has not arrived yet, also for what was sent before it changed. */
  delayMs: number;
  /** Nothing arrives. If the way back is cut as well, there are no connections either. */
  isCut = false;
  bytesTotal = 0;
  chunksTotal = 0;
  /** When the last byte that was sent has left, on a link of limited bandwidth. */
  #departMs = 0;

  constructor(options: { from: string; to: string; measuredMs: number; jitterMs: number; bytesPerMs: number | null }) {
    this.from = options.from;
    this.to = options.to;
    this.measuredMs = options.measuredMs;
    this.jitterMs = options.jitterMs;
    this.bytesPerMs = options.bytesPerMs;
    this.delayMs = options.measuredMs;
  }

  get isSlowed(): boolean {
    return this.delayMs !== this.measuredMs;
  }

  /** When bytes that were sent now have left for the other side: later than now where the bandwidth is limited. */
  depart(byteLength: number, nowMs: number): number {
    this.bytesTotal += byteLength;
    this.chunksTotal += 1;
    if (this.bytesPerMs === null) return nowMs;
    this.#departMs = Math.max(this.#departMs, nowMs) + byteLength / this.bytesPerMs;
    return this.#departMs;
  }

  heal(): void {
    this.isCut = false;
    this.delayMs = this.measuredMs;
  }
}
