import { versionText } from '../clock/key-version.ts';
import { watchChanges, type Change, type WatchOptions } from './change-watch.ts';
import type { ClientFigures } from './client-events.ts';
import { durationMs, type ClientSettings, type Duration } from './client-options.ts';
import { DocumentHandle } from './document-handle.ts';
import { HashHandle } from './hash-handle.ts';
import { leasedLoad, type LeasedLoadOptions } from './leased-load.ts';
import { LoadOnce } from './load-once.ts';
import type { NearCache } from './near-cache.ts';
import { NearRead, type ReadValue } from './near-read.ts';
import { integerOf, listOf, numberOf, plainOf, textOf, type Reply } from './replies.ts';
import type { Argument } from './request-bytes.ts';
import type { CallOptions } from './request.ts';
import { SetHandle } from './set-handle.ts';
import { resolveSiblings, siblingsOf, type Decision, type ResolveOptions, type Siblings } from './siblings.ts';
import { StrongKeys } from './strong-keys.ts';
import { runTransaction, type Transaction, type TransactionOptions, type TransactionResult } from './transaction.ts';
import type { Transport } from './transport.ts';
import { Values } from './values.ts';

/** How a string is written. At most one of the conditions. */
export interface SetOptions extends CallOptions {
  readonly ttl?: Duration;
  /** The expiry that is there stays. */
  readonly keepTtl?: boolean;
  readonly ifAbsent?: boolean;
  readonly ifPresent?: boolean;
  /** Only over this value. */
  readonly ifEqual?: unknown;
}

export interface GetOrSetOptions<T> extends LeasedLoadOptions<T> {
  readonly signal?: AbortSignal;
}

/** A value and what is known of it. */
export interface ValueInfo<T> {
  readonly value: T | null;
  /** Whether it lay in this process or was asked for. */
  readonly level: 'near' | 'node';
  /** How long ago it was asked for; 0 from the node. */
  readonly ageMs: number;
  /** Served from the near cache while no node is connected, by `near.whenLost`. */
  readonly isStale: boolean;
  /** As of CW.VERSION: which state of the key this is. Null where the node gives none. */
  readonly version: string | null;
  readonly region: string | null;
  readonly node: string | null;
}

export interface ScanOptions extends CallOptions {
  /** A pattern as of KEYS. */
  readonly match?: string;
  /** About how many keys a request looks at. */
  readonly count?: number;
}

/**
 * A cache as a program uses it: the same calls to a cluster (`connect`) and to a replica in the process (`createNode`). Values go through the codec of their key. Calls reject with `CausewayError`, whose `code`
 * says what became of them: `UNCERTAIN` alone means that a write may have happened.
 */
export class Client {
  /** What only strong keys have. */
  readonly strong: StrongKeys;
  readonly #transport: Transport;
  readonly #values: Values;
  readonly #near: NearCache | null;
  readonly #deadlineMs: number;
  readonly #loads: LoadOnce;

  constructor(transport: Transport, settings: Pick<ClientSettings, 'codecs' | 'deadlineMs' | 'queueEntriesMax'>) {
    this.#transport = transport;
    this.#near = transport.near;
    this.#values = new Values(transport, settings.codecs);
    this.#deadlineMs = settings.deadlineMs;
    this.#loads = new LoadOnce(settings.queueEntriesMax);
    this.strong = new StrongKeys(this.#values);
  }

  // ── strings ──

  /** The value, null where the key shows nothing. */
  async get<T = unknown>(key: string, options: CallOptions = {}): Promise<T | null> {
    options.signal?.throwIfAborted();
    const near = this.getSync<T>(key);
    if (near !== undefined) return this.#values.turns.hit(near);
    const [found] = await this.#ask([key], options);
    return this.#decode<T>(key, found);
  }

  /**
   * The value if it lies in the near cache or in a node in the process, without waiting: undefined where it does not, null where the key shows nothing. Objects of the near cache are frozen.
   */
  getSync<T = unknown>(key: string): T | null | undefined {
    if (this.#near !== null) return this.#near.get(key) as T | null | undefined;
    if (this.#transport.readText === undefined || !this.#values.codecs.isText(key)) return undefined;
    const text = this.#transport.readText(key);
    return typeof text === 'string' ? this.#values.decode<T>(key, text) : text;
  }

  /** As `get`, with where the value is from and how old it is. */
  async getWithInfo<T = unknown>(key: string, options: CallOptions = {}): Promise<ValueInfo<T>> {
    const hit = this.#near?.find(key) ?? null;
    const { region, node } = this.#transport.figures;
    if (hit !== null) {
      const { ageMs, isStale, version } = hit;
      return this.#values.turns.hit({
        value: hit.value as T | null,
        level: 'near',
        ageMs,
        isStale,
        version,
        region,
        node,
      });
    }
    const [found] = await this.#ask([key], options, true);
    const version = found === undefined || found.version === null ? null : versionText(found.version);
    const { region: askedRegion, node: askedNode } = this.#transport.figures;
    const value = this.#decode<T>(key, found);
    return { value, level: 'node', ageMs: 0, isStale: false, version, region: askedRegion, node: askedNode };
  }

  async mget<T = unknown>(keys: readonly string[], options: CallOptions = {}): Promise<(T | null)[]> {
    const found = keys.map((key) => this.#near?.get(key));
    const missing = keys.filter((_, index) => found[index] === undefined);
    if (missing.length === 0) return this.#values.turns.hit(found as (T | null)[]);
    const asked = await this.#ask(missing, options);
    let next = 0;
    return found.map((value, index) =>
      value === undefined ? this.#decode<T>(keys[index] ?? '', asked[next++]) : (value as T | null),
    );
  }

  /** Whether it was written: false where a condition did not hold. */
  async set(key: string, value: unknown, options: SetOptions = {}): Promise<boolean> {
    const args: Argument[] = ['SET', key, this.#values.encode(key, value)];
    if (options.ttl !== undefined) args.push('PX', durationMs('ttl', options.ttl));
    if (options.keepTtl === true) args.push('KEEPTTL');
    if (options.ifAbsent === true) args.push('NX');
    if (options.ifPresent === true) args.push('XX');
    if (options.ifEqual !== undefined) args.push('IFEQ', this.#values.encode(key, options.ifEqual));
    return (await this.#values.write(args, [key], options)) !== null;
  }

  /** All of them or none, seen so by everybody. */
  async mset(values: Readonly<Record<string, unknown>>, options: CallOptions = {}): Promise<void> {
    const keys = Object.keys(values);
    if (keys.length === 0) return;
    const pairs = keys.flatMap((key) => [key, this.#values.encode(key, values[key])]);
    await this.#values.write(['MSET', ...pairs], keys, options);
  }

  /** How many of the keys were there. */
  async del(keys: string | readonly string[], options: CallOptions = {}): Promise<number> {
    return integerOf(await this.#onKeys('DEL', keys, options, true));
  }

  async exists(keys: string | readonly string[], options: CallOptions = {}): Promise<number> {
    return integerOf(await this.#onKeys('EXISTS', keys, options, false));
  }

  /** The number after adding, the nearest one past 2^53; increments made in different regions add up. Its value is written as other clients write it, whatever the codec. */
  async incr(key: string, by = 1, options: CallOptions = {}): Promise<number> {
    if (Number.isSafeInteger(by)) return numberOf(await this.#values.write(['INCRBY', key, by], [key], options));
    return Number(textOf(await this.#values.write(['INCRBYFLOAT', key, by], [key], options)));
  }

  /** False where the key shows nothing. */
  async expire(key: string, ttl: Duration, options: CallOptions = {}): Promise<boolean> {
    return integerOf(await this.#values.write(['PEXPIRE', key, durationMs('ttl', ttl)], [key], options)) === 1;
  }

  /** Milliseconds that the key has left: Infinity where it stays, null where it shows nothing. */
  async ttl(key: string, options: CallOptions = {}): Promise<number | null> {
    const ms = integerOf(await this.#values.read(['PTTL', key], [key], options));
    if (ms === -1) return Infinity;
    return ms < 0 ? null : ms;
  }

  /**
   * The value, or what `load` gives where there is none: one process loads a key at a time, in all regions (`once`), and the others wait for it. What it gives is kept unless somebody wrote or invalidated the key
   * since the load began, in any region; what was written counts then. Null from `load` is not kept. What `load` throws goes to all who wait for it in this process.
   */
  async getOrSet<T>(key: string, options: GetOrSetOptions<T>): Promise<T | null> {
    const { signal } = options;
    const found = await this.get<T>(key, { signal });
    if (found !== null) return found;
    const { ttl } = options;
    return this.#loads.run(key, signal, async () =>
      leasedLoad<T>(this.#values, {
        key,
        options,
        // what is near may not have heard of it yet
        read: async () => this.#decode<T>(key, (await this.#ask([key], {}))[0]),
        write: async (value) => this.set(key, value, { ...(ttl === undefined ? {} : { ttl }), ifAbsent: true }),
      }),
    );
  }

  /** Takes away, in all regions, what is old of keys, of all keys with a tag or of a pattern, also what is being loaded somewhere. How many keys the node took away. */
  async invalidate(
    kind: 'key' | 'tag' | 'pattern',
    names: string | readonly string[],
    options: CallOptions = {},
  ): Promise<number> {
    const list = typeof names === 'string' ? [names] : names;
    if (list.length === 0) return 0;
    const wrote = (): void => this.#near?.wroteAnything();
    const hooks = { leaving: wrote, replied: wrote, unanswered: wrote, mayWait: true };
    return integerOf(await this.#values.write(['CW.INVALIDATE', kind.toUpperCase(), ...list], [], options, hooks));
  }

  // ── by type ──

  hash<T = unknown>(key: string): HashHandle<T> {
    return new HashHandle<T>(this.#values, key);
  }

  setOf<T = unknown>(key: string): SetHandle<T> {
    return new SetHandle<T>(this.#values, key);
  }

  document(key: string): DocumentHandle {
    return new DocumentHandle(this.#values, key);
  }

  // ── of concurrent writes ──

  /** All concurrent writes of a string that are kept, where its class keeps them: `conflict: siblings`, or a resolver. */
  async siblings<T = unknown>(key: string, options: CallOptions = {}): Promise<Siblings<T>> {
    return siblingsOf<T>(this.#values, key, options);
  }

  /** Ends them by one write that has seen all; keeps the expiry. Throws CHANGED where `ifSiblings` are not what is there. */
  async resolve(key: string, decision: Decision, options: ResolveOptions = {}): Promise<void> {
    return resolveSiblings(this.#values, key, decision, options);
  }

  // ── of several ──

  /** Reads and writes that belong together; see `runTransaction`. */
  async transaction<T>(
    body: (transaction: Transaction) => Promise<T> | T,
    options: TransactionOptions = {},
  ): Promise<TransactionResult<T>> {
    return runTransaction(this.#values, options.deadlineMs ?? this.#deadlineMs, body, options);
  }

  /** Keys as SCAN gives them: all that are there throughout, some twice. It begins anew where the node in use changes. */
  async *scan({ match, count, ...options }: ScanOptions = {}): AsyncGenerator<string, void, undefined> {
    let cursor = '0';
    let { connects } = this.#transport.figures;
    do {
      const args = ['SCAN', cursor, ...(match === undefined ? [] : ['MATCH', match])];
      if (count !== undefined) args.push('COUNT', String(count));
      const [next, keys] = listOf(await this.#values.read(args, [], options));
      for (const key of listOf(keys)) yield textOf(key);
      cursor = this.#transport.figures.connects === connects ? textOf(next) : '0';
      if (this.#transport.figures.connects !== connects) ({ connects } = this.#transport.figures);
      else if (cursor === '0') return;
    } while (true);
  }

  /**
   * What the node in use shows anew of keys below a prefix (or several, none of which begins another; all keys where none is given), in causal order, from the first call of `next` on. Another node goes on where one
   * fails; what may have been missed is told as `lost`, and what is needed has to be read anew then. It ends when the program leaves it, with its signal's reason, and with Closed.
   */
  watch(prefix: string | readonly string[] = [], options: WatchOptions = {}): AsyncGenerator<Change, void, undefined> {
    const prefixes = typeof prefix === 'string' ? [prefix] : prefix;
    return watchChanges(this.#transport.openFeed, prefixes, options);
  }

  /**
   * Any command. Bytes of the reply as text, maps as objects of Map. Taken for a write, of any key, unless it is said to be a read; with `mayWait` it has a connection of its own
   * while it runs.
   */
  async command(
    args: readonly Argument[],
    options: CallOptions & {
      readonly isRead?: boolean;
      readonly mayWait?: boolean;
      readonly keys?: readonly string[];
    } = {},
  ): Promise<unknown> {
    const { isRead = false, mayWait = false, keys = [], ...call } = options;
    if (isRead) return plainOf(await this.#values.read(args, keys, call, { mayWait }));
    const wrote = (): void => this.#near?.wroteAnything();
    const hooks = keys.length > 0 ? {} : { leaving: wrote, replied: wrote, unanswered: wrote };
    return plainOf(await this.#values.write(args, keys, call, { mayWait, ...hooks }));
  }

  // ── of the client ──

  /** Gives up what this client has read and written so far, after `ConsistencyLost`: the next calls take the nodes as they are. */
  startSession(): void {
    this.#transport.startSession();
  }

  get figures(): ClientFigures {
    return this.#transport.figures;
  }

  /** What has no reply ends with Closed, or UNCERTAIN where it may have happened. Nothing is left behind. */
  async close(): Promise<void> {
    await this.#transport.close();
  }

  async #ask(keys: readonly string[], options: CallOptions, wantsVersions = false): Promise<readonly ReadValue[]> {
    const read = new NearRead(this.#near, this.#values.codecs, keys, wantsVersions);
    return read.valuesOf(await this.#values.read(read.args, keys, options, read.call));
  }

  #decode<T>(key: string, found: ReadValue | undefined): T | null {
    return this.#values.decode<T>(key, found?.bytes ?? null);
  }

  async #onKeys(
    command: string,
    keys: string | readonly string[],
    options: CallOptions,
    isWrite: boolean,
  ): Promise<Reply> {
    const list = typeof keys === 'string' ? [keys] : keys;
    if (list.length === 0) return 0;
    const args = [command, ...list];
    return isWrite ? this.#values.write(args, list, options) : this.#values.read(args, list, options);
  }
}
