import { latin1Of, type ByteRange } from '../base/bytes.ts';
import { ContentType, NO_SLOT, type KeyspaceReader, type KeyUses, type Slot } from '../keyspace/keyspace.ts';
import { stringVersion } from '../keyspace/versions.ts';

/** Handles of values that are in no slot: below all others. */
const FIRST_SHOWN = -2;

/**
 * What a read sees that waited for keys which are not kept here: their values beside what the keyspace has, or nothing in their place.
 * It shows strings only, as that is what comes from outside.
 */
export class FetchedReader implements KeyspaceReader {
  readonly #keys: KeyspaceReader;
  /** A value that is not kept here has the version of its contents: no write of it is known. */
  readonly versions: KeyspaceReader['versions'] = {
    at: (slot) => {
      const value = this.#valueOf(slot);
      return value === null ? this.#keys.versions.at(slot) : stringVersion(latin1Of(value, 0, value.length));
    },
    floorOf: (key, hash) => this.#keys.versions.floorOf(key, hash),
  };
  /** A value that is not kept here is used nowhere. */
  readonly access: KeyUses = {
    touch: (slot) => {
      if (slot > FIRST_SHOWN) this.#keys.access.touch(slot);
    },
    idleSeconds: (slot) => (slot > FIRST_SHOWN ? this.#keys.access.idleSeconds(slot) : 0),
    uses: (slot) => (slot > FIRST_SHOWN ? this.#keys.access.uses(slot) : 0),
  };
  /** By key: the handle, `NO_SLOT` where nothing is to show. */
  readonly #slots: Map<string, Slot> = new Map();
  readonly #values: Uint8Array[] = [];

  constructor(keys: KeyspaceReader, shown: ReadonlyMap<string, Uint8Array | null>) {
    this.#keys = keys;
    for (const [key, value] of shown) this.#slots.set(key, value === null ? NO_SLOT : this.#add(value));
  }

  #add(value: Uint8Array): Slot {
    this.#values.push(value);
    return FIRST_SHOWN - (this.#values.length - 1);
  }

  find(key: ByteRange, hash: number, nowMs: number): Slot {
    const found = this.#keys.find(key, hash, nowMs);
    return this.#slots.get(key.toLatin1()) ?? found;
  }

  findToWrite(key: ByteRange, hash: number, nowMs: number): Slot {
    return this.#slots.get(key.toLatin1()) ?? this.#keys.findToWrite(key, hash, nowMs);
  }

  #valueOf(slot: Slot): Uint8Array | null {
    return slot > FIRST_SHOWN ? null : (this.#values[FIRST_SHOWN - slot] ?? null);
  }

  typeOf(slot: Slot): ContentType {
    return slot > FIRST_SHOWN ? this.#keys.typeOf(slot) : ContentType.String;
  }

  stringInto(slot: Slot, into: ByteRange): void {
    const value = this.#valueOf(slot);
    if (value === null) this.#keys.stringInto(slot, into);
    else into.set(value, 0, value.length);
  }

  countAt(slot: Slot): number | null {
    return slot > FIRST_SHOWN ? this.#keys.countAt(slot) : null;
  }

  expiryOf(slot: Slot): number {
    return slot > FIRST_SHOWN ? this.#keys.expiryOf(slot) : Infinity;
  }

  hashOf(key: ByteRange): number {
    return this.#keys.hashOf(key);
  }

  readAhead(hashes: Int32Array, count: number): void {
    this.#keys.readAhead(hashes, count);
  }

  siblingsAt(slot: Slot): ReturnType<KeyspaceReader['siblingsAt']> {
    return this.#keys.siblingsAt(slot);
  }

  hashAt(slot: Slot): ReturnType<KeyspaceReader['hashAt']> {
    return this.#keys.hashAt(slot);
  }

  setAt(slot: Slot): ReturnType<KeyspaceReader['setAt']> {
    return this.#keys.setAt(slot);
  }

  documentAt(slot: Slot): ReturnType<KeyspaceReader['documentAt']> {
    return this.#keys.documentAt(slot);
  }

  keyInto(slot: Slot, into: ByteRange): void {
    this.#keys.keyInto(slot, into);
  }

  get count(): number {
    return this.#keys.count;
  }

  get expiringCount(): number {
    return this.#keys.expiringCount;
  }

  get pendingCount(): number {
    return this.#keys.pendingCount;
  }

  scan(cursor: number, budget: number, nowMs: number, visit: (slot: Slot) => void): number {
    return this.#keys.scan(cursor, budget, nowMs, visit);
  }

  ordered(): ReturnType<KeyspaceReader['ordered']> {
    return this.#keys.ordered();
  }

  random(unit: number, nowMs: number): Slot {
    return this.#keys.random(unit, nowMs);
  }
}
