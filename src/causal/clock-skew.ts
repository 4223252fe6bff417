import { CausewayError } from '../errors.ts';
import type { ReplicationLimits } from './limits.ts';
import type { PeerSession } from './peer-session.ts';
import type { Now, Replica } from './replica.ts';

/**
 * Whether most of the peers heard say that our clock is ahead of theirs by more than the limit, or our HLC is ahead of it (RULES D3). What a peer said
 * holds for a while after its connection is lost: whoever is cut off right after it was told would else write with that clock.
 */
export function isAheadOfPeers(replica: Replica, sessions: Iterable<PeerSession>, now: Now): boolean {
  const { clock, limits } = replica;
  // by the time of the last command, as it is stamped: a turn may be a long one
  if (clock.aheadMs > limits.skewMsMax) return true;
  let heard = 0;
  let behind = 0;
  for (const session of sessions) {
    const offsetMs = session.clockOffsetMs(now);
    const isKnown = session.isUp || now.monotonicMs - session.heardAtMs <= limits.clockHeardMs;
    if (!isKnown || offsetMs === null) continue;
    heard++;
    if (-offsetMs > limits.skewMsMax) behind++;
  }
  return heard > 0 && behind * 2 > heard;
}

/** What writes are answered then. */
export function clockSkew(nodeId: string, { skewMsMax }: ReplicationLimits): CausewayError {
  const message = `the clock of ${nodeId} is more than ${skewMsMax} ms ahead of most of its peers; writes are refused until it is set right`;
  return new CausewayError('CLOCKSKEW', message, { retry: 'later' });
}
