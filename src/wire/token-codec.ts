import { Packr } from 'msgpackr';
import { fromBase64url, toBase64url } from '../base/base64url.ts';
import type { SessionToken, TokenCodec } from '../causal/session-token.ts';
import { INCARNATION_MAX, incarnationOf, isNodeNumber, nodeOf, originOf, type Origin } from '../clock/origin.ts';
import { CausewayError } from '../errors.ts';
import { checkShape } from './msgpack-shape.ts';

/** 2: [version, cluster, epoch, then node, incarnation, sequence of each dot]. A token is as long-lived as a client's session. */
const TOKEN_VERSION = 2;
/** Longer ones are not looked at. */
const TOKEN_CHARS_MAX = 2048;
const CLUSTER_HASH_MAX = 2 ** 32 - 1;

const packr: Packr = new Packr({ useRecords: false, mapsAsObjects: false, int64AsType: 'number', moreTypes: false });

const refuse = (why: string): never => {
  throw new CausewayError('ERR', `invalid session token: ${why}`);
};

function unpack(text: string): readonly unknown[] {
  if (text.length > TOKEN_CHARS_MAX) return refuse(`it is longer than ${TOKEN_CHARS_MAX} characters`);
  const bytes = fromBase64url(text) ?? refuse('it is no base64url');
  let value: unknown;
  try {
    checkShape(bytes);
    value = packr.unpack(bytes);
  } catch {
    return refuse('it is no msgpack');
  }
  return Array.isArray(value) ? (value as readonly unknown[]) : refuse('it is no list');
}

function count(value: unknown, least: number, most: number, what: string): number {
  const isCount = Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
  return isCount ? (value as number) : refuse(`it has no ${what}`);
}

/** A session's token as text. It proves nothing and needs not: a node waits for what it names, and never believes it. */
export const tokenCodec: TokenCodec = {
  encode({ cluster, epoch, dots }: SessionToken): string {
    const parts = [TOKEN_VERSION, cluster, epoch];
    for (const [origin, seq] of dots) parts.push(nodeOf(origin), incarnationOf(origin), seq);
    return toBase64url(packr.pack(parts));
  },

  decode(text: string): SessionToken {
    const [version, cluster, epoch, ...rest] = unpack(text);
    if (version !== TOKEN_VERSION) refuse(`its version is ${String(version)}, known is ${TOKEN_VERSION}`);
    if (rest.length % 3 !== 0) refuse('a dot is not whole');
    const dots: [Origin, number][] = [];
    for (let at = 0; at < rest.length; at += 3) {
      const node = rest[at];
      if (!isNodeNumber(node)) return refuse('a dot has no node');
      const incarnation = count(rest[at + 1], 1, INCARNATION_MAX, 'incarnation');
      dots.push([originOf(node, incarnation), count(rest[at + 2], 1, Number.MAX_SAFE_INTEGER, 'sequence')]);
    }
    return {
      cluster: count(cluster, 0, CLUSTER_HASH_MAX, 'cluster'),
      epoch: count(epoch, 0, Number.MAX_SAFE_INTEGER, 'epoch'),
      dots,
    };
  },
};
