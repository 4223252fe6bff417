import type { Origin } from '../clock/origin.ts';

/** What a session has seen, as another node is asked for it. */
export interface SessionPoint {
  /** What is stable among the members of this epoch counts as seen, and is not named. */
  readonly epoch: number;
  readonly dots: Iterable<readonly [Origin, number]>;
}

/** What a client carries from one node to another: the dots that the session has seen and that are not stable. */
export interface SessionToken extends SessionPoint {
  /** `clusterHash` of the cluster that it is of. */
  readonly cluster: number;
  readonly dots: readonly (readonly [Origin, number])[];
}

/** Tokens to text and back. Decoding throws ERR for whatever is malformed, before anything is made of it. */
export interface TokenCodec {
  encode(token: SessionToken): string;
  decode(text: string): SessionToken;
}

/** Dots a token has at most where a few others cover the rest (see `SessionHorizon.needed`); so it stays under 200 bytes. */
export const TOKEN_DOTS_MAX = 8;

/** A cluster's id as 32 bits, so that a token of another cluster is known for one. FNV-1a over the char codes. */
export function clusterHash(clusterId: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < clusterId.length; at++) hash = Math.imul(hash ^ clusterId.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
