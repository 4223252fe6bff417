/** ioredis, or whatever sends commands as it does and gives bytes. */
export interface IoredisLike {
  callBuffer(command: string, ...args: (string | Buffer | number)[]): Promise<unknown>;
}

/** A session in the process of a node (`RunningServer.openSession`). */
export interface SessionLike {
  call(args: readonly (string | Uint8Array | number)[]): Promise<unknown>;
}

/** Our own client, made with the codec `raw` for the keys that are kept here. */
export interface ClientLike {
  get(key: string): Promise<unknown>;
  mget(keys: readonly string[]): Promise<readonly unknown[]>;
  set(key: string, value: Uint8Array, options?: { readonly ttl?: number }): Promise<unknown>;
  del(keys: readonly string[]): Promise<number>;
  scan(options: { readonly match: string }): AsyncIterable<string>;
  command(
    args: readonly (string | Uint8Array | number)[],
    options?: { readonly keys?: readonly string[] },
  ): Promise<unknown>;
}

/** What the integrations take: they need nothing that a Redis does not have. */
export type CacheClient = IoredisLike | SessionLike | ClientLike;

/** What they ask of it. */
export interface ByteCache {
  get(key: string): Promise<Uint8Array | null>;
  getMany(keys: readonly string[]): Promise<(Uint8Array | null)[]>;
  /** `ttlMs` above 0; null for ever. */
  set(key: string, value: Uint8Array, ttlMs: number | null): Promise<void>;
  /** How many of them were there. */
  delete(keys: readonly string[]): Promise<number>;
  /** Keys that begin with the prefix, some at a time. */
  keys(prefix: string): AsyncIterable<readonly string[]>;
  /** The reply to a command on a key (null for none). Throws the error that it is. */
  ask(key: string | null, ...args: readonly Argument[]): Promise<unknown>;
}

export type Argument = string | Uint8Array | number;

/** Places that one SCAN looks at. */
const SCAN_COUNT = 1_000;

export function byteCacheOf(client: CacheClient): ByteCache {
  if ('callBuffer' in client) {
    return new CommandCache(async ([command, ...args]) => {
      return await client.callBuffer(
        String(command),
        ...args.map((arg) => (arg instanceof Uint8Array ? Buffer.from(arg.buffer, arg.byteOffset, arg.length) : arg)),
      );
    });
  }
  if ('call' in client) return new CommandCache(async (args) => await client.call(args));
  return new ClientCache(client);
}

/** By commands and their replies. */
class CommandCache implements ByteCache {
  readonly #send: (args: readonly Argument[]) => Promise<unknown>;

  constructor(send: (args: readonly Argument[]) => Promise<unknown>) {
    this.#send = send;
  }

  async #ask(...args: readonly Argument[]): Promise<unknown> {
    const reply = await this.#send(args);
    // a session gives errors as values
    if (typeof reply === 'object' && reply !== null && 'code' in reply && 'message' in reply)
      throw new Error(`${String(reply.code)} ${String(reply.message)}`);
    return reply;
  }

  async ask(_key: string | null, ...args: readonly Argument[]): Promise<unknown> {
    return await this.#ask(...args);
  }

  async get(key: string): Promise<Uint8Array | null> {
    return bytesOrNull(await this.#ask('GET', key), key);
  }

  async getMany(keys: readonly string[]): Promise<(Uint8Array | null)[]> {
    if (keys.length === 0) return [];
    const values = listOf(await this.#ask('MGET', ...keys));
    return keys.map((key, at) => bytesOrNull(values[at] ?? null, key));
  }

  async set(key: string, value: Uint8Array, ttlMs: number | null): Promise<void> {
    await (ttlMs === null ? this.#ask('SET', key, value) : this.#ask('SET', key, value, 'PX', Math.ceil(ttlMs)));
  }

  async delete(keys: readonly string[]): Promise<number> {
    return keys.length === 0 ? 0 : Number(await this.#ask('DEL', ...keys));
  }

  async *keys(prefix: string): AsyncIterable<readonly string[]> {
    let cursor = '0';
    do {
      const [next, found] = listOf(
        await this.#ask('SCAN', cursor, 'MATCH', `${literalPattern(prefix)}*`, 'COUNT', SCAN_COUNT),
      );
      const keys = listOf(found).map(textOf);
      if (keys.length > 0) yield keys;
      cursor = textOf(next);
    } while (cursor !== '0');
  }
}

/** By our own client. */
class ClientCache implements ByteCache {
  readonly #client: ClientLike;

  constructor(client: ClientLike) {
    this.#client = client;
  }

  async ask(key: string | null, ...args: readonly Argument[]): Promise<unknown> {
    return await this.#client.command(args, key === null ? {} : { keys: [key] });
  }

  async get(key: string): Promise<Uint8Array | null> {
    return bytesOrNull(await this.#client.get(key), key);
  }

  async getMany(keys: readonly string[]): Promise<(Uint8Array | null)[]> {
    const values = await this.#client.mget(keys);
    return keys.map((key, at) => bytesOrNull(values[at] ?? null, key));
  }

  async set(key: string, value: Uint8Array, ttlMs: number | null): Promise<void> {
    await this.#client.set(key, value, ttlMs === null ? {} : { ttl: Math.ceil(ttlMs) });
  }

  async delete(keys: readonly string[]): Promise<number> {
    return keys.length === 0 ? 0 : await this.#client.del(keys);
  }

  async *keys(prefix: string): AsyncIterable<readonly string[]> {
    for await (const key of this.#client.scan({ match: `${literalPattern(prefix)}*` })) yield [key];
  }
}

/** A text that a pattern matches as it is. */
function literalPattern(text: string): string {
  return text.replace(/[*?[\]^\\-]/g, (char) => `\\${char}`);
}

function listOf(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? (reply as readonly unknown[]) : [];
}

export function textOf(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : String(value);
}

function bytesOrNull(value: unknown, key: string): Uint8Array | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`the value of '${key}' is no bytes: the client is to have the codec raw for its prefix`);
}
