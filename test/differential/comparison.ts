import { replyText, sorted, type ReplyValue } from '../conformance/reply-value.ts';

/** One request to both servers. */
export type Words = readonly string[];

/** Clocks are read a moment apart. */
const SECONDS_TOLERANCE = 2;

const UNORDERED = new Set(['KEYS', 'SMEMBERS', 'SINTER', 'SUNION', 'SDIFF', 'HKEYS', 'HVALS']);
const SCANS = new Set(['SCAN', 'HSCAN', 'SSCAN']);
const TIMES_SECONDS = new Set(['TTL', 'EXPIRETIME']);
const TIMES_MS = new Set(['PTTL', 'PEXPIRETIME']);
/** What is chosen at random: compared by its form here, and by membership by whoever has both servers. */
export const RANDOM_CHOICE: ReadonlySet<string> = new Set(['RANDOMKEY', 'SRANDMEMBER', 'HRANDFIELD', 'SPOP']);

export function nameOf(words: Words): string {
  return (words[0] ?? '').toUpperCase();
}

/**
 * Whether a reply of ours is what Redis replied. `shiftMs` is how much later ours was made, where Redis's is a recorded one.
 */
export function sameReply(words: Words, redis: ReplyValue, ours: ReplyValue, shiftMs = 0): boolean {
  if (replyText(redis) === replyText(ours)) return true;
  const name = nameOf(words);
  if (replyText(inOrder(words, redis)) === replyText(inOrder(words, ours))) return true;
  if (TIMES_SECONDS.has(name)) return sameTime(redis, ours, SECONDS_TOLERANCE, shiftMs / 1000);
  if (TIMES_MS.has(name)) return sameTime(redis, ours, SECONDS_TOLERANCE * 1000, shiftMs);
  return RANDOM_CHOICE.has(name) && sameForm(redis, ours);
}

/** The reply with its elements in a fixed order, where a command may give them in any. */
export function inOrder(words: Words, reply: ReplyValue): ReplyValue {
  const name = nameOf(words);
  if (UNORDERED.has(name)) return sorted(reply);
  if (name === 'HGETALL') return sorted(reply, true);
  if (!SCANS.has(name) || !('items' in reply)) return reply;
  const [cursor, elements] = reply.items;
  if (cursor === undefined || elements === undefined) return reply;
  return { kind: reply.kind, items: [cursor, sorted(elements, name === 'HSCAN')] };
}

function sameTime(redis: ReplyValue, ours: ReplyValue, tolerance: number, shift: number): boolean {
  if (redis.kind !== 'integer' || ours.kind !== 'integer') return false;
  const [theirs, mine] = [Number(redis.text), Number(ours.text)];
  if (theirs < 0 || mine < 0) return false;
  return Math.abs(theirs - mine) <= tolerance || Math.abs(theirs + shift - mine) <= tolerance;
}

/** Replies of the same kinds and sizes, whatever their elements are. */
function sameForm(redis: ReplyValue, ours: ReplyValue): boolean {
  if (redis.kind !== ours.kind) return false;
  if (!('items' in redis) || !('items' in ours)) return redis.kind === 'bulk';
  return (
    redis.items.length === ours.items.length && redis.items.every((item, index) => sameItem(item, ours.items[index]))
  );
}

function sameItem(redis: ReplyValue, ours: ReplyValue | undefined): boolean {
  return ours !== undefined && sameForm(redis, ours);
}

/**
 * Whether a sum of floats is one that Redis's long doubles cannot hold exactly: our decimals can, so the two keyspaces differ from
 * there on, rightly.
 */
export function beyondLongDouble(words: Words, redis: ReplyValue, ours: ReplyValue): boolean {
  const name = nameOf(words);
  if (name !== 'INCRBYFLOAT' && name !== 'HINCRBYFLOAT') return false;
  if (redis.kind !== 'bulk' || ours.kind !== 'bulk') return false;
  const [theirs, mine] = [Number(redis.text), Number(ours.text)];
  return Math.abs(mine) >= 2 ** 60 && Math.abs(theirs - mine) <= Math.abs(mine) * 2 ** -62;
}
