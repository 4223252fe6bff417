import { writeLatin1, type ByteRange } from '../base/bytes.ts';
import type { HashContent } from '../crdt/hash-content.ts';
import type { SetContent } from '../crdt/set-content.ts';
import type { HashReader, SetReader } from './keyspace.ts';

/** Hands texts out as views of one scratch buffer each, reused at the next call. */
class Scratch {
  #buf: Uint8Array = new Uint8Array(256);

  into(text: string, range: ByteRange): void {
    if (text.length > this.#buf.length) this.#buf = new Uint8Array(Math.max(text.length, this.#buf.length * 2));
    range.set(this.#buf, 0, writeLatin1(text, this.#buf, 0));
  }
}

/** Hands out strings, and readers over hash and set contents. A reader is made a call: two sets can be read side by side. */
export class ContainerReaders {
  readonly #names: Scratch = new Scratch();
  readonly #values: Scratch = new Scratch();
  readonly #texts: Scratch = new Scratch();

  text(text: string, into: ByteRange): void {
    this.#texts.into(text, into);
  }

  hash(content: HashContent): HashReader {
    const names = this.#names;
    const values = this.#values;
    return {
      get size(): number {
        return content.fields.size;
      },
      has: (field) => content.fields.has(field.toLatin1()),
      get: (field, into) => {
        const found = content.fields.get(field.toLatin1());
        if (found === undefined) return false;
        values.into(found.text(), into);
        return true;
      },
      at: (index, field, value) => {
        names.into(content.fields.keyAt(index), field);
        values.into(content.fields.valueAt(index).text(), value);
      },
    };
  }

  set(content: SetContent): SetReader {
    const names = this.#names;
    return {
      get size(): number {
        return content.members.size;
      },
      has: (member) => content.members.has(member.toLatin1()),
      at: (index, member) => names.into(content.members.keyAt(index), member),
    };
  }
}
