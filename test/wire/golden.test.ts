import { describe, expect, it } from 'vitest';
import { ColumnsReader } from '../../src/causal/columns-reader.ts';
import { PEER_PROTOCOL } from '../../src/causal/peer-frames.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { Update } from '../../src/crdt/update.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { PROTOCOL_1 } from './protocol-1.ts';
import { PROTOCOL_2 } from './protocol-2.ts';
import { bytesOf, hexOf, sampleColumns, sampleFrames, sampleMeta, sampleState } from './sample-frames.ts';

/** Vectors and bytes as what they say, so that frames compare by value. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return hexOf(value);
  if (value instanceof VersionVector) return [...value.entries()];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
}

/** Stamp, deps and updates of each of two transactions. */
function readColumns(bytes: Uint8Array): unknown[] {
  const reader = new ColumnsReader(peerCodec.decodeColumns(bytes, 2));
  const update = new Update();
  return [0, 1].map(() => {
    const deps = new VersionVector();
    reader.raiseDeps(deps);
    const { stamp } = reader;
    const updates: unknown[] = [];
    reader.next(update, ({ kind, key, field, value, atMs, baseOrigin, baseSeq }) => {
      updates.push([kind, key.toLatin1(), field.toLatin1(), value.toLatin1(), atMs, baseOrigin, baseSeq]);
    });
    return [stamp, [...deps.entries()], updates];
  });
}

describe('bytes of protocol version 2', () => {
  it('is the version of today', () => {
    expect(PEER_PROTOCOL).toBe(2);
  });

  it.each(Object.values(sampleFrames))('a $type frame is written and read as it was released', (frame) => {
    expect(hexOf(peerCodec.encodeFrame(frame))).toBe(PROTOCOL_2[frame.type]);
    expect(plain(peerCodec.decodeFrame(bytesOf(PROTOCOL_2[frame.type])))).toEqual(plain(frame));
  });

  it('so are columns of the log', () => {
    expect(hexOf(sampleColumns())).toBe(PROTOCOL_2.columns);
    const A = 64 * 2 ** 32 + 7;
    const B = 128 * 2 ** 32 + 221_000_000;
    const stamp = 219_000_000_000 * 4096 + 17;
    expect(readColumns(bytesOf(PROTOCOL_2.columns))).toEqual([
      [
        stamp,
        [
          [B, 42],
          [128 * 2 ** 32, 221_000_000],
        ],
        [
          [1, 'ke\xff', '', 'v\0', 1_800_000_000_123, 0, 0],
          [2, 'ke\xff', '', '', Infinity, 0, 0],
          [3, 'ke\xff', '', '', Infinity, 0, 0],
          [4, 'ke\xff', '', '-3', Infinity, A, 9],
          [5, 'ke\xff', '', '', Infinity, A, 9],
        ],
      ],
      [
        stamp + 5,
        [[B, 43]],
        [
          [6, 'ke\xff', 'field', 'v\0', Infinity, 0, 0],
          [7, 'ke\xff', 'field', '', Infinity, 0, 0],
          [8, 'ke\xff', 'field', '-3', Infinity, 0, 0],
          [9, 'ke\xff', 'field', '', Infinity, 0, 0],
          [10, 'ke\xff', 'field', '', Infinity, 0, 0],
          [11, '', '', '', Infinity, 0, 0],
          [12, '', 'field', 'v\0', Infinity, 0, 0],
          [13, '', '', '', 7, 0, 0],
        ],
      ],
    ]);
  });

  it('and entries and the bookkeeping of the store, which are those of version 1', () => {
    expect(hexOf(peerCodec.encodeState(sampleState))).toBe(PROTOCOL_1.state);
    expect(peerCodec.decodeState(bytesOf(PROTOCOL_1.state))).toEqual(sampleState);
    expect(hexOf(peerCodec.encodeMeta(sampleMeta))).toBe(PROTOCOL_1.meta);
    expect(peerCodec.decodeMeta(bytesOf(PROTOCOL_1.meta))).toEqual(sampleMeta);
  });
});

describe('a hello of protocol version 1', () => {
  it('is read, so that its sender is told which version is spoken here', () => {
    const hello = peerCodec.decodeFrame(bytesOf(PROTOCOL_1.hello));
    expect(plain(hello)).toEqual(plain({ ...sampleFrames.hello, protocol: 1 }));
  });
});
