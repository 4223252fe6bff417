import { VersionVector } from '../clock/version-vector.ts';
import { CausewayError } from '../errors.ts';
import { checkClaims } from './peer-claims.ts';
import { PEER_PROTOCOL, type HelloFrame } from './peer-frames.ts';
import type { Replica } from './replica.ts';

/** What this node says first on every connection. */
export function helloOf({ identity, vector, membership }: Replica, kind: 'bulk' | 'control'): HelloFrame {
  return {
    type: 'hello',
    protocol: PEER_PROTOCOL,
    clusterId: identity.clusterId,
    kind,
    nodeId: identity.nodeId,
    nodeNumber: identity.nodeNumber,
    incarnation: identity.incarnation,
    startId: identity.startId,
    rules: identity.rules,
    applied: [...vector.entries()],
    beganAtEpoch: membership.began.epoch,
    takesMessages: true,
  };
}

/** Why whoever calls this node's life over is told nothing. */
export const RETIRED = 'it says that this life of the node is over';

/**
 * Refuses whoever is no member of this cluster as it says, or lives a life that is over. `newest`: its newest incarnation known. `RETIRED`
 * where it says that this node's life is over: then it tells of the removal next. Null for a member.
 */
export function checkHello(
  frame: HelloFrame,
  kind: 'bulk' | 'control',
  replica: Replica,
  newest: number,
  lastSeq: number,
): string | null {
  const { identity, members } = replica;
  const refuse = (why: string): never => {
    throw new CausewayError('PROTOCOL', `hello refused: ${why}`);
  };
  if (frame.protocol !== PEER_PROTOCOL) refuse(`peer protocol ${frame.protocol}, this node speaks ${PEER_PROTOCOL}`);
  if (frame.clusterId !== identity.clusterId)
    refuse(`cluster "${frame.clusterId}", this node is of "${identity.clusterId}"`);
  if (frame.kind !== kind) refuse(`a ${frame.kind} connection on the ${kind} path`);
  const member = members.get(frame.nodeNumber);
  if (member === undefined || member.id !== frame.nodeId || frame.nodeNumber === identity.nodeNumber) {
    refuse(`${frame.nodeId} with number ${frame.nodeNumber} is no other member of the topology here`);
  }
  const shut = replica.membership.refusalOf(frame.nodeNumber);
  if (shut !== null) refuse(`${frame.nodeId} is ${shut}`);
  if (frame.rules !== identity.rules)
    refuse('the classes and rules differ: give every region the same classes file and resolver modules');
  const lowest = Math.max(newest, replica.membership.joinOf(frame.nodeNumber)?.incarnation ?? 0);
  if (frame.incarnation < lowest) refuse(`incarnation ${frame.incarnation} is superseded`);
  const applied = new VersionVector(frame.applied);
  // this node was removed without hearing of it: the peer is about to tell
  if (applied.floor(identity.nodeNumber) === identity.incarnation + 1) return RETIRED;
  checkClaims(applied, replica, lastSeq);
  return null;
}
