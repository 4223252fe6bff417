import type { Entry } from '../crdt/entry.ts';
import { ContentHash, hexWords } from './content-hash.ts';
import type { Slot } from './keyspace.ts';

/** The slots of a keyspace, as a digest reads them. */
interface DigestedSlots {
  readonly length: number;
  keyText(slot: Slot): string | null;
  entryAt(slot: Slot): Entry;
}

/** Of all keys that are shown. */
export function digestOf(slots: DigestedSlots, isShown: (slot: Slot) => boolean): string {
  const digest = new Digest();
  for (let slot = 0; slot < slots.length; slot++) {
    const key = isShown(slot) ? slots.keyText(slot) : null;
    if (key !== null) digest.add(key, slots.entryAt(slot));
  }
  return digest.hex();
}

/**
 * A digest of what a keyspace shows (SPEC S2): type, logical value and expiry of every key, and nothing of how it came about.
 * Each key is hashed on its own and the hashes are added, so the order of keys does not matter. It finds differences between
 * replicas; it does not withstand an adversary.
 */
export class Digest {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  /** Returns how many characters that took. */
  add(key: string, entry: Entry): number {
    const hash = hashOfKey(key, entry);
    this.#a = (this.#a + hash.a) >>> 0;
    this.#b = (this.#b + hash.b) >>> 0;
    this.#c = (this.#c + Math.imul(hash.a ^ 0x9e3779b9, hash.b | 1)) >>> 0;
    this.#d = (this.#d + Math.imul(hash.b ^ 0x85ebca6b, hash.a | 1)) >>> 0;
    return hash.length;
  }

  /** 32 hex digits. */
  hex(): string {
    return hexWords([this.#a, this.#b, this.#c, this.#d]);
  }
}

/** The same of one key that is shown: 16 hex digits. */
export function digestOfKey(key: string, entry: Entry): string {
  const { a, b } = hashOfKey(key, entry);
  return hexWords([a, b]);
}

function hashOfKey(key: string, entry: Entry): ContentHash {
  const hash = new ContentHash();
  hash.text(key);
  hash.number(entry.type);
  hash.text(entry.expiryMs === Infinity ? '' : String(entry.expiryMs));
  hash.content(entry);
  return hash;
}
