import { writeLatin1, type ByteRange } from '../base/bytes.ts';
import { NO_ELEMENT } from '../crdt/element-table.ts';
import type { HashContent } from '../crdt/hash-content.ts';
import type { SetContent } from '../crdt/set-content.ts';
import type { HashReader, SetReader } from './keyspace.ts';

/** Hands texts out as views of one scratch buffer, reused at the next call. */
class Scratch {
  #buf: Uint8Array = new Uint8Array(256);

  into(text: string, range: ByteRange): void {
    if (text.length > this.#buf.length) this.#buf = new Uint8Array(Math.max(text.length, this.#buf.length * 2));
    range.set(this.#buf, 0, writeLatin1(text, this.#buf, 0));
  }
}

/** Hands out strings, and readers over hash and set contents. A reader is made a call: two sets can be read side by side. */
export class ContainerReaders {
  readonly #values: Scratch = new Scratch();
  readonly #texts: Scratch = new Scratch();

  text(text: string, into: ByteRange): void {
    this.#texts.into(text, into);
  }

  hash(content: HashContent): HashReader {
    const values = this.#values;
    const valueInto = (position: number, into: ByteRange): void => {
      if (!content.valueInto(position, into)) values.into(content.textAt(position), into);
    };
    return {
      get size(): number {
        return content.size;
      },
      has: (field) => content.find(field) !== NO_ELEMENT,
      get: (field, into) => {
        const position = content.find(field);
        if (position === NO_ELEMENT) return false;
        valueInto(position, into);
        return true;
      },
      at: (index, field, value) => {
        content.nameInto(index, field);
        valueInto(index, value);
      },
    };
  }

  set(content: SetContent): SetReader {
    return {
      get size(): number {
        return content.size;
      },
      has: (member) => content.has(member),
      at: (index, member) => content.nameInto(index, member),
    };
  }
}
