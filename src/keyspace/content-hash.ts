import { latin1Range } from '../base/bytes.ts';
import { ContentType, type Entry } from '../crdt/entry.ts';

/**
 * A hash of what a key shows: two lanes of multiply and rotate over the characters (after bryc's cyrb53), with lengths so that parts
 * cannot run together. It finds differences; it does not withstand an adversary.
 */
export class ContentHash {
  a = 0xdeadbeef;
  b = 0x41c6ce57;
  /** Characters that it is of. */
  length = 0;

  number(value: number): void {
    this.a = Math.imul(this.a ^ value, 2_654_435_761);
    this.b = Math.imul(this.b ^ value, 1_597_334_677);
  }

  text(text: string): void {
    this.number(text.length + 1);
    this.length += text.length;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      this.a = Math.imul(this.a ^ code, 2_654_435_761);
      this.b = Math.imul(this.b ^ code, 1_597_334_677);
    }
    this.a = Math.imul(this.a ^ (this.a >>> 16), 2_246_822_507) ^ Math.imul(this.b ^ (this.b >>> 13), 3_266_489_909);
    this.b = Math.imul(this.b ^ (this.b >>> 16), 2_246_822_507) ^ Math.imul(this.a ^ (this.a >>> 13), 3_266_489_909);
  }

  /** The logical value, of several siblings each; nothing of how it came about. */
  content(entry: Entry): void {
    if (entry.type === ContentType.String) {
      for (const text of entry.string.texts()) this.text(text);
    } else if (entry.type === ContentType.Hash && entry.hash !== null) {
      for (const name of sortedNames(entry.hash)) {
        this.text(name);
        this.text(entry.hash.textAt(entry.hash.find(latin1Range(name))));
      }
    } else if (entry.type === ContentType.Document && entry.document !== null) {
      this.text(entry.document.canonicalText());
    } else if (entry.set !== null) {
      for (const member of sortedNames(entry.set)) this.text(member);
    }
  }

  /** 16 hex digits. */
  hex(): string {
    return hexWords([this.a, this.b]);
  }
}

/** Each 32-bit number as 8 hex digits. */
export function hexWords(words: readonly number[]): string {
  return words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

function sortedNames(elements: { readonly size: number; nameAt(position: number): string }): string[] {
  return Array.from({ length: elements.size }, (_unused, at) => elements.nameAt(at)).sort();
}
