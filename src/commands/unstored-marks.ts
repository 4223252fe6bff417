import { ByteRange, latin1Bytes, latin1Of, latin1Range } from '../base/bytes.ts';
import { systemKey } from '../base/system-keys.ts';
import { ContentType, NO_SLOT, type KeyspaceReader, type TransactionWriter } from '../keyspace/keyspace.ts';

/** What a source is to have of a key. */
export interface SourceContent {
  /** Null where the key is removed. Nobody changes the bytes. */
  readonly value: Uint8Array | null;
  /** `stamp-origin-seq` of the write; empty where several make up the value. */
  readonly version: string;
}

const VALUE = 'v';
const REMOVED = 'd';
const VERSION_END = ' ';

/**
 * What a node has still to store, in a system key of its own (SPEC C8): a field for each key. It is written in the transaction of the write itself, so it is on
 * disk and at the other nodes together with that; and it is taken away once the source took it.
 */
export class UnstoredMarks {
  readonly #keys: KeyspaceReader;
  readonly #nodeId: string;

  constructor(keys: KeyspaceReader, nodeId: string) {
    this.#keys = keys;
    this.#nodeId = nodeId;
  }

  set(tx: TransactionWriter, key: string, { value, version }: SourceContent): void {
    const range = rangeOf(this.#nodeId);
    const text = `${value === null ? REMOVED : VALUE}${version}${VERSION_END}${value === null ? '' : latin1Of(value, 0, value.length)}`;
    tx.hashSet(range, this.#keys.hashOf(range), latin1Range(key), latin1Range(text));
  }

  delete(tx: TransactionWriter, key: string): void {
    const range = rangeOf(this.#nodeId);
    tx.hashDelete(range, this.#keys.hashOf(range), latin1Range(key));
  }

  /** All that this node has marked, also in earlier lives: the oldest first as far as that is known. */
  all(nowMs: number): [key: string, content: SourceContent][] {
    const range = rangeOf(this.#nodeId);
    const slot = this.#keys.find(range, this.#keys.hashOf(range), nowMs);
    if (slot === NO_SLOT || this.#keys.typeOf(slot) !== ContentType.Hash) return [];
    const hash = this.#keys.hashAt(slot);
    const [key, value] = [new ByteRange(), new ByteRange()];
    return Array.from({ length: hash.size }, (_, at) => {
      hash.at(at, key, value);
      return [key.toLatin1(), contentOf(value.toLatin1())] as const;
    }).flatMap(([name, content]) => (content === null ? [] : [[name, content]]));
  }
}

/** Whether one of the nodes removed a key and its source may not know it yet: what it says of it is old. */
export function isBeingRemoved(
  keys: KeyspaceReader,
  nodeIds: readonly string[],
  key: ByteRange,
  nowMs: number,
): boolean {
  const mark = new ByteRange();
  return nodeIds.some((nodeId) => {
    const range = rangeOf(nodeId);
    const slot = keys.find(range, keys.hashOf(range), nowMs);
    if (slot === NO_SLOT || keys.typeOf(slot) !== ContentType.Hash) return false;
    return keys.hashAt(slot).get(key, mark) && mark.toLatin1().startsWith(REMOVED);
  });
}

const rangeOf = (nodeId: string): ByteRange => latin1Range(systemKey('unstored', nodeId));

/** Null for what is none of ours. */
function contentOf(text: string): SourceContent | null {
  const end = text.indexOf(VERSION_END);
  const kind = text[0];
  if (end < 0 || (kind !== VALUE && kind !== REMOVED)) return null;
  return { value: kind === REMOVED ? null : latin1Bytes(text.slice(end + 1)), version: text.slice(1, end) };
}
