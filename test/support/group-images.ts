import { latin1Bytes, latin1Of } from '../../src/base/bytes.ts';
import type { GroupImage, GroupKeyState, GroupState } from '../../src/groups/group-state.ts';
import type { RequestRow } from '../../src/groups/request-table.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';

/** The whole of a state as of now. */
export function imageOf(state: GroupState): GroupImage & {
  readonly entries: (readonly [key: string, state: GroupKeyState])[];
  readonly requests: RequestRow[];
} {
  const cut = state.openCut();
  const entries: (readonly [key: string, state: GroupKeyState])[] = [];
  const requests: RequestRow[] = [];
  for (let some = cut.nextKeys(3, Infinity); some !== null; some = cut.nextKeys(3, Infinity)) entries.push(...some);
  for (let some = cut.nextRows(3, Infinity); some !== null; some = cut.nextRows(3, Infinity)) requests.push(...some);
  cut.close();
  return { entries, requests, meta: cut.meta };
}

/** All of a state, in one order: where its keys and rows stand is no part of it. */
export function imageBytes(state: GroupState): Buffer {
  const { entries, requests, meta } = imageOf(state);
  const pairs = [
    ...entries.map(([key, each]) => [latin1Bytes(key), groupCodec.encodeKeyState(each)] as const),
    ...requests.map((row) => groupCodec.encodeRequestRow(row)),
  ].map(([key, value]) => [Buffer.from(key), Buffer.from(value ?? [])] as const);
  const sorted = pairs.toSorted(([left], [right]) => left.compare(right));
  return Buffer.concat([groupCodec.encodeMeta(meta), ...sorted.flat()]);
}

/** An image as it is after it was stored, or sent. */
export function throughBytes({ entries, requests, meta }: GroupImage): GroupImage {
  const encoded = Array.from(entries, ([key, each]) => [latin1Bytes(key), groupCodec.encodeKeyState(each)] as const);
  return {
    entries: encoded.map(([key, each]) => [latin1Of(key, 0, key.length), groupCodec.decodeKeyState(each)] as const),
    requests: Array.from(requests, (row) => {
      const [key, value] = groupCodec.encodeRequestRow(row);
      return groupCodec.decodeRequestRow(key, value ?? new Uint8Array(0));
    }),
    meta: groupCodec.decodeMeta(groupCodec.encodeMeta(meta)),
  };
}
