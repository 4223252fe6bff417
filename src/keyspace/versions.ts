import type { ByteRange } from '../base/bytes.ts';
import type { KeyVersion, StateVersion, WriteVersion } from '../clock/key-version.ts';
import { nodeOf, type Origin } from '../clock/origin.ts';
import { ContentType, type Entry } from '../crdt/entry.ts';
import type { FlushMark } from '../crdt/string-content.ts';
import { compareWrites, type StampedDot } from '../crdt/update.ts';
import { ContentHash } from './content-hash.ts';
import { NO_SLOT, type KeptSiblings, type Slot } from './keyspace.ts';
import { NOBODY } from './weak-writes.ts';

/** What never leaves its node has an order that begins anew with each start of that: none to rely on. */
const isOfNobody = (write: StampedDot): boolean => nodeOf(write.origin as Origin) === NOBODY;

function writeVersion({ stamp, origin, seq }: StampedDot): WriteVersion {
  return { stamp, origin, seq };
}

/** The version of a string of which nothing is known but its contents. */
export function stringVersion(text: string): StateVersion {
  const hash = new ContentHash();
  hash.number(ContentType.String);
  hash.text(text);
  return { state: hash.hex() };
}

/** What versions are found by. */
export interface VersionedKeys {
  readonly flushMark: FlushMark | null;
  /** FLUSHALL leaves what is pinned. */
  readonly kinds: { readonly isPinned: (key: ByteRange) => boolean };
  /** The slot of a key, visible or not. */
  slotOf(key: ByteRange, hash: number): Slot;
  /** The one write that a string is, where that is known without opening it; null for all else. */
  registerAt(slot: Slot): StampedDot | null;
  entryAt(slot: Slot): Entry;
  siblingsAt(slot: Slot): KeptSiblings;
}

/** Which states keys show (SPEC S5). */
export class KeyVersions {
  readonly #keys: VersionedKeys;

  constructor(keys: VersionedKeys) {
    this.#keys = keys;
  }

  /** The version of what a slot shows. Of what is no plain string it takes as long as reading all of it. */
  at(slot: Slot): KeyVersion {
    const register = this.#keys.registerAt(slot);
    if (register !== null && !isOfNobody(register)) return writeVersion(register);
    const entry = this.#keys.entryAt(slot);
    const { string, type } = entry;
    if (type === ContentType.String && !string.keepsSiblings && string.increments === null && !isOfNobody(string))
      return writeVersion(string);
    const hash = new ContentHash();
    hash.number(type);
    hash.content(entry);
    // concurrent writes of the same value are others than one of them
    if (type === ContentType.String && string.keepsSiblings) {
      for (const { origin, seq } of string.registers) hash.text(`${origin}-${seq}`);
      hash.text(this.#keys.siblingsAt(slot).shown.text);
    }
    return { state: hash.hex() };
  }

  /** Of a key that shows nothing: the write that took it away, or that has expired, or the FLUSHALL above it; null where none is known any more. */
  floorOf(key: ByteRange, hash: number): WriteVersion | null {
    const flushMark = this.#keys.kinds.isPinned(key) ? null : this.#keys.flushMark;
    const slot = this.#keys.slotOf(key, hash);
    const last = slot === NO_SLOT ? null : (this.#keys.registerAt(slot) ?? this.#keys.entryAt(slot).string);
    if (last === null || last.stamp === 0 || isOfNobody(last))
      return flushMark === null ? null : writeVersion(flushMark);
    const isFlushed =
      flushMark !== null && compareWrites(flushMark.stamp, flushMark.origin, last.stamp, last.origin) > 0;
    return writeVersion(isFlushed ? flushMark : last);
  }
}
