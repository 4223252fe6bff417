import { integerOf, listOf } from './replies.ts';
import type { CallOptions } from './request.ts';
import type { Values } from './values.ts';

/** A set: of concurrent changes of a member the adding wins. Members go through the codec of the key; the same value has to give the same bytes. */
export class SetHandle<T = unknown> {
  readonly key: string;
  readonly #values: Values;

  constructor(values: Values, key: string) {
    this.#values = values;
    this.key = key;
  }

  /** How many of the members are new. */
  async add(members: readonly T[], options: CallOptions = {}): Promise<number> {
    return integerOf(await this.#values.write(['SADD', this.key, ...this.#encoded(members)], [this.key], options));
  }

  /** How many of the members were there. */
  async delete(members: readonly T[], options: CallOptions = {}): Promise<number> {
    return integerOf(await this.#values.write(['SREM', this.key, ...this.#encoded(members)], [this.key], options));
  }

  async has(member: T, options: CallOptions = {}): Promise<boolean> {
    const args = ['SISMEMBER', this.key, ...this.#encoded([member])];
    return integerOf(await this.#values.read(args, [this.key], options)) === 1;
  }

  async members(options: CallOptions = {}): Promise<T[]> {
    const reply = listOf(await this.#values.read(['SMEMBERS', this.key], [this.key], options));
    return reply.map((member) => this.#values.decode<T>(this.key, member) as T);
  }

  async size(options: CallOptions = {}): Promise<number> {
    return integerOf(await this.#values.read(['SCARD', this.key], [this.key], options));
  }

  #encoded(members: readonly T[]): (string | Uint8Array)[] {
    return members.map((member) => this.#values.encode(this.key, member));
  }
}
