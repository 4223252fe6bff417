import { replayReply } from '../support/replay-reply.ts';
import type { ByteRange } from '../../src/base/bytes.ts';
import type { Reply } from '../../src/commands/context.ts';
import type { ReplyValue } from '../conformance/reply-value.ts';

interface OpenGroup {
  readonly kind: 'array' | 'set' | 'push' | 'map';
  readonly items: ReplyValue[];
  missing: number;
}

/** A `Reply` that keeps what a command said as a tree, and notices a command that says too little or too much. */
export class RecordingReply implements Reply {
  readonly respVersion: 2 | 3;
  readonly #open: OpenGroup[] = [];
  #done: ReplyValue | null = null;

  constructor(respVersion: 2 | 3) {
    this.respVersion = respVersion;
  }

  mark(): number {
    throw new Error('commands do not take replies back');
  }
  truncate(): void {
    this.mark();
  }

  retract(): void {
    this.#done = null;
  }

  /** The one reply. */
  take(): ReplyValue {
    if (this.#done === null || this.#open.length > 0) throw new Error('the command did not finish its reply');
    return this.#done;
  }

  #add(value: ReplyValue): void {
    let complete: ReplyValue | null = value;
    while (complete !== null) {
      const group = this.#open.at(-1);
      if (group === undefined) {
        if (this.#done !== null) throw new Error('the command replied twice');
        this.#done = complete;
        return;
      }
      group.items.push(complete);
      group.missing--;
      complete = group.missing === 0 ? group : null;
      if (complete !== null) this.#open.pop();
    }
  }

  #group(kind: OpenGroup['kind'], missing: number): void {
    if (missing === 0) this.#add({ kind, items: [] });
    else this.#open.push({ kind, items: [], missing });
  }

  raw(buf: Uint8Array, start: number, end: number): void {
    replayReply(buf.subarray(start, end), this);
  }

  ok(): void {
    this.simple('OK');
  }
  simple(text: string): void {
    this.#add({ kind: 'simple', text });
  }
  error(code: string, message: string): void {
    this.#add({ kind: 'error', text: `${code} ${message}` });
  }
  integer(value: number | bigint): void {
    this.#add({ kind: 'integer', text: String(value) });
  }
  bulk(value: ByteRange): void {
    this.bulkText(value.toLatin1());
  }
  bulkText(text: string): void {
    this.#add({ kind: 'bulk', text });
  }
  null(): void {
    this.#add({ kind: 'null' });
  }
  nullArray(): void {
    this.#add(this.respVersion === 2 ? { kind: 'null-array' } : { kind: 'null' });
  }
  array(length: number): void {
    this.#group('array', length);
  }
  map(pairs: number): void {
    this.#group(this.respVersion === 2 ? 'array' : 'map', pairs * 2);
  }
  set(length: number): void {
    this.#group(this.respVersion === 2 ? 'array' : 'set', length);
  }
  push(length: number): void {
    this.#group('push', length);
  }
  double(value: number): void {
    this.#add(this.respVersion === 2 ? { kind: 'bulk', text: String(value) } : { kind: 'double', text: String(value) });
  }
  boolean(value: boolean): void {
    if (this.respVersion === 2) this.integer(value ? 1 : 0);
    else this.#add({ kind: 'boolean', text: value ? 't' : 'f' });
  }
  verbatim(text: string): void {
    this.#add(this.respVersion === 2 ? { kind: 'bulk', text } : { kind: 'verbatim', text });
  }
}
