import { Update } from '../crdt/update.ts';
import { ColumnsReader } from './columns-reader.ts';
import { columnsOf, ColumnsBuilder } from './columns.ts';
import { FRAME_ROOM_BYTES } from './peer-frames.ts';

/** Encoded columns of so many transactions. */
export interface EncodedColumns {
  readonly bytes: Uint8Array;
  readonly first: number;
  readonly last: number;
}

/** Checked columns that follow each other without a gap or an overlap, as one, with `FRAME_ROOM_BYTES` of room in front. */
export function joinColumns(parts: readonly EncodedColumns[]): Uint8Array {
  const builder = new ColumnsBuilder();
  const update = new Update();
  const add = (each: Update): void => builder.add(each);
  for (const { bytes, first, last } of parts) {
    const reader = new ColumnsReader(columnsOf(bytes));
    for (let seq = first; seq <= last; seq++) {
      builder.begin(reader.stamp, reader.depsChanges());
      reader.next(update, add);
    }
  }
  return builder.take(FRAME_ROOM_BYTES);
}
