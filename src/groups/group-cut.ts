import type { Slot } from '../keyspace/keyspace.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import type { SnapshotCursor, SnapshotEntry } from '../keyspace/snapshot-cursor.ts';
import type { GroupKeyState, GroupMeta } from './group-state.ts';
import type { RequestRow } from './request-table.ts';
import type { SlotVersions } from './slot-versions.ts';

/**
 * A group's whole state at one log index, read bit by bit while entries go on being applied (RULES T5): a key that changes before
 * the cut came by is copied first. To be closed: until then each change looks whether to copy.
 */
export class GroupCut {
  readonly meta: GroupMeta;
  readonly #keyspace: SlabKeyspace;
  readonly #cursor: SnapshotCursor;
  /** Of the keys that the cursor took and that were not read yet. */
  readonly #versions: Map<string, number> = new Map();
  readonly #rows: readonly RequestRow[];
  #rowsRead = 0;

  constructor(
    meta: GroupMeta,
    keyspace: SlabKeyspace,
    versions: Pick<SlotVersions, 'at'>,
    rows: readonly RequestRow[],
  ) {
    this.meta = meta;
    this.#keyspace = keyspace;
    this.#rows = rows;
    const stateAt = (slot: Slot): SnapshotEntry | null => {
      const entry = keyspace.stateAt(slot);
      // as of now: the entry that is being applied notes its version after its change
      if (entry !== null) this.#versions.set(entry[0], versions.at(slot));
      return entry;
    };
    this.#cursor = keyspace.openSnapshot({ slotCount: keyspace.slotCount, stateAt });
  }

  /** The next keys, at least one, until so many or about so many bytes; null at their end. */
  nextKeys(entriesMax: number, bytesMax: number): (readonly [key: string, state: GroupKeyState])[] | null {
    const entries = this.#cursor.next(entriesMax, bytesMax);
    if (entries === null) return null;
    return entries.map(([key, state]) => {
      const version = this.#versions.get(key) ?? 0;
      this.#versions.delete(key);
      return [key, [version, state]] as const;
    });
  }

  /** The next rows of the requests, by the same bounds; null at their end. */
  nextRows(rowsMax: number, bytesMax: number): readonly RequestRow[] | null {
    const from = this.#rowsRead;
    for (let bytes = 0; this.#rowsRead < this.#rows.length && this.#rowsRead - from < rowsMax && bytes < bytesMax;)
      bytes += this.#rows[this.#rowsRead++]?.kept?.reply.length ?? 0;
    return this.#rowsRead === from ? null : this.#rows.slice(from, this.#rowsRead);
  }

  close(): void {
    this.#keyspace.closeSnapshot(this.#cursor);
  }
}
