import { assert } from '../base/assert.ts';

/** What the shaper holds at most, and what happens past it. */
export const WAN_LIMITS = {
  /**
   * Bytes on their way in one direction of one connection; past it the source is not read, so that TCP slows the sender
   * down. It bounds throughput to itself a one-way delay: 270 MB/s at 118 ms, 6 MB/s on a link slowed to 5 s.
   */
  lineBytesMax: 33_554_432,
  /** The source is read again below this. */
  lineBytesResume: 16_777_216,
  /** Connections of one forward, dying ones included; one more is reset at once. */
  connectionsPerForwardMax: 64,
  /** Ordered pairs of nodes; more are refused. Enough for 25 nodes. */
  forwardsMax: 1_024,
  /** The longest delay that can be asked for. */
  oneWayMsMax: 600_000,
  /** Body of an administrative request; a longer one is refused. */
  adminBodyBytesMax: 262_144,
} as const;

assert(WAN_LIMITS.lineBytesResume < WAN_LIMITS.lineBytesMax, 'a source is resumed below where it is paused');
