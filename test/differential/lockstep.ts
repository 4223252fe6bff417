import { quoted, replyText, type ReplyValue } from '../conformance/reply-value.ts';
import { beyondLongDouble, nameOf, RANDOM_CHOICE, sameReply, type Words } from './comparison.ts';
import type { RandomSession } from './random-commands.ts';
import type { Target } from './targets.ts';

/** Where the two differ. */
export interface Difference {
  readonly words: Words;
  readonly redis: ReplyValue;
  readonly ours: ReplyValue;
}

export interface SessionResult {
  /** Requests whose replies were compared, the look at the whole keyspace at the end included. */
  readonly compared: number;
  readonly difference: Difference | null;
}

export function differenceText(session: RandomSession, difference: Difference): string {
  const lines = session.requests.map((words) => words.map(quoted).join(' '));
  return [
    `RESP${session.respVersion}, the replies differ at: ${difference.words.map(quoted).join(' ')}`,
    `  redis: ${replyText(difference.redis)}`,
    `  ours:  ${replyText(difference.ours)}`,
    'after',
    ...lines.map((line) => `  ${line}`),
  ].join('\n');
}

/** How many replies of each command were compared, and how many of those were no errors: a run that only met errors proves nothing. */
export class Tally {
  readonly replies: Map<string, number> = new Map();
  readonly successes: Map<string, number> = new Map();

  count(words: Words, reply: ReplyValue): void {
    const name = nameOf(words);
    this.replies.set(name, (this.replies.get(name) ?? 0) + 1);
    if (reply.kind !== 'error') this.successes.set(name, (this.successes.get(name) ?? 0) + 1);
  }
}

class Lockstep {
  readonly #tally: Tally;
  readonly #redis: Target;
  readonly #ours: Target;
  compared = 0;
  difference: Difference | null = null;
  /** The two hold different numbers, rightly: there is nothing more to compare. */
  parted = false;
  #popHere = false;
  #queued: Words[] = [];
  readonly #isRecorded: boolean;
  readonly #shiftMs: number;

  constructor(redis: Target, ours: Target, tally: Tally) {
    this.#tally = tally;
    this.#isRecorded = redis.recordedAtMs !== null;
    this.#shiftMs = redis.recordedAtMs === null ? 0 : Date.now() - redis.recordedAtMs;
    this.#redis = redis;
    this.#ours = ours;
  }

  get goesOn(): boolean {
    return this.difference === null && !this.parted;
  }

  #check(words: Words, redis: ReplyValue | undefined, ours: ReplyValue | undefined): void {
    if (!this.goesOn) return;
    if (redis === undefined || ours === undefined) throw new Error('every request has a reply');
    const queued = this.#followTransaction(words, redis);
    if (queued !== null && 'items' in redis && 'items' in ours && redis.items.length === ours.items.length) {
      for (const [index, inner] of queued.entries()) this.#compare(inner, redis.items[index], ours.items[index]);
    } else {
      this.#compare(words, redis, ours);
    }
  }

  #compare(words: Words, redis: ReplyValue | undefined, ours: ReplyValue | undefined): void {
    if (redis === undefined || ours === undefined || !this.goesOn) return;
    this.compared++;
    this.#tally.count(words, redis);
    if (sameReply(words, redis, ours, this.#shiftMs)) return;
    if (beyondLongDouble(words, redis, ours)) this.parted = true;
    else this.difference = { words, redis, ours };
  }

  /** Gives the requests that an EXEC has run, null for anything else. */
  #followTransaction(words: Words, redis: ReplyValue): readonly Words[] | null {
    if (redis.kind === 'simple' && redis.text === 'QUEUED') {
      this.#queued.push(words);
      return null;
    }
    const name = nameOf(words);
    if (name === 'MULTI' && redis.kind === 'simple') this.#queued = [];
    return name === 'EXEC' && redis.kind === 'array' ? this.#queued : null;
  }

  async both(requests: readonly Words[]): Promise<[redis: ReplyValue[], ours: ReplyValue[]]> {
    const [redis, ours] = await Promise.all([this.#redis.run(requests), this.#ours.run(requests)]);
    for (const [index, words] of requests.entries()) this.#check(words, redis[index], ours[index]);
    return [redis, ours];
  }

  /** A request whose reply is chosen at random. */
  async random(words: Words): Promise<void> {
    const name = nameOf(words);
    if (name === 'SPOP') {
      await this.#pop(words);
      return;
    }
    const [redis, ours] = await this.both([words]);
    if (!this.goesOn || name === 'RANDOMKEY') return;
    if (!this.#isRecorded) await this.#chosenExist(words, this.#redis, ours[0]);
    await this.#chosenExist(words, this.#ours, redis[0]);
  }

  /** What one server chose must be in the other's set or hash. */
  async #chosenExist(words: Words, where: Target, chosen: ReplyValue | undefined): Promise<void> {
    const elements = chosenElements(words, chosen);
    const distinct = new Set(elements);
    if (distinct.size === 0) return;
    const [, key = '', count] = words;
    const probe = nameOf(words) === 'HRANDFIELD' ? 'HEXISTS' : 'SISMEMBER';
    const replies = await where.run([...distinct].map((element) => [probe, key, element]));
    const all = replies.every((reply) => replyText(reply) === ':1');
    const asMany = count === undefined || count.startsWith('-') || distinct.size === elements.length;
    if (all && asMany) return;
    this.difference = {
      words,
      redis: { kind: 'simple', text: 'the elements are there, and different ones where that was asked' },
      ours: chosen ?? { kind: 'null' },
    };
  }

  /** Each server pops in turn (a recording always is the one); what one popped is removed from the other. */
  async #pop(words: Words): Promise<void> {
    const [popper, other] = this.#popHere ? [this.#ours, this.#redis] : [this.#redis, this.#ours];
    this.#popHere = !this.#popHere && !this.#isRecorded;
    const [, key = ''] = words;
    const [popped] = await popper.run([words]);
    if (popped !== undefined) this.#tally.count(words, popped);
    const elements = chosenElements(words, popped);
    if (elements.length === 0) {
      const [same] = await other.run([words]);
      const [redis, ours] = popper === this.#redis ? [popped, same] : [same, popped];
      this.#check(words, redis, ours);
      return;
    }
    const [removed] = await other.run([['SREM', key, ...elements]]);
    const expected: ReplyValue = { kind: 'integer', text: String(elements.length) };
    this.#check(['SREM', key, ...elements], expected, removed);
  }

  /** All keys, what they hold and when they expire. */
  async wholeKeyspace(): Promise<void> {
    const [redis] = await this.both([['KEYS', '*']]);
    const keys = redis[0] !== undefined && 'items' in redis[0] ? redis[0].items : [];
    const names = keys.map((key) => ('text' in key ? key.text : ''));
    const [types] = await this.both(names.map((key) => ['TYPE', key]));
    const contents = names.map((key, index) => [readerOf(types[index]), key]);
    await this.both(contents);
    await this.both(names.map((key) => ['PEXPIRETIME', key]));
  }
}

function readerOf(type: ReplyValue | undefined): string {
  if (type !== undefined && 'text' in type && type.text === 'hash') return 'HGETALL';
  return type !== undefined && 'text' in type && type.text === 'set' ? 'SMEMBERS' : 'GET';
}

/** The members or fields that a reply of SPOP, SRANDMEMBER or HRANDFIELD names. */
function chosenElements(words: Words, reply: ReplyValue | undefined): string[] {
  if (reply?.kind === 'bulk') return [reply.text];
  if (reply === undefined || !('items' in reply)) return [];
  const withValues = nameOf(words) === 'HRANDFIELD' && words.length === 4;
  const elements = reply.items.map((item) => ('items' in item ? item.items[0] : item));
  const step = withValues && reply.items[0]?.kind === 'bulk' ? 2 : 1;
  return elements.flatMap((item, index) =>
    item !== undefined && 'text' in item && index % step === 0 ? [item.text] : [],
  );
}

/** Runs a session on both and compares every reply, and at the end the whole keyspace. */
export async function runSession(
  session: RandomSession,
  redis: Target,
  ours: Target,
  tally: Tally = new Tally(),
): Promise<SessionResult> {
  await Promise.all([redis.reset(session.respVersion), ours.reset(session.respVersion)]);
  const lockstep = new Lockstep(redis, ours, tally);
  let batch: Words[] = [];
  for (const words of session.requests) {
    if (!RANDOM_CHOICE.has(nameOf(words))) {
      batch.push(words);
      continue;
    }
    await lockstep.both(batch);
    batch = [];
    if (lockstep.goesOn) await lockstep.random(words);
    if (!lockstep.goesOn) break;
  }
  await lockstep.both(batch);
  if (lockstep.goesOn) await lockstep.wholeKeyspace();
  return { compared: lockstep.compared, difference: lockstep.difference };
}
