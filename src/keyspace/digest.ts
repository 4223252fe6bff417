import { latin1Range } from '../base/bytes.ts';
import { ContentType, type Entry } from '../crdt/entry.ts';
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
class Digest {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  add(key: string, entry: Entry): void {
    const hash = new KeyHash();
    hash.text(key);
    hash.number(entry.type);
    hash.text(entry.expiryMs === Infinity ? '' : String(entry.expiryMs));
    if (entry.type === ContentType.String) {
      for (const text of entry.string.texts()) hash.text(text);
    } else if (entry.type === ContentType.Hash && entry.hash !== null) {
      for (const name of sortedNames(entry.hash)) {
        hash.text(name);
        hash.text(entry.hash.textAt(entry.hash.find(latin1Range(name))));
      }
    } else if (entry.type === ContentType.Document && entry.document !== null) {
      hash.text(entry.document.canonicalText());
    } else if (entry.set !== null) {
      for (const member of sortedNames(entry.set)) hash.text(member);
    }
    this.#a = (this.#a + hash.a) >>> 0;
    this.#b = (this.#b + hash.b) >>> 0;
    this.#c = (this.#c + Math.imul(hash.a ^ 0x9e3779b9, hash.b | 1)) >>> 0;
    this.#d = (this.#d + Math.imul(hash.b ^ 0x85ebca6b, hash.a | 1)) >>> 0;
  }

  /** 32 hex digits. */
  hex(): string {
    return [this.#a, this.#b, this.#c, this.#d].map((part) => part.toString(16).padStart(8, '0')).join('');
  }
}

function sortedNames(elements: { readonly size: number; nameAt(position: number): string }): string[] {
  return Array.from({ length: elements.size }, (_unused, at) => elements.nameAt(at)).sort();
}

/** Two lanes of multiply and rotate over the characters (after bryc's cyrb53), with lengths so that parts cannot run together. */
class KeyHash {
  a = 0xdeadbeef;
  b = 0x41c6ce57;

  number(value: number): void {
    this.a = Math.imul(this.a ^ value, 2_654_435_761);
    this.b = Math.imul(this.b ^ value, 1_597_334_677);
  }

  text(text: string): void {
    this.number(text.length + 1);
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      this.a = Math.imul(this.a ^ code, 2_654_435_761);
      this.b = Math.imul(this.b ^ code, 1_597_334_677);
    }
    this.a = Math.imul(this.a ^ (this.a >>> 16), 2_246_822_507) ^ Math.imul(this.b ^ (this.b >>> 13), 3_266_489_909);
    this.b = Math.imul(this.b ^ (this.b >>> 16), 2_246_822_507) ^ Math.imul(this.a ^ (this.a >>> 13), 3_266_489_909);
  }
}
