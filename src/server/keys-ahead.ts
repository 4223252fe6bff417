import { ByteRange } from '../base/bytes.ts';
import type { KeyspaceReader } from '../keyspace/keyspace.ts';
import { REQUESTS_AHEAD_MAX, type AheadListener, type RequestsAhead } from '../wire/resp/requests-ahead.ts';

/** Of requests that came together: asks the memory for their keys before the first is run, so that it answers for all of them in the time of one. */
export class KeysAhead implements AheadListener {
  readonly #keys: KeyspaceReader;
  readonly #hashes: Int32Array = new Int32Array(REQUESTS_AHEAD_MAX);
  readonly #key: ByteRange = new ByteRange();

  constructor(keys: KeyspaceReader) {
    this.#keys = keys;
  }

  /** Nearly each command that has keys names one first. Where another does not, nothing is found for nothing. */
  found(ahead: RequestsAhead): void {
    const keys = this.#keys;
    const hashes = this.#hashes;
    let count = 0;
    for (let request = 0; request < ahead.count; request++) {
      if (!ahead.argument(request, 1, this.#key)) continue;
      const hash = keys.hashOf(this.#key);
      ahead.keyHashes[request] = hash;
      hashes[count++] = hash;
    }
    keys.readAhead(hashes, count);
  }
}
