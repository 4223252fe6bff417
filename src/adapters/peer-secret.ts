import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Entropy, LinkKind } from '../ports.ts';

/**
 * How two nodes show each other that they know the cluster's secret, before either takes anything from the other:
 *
 *     accepter → dialler   challenge: nonce A
 *     dialler  → accepter  proof: nonce D, its node number, HMAC of (dialler …)
 *     accepter → dialler   proof: its node number, HMAC of (accepter …)
 *
 * HMAC-SHA256 under the secret, of the role, the kind of the connection, the cluster's id, both node numbers and both
 * nonces. The one who dialled proves first: whoever only knocks gets nothing that a secret could be guessed from. A recorded
 * handshake is of other nonces, and neither a proof for the other role, the other kind or another cluster.
 */
export interface PeerSecret {
  readonly secret: string;
  readonly clusterId: string;
  /** The number of this node. */
  readonly nodeNumber: number;
}

const NONCE_BYTES = 32;
const MAC_BYTES = 32;
const NODE_BYTES = 4;
const NODE_MAX = 2 ** 32;

const CHALLENGE = 1;
const DIALLER_PROOF = 2;
const ACCEPTER_PROOF = 3;
const CHALLENGE_BYTES = 1 + NONCE_BYTES;
const DIALLER_PROOF_BYTES: number = 1 + NONCE_BYTES + NODE_BYTES + MAC_BYTES;
const ACCEPTER_PROOF_BYTES: number = 1 + NODE_BYTES + MAC_BYTES;

type Role = 'dialler' | 'accepter';

/** What both proofs are made over. */
interface Transcript {
  readonly kind: LinkKind;
  readonly dialler: number;
  readonly accepter: number;
  readonly diallerNonce: Uint8Array;
  readonly accepterNonce: Uint8Array;
}

/** What became of a frame of a handshake; `send` goes out first. */
export type HandshakeStep =
  | { readonly is: 'going on' | 'proved'; readonly send: Uint8Array | null }
  | { readonly is: 'refused'; readonly reason: string };

export interface HandshakeParts extends PeerSecret {
  readonly kind: LinkKind;
  /** The node that this end dialled, null where it was dialled. */
  readonly dialledNode: number | null;
  readonly entropy: Entropy;
}

/** One end of a handshake. It takes frames until it is proved or refused. */
export class PeerHandshake {
  readonly #parts: HandshakeParts;
  readonly #ownNonce: Uint8Array;
  #transcript: Transcript | null = null;

  constructor(parts: HandshakeParts) {
    this.#parts = parts;
    this.#ownNonce = parts.entropy.bytes(NONCE_BYTES);
  }

  /** The first frame, where this end speaks first. */
  opening(): Uint8Array | null {
    return this.#parts.dialledNode === null ? frameOf(CHALLENGE, this.#ownNonce) : null;
  }

  receive(frame: Uint8Array): HandshakeStep {
    const { dialledNode } = this.#parts;
    if (dialledNode === null) return this.#takeDiallerProof(frame);
    return this.#transcript === null
      ? this.#answerChallenge(frame, dialledNode)
      : this.#takeAccepterProof(frame, this.#transcript);
  }

  #answerChallenge(frame: Uint8Array, accepter: number): HandshakeStep {
    if (!isFrame(frame, CHALLENGE, CHALLENGE_BYTES)) return refused('the other end does not ask for a proof');
    const { kind, nodeNumber } = this.#parts;
    const accepterNonce = frame.slice(1);
    const transcript = { kind, dialler: nodeNumber, accepter, diallerNonce: this.#ownNonce, accepterNonce };
    this.#transcript = transcript;
    const send = frameOf(DIALLER_PROOF, this.#ownNonce, numberBytes(nodeNumber), this.#mac('dialler', transcript));
    return { is: 'going on', send };
  }

  #takeDiallerProof(frame: Uint8Array): HandshakeStep {
    if (!isFrame(frame, DIALLER_PROOF, DIALLER_PROOF_BYTES)) return refused('what it said first is no proof');
    const { kind, nodeNumber } = this.#parts;
    const nonceEnd = 1 + NONCE_BYTES;
    const diallerNonce = frame.subarray(1, nonceEnd);
    const dialler = readNumber(frame, nonceEnd);
    const transcript = { kind, dialler, accepter: nodeNumber, diallerNonce, accepterNonce: this.#ownNonce };
    const isRight = timingSafeEqual(frame.subarray(nonceEnd + NODE_BYTES), this.#mac('dialler', transcript));
    if (!isRight) return refused(`node ${dialler} does not know it, or means another cluster or node`);
    if (dialler === nodeNumber) return refused('it calls itself by the number of this node');
    return {
      is: 'proved',
      send: frameOf(ACCEPTER_PROOF, numberBytes(nodeNumber), this.#mac('accepter', transcript)),
    };
  }

  #takeAccepterProof(frame: Uint8Array, transcript: Transcript): HandshakeStep {
    if (!isFrame(frame, ACCEPTER_PROOF, ACCEPTER_PROOF_BYTES)) return refused('what it answered is no proof');
    const accepter = readNumber(frame, 1);
    if (accepter !== transcript.accepter) return refused(`node ${accepter} answered where another was dialled`);
    const isRight = timingSafeEqual(frame.subarray(1 + NODE_BYTES), this.#mac('accepter', transcript));
    return isRight ? { is: 'proved', send: null } : refused(`node ${accepter} does not know it`);
  }

  #mac(role: Role, { kind, dialler, accepter, diallerNonce, accepterNonce }: Transcript): Uint8Array {
    const { secret, clusterId } = this.#parts;
    // No field can run into the next: texts are in JSON, and what follows them has one length.
    const words = JSON.stringify(['causeway peer secret 1', role, kind, clusterId, dialler, accepter]);
    return createHmac('sha256', secret).update(words).update(diallerNonce).update(accepterNonce).digest();
  }
}

function refused(reason: string): HandshakeStep {
  return { is: 'refused', reason: `peer secret: ${reason}` };
}

function isFrame(frame: Uint8Array, type: number, bytes: number): boolean {
  return frame.length === bytes && frame[0] === type;
}

function frameOf(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat([Uint8Array.of(type), ...parts]));
}

function numberBytes(nodeNumber: number): Uint8Array {
  const bytes = new Uint8Array(NODE_BYTES);
  new DataView(bytes.buffer).setUint32(0, nodeNumber % NODE_MAX);
  return bytes;
}

function readNumber(frame: Uint8Array, at: number): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(at);
}
