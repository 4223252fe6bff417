import type { SeededRandom } from '../../src/groups/seeded-random.ts';
import type { Operation } from '../../src/verify/history.ts';

/** What became of a request: the reply as text, or null where the connection was lost before it came. */
export type Reply = string | null;

/** A client's work: gives requests, is told of each what came, and may be ended by a lost connection at any of them. */
export type Script = Generator<string, void, Reply>;

/** What a worker tells of an operation: the rest is of its connection. */
export type NotedOperation = Pick<Operation, 'op' | 'value' | 'expected' | 'result' | 'start' | 'end' | 'ok'>;

/** What workers know together, and tell of what happened. */
export interface Notebook {
  readonly random: SeededRandom;
  nowMs(): number;
  wallMs(): number;
  /** A number that is given once. */
  unique(): number;
  operation(key: string, operation: NotedOperation): void;
  /** Something that must never be. */
  wrong(what: string): void;
  /** What the connection has read or written of a counter that only grows. */
  readonly seen: Map<string, number>;
  /** What `seen` of the connection is kept under; changes with each connection. */
  connection: number;
}

export const REGISTERS: readonly string[] = ['position:r0', 'position:r1', 'plan:r0'];
export const COUNTERS: readonly string[] = ['position:c0', 'risk:c1', 'plan:c0'];
/** Sums to nothing, always. */
export const PAIR: readonly [string, string] = ['position:from', 'risk:to'];
/** What a strong key names that was read or written before it, `note:N` for a value N. */
export const AFTER_NOTE = 'position:after';

type Ending = 'done' | 'nothing' | 'unknown';

/** What a reply says of whether the request happened. */
function endingOf(reply: Reply): Ending {
  if (reply === null || reply.startsWith('-UNCERTAIN')) return 'unknown';
  return reply.startsWith('-') ? 'nothing' : 'done';
}

const textOf = (reply: string): string | null => (reply === 'nil' ? null : reply.replace(/^"(.*)"$/, '$1'));

function pick<T>({ random }: Notebook, list: readonly T[]): T {
  return list[Math.floor(random.unit() * list.length)] as T;
}

const NS_PER_MS = 1e6;

const nowNs = (notebook: Notebook): number => notebook.nowMs() * NS_PER_MS;

/** Notes a write: one that did not happen is none. */
function noted(
  notebook: Notebook,
  key: string,
  reply: Reply,
  operation: Omit<NotedOperation, 'end' | 'ok'>,
  answer?: (reply: string) => Partial<NotedOperation>,
): void {
  const ending = endingOf(reply);
  if (ending === 'nothing') return;
  const ok = ending === 'done' ? true : null;
  const known = ending === 'done' && answer !== undefined && reply !== null ? answer(reply) : {};
  notebook.operation(key, { ...operation, end: nowNs(notebook), ok, ...known });
}

function* read(notebook: Notebook, key: string, prefix = 'GET'): Script {
  const start = nowNs(notebook);
  const reply = yield `${prefix} ${key}`;
  if (endingOf(reply) === 'done')
    noted(notebook, key, reply, { op: 'read', value: null, start }, (text) => ({ value: textOf(text) }));
}

/** A read of the copy here that says how old it can be: as old as that it is right. */
function* readStale(notebook: Notebook, key: string): Script {
  const askedMs = notebook.nowMs();
  const reply = yield `CW.GET ${key} MAXSTALE 1500`;
  const match = /^\[(nil|".*") :(\d+) ".*"\]$/.exec(reply ?? '');
  if (match === null) return;
  const endedMs = notebook.nowMs();
  // the leader's answer is of the time between
  const start = (Math.min(askedMs, endedMs - Number(match[2])) - 10) * NS_PER_MS;
  notebook.operation(key, { op: 'read', value: textOf(match[1] ?? 'nil'), start, end: nowNs(notebook), ok: true });
}

function* write(notebook: Notebook, key: string): Script {
  const value = String(notebook.unique());
  const start = nowNs(notebook);
  const reply = yield `SET ${key} ${value}`;
  noted(notebook, key, reply, { op: 'write', value, start });
}

function* remove(notebook: Notebook, key: string): Script {
  const start = nowNs(notebook);
  noted(notebook, key, yield `DEL ${key}`, { op: 'del', value: null, start });
}

function* compareAndSet(notebook: Notebook, key: string): Script {
  const expected = textOf((yield `GET ${key}`) ?? 'nil');
  if (expected === null || expected.startsWith('-')) return;
  const value = String(notebook.unique());
  const start = nowNs(notebook);
  const reply = yield `CW.CAS ${key} ${expected} ${value}`;
  noted(notebook, key, reply, { op: 'cas', expected, value, start }, (text) => ({ ok: text === ':1' }));
}

function* watchAndSwap(notebook: Notebook, key: string): Script {
  if ((yield `WATCH ${key}`) !== '+OK') return;
  // a read of the copy here is as good: the watch has raised the floor (T3)
  if (notebook.random.unit() < 0.5) yield 'CW.LEVEL causal';
  const found = yield `GET ${key}`;
  yield 'CW.LEVEL class';
  if (found === null || found.startsWith('-')) {
    yield 'UNWATCH';
    return;
  }
  const value = String(notebook.unique());
  yield 'MULTI';
  yield `SET ${key} ${value}`;
  const start = nowNs(notebook);
  const reply = yield 'EXEC';
  // another version does not tell of another value
  if (reply === 'nil' || reply === 'nil[]') return;
  noted(notebook, key, reply, { op: 'cas', expected: textOf(found), value, start });
}

function sawCount(notebook: Notebook, key: string, count: number): void {
  const name = `${notebook.connection} ${key}`;
  notebook.seen.set(name, Math.max(notebook.seen.get(name) ?? 0, count));
}

function* add(notebook: Notebook, key: string): Script {
  const value = String(1 + Math.floor(notebook.random.unit() * 3));
  const start = nowNs(notebook);
  const reply = yield `INCRBY ${key} ${value}`;
  noted(notebook, key, reply, { op: 'incr', value, start }, (text) => ({ result: text.slice(1) }));
  if (reply?.startsWith(':') === true) sawCount(notebook, key, Number(reply.slice(1)));
}

/** Asked under an id of its own again and again, over whatever connection, until it is known: it counts once. */
function* addOnce(notebook: Notebook, key: string): Script {
  const id = `id-${notebook.unique()}`;
  const issuedMs = notebook.wallMs();
  const start = nowNs(notebook);
  for (let tries = 0; tries < 6; tries++) {
    const reply = yield `CW.ONCE ${id} ${issuedMs} INCRBY ${key} 1`;
    if (reply?.startsWith(':') === true)
      return notebook.operation(key, {
        op: 'incr',
        value: '1',
        start,
        end: nowNs(notebook),
        ok: true,
        result: reply.slice(1),
      });
    if (tries === 0 && endingOf(reply) === 'nothing') return;
  }
  notebook.operation(key, { op: 'incr', value: '1', start, end: nowNs(notebook), ok: null });
}

/** The copy here has what this connection has seen (T2). */
function* readCopy(notebook: Notebook, key: string): Script {
  yield 'CW.LEVEL causal';
  const reply = yield `GET ${key}`;
  const least = notebook.seen.get(`${notebook.connection} ${key}`) ?? 0;
  if (endingOf(reply) === 'done' && Number(textOf(reply ?? '') ?? '0') < least)
    notebook.wrong(`T2: a connection that has seen ${least} of ${key} reads ${String(reply)}`);
  yield 'CW.LEVEL class';
}

function* move(notebook: Notebook): Script {
  const [from, to] = PAIR;
  const amount = 1 + Math.floor(notebook.random.unit() * 5);
  yield 'MULTI';
  yield `DECRBY ${from} ${amount}`;
  yield `INCRBY ${to} ${amount}`;
  yield 'EXEC';
}

function* readPair(notebook: Notebook): Script {
  const isCopy = notebook.random.unit() < 0.5;
  if (isCopy) yield 'CW.LEVEL causal';
  const reply = yield `MGET ${PAIR.join(' ')}`;
  if (isCopy) yield 'CW.LEVEL class';
  const match = /^\["(-?\d+)" "(-?\d+)"\]$/.exec(reply ?? '');
  if (match !== null && Number(match[1]) + Number(match[2]) !== 0) notebook.wrong(`half of an EXEC shows: ${reply}`);
}

/** A strong key names a causal one that its writer wrote, or has read. */
function* writeAfterNote(notebook: Notebook, notes: string[]): Script {
  let number = notebook.unique();
  if (notebook.random.unit() < 0.5 && notes.length > 0) {
    number = Number(notes[notes.length - 1]);
    const reply = yield `GET note:${number}`;
    if (reply === null || endingOf(reply) !== 'done' || textOf(reply) === null) return;
  } else {
    if ((yield `SET note:${number} there`) !== '+OK') return;
    notes.push(String(number));
  }
  yield `SET ${AFTER_NOTE} ${number}`;
}

/** Work that goes on over another connection where one is lost. */
export interface Work {
  readonly script: Script;
  readonly isPersistent: boolean;
}

/** What a client does next. */
export function nextWork(notebook: Notebook, notes: string[]): Work {
  if (notebook.random.unit() < 0.06) return { script: addOnce(notebook, pick(notebook, COUNTERS)), isPersistent: true };
  return { script: nextScript(notebook, notes), isPersistent: false };
}

function nextScript(notebook: Notebook, notes: string[]): Script {
  const register = pick(notebook, REGISTERS);
  const counter = pick(notebook, COUNTERS);
  const chosen = notebook.random.unit();
  if (chosen < 0.14) return read(notebook, register);
  if (chosen < 0.26) return write(notebook, register);
  if (chosen < 0.3) return remove(notebook, register);
  if (chosen < 0.4) return compareAndSet(notebook, register);
  if (chosen < 0.54) return watchAndSwap(notebook, register);
  if (chosen < 0.6) return readStale(notebook, register);
  if (chosen < 0.75) return add(notebook, counter);
  if (chosen < 0.8) return read(notebook, counter);
  if (chosen < 0.86) return readCopy(notebook, counter);
  if (chosen < 0.9) return move(notebook);
  if (chosen < 0.94) return readPair(notebook);
  return writeAfterNote(notebook, notes);
}
