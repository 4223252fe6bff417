import { Update } from '../crdt/update.ts';
import type { ChunkMemory } from './chunk-memory.ts';
import { ColumnsReader } from './columns-reader.ts';
import { columnsOf, ColumnsBuilder } from './columns.ts';
import { FRAME_ROOM_BYTES } from './peer-frames.ts';

/** Encoded columns of so many transactions. */
export interface EncodedColumns {
  readonly bytes: Uint8Array;
  readonly first: number;
  readonly last: number;
}

/** Empty between two calls; one that grows anew for each takes several times what comes of it. */
const builder: ColumnsBuilder = new ColumnsBuilder();
const update: Update = new Update();
const add = (each: Update): void => builder.add(each);

/** Checked columns that follow each other without a gap or an overlap, as one, with `FRAME_ROOM_BYTES` of room in front. */
export function joinColumns(parts: readonly EncodedColumns[], memory: ChunkMemory | null = null): Uint8Array {
  for (const { bytes, first, last } of parts) {
    const columns = columnsOf(bytes);
    if (builder.append(columns, last - first + 1)) continue;
    const reader = new ColumnsReader(columns);
    for (let seq = first; seq <= last; seq++) {
      builder.begin(reader.stamp, reader.depsChanges());
      reader.next(update, add);
    }
  }
  return builder.take(FRAME_ROOM_BYTES, memory);
}
