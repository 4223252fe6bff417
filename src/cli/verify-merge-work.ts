import { setTimeout as delay } from 'node:timers/promises';
import type { RespValue } from './resp-client.ts';
import type { Draws } from './verify-draws.ts';
import type { Connection, VerifySession } from './verify-session.ts';
import type { WorkContext } from './verify-workload.ts';

/** Short, for only what a key ends with is compared. */
const SLOT_MS = 1_000;
/** Longer than a chapter and its end. */
const LONG_MS = 600_000;
/** Of an expiry that was taken back: it is over soon after it has arrived everywhere. */
const SOON_MS = 120;
const LOOK_FOR_MS = 600;
const LOOK_EVERY_MS = 25;
const SPREAD_MS = 2_000;

type Command = readonly (string | number)[];

/** What clients do with keys that all write at once, of any type: what comes of it is for the nodes to agree on. */
export class MergeWork {
  readonly #context: WorkContext;

  constructor(context: WorkContext) {
    this.#context = context;
  }

  async step(session: VerifySession, draws: Draws): Promise<void> {
    const kind = draws.pick(KINDS);
    const [key, other] = draws
      .shuffled([0, 1])
      .map((at) => this.#context.keys.causal('merged', `${kind}${at}`, SLOT_MS));
    if (key === undefined || other === undefined) return;
    await session.unrecorded(...draws.pick(commandsOn(kind, key, other, draws)));
  }

  /**
   * Something is taken away at another node, and right after that put back here, before or after the news has come: it must stay (SPEC V1, V3,
   * V6). What took it away is not in the history, where it is a key that is written once.
   */
  async race(session: VerifySession, draws: Draws): Promise<void> {
    const { causalLevel: level, keys, nodes } = this.#context;
    const others = nodes.filter((node) => node !== session.node);
    if (others.length === 0) return;
    const stored = keys.fresh('z');
    const value = keys.unique('z');
    const { first, putBack, read, takenAway } = draws.pick(RACES)(stored, value);
    const start = session.nowNs();
    const [, token] = await session.unrecordedAll([first, ['CW.TOKEN']]);
    const { name } = session;
    if (typeof token !== 'string') return;
    const isTaken = await session.elsewhere(draws.pick(others), async (there) => {
      await there.send('CW.ATTACH', token, 'TIMEOUT', SPREAD_MS);
      return (await there.send(...takenAway)) === 1;
    });
    if (isTaken !== true) return;
    // An expiry can be taken back of what still shows: what does not has expired by the clock of this node, which may be wrong.
    const replies = await session.unrecordedAll([['MULTI'], read, putBack, ['EXEC']]);
    const [shown, isBack] = listOf(replies.at(-1));
    const mayStay = putBack[0] === 'PERSIST' ? shown === value : isBack !== undefined;
    if (!mayStay || session.name !== name) return;
    const key = `${stored}/kept`;
    session.note({ op: 'write', key, value, level: 'causal' }, start);
    const found = (reply: RespValue): string | null =>
      reply === 1 ? value : reply === 0 ? null : (reply as string | null);
    const end = performance.now() + LOOK_FOR_MS;
    while (performance.now() < end && session.name === name) {
      await session.perform({ op: 'read', key, value: null, level, found, args: read });
      await delay(LOOK_EVERY_MS);
    }
  }
}

/** What is there first, what takes it away, what puts it back, and how it is looked for. */
interface Race {
  readonly first: Command;
  readonly takenAway: Command;
  readonly putBack: Command;
  readonly read: Command;
}

const RACES: readonly ((key: string, value: string) => Race)[] = [
  (key, value) => ({
    first: ['SET', key, value],
    takenAway: ['PEXPIRE', key, SOON_MS],
    putBack: ['PERSIST', key],
    read: ['GET', key],
  }),
  (key, value) => ({
    first: ['SADD', key, value],
    takenAway: ['SREM', key, value],
    putBack: ['SADD', key, value],
    read: ['SISMEMBER', key, value],
  }),
  (key, value) => ({
    first: ['HSET', key, 'field', value],
    takenAway: ['HDEL', key, 'field'],
    putBack: ['HSET', key, 'field', value],
    read: ['HGET', key, 'field'],
  }),
];

function listOf(reply: RespValue | undefined): readonly RespValue[] {
  return Array.isArray(reply) ? (reply as readonly RespValue[]) : [];
}

/** By the letter in the names of the keys. */
const KINDS = ['gs', 'gh', 'ge', 'gj', 'gm'] as const;
type Kind = (typeof KINDS)[number];

function commandsOn(kind: Kind, key: string, other: string, draws: Draws): Command[] {
  const number = String(draws.below(1_000_000));
  const part = `p${draws.below(2)}`;
  const later = LONG_MS + draws.below(LONG_MS);
  const expiries: Command[] = [
    ['PEXPIRE', key, later],
    ['PERSIST', key],
  ];
  switch (kind) {
    case 'gs':
      return [
        ['SET', key, number],
        ['SET', key, number, 'PX', later],
        ['INCRBY', key, 1 + draws.below(9)],
        ['INCRBY', key, 1 + draws.below(9)],
        ['DEL', key],
        ['RENAME', key, other],
        ...expiries,
      ];
    case 'gh':
      return [
        ['HSET', key, part, number],
        ['HSET', key, part, number],
        ['HINCRBY', key, part, 1 + draws.below(9)],
        ['HDEL', key, part],
        ['DEL', key],
        ...expiries,
      ];
    case 'ge':
      return [
        ['SADD', key, part],
        ['SADD', key, part],
        ['SREM', key, part],
        ['SREM', key, part],
        ['SMOVE', key, other, part],
        ['DEL', key],
      ];
    case 'gj':
      return [
        ['JSON.SET', key, '$', JSON.stringify({ n: Number(number), list: [] })],
        ['JSON.SET', key, `$.${part}`, number],
        ['JSON.SET', key, `$.${part}`, number],
        ['JSON.NUMINCRBY', key, '$.n', 1 + draws.below(9)],
        ['JSON.ARRAPPEND', key, '$.list', number],
        ['JSON.DEL', key, `$.${part}`],
        ['DEL', key],
      ];
    case 'gm':
      return [
        ['SET', key, number],
        ['HSET', key, part, number],
        ['SADD', key, part],
        ['DEL', key],
      ];
  }
}

/** What a node shows of a merged key, with when it expires: the same text for the same content. */
export async function mergedText(client: Connection, key: string): Promise<string | null> {
  const type = String(await client.send('TYPE', key));
  if (type === 'none') return null;
  const read = READS.get(type) ?? ((name: string): Command => ['JSON.GET', name]);
  const content = await client.send(...read(key));
  return JSON.stringify([type, ordered(type, content), await client.send('PEXPIRETIME', key)]);
}

const READS: ReadonlyMap<string, (key: string) => Command> = new Map([
  ['string', (key): Command => ['GET', key]],
  ['hash', (key): Command => ['HGETALL', key]],
  ['set', (key): Command => ['SMEMBERS', key]],
]);

function ordered(type: string, content: RespValue): unknown {
  if (!Array.isArray(content)) return content;
  const parts = (content as readonly RespValue[]).map(String);
  if (type !== 'hash') return parts.toSorted();
  return parts.flatMap((part, at) => (at % 2 === 0 ? [`${part} ${parts[at + 1] ?? ''}`] : [])).toSorted();
}
