import type { ByteRange } from '../base/bytes.ts';
import { SessionDots } from '../causal/session-dots.ts';
import type { SessionHorizon } from '../causal/session-horizon.ts';
import type { KeyDigest } from '../commands/node-view.ts';
import { digestOfKey } from '../keyspace/digest.ts';
import { NO_SLOT } from '../keyspace/keyspace.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';

/**
 * What a key shows here, and whether that is settled (SPEC S8): all that this node has seen of the key is stable, removals too. What a session
 * would be told of the key when it reads it is just that.
 */
export function keyDigestIn(keys: SlabKeyspace, sessions: SessionHorizon, key: ByteRange, nowMs: number): KeyDigest {
  if (keys.kinds.isWeak(key)) return { hex: null, isSettled: true };
  const seen = new SessionDots();
  const slot = keys.recent.lookFor(seen, () => keys.find(key, keys.hashOf(key), nowMs));
  const hex = slot === NO_SLOT ? null : digestOfKey(key.toLatin1(), keys.entryAt(slot));
  return { hex, isSettled: sessions.needed(seen).length === 0 };
}
