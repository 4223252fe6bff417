import { isError, NS_A_MS, pick, textOf, type Desk, type Reply, type Script, type Work } from './work.ts';

/** Registers of which the history is judged: each value is written once, and nothing removes them. */
export const REGISTERS = ['reg:0', 'reg:1', 'reg:2', 'ses:0'] as const;
export const COUNTERS = ['cnt:0', 'cnt:1'] as const;
/** Always written together. */
export const PAIR = ['pair:a', 'pair:b'] as const;

const valueOf = ({ id }: Desk, part = 0): string => `v${id}.${part}`;

function noteRead(desk: Desk, key: string, value: string | null, start: number): void {
  desk.note({ op: 'read', key, value, start, level: 'causal', ok: true });
}

function noteWrite(desk: Desk, key: string, value: string, start: number): void {
  desk.note({ op: 'write', key, value, start, level: 'causal', ok: true });
}

function* read(desk: Desk): Script {
  const key = pick(REGISTERS, desk.choice);
  const start = desk.nowNs();
  const reply = yield `GET ${key}`;
  if (reply !== null && !isError(reply)) noteRead(desk, key, textOf(reply), start);
}

function* write(desk: Desk): Script {
  const key = pick(REGISTERS, desk.choice);
  const start = desk.nowNs();
  if ((yield `SET ${key} ${valueOf(desk)}`) === '+OK') noteWrite(desk, key, valueOf(desk), start);
}

function* readAndWrite(desk: Desk): Script {
  const key = pick(REGISTERS, desk.choice);
  const start = desk.nowNs();
  const reply = yield `SET ${key} ${valueOf(desk)} GET`;
  if (reply === null || isError(reply)) return;
  noteRead(desk, key, textOf(reply), start);
  noteWrite(desk, key, valueOf(desk), start);
}

function* readAll(desk: Desk): Script {
  const start = desk.nowNs();
  const reply = yield `MGET ${REGISTERS.join(' ')}`;
  const values = /^\[(.*)\]$/.exec(reply ?? '')?.[1]?.split(' ') ?? [];
  for (const [at, value] of values.entries()) noteRead(desk, pick(REGISTERS, at), textOf(value), start);
}

function* transaction(desk: Desk): Script {
  const [one, other] = [pick(REGISTERS, desk.choice), pick(REGISTERS, desk.choice + 1)];
  const start = desk.nowNs();
  yield 'MULTI';
  yield `SET ${one} ${valueOf(desk)}`;
  yield `SET ${other} ${valueOf(desk, 1)}`;
  const reply = yield 'EXEC';
  if (reply !== '[+OK +OK]') return;
  noteWrite(desk, one, valueOf(desk), start);
  noteWrite(desk, other, valueOf(desk, 1), start);
}

function* watched(desk: Desk): Script {
  const key = pick(REGISTERS, desk.choice);
  const start = desk.nowNs();
  if ((yield `WATCH ${key}`) !== '+OK') return;
  const found = yield `GET ${key}`;
  if (found === null || isError(found)) {
    yield 'UNWATCH';
    return;
  }
  noteRead(desk, key, textOf(found), start);
  if (desk.choice % 16 === 15) {
    yield 'UNWATCH';
    return;
  }
  yield 'MULTI';
  yield `SET ${key} ${valueOf(desk)}`;
  if ((yield 'EXEC') === '[+OK]') noteWrite(desk, key, valueOf(desk), start);
}

/** At level `session` reads wait for what the session attached. */
function* readAtSession(desk: Desk): Script {
  yield 'CW.LEVEL session';
  yield* read(desk);
  yield 'CW.LEVEL class';
}

function* add(desk: Desk): Script {
  const key = pick(COUNTERS, desk.choice);
  const amount = 1 + desk.random.below(5);
  const start = desk.nowNs();
  const reply = yield `INCRBY ${key} ${amount}`;
  if (reply?.startsWith(':') !== true) return;
  const result = reply.slice(1);
  desk.note({ op: 'incr', key, value: String(amount), result, start, level: 'causal', ok: true });
}

function* readCounter(desk: Desk): Script {
  const key = pick(COUNTERS, desk.choice);
  const start = desk.nowNs();
  const reply = yield `GET ${key}`;
  if (reply !== null && !isError(reply)) noteRead(desk, key, textOf(reply), start);
}

function* writePair(desk: Desk): Script {
  yield 'MULTI';
  for (const key of PAIR) yield `SET ${key} ${valueOf(desk)}`;
  yield 'EXEC';
}

function* readPair(desk: Desk): Script {
  const reply = yield `MGET ${PAIR.join(' ')}`;
  const match = /^\[(\S+) (\S+)\]$/.exec(reply ?? '');
  if (match !== null && match[1] !== match[2]) desk.wrong(`half of an EXEC shows: ${reply}`);
}

/** Keys that are made once and removed once by whoever saw them: they never come back. */
function* makeOnce(desk: Desk): Script {
  const key = `once:${desk.id}`;
  const start = desk.nowNs();
  if ((yield `SET ${key} there`) !== '+OK') return;
  noteWrite(desk, key, 'there', start);
  desk.once.push(key);
}

/** Keys that expire. */
function* makePassing(desk: Desk): Script {
  const key = `passing:${desk.id}`;
  const livesMs = 200 + desk.random.below(1_500);
  const start = desk.nowNs();
  if ((yield `SET ${key} there PX ${livesMs}`) !== '+OK') return;
  const expires = desk.nowNs() + livesMs * NS_A_MS;
  desk.note({ op: 'write', key, value: 'there', expires, start, level: 'causal', ok: true });
  desk.once.push(key);
}

function* sought(desk: Desk): Generator<string, string | null, Reply> {
  const key = desk.once.at(-1 - (desk.choice % 6));
  if (key === undefined) return null;
  const start = desk.nowNs();
  const reply = yield `GET ${key}`;
  if (reply === null || isError(reply)) return null;
  noteRead(desk, key, textOf(reply), start);
  return reply === 'nil' || key.startsWith('passing') ? null : key;
}

function* lookForOnce(desk: Desk): Script {
  yield* sought(desk);
}

function* removeOnce(desk: Desk): Script {
  const key = yield* sought(desk);
  if (key === null) return;
  const start = desk.nowNs();
  if ((yield `DEL ${key}`) !== ':1') return;
  desk.note({ op: 'del', key, value: null, start, level: 'causal', ok: true });
}

/** Work on causal keys of which something is known beyond that all nodes become equal. */
export const causalWorks: Readonly<Record<string, Work>> = {
  read: { script: read, weight: 10 },
  write: { script: write, weight: 8 },
  'read-write': { script: readAndWrite, weight: 2 },
  'read-all': { script: readAll, weight: 3 },
  transaction: { script: transaction, weight: 2 },
  watched: { script: watched, weight: 2 },
  'read-at-session': { script: readAtSession, weight: 3 },
  add: { script: add, weight: 4 },
  count: { script: readCounter, weight: 2 },
  'write-pair': { script: writePair, weight: 2 },
  'read-pair': { script: readPair, weight: 2 },
  'make-once': { script: makeOnce, weight: 2 },
  'make-passing': { script: makePassing, weight: 2 },
  'remove-once': { script: removeOnce, weight: 2 },
  'look-for-once': { script: lookForOnce, weight: 4 },
};
