import { incarnationOf, nodeOf } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { CausewayError } from '../errors.ts';
import type { Replica } from './replica.ts';

/** Refuses a vector that names more of our own origins than we made, `lastSeq` in this life (RULES D4). */
export function checkClaims(vector: VersionVector, replica: Replica, lastSeq: number): void {
  const { origin: own, identity } = replica;
  for (const [origin, seq] of vector.entries()) {
    if (nodeOf(origin) !== identity.nodeNumber) continue;
    const incarnation = incarnationOf(origin) === 0 ? seq : incarnationOf(origin);
    if (incarnation > identity.incarnation || (origin === own && seq > lastSeq)) {
      throw new CausewayError('PROTOCOL', `a vector names transactions of ${identity.nodeId} that it never made`);
    }
  }
}
