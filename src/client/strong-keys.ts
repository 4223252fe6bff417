import { integerOf, listOf, plainOf, textOf } from './replies.ts';
import type { Argument } from './request-bytes.ts';
import type { CallOptions } from './request.ts';
import type { Values } from './values.ts';

/** A value with its age, as CW.GET tells it. */
export interface AgedValue<T> {
  readonly value: T | null;
  /** At most so old, in milliseconds; null where that is not known. */
  readonly ageMs: number | null;
  /** The node that answered. */
  readonly node: string;
}

export interface AgedOptions extends CallOptions {
  readonly level?: 'causal' | 'session' | 'strong';
  /** The copy on the node will do while it is known to be no older. */
  readonly maxStaleMs?: number;
}

/**
 * What only keys of a class `consistency: strong` have. Every write of one, by these or any other method, has a request id of its own: where an answer is lost it is asked
 * again under that id and happens once.
 */
export class StrongKeys {
  readonly #values: Values;

  constructor(values: Values) {
    this.#values = values;
  }

  /** The value with its age. At level `strong` also of a key whose class has a source: that is asked, and others read what it says from then on. */
  async get<T = unknown>(key: string, { level, maxStaleMs, ...options }: AgedOptions = {}): Promise<AgedValue<T>> {
    const args: Argument[] = ['CW.GET', key];
    if (level !== undefined) args.push('LEVEL', level);
    if (maxStaleMs !== undefined) args.push('MAXSTALE', maxStaleMs);
    const [value, age, node] = listOf(await this.#values.read(args, [key], options, { mayWait: true }));
    return {
      value: this.#values.decode<T>(key, value),
      ageMs: age === null ? null : integerOf(age),
      node: textOf(node),
    };
  }

  /** Replaces the value where it still is the expected one; keeps the expiry. */
  async compareAndSet(key: string, expected: unknown, value: unknown, options: CallOptions = {}): Promise<boolean> {
    const args = ['CW.CAS', key, this.#values.encode(key, expected), this.#values.encode(key, value)];
    return integerOf(await this.#values.write(args, [key], options)) === 1;
  }

  /** A number that rises with every write that changed the key, 0 where it is not there: a fencing token. */
  async version(key: string, options: CallOptions = {}): Promise<number> {
    return integerOf(await this.#values.read(['CW.VERSION', key], [key], options));
  }

  /** Runs a command on strong keys if the key still has the version; null and nothing happened where not. */
  async ifVersion(
    key: string,
    version: number,
    command: readonly Argument[],
    options: CallOptions = {},
  ): Promise<unknown> {
    return plainOf(await this.#values.write(['CW.IFVERSION', key, version, ...command], [key], options));
  }
}
