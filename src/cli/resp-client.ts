import { connect, type Socket } from 'node:net';
import { CausewayError } from '../errors.ts';
import { formatAddress, type Address } from '../server/address.ts';

/** A reply that says that a command failed; the first word of its message is the code. */
export class RespError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RespError';
  }
}

/** A reply of RESP2; bulk strings are read as UTF-8. */
export type RespValue = string | number | null | RespError | readonly RespValue[];

const CR = 13;
const DEPTH_MAX = 32;
/** Whom a password is of; with the name it is also taken by a node that has none. */
const DEFAULT_USER = 'default';

/** Reads RESP2 replies from chunks as they come. */
export class RespParser {
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;

  push(chunk: Buffer): void {
    const rest = this.#buffer.subarray(this.#at);
    this.#buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    this.#at = 0;
  }

  /** The next whole reply, undefined when there is none yet. Throws PROTOCOL. */
  next(): RespValue | undefined {
    const start = this.#at;
    const value = this.#read(0);
    if (value === undefined) this.#at = start;
    return value;
  }

  #read(depth: number): RespValue | undefined {
    if (depth > DEPTH_MAX) throw new CausewayError('PROTOCOL', 'a reply is nested too deeply');
    const line = this.#line();
    if (line === undefined) return undefined;
    const rest = line.slice(1);
    switch (line[0]) {
      case '+':
        return rest;
      case '-':
        return new RespError(rest);
      case ':':
        return Number(rest);
      case '$':
        return this.#bulk(Number(rest));
      case '*':
        return this.#array(Number(rest), depth);
      default:
        throw new CausewayError('PROTOCOL', `not a RESP2 reply: ${line.slice(0, 40)}`);
    }
  }

  #line(): string | undefined {
    const end = this.#buffer.indexOf(CR, this.#at);
    if (end < 0 || end + 2 > this.#buffer.length) return undefined;
    const line = this.#buffer.toString('utf8', this.#at, end);
    this.#at = end + 2;
    return line;
  }

  #bulk(length: number): RespValue | undefined {
    if (length < 0) return null;
    const end = this.#at + length;
    if (end + 2 > this.#buffer.length) return undefined;
    const text = this.#buffer.toString('utf8', this.#at, end);
    this.#at = end + 2;
    return text;
  }

  #array(length: number, depth: number): RespValue | undefined {
    if (length < 0) return null;
    const items: RespValue[] = [];
    for (let i = 0; i < length; i += 1) {
      const item = this.#read(depth + 1);
      if (item === undefined) return undefined;
      items.push(item);
    }
    return items;
  }
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
