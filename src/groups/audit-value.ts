import { ByteRange, latin1Range } from '../base/bytes.ts';
import { ContentType } from '../crdt/entry.ts';
import type { Slot } from '../keyspace/keyspace.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import {
  sha256Hex,
  SHOWN_BYTES_MAX,
  SHOWN_PART_BYTES_MAX,
  shownBytes,
  shownRange,
  type Sha256,
  type ShownBytes,
} from './audit-text.ts';

/** So many fields or members are written into a record. */
export const SHOWN_PARTS_MAX = 64;

/** A field with its value, null where it is not there; a member with whether it is there. */
export type ShownPart = readonly [name: ShownBytes, value: ShownBytes | boolean | null];

interface ShownParts {
  readonly list: readonly ShownPart[];
  /** How many there are and the SHA-256 of all, where not all are shown. */
  readonly count?: number;
  readonly sha256?: string;
}

/** A key's value in a record; null where the key is not there. */
export type ShownValue =
  | { readonly type: 'string' | 'json'; readonly value: ShownBytes; readonly expiresMs?: number }
  | {
      readonly type: 'hash' | 'set';
      /** How many fields or members the key has. */
      readonly size: number;
      /** All of them, sorted, or only those that the entry wrote, as it wrote them. */
      readonly parts: 'all' | 'written';
      readonly shown: ShownParts;
      readonly expiresMs?: number;
    }
  | null;

/** A string or document of which a record has only the start and the SHA-256. */
export type LongValue = Extract<ShownValue, { type: 'string' | 'json' }>;

export function isLongValue(value: ShownValue): value is LongValue {
  return value !== null && 'value' in value && typeof value.value === 'object' && 'sha256' in value.value;
}

/** A part as it is: latin1, null for a field that is not there. */
export type Part = readonly [name: string, value: string | boolean | null];

/** What is read of the keys of a group for its audit, at the time of the entry that is applied. */
export class AuditLens {
  readonly #keyspace: SlabKeyspace;
  readonly #name: ByteRange = new ByteRange();
  readonly #value: ByteRange = new ByteRange();
  readonly #sha256: Sha256;
  nowMs = 0;

  constructor(keyspace: SlabKeyspace, sha256: Sha256) {
    this.#keyspace = keyspace;
    this.#sha256 = sha256;
  }

  /** What a long value is shown as from now on, that was shown as `value` and was not written since; null where the key is not there. */
  again(key: string, value: LongValue): LongValue | null {
    const slot = this.#find(key);
    if (slot < 0) return null;
    const { expiresMs: _, ...rest } = value;
    return { ...rest, ...this.#expires(slot) };
  }

  #find(key: string): Slot {
    return this.#keyspace.find(latin1Range(key), 0, this.nowMs);
  }

  /** Whether it is a hash or a set, of which a write concerns a part. */
  hasParts(key: string): boolean {
    const slot = this.#find(key);
    if (slot < 0) return false;
    const type = this.#keyspace.typeOf(slot);
    return type === ContentType.Hash || type === ContentType.Set;
  }

  /** One part as it is now. */
  part(key: string, name: string): Part {
    const slot = this.#find(key);
    const type = slot < 0 ? ContentType.None : this.#keyspace.typeOf(slot);
    if (type === ContentType.Set) return [name, this.#keyspace.setAt(slot).has(latin1Range(name))];
    if (type !== ContentType.Hash) return [name, null];
    const found = this.#keyspace.hashAt(slot).get(latin1Range(name), this.#value);
    return [name, found ? this.#value.toLatin1() : null];
  }

  /** All fields or members. */
  parts(key: string): Part[] {
    const slot = this.#find(key);
    if (slot < 0) return [];
    if (this.#keyspace.typeOf(slot) === ContentType.Set) {
      const members = this.#keyspace.setAt(slot);
      return Array.from({ length: members.size }, (_, index): Part => {
        members.at(index, this.#name);
        return [this.#name.toLatin1(), true];
      });
    }
    const fields = this.#keyspace.hashAt(slot);
    return Array.from({ length: fields.size }, (_, index): Part => {
      fields.at(index, this.#name, this.#value);
      return [this.#name.toLatin1(), this.#value.toLatin1()];
    });
  }

  /** The value as it is now, of a hash or set all its parts. */
  whole(key: string): ShownValue {
    return this.#shown(key, null);
  }

  /** Of a hash or set only these parts. */
  written(key: string, parts: readonly Part[]): ShownValue {
    return this.#shown(key, parts);
  }

  #shown(key: string, parts: readonly Part[] | null): ShownValue {
    const slot = this.#find(key);
    if (slot < 0) return null;
    const expires = this.#expires(slot);
    switch (this.#keyspace.typeOf(slot)) {
      case ContentType.String:
        this.#keyspace.stringInto(slot, this.#value);
        return { type: 'string', value: shownRange(this.#value, this.#sha256), ...expires };
      case ContentType.Hash:
        return { type: 'hash', size: this.#keyspace.hashAt(slot).size, ...this.#partsOf(key, parts), ...expires };
      case ContentType.Set:
        return { type: 'set', size: this.#keyspace.setAt(slot).size, ...this.#partsOf(key, parts), ...expires };
      default: {
        // members of an object come in another order on a member that got them by a snapshot
        const text = this.#keyspace.entryAt(slot).document?.canonicalText() ?? '';
        return { type: 'json', value: shownBytes(text, SHOWN_BYTES_MAX, this.#sha256), ...expires };
      }
    }
  }

  #expires(slot: Slot): { readonly expiresMs?: number } {
    const expiryMs = this.#keyspace.expiryOf(slot);
    return expiryMs === Infinity ? {} : { expiresMs: expiryMs };
  }

  /** Parts for a record. */
  shownParts(parts: readonly Part[]): ShownParts {
    return shownParts(parts, this.#sha256);
  }

  #partsOf(key: string, parts: readonly Part[] | null): { parts: 'all' | 'written'; shown: ShownParts } {
    return parts === null
      ? { parts: 'all', shown: this.shownParts(sortedParts(this.parts(key))) }
      : { parts: 'written', shown: this.shownParts(parts) };
  }
}

/** By the bytes of their names: a hash that came with a snapshot has them in another order. */
export function sortedParts(parts: readonly Part[]): Part[] {
  return parts.toSorted(([left], [right]) => (left < right ? -1 : 1));
}

/** The parts for a record: the first of them, and what they are as a whole where they are more. */
function shownParts(parts: readonly Part[], of: Sha256): ShownParts {
  const list = parts.slice(0, SHOWN_PARTS_MAX).map(([name, value]): ShownPart => {
    const shown = typeof value === 'string' ? shownBytes(value, SHOWN_PART_BYTES_MAX) : value;
    return [shownBytes(name, SHOWN_PART_BYTES_MAX), shown];
  });
  if (list.length === parts.length) return { list };
  return { list, count: parts.length, sha256: sha256Hex(parts.map(partText).join(''), of) };
}

/** With its lengths before it, so that no two lists have the same text. */
function partText([name, value]: Part): string {
  const text = typeof value === 'string' ? `${value.length}:${value}` : String(value);
  return `${name.length}:${name}${text}`;
}
