import type { EntryState } from '../crdt/entry.ts';
import { isSiblingsState } from '../crdt/string-forms.ts';
import type { Slot } from './keyspace.ts';

/** A key with its state at the cut. */
export type SnapshotEntry = readonly [key: string, state: EntryState];

/** What a cursor needs of the store under it. */
export interface SnapshotSource {
  readonly slotCount: number;
  stateAt(slot: Slot): SnapshotEntry | null;
}

/**
 * An exact cut of the keyspace that is read bit by bit while updates go on (RULES D6): a slot that changes before the cursor came
 * by is copied first. Cheap while nothing changes, one copy a changed key at most.
 */
export class SnapshotCursor {
  readonly #source: SnapshotSource;
  readonly #end: number;
  readonly #copied: Set<Slot> = new Set();
  readonly #copies: SnapshotEntry[] = [];
  #position = 0;

  constructor(source: SnapshotSource) {
    this.#source = source;
    this.#end = source.slotCount;
  }

  /** To be called before a slot changes or is reused. */
  beforeChange(slot: Slot): void {
    if (slot < this.#position || slot >= this.#end || this.#copied.has(slot)) return;
    this.#copied.add(slot);
    const state = this.#source.stateAt(slot);
    if (state !== null) this.#copies.push(state);
  }

  /** The next entries of the cut, at least one, until `entriesMax` or about `bytesMax` are reached; null at the end. */
  next(entriesMax: number, bytesMax: number): SnapshotEntry[] | null {
    const entries: SnapshotEntry[] = [];
    for (let bytes = 0; entries.length < entriesMax && bytes < bytesMax;) {
      const entry = this.#copies.pop() ?? this.#nextInPlace();
      if (entry === null) break;
      entries.push(entry);
      bytes += approximateBytes(entry);
    }
    return entries.length === 0 ? null : entries;
  }

  #nextInPlace(): SnapshotEntry | null {
    while (this.#position < this.#end) {
      const slot = this.#position++;
      if (this.#copied.delete(slot)) continue;
      const entry = this.#source.stateAt(slot);
      if (entry !== null) return entry;
    }
    return null;
  }
}

/** Bytes reckoned for a write beside its text: stamp and dot. */
const WRITE_BYTES = 24;

const EMPTY = new Uint8Array(0);

/** About how long an entry is once it is encoded. */
function approximateBytes([key, [string, hash, set, , document]]: SnapshotEntry): number {
  let bytes = key.length + WRITE_BYTES;
  const registers = string === null ? [] : isSiblingsState(string) ? string[0] : [string];
  for (const [value] of registers) bytes += WRITE_BYTES + (value?.length ?? 0);
  for (const [field, writes] of hash ?? []) bytes += field.length + WRITE_BYTES + (writes[0]?.[0].length ?? 0);
  for (const [member] of set ?? []) bytes += member.length + WRITE_BYTES;
  const [, , base, content, edits] = document?.[3] ?? [null, null, null, EMPTY, []];
  bytes += content.length + (base?.length ?? 0);
  for (const [, , , command, , carried] of edits) bytes += command.length + (carried?.length ?? 0) + WRITE_BYTES;
  return bytes;
}
