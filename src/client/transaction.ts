import { randomUUID } from 'node:crypto';
import { CausewayError } from '../errors.ts';
import { ReplyError } from '../wire/resp/reply-values.ts';
import { durationMs, type Duration } from './client-options.ts';
import { errorOf, listOf, plainOf, tooLong, type Reply } from './replies.ts';
import type { Argument } from './request-bytes.ts';
import type { OwnConnection } from './transport.ts';
import type { Values } from './values.ts';

const ATTEMPTS = 16;

export interface TransactionOptions {
  /** Keys that must not change between the reads and the end: else all of it is done again. */
  readonly watch?: readonly string[];
  /** How often it may be begun. 16. */
  readonly attempts?: number;
  readonly deadlineMs?: number;
}

export interface TransactionResult<T> {
  /** What the function returned, of the time that counted. */
  readonly value: T;
  /** What each command that it queued replied, in plain values. */
  readonly replies: readonly unknown[];
}

/** What the function of a transaction works with: reads are answered at once, writes happen together at the end, or none. */
export class Transaction {
  readonly #connection: OwnConnection;
  readonly #values: Values;
  readonly queued: (readonly Argument[])[] = [];
  readonly written: string[] = [];

  constructor(connection: OwnConnection, values: Values) {
    this.#connection = connection;
    this.#values = values;
  }

  async get<T = unknown>(key: string): Promise<T | null> {
    return this.#values.decode<T>(key, await this.read(['GET', key]));
  }

  /** Any command that reads, now. */
  async read(args: readonly Argument[]): Promise<Reply> {
    return answerOf(await this.#connection.ask(args));
  }

  set(key: string, value: unknown, { ttl }: { readonly ttl?: Duration } = {}): void {
    const expiry = ttl === undefined ? [] : ['PX', durationMs('ttl', ttl)];
    this.write(['SET', key, this.#values.encode(key, value), ...expiry], [key]);
  }

  del(...keys: readonly string[]): void {
    this.write(['DEL', ...keys], keys);
  }

  increment(key: string, by = 1): void {
    this.write(['INCRBY', key, by], [key]);
  }

  /** Any command that writes the keys, at the end. */
  write(args: readonly Argument[], keys: readonly string[]): void {
    this.queued.push(args);
    this.written.push(...keys);
  }
}

/**
 * Runs a function whose reads and writes belong together (WATCH, MULTI, EXEC). Where a watched key changed meanwhile it is run again from its beginning, so what else it does has to
 * bear that. Throws CHANGED when the attempts are used up, and UNCERTAIN where the answer to the end of it was lost; of strong keys it is judged in their one order, of others by what the node shows.
 */
export async function runTransaction<T>(
  values: Values,
  deadlineMs: number,
  body: (transaction: Transaction) => Promise<T> | T,
  options: TransactionOptions,
): Promise<TransactionResult<T>> {
  const { watch = [], attempts = ATTEMPTS } = options;
  const endMs = performance.now() + deadlineMs;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const leftMs = Math.ceil(endMs - performance.now());
    if (leftMs <= 0) break;
    const result = await values.transport.withOwn(leftMs, async (connection) => once(values, connection, watch, body));
    if (result !== null) return result;
  }
  throw new CausewayError('CHANGED', `watched keys (${watch.join(', ')}) changed each time: nothing was written`, {
    retry: 'now',
  });
}

/** Null where a watched key changed. */
async function once<T>(
  values: Values,
  connection: OwnConnection,
  watch: readonly string[],
  body: (transaction: Transaction) => Promise<T> | T,
): Promise<TransactionResult<T> | null> {
  const transaction = new Transaction(connection, values);
  let isOpen = watch.length > 0;
  try {
    if (isOpen) answerOf(await connection.ask(['WATCH', ...watch]));
    const value = await body(transaction);
    const { queued, written } = transaction;
    if (queued.length === 0) return { value, replies: [] };
    isOpen = false;
    const replies = await exec(connection, queued, connection.isStrong(written));
    return replies === null ? null : { value, replies: replies.map(plainOf) };
  } finally {
    if (isOpen) await connection.ask(['UNWATCH']).catch(() => undefined);
    for (const key of transaction.written) values.transport.near?.written(key);
  }
}

async function exec(
  connection: OwnConnection,
  queued: readonly (readonly Argument[])[],
  isStrong: boolean,
): Promise<readonly Reply[] | null> {
  for (const args of queued) {
    const refusal = tooLong(args, connection.bulkBytesMax);
    if (refusal !== null) throw refusal;
  }
  const name = isStrong ? [['CW.ONCE', randomUUID(), Date.now()]] : [];
  const asked = [['MULTI'], ...name, ...queued, ['EXEC']].map(async (args) => connection.ask(args));
  const ends = await Promise.allSettled(asked);
  const last = ends.at(-1);
  if (last === undefined || last.status === 'rejected') {
    const unread = ends.find((end) => end.status === 'fulfilled' && end.value instanceof ReplyError);
    // the server ends the connection of a request that it cannot read: EXEC did not come to it
    if (unread?.status === 'fulfilled' && unread.value instanceof ReplyError) throw errorOf(unread.value);
    const cause: unknown = last?.reason;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CausewayError('UNCERTAIN', `the transaction may have happened: ${why}`, { cause });
  }
  if (last.value instanceof ReplyError) {
    // of a request that was refused the reason was said when it was queued
    const refused = ends.find((end) => end.status === 'fulfilled' && end.value instanceof ReplyError);
    throw errorOf(refused?.status === 'fulfilled' && refused.value instanceof ReplyError ? refused.value : last.value);
  }
  return last.value === null ? null : listOf(last.value);
}

function answerOf(reply: Reply): Reply {
  if (reply instanceof ReplyError) throw errorOf(reply);
  return reply;
}
