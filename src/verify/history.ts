import { CausewayError } from '../errors.ts';

/** `cas` sets `value` where `expected` was; `incr` adds the number that `value` names. */
export type OperationKind = 'read' | 'write' | 'cas' | 'incr' | 'del';

/** What an operation asked for; what changes a strong key is `strong` on whatever connection it came. */
export type OperationLevel = 'weak' | 'eventual' | 'causal' | 'session' | 'strong';

/**
 * One operation of a client on a key. A client is a session: it does one thing after the other, and what moves to another region without
 * its token is another client from then on. Keys are absent when a history begins, and what is written to a key is written to it once.
 */
export interface Operation {
  readonly client: string;
  /** Where it was asked. */
  readonly region: string;
  readonly op: OperationKind;
  readonly key: string;
  /** What a read found, null for nothing; what a write or a cas puts there; the amount of an incr; null for a del. */
  readonly value: string | null;
  /** Of a cas: what must be there for it, null for nothing. */
  readonly expected?: string | null;
  /** Of an incr that answered: the sum. */
  readonly result?: string;
  /** Of a write: when the key expires, on the clock of `start` and `end`. */
  readonly expires?: number;
  /** Nanoseconds on one clock for all clients. */
  readonly start: number;
  /** Nanoseconds: when the answer came, or when the client gave up waiting. */
  readonly end: number;
  /**
   * True: it was done. False: it was certainly not done; of a cas without `error`, because something else was there than `expected`.
   * Null: nobody knows; it was done at some time since `start`, is still to be done, or never.
   */
  readonly ok: boolean | null;
  readonly level: OperationLevel;
  /** The code of the error that was answered. */
  readonly error?: string;
  /** Of what was written, where it is known: `us-east-1/a#3:17`. */
  readonly dot?: string;
}

/** Operations of one history file. */
const HISTORY_OPERATIONS_MAX = 5_000_000;

/** Characters of one line of a history file. */
export const HISTORY_LINE_CHARS_MAX: number = 1024 * 1024;

const KINDS: ReadonlySet<unknown> = new Set<OperationKind>(['read', 'write', 'cas', 'incr', 'del']);
const LEVELS: ReadonlySet<unknown> = new Set<OperationLevel>(['weak', 'eventual', 'causal', 'session', 'strong']);
/** In the order in which they are printed. */
const FIELDS: ReadonlySet<keyof Operation> = new Set<keyof Operation>([
  'client',
  'region',
  'op',
  'key',
  'value',
  'expected',
  'result',
  'expires',
  'start',
  'end',
  'ok',
  'level',
  'error',
  'dot',
]);
const INTEGER = /^-?\d{1,20}$/;
const DOT = /^[^:]{1,256}:\d{1,16}$/;

/**
 * Reads a history: one JSON object a line, sorted by `end`. Throws HISTORY with the number of the line (from 1) and what is wrong with it,
 * LIMIT past a limit.
 */
export function parseHistory(text: string): Operation[] {
  const operations: Operation[] = [];
  const writes = new DistinctWrites();
  for (let from = 0, line = 1; from < text.length; line++) {
    const newline = text.indexOf('\n', from);
    const to = newline === -1 ? text.length : newline;
    const where = `line ${line}`;
    if (operations.length === HISTORY_OPERATIONS_MAX)
      throw new CausewayError('LIMIT', `${where}: a history has at most ${HISTORY_OPERATIONS_MAX} operations`);
    if (to - from > HISTORY_LINE_CHARS_MAX)
      throw new CausewayError('LIMIT', `${where}: longer than ${HISTORY_LINE_CHARS_MAX} characters`);
    const operation = operationOf(text.slice(from, to), where);
    const last = operations.at(-1);
    if (last !== undefined && operation.end < last.end)
      throw wrong(where, 'ends before the line above it: lines are sorted by end');
    writes.see(operation, line, 'line');
    operations.push(operation);
    from = to + 1;
  }
  return operations;
}

/** A history as text, sorted by `end`; operations that end at once stay in their order. */
export function printHistory(operations: readonly Operation[]): string {
  return sortedByEnd(operations)
    .map((operation) => `${printOperation(operation)}\n`)
    .join('');
}

/** One line of a history, without its end. */
export function printOperation(operation: Operation): string {
  const fields: Record<string, unknown> = {};
  for (const name of FIELDS) if (operation[name] !== undefined) fields[name] = operation[name];
  return JSON.stringify(fields);
}

/** The order that checkers and files want. */
function sortedByEnd(operations: readonly Operation[]): Operation[] {
  return operations.toSorted((left, right) => left.end - right.end);
}

/** What the checkers stand on: a value is written to a key once. What was certainly not done may be tried again. */
export class DistinctWrites {
  readonly #places: Map<string, Map<string, number>> = new Map();

  /** Throws HISTORY where the value was written before; `at` and `unit` say where in the history this is. */
  see({ op, key, value, ok }: Operation, at: number, unit: 'line' | 'operation'): void {
    if ((op !== 'write' && op !== 'cas') || ok === false || value === null) return;
    let places = this.#places.get(key);
    if (places === undefined) this.#places.set(key, (places = new Map<string, number>()));
    const before = places.get(value);
    if (before !== undefined)
      throw wrong(
        `${unit} ${at}`,
        `writes ${brief(value)} to ${brief(key)}, as ${unit} ${before} did: values are unique`,
      );
    places.set(value, at);
  }
}

function wrong(where: string, what: string, cause?: unknown): CausewayError {
  return new CausewayError('HISTORY', `${where}: ${what}`, cause === undefined ? {} : { cause });
}

/** A text from outside as an error may show it. */
function brief(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}

function operationOf(line: string, where: string): Operation {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    throw wrong(where, line.trim() === '' ? 'empty' : `not JSON: ${brief(line)}`, cause);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw wrong(where, 'not a JSON object');
  const fields = parsed as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(fields).find((name) => !FIELDS.has(name as keyof Operation));
  if (unknown !== undefined) throw wrong(where, `no field is called ${brief(unknown)}`);
  return new Fields(fields, where).operation();
}

/** The fields of one line, each looked at for what it must be. */
class Fields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #where: string;

  constructor(fields: Readonly<Record<string, unknown>>, where: string) {
    this.#fields = fields;
    this.#where = where;
  }

  operation(): Operation {
    const op = this.#oneOf(KINDS, 'op') as OperationKind;
    const ok = this.#oneOf(new Set([true, false, null]), 'ok') as boolean | null;
    const [start, end] = [this.#time('start'), this.#time('end')];
    if (end < start) throw this.#wrong('end', 'not before start');
    const error = this.#text('error');
    if (error !== undefined && ok === true) throw this.#wrong('error', 'absent where ok is true');
    const dot = this.#text('dot');
    if (dot !== undefined && !DOT.test(dot)) throw this.#wrong('dot', 'origin:sequence');
    return {
      client: this.#name('client'),
      region: this.#name('region'),
      op,
      key: this.#text('key') ?? this.#missing('key'),
      ...this.#values(op, ok),
      start,
      end,
      ok,
      level: this.#oneOf(LEVELS, 'level') as OperationLevel,
      ...(error === undefined ? {} : { error }),
      ...(dot === undefined ? {} : { dot }),
    };
  }

  #values(op: OperationKind, ok: boolean | null): Pick<Operation, 'value' | 'expected' | 'result' | 'expires'> {
    const value = this.#value('value') ?? null;
    const expected = this.#value('expected');
    const result = this.#value('result');
    const expires = this.#fields['expires'] === undefined ? undefined : this.#time('expires');
    if (op === 'read' && ok === true) this.#mustHave('value', 'what was found, or null');
    if (op === 'del' && value !== null) throw this.#wrong('value', 'null for a del');
    if ((op === 'write' || op === 'cas') && value === null) throw this.#wrong('value', 'what is written');
    if (op === 'incr' && !INTEGER.test(value ?? '')) throw this.#wrong('value', 'a whole number');
    if (op === 'cas') this.#mustHave('expected', 'what must be there, or null');
    else if (expected !== undefined) throw this.#wrong('expected', 'absent but for a cas');
    if (result !== undefined && (op !== 'incr' || ok !== true)) throw this.#wrong('result', 'absent but for an incr');
    if (result !== undefined && !INTEGER.test(result ?? '')) throw this.#wrong('result', 'a whole number');
    if (expires !== undefined && op !== 'write') throw this.#wrong('expires', 'absent but for a write');
    return {
      value,
      ...(expected === undefined ? {} : { expected }),
      ...(typeof result === 'string' ? { result } : {}),
      ...(expires === undefined ? {} : { expires }),
    };
  }

  #mustHave(name: string, expected: string): void {
    if (this.#fields[name] === undefined) throw this.#wrong(name, expected);
  }

  /** A text or null; a whole number is its decimal text. */
  #value(name: string): string | null | undefined {
    const value = this.#fields[name];
    if (value === undefined || value === null || typeof value === 'string') return value;
    if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
    throw this.#wrong(name, 'a text, a whole number or null');
  }

  #text(name: string): string | undefined {
    const value = this.#fields[name];
    if (value === undefined || typeof value === 'string') return value;
    throw this.#wrong(name, 'a text');
  }

  #name(name: string): string {
    const text = this.#text(name);
    return text === undefined || text === '' ? this.#missing(name) : text;
  }

  #missing(name: string): never {
    throw this.#wrong(name, 'a text that is not empty');
  }

  #time(name: string): number {
    const value = this.#fields[name];
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
    throw this.#wrong(name, 'nanoseconds, 0 or more');
  }

  #oneOf(choice: ReadonlySet<unknown>, name: string): unknown {
    const value = this.#fields[name];
    if (choice.has(value)) return value;
    throw this.#wrong(name, [...choice].map((each) => JSON.stringify(each)).join(' or '));
  }

  #wrong(name: string, expected: string): CausewayError {
    const value = this.#fields[name];
    return wrong(
      this.#where,
      `${name}: expected ${expected}, got ${value === undefined ? 'nothing' : brief(JSON.stringify(value))}`,
    );
  }
}
