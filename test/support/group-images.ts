import type { GroupState } from '../../src/groups/group-state.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';

/** All of a state, in one order: where its keys and rows stand is no part of it. */
export function imageBytes(state: GroupState): Buffer {
  const { entries, requests, meta } = state.snapshot();
  const keys = [...entries].toSorted(([left], [right]) => (left < right ? -1 : 1));
  const rows = Array.from(requests, (row) => [Buffer.from(groupCodec.encodeRequestRow(row)[0]), row] as const);
  const sorted = rows.toSorted(([left], [right]) => left.compare(right)).map(([, row]) => row);
  return Buffer.from(groupCodec.encodeSnapshot({ entries: keys, requests: sorted, meta }));
}
