import { connect, type Socket } from 'node:net';
import { REPLY_BYTES_MAX } from '../base/client-limits.ts';
import { textOf, type Push, type Reply } from '../client/replies.ts';
import { NOT_YET, ReplyParser } from '../client/reply-parser.ts';
import { CausewayError } from '../errors.ts';
import { formatAddress, type Address } from '../server/address.ts';
import { ReplyError } from '../wire/resp/reply-values.ts';

/** A reply that says that a command failed; the first word of its message is the code. */
export class RespError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RespError';
  }
}

/** A reply of RESP2; bulk strings are read as UTF-8. */
export type RespValue = string | number | null | RespError | readonly RespValue[];

/** The elements of a reply that is an array, none of any other. */
export function listOf(reply: RespValue | undefined): readonly RespValue[] {
  return Array.isArray(reply) ? (reply as readonly RespValue[]) : [];
}

/** Whom a password is of; with the name it is also taken by a node that has none. */
const DEFAULT_USER = 'default';

/** Reads RESP2 replies from chunks as they come. */
export class RespParser {
  readonly #replies = new ReplyParser(REPLY_BYTES_MAX);

  push(chunk: Buffer): void {
    this.#replies.push(chunk);
  }

  /** The next whole reply, undefined when there is none yet. Throws PROTOCOL, and LIMIT for one that is too long. */
  next(): RespValue | undefined {
    const reply = this.#replies.next();
    return reply === NOT_YET ? undefined : valueOf(reply);
  }
}

function valueOf(reply: Reply | Push): RespValue {
  if (reply === null || typeof reply === 'string' || typeof reply === 'number') return reply;
  if (typeof reply === 'bigint') return Number(reply);
  if (reply instanceof Uint8Array) return textOf(reply);
  if (reply instanceof ReplyError) return new RespError(reply.text);
  if (Array.isArray(reply)) return (reply as readonly Reply[]).map(valueOf);
  throw new CausewayError('PROTOCOL', 'a reply of RESP3, which nobody asked for');
}

interface Waiting {
  resolve(value: RespValue): void;
  reject(error: Error): void;
}

/** One connection to a Redis-speaking server, for the command line. Commands may be sent before earlier ones are answered. */
export class RespClient {
  readonly #socket: Socket;
  readonly #parser = new RespParser();
  readonly #waiting: Waiting[] = [];
  #failure: CausewayError | null = null;

  private constructor(socket: Socket, name: string, timeoutMs: number) {
    this.#socket = socket;
    socket.setTimeout(timeoutMs);
    // Silence is no failure while nothing was asked.
    socket.on('timeout', () => {
      if (this.#waiting.length > 0) socket.destroy(new Error(`no reply within ${timeoutMs} ms`));
    });
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (cause) => this.#fail(new CausewayError('ERR', `${name}: ${cause.message}`, { cause })));
    socket.on('close', () => this.#fail(new CausewayError('ERR', `${name} closed the connection`)));
  }

  /**
   * `timeoutMs` bounds connecting and every wait for a reply; a password, where one is given, is said first. Throws ERR
   * that names the address, or RespError when the password is not taken.
   */
  static async connect(address: Address, timeoutMs = 5_000, password?: string): Promise<RespClient> {
    const name = formatAddress(address);
    const socket = connect({ ...address, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.removeAllListeners('error');
        resolve();
      });
      socket.once('error', (cause) => {
        clearTimeout(timer);
        reject(new CausewayError('ERR', `cannot connect to ${name}: ${cause.message}`, { retry: 'later', cause }));
      });
    });
    const client = new RespClient(socket, name, timeoutMs);
    try {
      if (password !== undefined) await client.send('AUTH', DEFAULT_USER, password);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  /** The reply to a command. Throws RespError when that is an error, ERR when the connection fails. */
  async send(...args: readonly (string | number | Uint8Array)[]): Promise<RespValue> {
    if (this.#failure !== null) throw this.#failure;
    const reply = new Promise<RespValue>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#socket.write(encodeCommand(args));
    const value = await reply;
    if (value instanceof RespError) throw value;
    return value;
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    try {
      this.#parser.push(chunk);
      for (let value = this.#parser.next(); value !== undefined; value = this.#parser.next()) {
        this.#waiting.shift()?.resolve(value);
      }
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #fail(error: CausewayError): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure);
  }
}

/** A command as an array of bulk strings. */
export function encodeCommand(args: readonly (string | number | Uint8Array)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = typeof arg === 'object' ? Buffer.from(arg) : Buffer.from(String(arg));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}
