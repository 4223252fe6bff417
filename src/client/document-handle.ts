import type { ReadPart } from './near-part-read.ts';
import { integerOf, textOf, type Reply } from './replies.ts';
import type { CallOptions } from './request.ts';
import type { Values } from './values.ts';

/** A JSON document, edited by paths (`$.limits.daily`): edits of different members and elements all stay. Always JSON, whatever the codec. */
export class DocumentHandle {
  readonly key: string;
  readonly #values: Values;

  constructor(values: Values, key: string) {
    this.#values = values;
    this.key = key;
  }

  /** What the path finds first; the whole without one. Undefined where there is nothing. */
  async get<T = unknown>(path = '$', options: CallOptions = {}): Promise<T | undefined> {
    options.signal?.throwIfAborted();
    const near = this.#values.nearPart(this.key, path);
    if (near !== null) return this.#values.turns.hit(near.value as T | undefined);
    const found = (reply: Reply): T | undefined => {
      if (reply === null) return undefined;
      const value = JSON.parse(textOf(reply)) as unknown;
      return path.startsWith('$') ? (value as T[])[0] : (value as T);
    };
    const partsOf = (reply: Reply): ReadPart[] => [{ name: path, value: found(reply) }];
    return found(await this.#values.readParts(['JSON.GET', this.key, path], this.key, options, partsOf));
  }

  /** Puts a value where the path leads; `$` makes the document. False where the path leads nowhere. */
  async set(path: string, value: unknown, options: CallOptions = {}): Promise<boolean> {
    const args = ['JSON.SET', this.key, path, JSON.stringify(value)];
    return (await this.#values.write(args, [this.key], options)) !== null;
  }

  /** RFC 7396: members of `patch` replace, null removes. */
  async merge(path: string, patch: unknown, options: CallOptions = {}): Promise<void> {
    await this.#values.write(['JSON.MERGE', this.key, path, JSON.stringify(patch)], [this.key], options);
  }

  /** How many values were removed. */
  async delete(path = '$', options: CallOptions = {}): Promise<number> {
    return integerOf(await this.#values.write(['JSON.DEL', this.key, path], [this.key], options));
  }

  /** The numbers at the path after adding; null for what is no number. */
  async increment(path: string, by: number, options: CallOptions = {}): Promise<(number | null)[]> {
    const reply = await this.#values.write(['JSON.NUMINCRBY', this.key, path, by], [this.key], options);
    const numbers = Array.isArray(reply) ? (reply as unknown) : (JSON.parse(textOf(reply)) as unknown);
    return (Array.isArray(numbers) ? numbers : [numbers]) as (number | null)[];
  }

  /** The lengths of the arrays at the path after appending. */
  async append(path: string, values: readonly unknown[], options: CallOptions = {}): Promise<(number | null)[]> {
    const args = ['JSON.ARRAPPEND', this.key, path, ...values.map((value) => JSON.stringify(value))];
    const reply = await this.#values.write(args, [this.key], options);
    return (Array.isArray(reply) ? reply : [reply]) as (number | null)[];
  }
}
