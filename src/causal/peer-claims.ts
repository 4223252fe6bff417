import { incarnationOf, nodeOf } from '../clock/origin.ts';
import { VersionVector } from '../clock/version-vector.ts';
import { CausewayError } from '../errors.ts';
import { PEER_PROTOCOL, type HelloFrame } from './peer-frames.ts';
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

/** Refuses whoever is no member of this cluster as it says, or lives a life that is over. `newest`: its newest incarnation known. */
export function checkHello(
  frame: HelloFrame,
  kind: 'bulk' | 'control',
  replica: Replica,
  newest: number,
  lastSeq: number,
): void {
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
  if (frame.rules !== identity.rules) refuse('the classes and rules differ: give every region the same classes file');
  if (frame.incarnation < newest) refuse(`incarnation ${frame.incarnation} is superseded`);
  checkClaims(new VersionVector(frame.applied), replica, lastSeq);
}
