import { latin1Range, type ByteRange } from '../base/bytes.ts';
import { systemKey, systemKeyParts } from '../base/system-keys.ts';

/** What nodes that compare keys say to each other (SPEC S10), by messages of the product's own in their streams. */
export type ComparisonMessage =
  /** What settled keys show at a node. */
  | { readonly kind: 'shows'; readonly from: string; readonly round: number; readonly keys: readonly KeyDigestText[] }
  /** Other things show at another node, where they are settled too. */
  | {
      readonly kind: 'differs';
      readonly from: string;
      readonly to: string;
      readonly round: number;
      readonly keys: readonly KeyDigestText[];
    }
  /** What does each node show of a key that differs? */
  | { readonly kind: 'ask'; readonly from: string; readonly inquiry: number; readonly key: string }
  | {
      readonly kind: 'vote';
      readonly from: string;
      readonly to: string;
      readonly inquiry: number;
      readonly key: string;
      /** Null for nothing. */
      readonly hex: string | null;
      readonly isSettled: boolean;
    }
  /** Who gives the state of the key, and who takes it. */
  | ({ readonly kind: 'give'; readonly givers: readonly string[] } & Repair)
  /** The state of the key at a node where it shows `hex`; null for nothing. */
  | ({ readonly kind: 'state'; readonly hex: string | null; readonly state: Uint8Array | null } & Repair);

/** A key, latin1, and the digest of what it shows, null for nothing. */
export type KeyDigestText = readonly [key: string, hex: string | null];

interface Repair {
  readonly from: string;
  /** Of whom. */
  readonly asker: string;
  readonly inquiry: number;
  readonly key: string;
  /** Whether most nodes show it: what the others have beside it goes. Else all that any has stays. */
  readonly isMajority: boolean;
  /** What shows where it is to be taken. */
  readonly wrong: readonly (string | null)[];
}

const WORD = 'compare';
const END_OF_HEAD = 10;
/** Longer messages are not read. */
const HEAD_BYTES_MAX = 256 * 1024;
/** Of one message. */
export const KEYS_MAX = 64;

/** The channel and the text of a message. */
export function writtenMessage(message: ComparisonMessage): { readonly channel: ByteRange; readonly text: ByteRange } {
  const { kind, ...rest } = message;
  const state = 'state' in rest ? rest.state : null;
  const head = latin1Range(JSON.stringify({ ...rest, state: state !== null }));
  const text = new Uint8Array(head.length + 1 + (state?.length ?? 0));
  text.set(head.toBytes(), 0);
  text[head.length] = END_OF_HEAD;
  if (state !== null) text.set(state, head.length + 1);
  return { channel: latin1Range(systemKey(WORD, kind)), text: latin1Range('').set(text, 0, text.length) };
}

/** Null for what is none, or of a later version. */
export function readMessage(channel: ByteRange, text: ByteRange): ComparisonMessage | null {
  const parts = systemKeyParts(channel.toLatin1());
  if (parts?.kind !== WORD) return null;
  const bytes = text.toBytes();
  const end = bytes.indexOf(END_OF_HEAD);
  if (end < 0 || end > HEAD_BYTES_MAX) return null;
  let head: unknown;
  try {
    head = JSON.parse(latin1Range('').set(bytes, 0, end).toLatin1());
  } catch {
    return null;
  }
  if (typeof head !== 'object' || head === null) return null;
  return messageOf(parts.name, head as Readonly<Record<string, unknown>>, bytes.subarray(end + 1));
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => Number.isSafeInteger(value);
const isHex = (value: unknown): value is string | null => value === null || isText(value);

function isDigest(pair: unknown): pair is KeyDigestText {
  return Array.isArray(pair) && isText(pair[0]) && isHex(pair[1]);
}

function isList<T>(value: unknown, isOne: (each: unknown) => each is T): value is T[] {
  return Array.isArray(value) && value.length <= KEYS_MAX && value.every((each) => isOne(each));
}

type Part = 'from' | 'to' | 'round' | 'keys' | 'inquiry' | 'key' | 'hex' | 'asker' | 'wrong' | 'givers' | 'state';

function messageOf(kind: string, head: Readonly<Record<string, unknown>>, rest: Uint8Array): ComparisonMessage | null {
  const { from, to, round, keys, inquiry, key, hex, asker, wrong, givers, state } = head as Record<Part, unknown>;
  if (!isText(from)) return null;
  if (kind === 'shows' || kind === 'differs') {
    if (!isNumber(round) || !isList(keys, isDigest)) return null;
    if (kind === 'shows') return { kind, from, round, keys };
    return isText(to) ? { kind, from, to, round, keys } : null;
  }
  if (!isNumber(inquiry) || !isText(key)) return null;
  if (kind === 'ask') return { kind, from, inquiry, key };
  if (kind === 'vote') {
    if (!isText(to) || !isHex(hex)) return null;
    return { kind, from, to, inquiry, key, hex, isSettled: head['isSettled'] === true };
  }
  if (!isText(asker) || !isList(wrong, isHex)) return null;
  const repair = { from, asker, inquiry, key, isMajority: head['isMajority'] === true, wrong };
  if (kind === 'give') return isList(givers, isText) ? { kind, ...repair, givers } : null;
  if (kind !== 'state' || !isHex(hex)) return null;
  return { kind, ...repair, hex, state: state === true ? rest : null };
}
