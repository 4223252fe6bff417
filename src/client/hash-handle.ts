import { integerOf, listOf, numberOf, pairsOf, type Reply } from './replies.ts';
import type { ReadPart } from './near-part-read.ts';
import type { CallOptions } from './request.ts';
import type { Values } from './values.ts';

/** What lies near of a hash: all of it, and fields by their names. */
const ALL = 'all';
const FIELD = 'field:';

/** A hash: fields that are written and merge one by one. Values of fields go through the codec of the key. */
export class HashHandle<T = unknown> {
  readonly key: string;
  readonly #values: Values;

  constructor(values: Values, key: string) {
    this.#values = values;
    this.key = key;
  }

  /** A field's value, null where it is not there. */
  async get(field: string, options: CallOptions = {}): Promise<T | null> {
    options.signal?.throwIfAborted();
    const near = this.#nearField(field);
    if (near !== null) return this.#values.turns.hit(near.value as T | null);
    const partsOf = (reply: Reply): ReadPart[] => [this.#part(field, reply)];
    const reply = await this.#values.readParts(['HGET', this.key, field], this.key, options, partsOf);
    return this.#values.decode<T>(this.key, reply);
  }

  async getMany(fields: readonly string[], options: CallOptions = {}): Promise<(T | null)[]> {
    options.signal?.throwIfAborted();
    const near = fields.map((field) => this.#nearField(field));
    if (near.length > 0 && near.every((part) => part !== null))
      return this.#values.turns.hit(near.map(({ value }) => value as T | null));
    const partsOf = (reply: Reply): ReadPart[] => listOf(reply).map((value, at) => this.#part(fields[at] ?? '', value));
    const reply = listOf(await this.#values.readParts(['HMGET', this.key, ...fields], this.key, options, partsOf));
    return fields.map((_, index) => this.#values.decode<T>(this.key, reply[index]));
  }

  async getAll(options: CallOptions = {}): Promise<Map<string, T>> {
    options.signal?.throwIfAborted();
    const near = this.#values.nearPart(this.key, ALL);
    if (near !== null) return this.#values.turns.hit(new Map(near.value as readonly (readonly [string, T])[]));
    const all = (reply: Reply): [string, T][] =>
      pairsOf(reply).map(([field, value]) => [field, this.#values.decode<T>(this.key, value) as T]);
    const partsOf = (reply: Reply): ReadPart[] => [{ name: ALL, value: all(reply) }];
    return new Map(all(await this.#values.readParts(['HGETALL', this.key], this.key, options, partsOf)));
  }

  /** How many fields are new. */
  async set(fields: Readonly<Record<string, T>>, options: CallOptions = {}): Promise<number> {
    const pairs = Object.entries(fields).flatMap(([field, value]) => [field, this.#values.encode(this.key, value)]);
    return integerOf(await this.#write(['HSET', this.key, ...pairs], options));
  }

  /** How many of the fields were there. */
  async delete(fields: readonly string[], options: CallOptions = {}): Promise<number> {
    return integerOf(await this.#write(['HDEL', this.key, ...fields], options));
  }

  /** The field's number after adding; increments made in different regions add up. */
  async increment(field: string, by = 1, options: CallOptions = {}): Promise<number> {
    return numberOf(await this.#write(['HINCRBY', this.key, field, by], options));
  }

  async has(field: string, options: CallOptions = {}): Promise<boolean> {
    return integerOf(await this.#read(['HEXISTS', this.key, field], options)) === 1;
  }

  async size(options: CallOptions = {}): Promise<number> {
    return integerOf(await this.#read(['HLEN', this.key], options));
  }

  #nearField(field: string): { readonly value: unknown } | null {
    return this.#values.nearPart(this.key, FIELD + field);
  }

  #part(field: string, reply: Reply): ReadPart {
    return { name: FIELD + field, value: this.#values.decode<T>(this.key, reply) };
  }

  async #read(args: readonly (string | Uint8Array)[], options: CallOptions): Promise<Reply> {
    return this.#values.read(args, [this.key], options);
  }

  async #write(args: readonly (string | number | Uint8Array)[], options: CallOptions): Promise<Reply> {
    return this.#values.write(args, [this.key], options);
  }
}
