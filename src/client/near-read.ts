import { parseVersion, type KeyVersion } from '../clock/key-version.ts';
import { CausewayError } from '../errors.ts';
import { ReplyError } from '../wire/resp/reply-values.ts';
import type { Codecs } from './codec.ts';
import type { Fill, NearCache } from './near-cache.ts';
import { bytesOf, integerOf, listOf, textOf, type Reply } from './replies.ts';
import type { Argument } from './request-bytes.ts';
import type { Call } from './request.ts';

const NOT_THERE = -2;
const NO_EXPIRY = -1;

/** What a read of strings found of one key. */
export interface ReadValue {
  readonly bytes: Uint8Array | null;
  readonly version: KeyVersion | null;
  /** Until it expires, in milliseconds; Infinity where it does not, or nobody said. */
  readonly leftMs: number;
}

/**
 * A read of strings that fills the near cache where its reply is read. A node that gives versions is asked for them too (CW.READ), any other
 * one by GET or MGET.
 */
export class NearRead {
  readonly call: Pick<Call, 'leaving' | 'replied' | 'unanswered' | 'versioned'>;
  readonly #near: NearCache | null;
  readonly #codecs: Codecs;
  readonly #keys: readonly string[];
  readonly #kept: readonly string[];
  #fills: Map<string, Fill> = new Map();
  #isVersioned = false;

  constructor(near: NearCache | null, codecs: Codecs, keys: readonly string[], wantsVersions = false) {
    this.#near = near;
    this.#codecs = codecs;
    this.#keys = keys;
    this.#kept = near === null ? [] : keys.filter((key) => near.takes(key));
    this.call =
      this.#kept.length === 0 && !wantsVersions
        ? {}
        : {
            versioned: ['CW.READ', ...keys],
            leaving: (isMain, isVersioned) => this.#begin(isMain, isVersioned),
            replied: (reply) => this.#end(reply),
            unanswered: () => this.#giveUp(),
          };
  }

  get args(): readonly Argument[] {
    return [this.#keys.length === 1 ? 'GET' : 'MGET', ...this.#keys];
  }

  /** What the reply says of each key. Throws PROTOCOL, or WRONGTYPE for another type than string. */
  valuesOf(reply: Reply): readonly ReadValue[] {
    if (this.#isVersioned) return listOf(reply).map(versionedValue);
    const values = this.#keys.length === 1 ? [reply] : listOf(reply);
    return values.map((value) => ({ bytes: bytesOf(value), version: null, leftMs: Infinity }));
  }

  #begin(isMain: boolean, isVersioned: boolean): void {
    this.#isVersioned = isVersioned;
    const near = this.#near;
    if (isMain && near !== null) this.#fills = new Map(this.#kept.map((key) => [key, near.begin(key)]));
  }

  #end(reply: Reply): void {
    if (this.#fills.size > 0 && !(reply instanceof ReplyError)) {
      try {
        for (const [index, value] of this.valuesOf(reply).entries()) this.#fill(this.#keys[index] ?? '', value);
      } catch {
        // whoever reads it is told; here it is not kept
      }
    }
    this.#giveUp();
  }

  #fill(key: string, { bytes, version, leftMs }: ReadValue): void {
    const fill = this.#fills.get(key);
    if (fill === undefined || this.#near === null) return;
    this.#fills.delete(key);
    try {
      const value = bytes === null ? null : this.#codecs.decode(key, bytes);
      this.#near.end(fill, { bytes, value, version, leftMs });
    } catch {
      this.#near.giveUp(fill);
    }
  }

  #giveUp(): void {
    for (const fill of this.#fills.values()) this.#near?.giveUp(fill);
    this.#fills = new Map();
  }
}

/** One of CW.READ's: value, version, milliseconds left. */
function versionedValue(reply: Reply): ReadValue {
  const [value = null, version, left] = listOf(reply);
  const leftMs = integerOf(left);
  if (value === null && leftMs !== NOT_THERE)
    throw new CausewayError('WRONGTYPE', 'Operation against a key holding the wrong kind of value');
  const isForEver = leftMs === NO_EXPIRY || leftMs === NOT_THERE;
  return { bytes: bytesOf(value), version: parseVersion(textOf(version)), leftMs: isForEver ? Infinity : leftMs };
}
