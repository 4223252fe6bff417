import { ByteRange } from '../base/bytes.ts';
import type { ColumnsKeys } from '../causal/columns-keys.ts';
import type { ColumnsReader } from '../causal/columns-reader.ts';
import type { Update } from '../crdt/update.ts';
import { READ_AHEAD_MAX, type KeyspaceReader } from '../keyspace/keyspace.ts';

/** Of updates that came together: asks the memory for the keys of the next ones before the first is applied, so that it answers for all of them in the time of one. */
export class AppliedAhead {
  readonly #keyspace: Pick<KeyspaceReader, 'hashOf' | 'readAhead'>;
  readonly #key: ByteRange = new ByteRange();
  readonly #hashes: Int32Array = new Int32Array(READ_AHEAD_MAX);
  readonly #starts: Int32Array = new Int32Array(READ_AHEAD_MAX);
  readonly #ends: Int32Array = new Int32Array(READ_AHEAD_MAX);
  #reader: ColumnsReader | null = null;
  #keys: ColumnsKeys | null = null;
  #at = 0;
  #count = 0;

  constructor(keyspace: Pick<KeyspaceReader, 'hashOf' | 'readAhead'>) {
    this.#keyspace = keyspace;
  }

  /** Transactions of a reader are applied next. */
  begin(reader: ColumnsReader): void {
    if (this.#reader === reader) return;
    this.#reader = reader;
    this.#keys = reader.keys();
    this.#at = this.#count = 0;
  }

  /** What was begun is at its end. */
  end(): void {
    this.#reader = this.#keys = null;
    this.#at = this.#count = 0;
  }

  /** Gives the reader's next update the hash of its key. */
  hash(update: Update): void {
    if (this.#at === this.#count) this.#find();
    const { key } = update;
    const at = this.#at++;
    // the reader may have passed some that came another way
    const isNext = at < this.#count && this.#starts[at] === key.start && this.#ends[at] === key.end;
    update.hash = isNext ? (this.#hashes[at] as number) : 0;
    if (!isNext) this.end();
  }

  #find(): void {
    this.#at = this.#count = 0;
    const [keyspace, keys, key] = [this.#keyspace, this.#keys, this.#key];
    if (keys === null) return;
    let count = 0;
    for (; count < READ_AHEAD_MAX && keys.next(key); count++) {
      this.#starts[count] = key.start;
      this.#ends[count] = key.end;
      this.#hashes[count] = keyspace.hashOf(key);
    }
    this.#count = count;
    keyspace.readAhead(this.#hashes, count);
  }
}
