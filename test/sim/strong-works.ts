import {
  endingOf,
  isError,
  NS_A_MS,
  pick,
  textOf,
  type Desk,
  type Noted,
  type Reply,
  type Script,
  type Work,
} from './work.ts';

/** Never removed, so that both tiers' history can be judged with them. */
export const STRONG_REGISTERS = ['position:r0', 'risk:r1', 'plan:r0'] as const;
/** Also removed: judged by themselves. */
export const STRONG_LOOSE = ['position:d0', 'plan:d0'] as const;
/** Written with an expiry now and then. A copy shows them until the entry comes that takes them away, a strong read only until the log's time is past (SPEC D9), so no WATCH is for them. */
export const STRONG_PASSING = ['position:p0', 'plan:p0'] as const;
export const STRONG_COUNTERS = ['position:c0', 'risk:c1', 'plan:c0'] as const;
/** Sums to nothing, always. */
export const STRONG_PAIR = ['position:from', 'risk:to'] as const;
/** Names a causal key that was written or read before it, `note:N` for a value N. */
export const AFTER_NOTE = 'position:after';

const LASTING_REGISTERS = [...STRONG_REGISTERS, ...STRONG_LOOSE] as const;
const ALL_REGISTERS = [...LASTING_REGISTERS, ...STRONG_PASSING] as const;
/** A leader's answer that came with a copy's age is of a time a little before that. */
const AGE_SLACK_MS = 15;
const ONCE_TRIES = 6;
const ASKED_AGAIN = 0.3;

/** Notes what a request did, or may have done. One that did not happen is none. */
export function noted(desk: Desk, reply: Reply, operation: Omit<Noted, 'level' | 'ok'>, did = true): void {
  const ending = endingOf(reply);
  if (ending === 'nothing') return;
  const { result, ...rest } = operation;
  const known = result === undefined || ending === 'unknown' ? {} : { result };
  desk.note({ ...rest, ...known, level: 'strong', ok: ending === 'unknown' ? null : did });
}

/** `reads: session` of plan:* would be answered from the copy. */
/** Says whether there was an answer. */
export function* readStrongly(desk: Desk, key: string): Generator<string, boolean, Reply> {
  const start = desk.nowNs();
  yield 'CW.LEVEL strong';
  const reply = yield `GET ${key}`;
  yield 'CW.LEVEL class';
  if (endingOf(reply) !== 'done') return false;
  noted(desk, reply, { op: 'read', key, value: textOf(reply ?? 'nil'), start });
  return true;
}

function* readStrong(desk: Desk): Script {
  yield* readStrongly(desk, pick(ALL_REGISTERS, desk.choice));
}

export function* writeStrong(desk: Desk): Script {
  const key = pick(ALL_REGISTERS, desk.choice);
  const value = `s${desk.id}`;
  const start = desk.nowNs();
  noted(desk, yield `SET ${key} ${value}`, { op: 'write', key, value, start });
}

function* remove(desk: Desk): Script {
  const key = pick(STRONG_LOOSE, desk.choice);
  const start = desk.nowNs();
  noted(desk, yield `DEL ${key}`, { op: 'del', key, value: null, start });
}

function* compareAndSet(desk: Desk): Script {
  const key = pick(ALL_REGISTERS, desk.choice);
  const found = yield `GET ${key}`;
  const expected = found === null || isError(found) ? null : textOf(found);
  if (expected === null) return;
  const value = `s${desk.id}`;
  const start = desk.nowNs();
  const reply = yield `CW.CAS ${key} ${expected} ${value}`;
  noted(desk, reply, { op: 'cas', key, value, expected, start }, reply === ':1');
}

function* watchAndSet(desk: Desk): Script {
  const key = pick(LASTING_REGISTERS, desk.choice);
  if ((yield `WATCH ${key}`) !== '+OK') return;
  // a read of the copy here is as good: the watch has raised the floor (SPEC T3)
  if (desk.random.unit() < 0.5) yield 'CW.LEVEL causal';
  const found = yield `GET ${key}`;
  yield 'CW.LEVEL class';
  if (found === null || isError(found)) {
    yield 'UNWATCH';
    return;
  }
  const value = `s${desk.id}`;
  yield 'MULTI';
  yield `SET ${key} ${value}`;
  const start = desk.nowNs();
  const reply = yield 'EXEC';
  // another version does not tell of another value
  if (reply === 'nil' || reply === 'nil[]') return;
  noted(desk, reply, { op: 'cas', key, value, expected: textOf(found), start });
}

/** A read of the copy here that says how old it can be: as old as that it is right. */
export function* readCopyByAge(desk: Desk, key: string): Generator<string, boolean, Reply> {
  const askedMs = desk.nowMs();
  const reply = yield `CW.GET ${key} MAXSTALE 1500`;
  const match = /^\[(nil|"[^"]*") :(\d+) ".*"\]$/.exec(reply ?? '');
  if (match === null) return endingOf(reply) === 'done';
  const startMs = Math.min(askedMs, desk.nowMs() - Number(match[2])) - AGE_SLACK_MS;
  noted(desk, reply, { op: 'read', key, value: textOf(match[1] ?? 'nil'), start: startMs * NS_A_MS });
  return true;
}

function* readStale(desk: Desk): Script {
  yield* readCopyByAge(desk, pick(ALL_REGISTERS, desk.choice));
}

/** What the copy on the node shows: no older than what the session has seen (SPEC T2), and part of the causal history. */
function* readCopy(desk: Desk): Script {
  const key = pick([...STRONG_REGISTERS, ...STRONG_COUNTERS], desk.choice);
  yield 'CW.LEVEL causal';
  const start = desk.nowNs();
  const reply = yield `GET ${key}`;
  yield 'CW.LEVEL class';
  if (reply === null || isError(reply)) return;
  const value = textOf(reply);
  desk.note({ op: 'read', key, value, start, level: 'causal', ok: true });
  const least = desk.seenCounts.get(key) ?? 0;
  if (Number(value ?? '0') < least) desk.wrong(`T2: a session that has seen ${least} of ${key} reads ${reply}`);
}

function* add(desk: Desk): Script {
  const key = pick(STRONG_COUNTERS, desk.choice);
  const value = String(1 + desk.random.below(3));
  const start = desk.nowNs();
  const reply = yield `INCRBY ${key} ${value}`;
  noted(desk, reply, { op: 'incr', key, value, start, result: reply?.slice(1) ?? '' });
  if (endingOf(reply) === 'done') sawCount(desk, key, Number(reply?.slice(1)));
}

function sawCount({ seenCounts }: Desk, key: string, count: number): void {
  seenCounts.set(key, Math.max(seenCounts.get(key) ?? 0, count));
}

/** Asked under an id of its own again and again, over whatever connection, until it is known: it counts once. */
function* addOnce(desk: Desk): Script {
  const key = pick(STRONG_COUNTERS, desk.choice);
  const issuedMs = desk.wallMs();
  const start = desk.nowNs();
  const operation = { op: 'incr', key, value: '1', start } as const;
  for (let tries = 0; tries < ONCE_TRIES; tries++) {
    const request = `CW.ONCE id-${desk.id} ${issuedMs} INCRBY ${key} 1`;
    const reply = yield request;
    if (reply?.startsWith(':') === true) {
      noted(desk, reply, { ...operation, result: reply.slice(1) });
      const again = desk.random.unit() < ASKED_AGAIN ? yield request : null;
      if (again?.startsWith(':') === true && again !== reply)
        desk.wrong(`K5: what was answered ${reply} is answered ${again} when it is asked again`);
      return;
    }
    if (tries === 0 && endingOf(reply) === 'nothing') return;
  }
  noted(desk, null, operation);
}

function* readCounter(desk: Desk): Script {
  yield* readStrongly(desk, pick(STRONG_COUNTERS, desk.choice));
}

function* move(desk: Desk): Script {
  const [from, to] = STRONG_PAIR;
  const amount = 1 + desk.random.below(5);
  yield 'MULTI';
  yield `DECRBY ${from} ${amount}`;
  yield `INCRBY ${to} ${amount}`;
  yield 'EXEC';
}

function* readPair(desk: Desk): Script {
  const isCopy = desk.random.unit() < 0.5;
  if (isCopy) yield 'CW.LEVEL causal';
  const reply = yield `MGET ${STRONG_PAIR.join(' ')}`;
  if (isCopy) yield 'CW.LEVEL class';
  const match = /^\["(-?\d+)" "(-?\d+)"\]$/.exec(reply ?? '');
  const isHalf = /^\[nil "|" nil\]$/.test(reply ?? '');
  if (isHalf || (match !== null && Number(match[1]) + Number(match[2]) !== 0))
    desk.wrong(`half of an EXEC shows: ${reply}`);
}

/** A strong key names a causal one that its writer wrote, or has read. */
function* writeAfterNote(desk: Desk): Script {
  let number = desk.id;
  if (desk.random.unit() < 0.5 && desk.notes.length > 0) {
    number = desk.notes.at(-1) ?? number;
    const reply = yield `GET note:${number}`;
    if (reply === null || isError(reply) || reply === 'nil') return;
  } else {
    if ((yield `SET note:${number} there`) !== '+OK') return;
    desk.notes.push(number);
  }
  yield `SET ${AFTER_NOTE} ${number}`;
}

/** Work on strong keys. */
export const strongWorks: Readonly<Record<string, Work>> = {
  'strong-read': { script: readStrong, weight: 6 },
  'strong-write': { script: writeStrong, weight: 6 },
  'strong-remove': { script: remove, weight: 1 },
  'strong-cas': { script: compareAndSet, weight: 3 },
  'strong-watch': { script: watchAndSet, weight: 4 },
  'strong-stale': { script: readStale, weight: 3 },
  'strong-copy': { script: readCopy, weight: 4 },
  'strong-add': { script: add, weight: 4 },
  'strong-once': { script: addOnce, weight: 2, isPersistent: true },
  'strong-counter': { script: readCounter, weight: 2 },
  'strong-move': { script: move, weight: 2 },
  'strong-pair': { script: readPair, weight: 2 },
  'strong-note': { script: writeAfterNote, weight: 3 },
};
