import { toBase64url } from '../base/base64url.ts';
import { latin1Bytes } from '../base/bytes.ts';
import { utf8Text } from '../crdt/document-json.ts';
import { INVALIDATIONS_PER_MESSAGE, type MirrorLimits } from './limits.ts';

/**
 * Keys whose mirrored values changed, for programs that keep copies of them. A message is JSON:
 *
 *     {"node":"us-east-1/a","keys":["quote:AAPL"]}      these changed; one that is no UTF-8 is in "binary", in base64url
 *     {"node":"us-east-1/a","all":true}                 any may have
 */
export class Invalidations {
  readonly #limits: MirrorLimits;
  readonly #node: string;
  readonly #keys: Set<string> = new Set();
  #isAll = false;

  constructor(limits: MirrorLimits, node: string) {
    this.#limits = limits;
    this.#node = node;
  }

  get isWaiting(): boolean {
    return this.#isAll || this.#keys.size > 0;
  }

  add(key: string): void {
    if (this.#isAll) return;
    this.#keys.add(key);
    if (this.#keys.size > this.#limits.mirrorInvalidationsMax) this.addAll();
  }

  addAll(): void {
    this.#isAll = true;
    this.#keys.clear();
  }

  /** The next message; what it says is taken out. */
  take(): string {
    if (this.#isAll) {
      this.#isAll = false;
      return JSON.stringify({ node: this.#node, all: true });
    }
    const keys: string[] = [];
    const binary: string[] = [];
    for (const key of this.#keys) {
      if (keys.length + binary.length >= INVALIDATIONS_PER_MESSAGE) break;
      this.#keys.delete(key);
      const text = utf8Text(key);
      if (text === null) binary.push(toBase64url(latin1Bytes(key)));
      else keys.push(text);
    }
    return JSON.stringify({ node: this.#node, keys, ...(binary.length > 0 ? { binary } : {}) });
  }
}
