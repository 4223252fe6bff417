import { describe, expect, it } from 'vitest';
import { PEER_PROTOCOL } from '../../src/causal/peer-frames.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { PROTOCOL_1 } from './protocol-1.ts';
import { bytesOf, hexOf, sampleColumns, sampleFrames, sampleMeta, sampleState } from './sample-frames.ts';

/** Vectors and bytes as what they say, so that frames compare by value. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return hexOf(value);
  if (value instanceof VersionVector) return [...value.entries()];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
}

describe('bytes of protocol version 1', () => {
  it('is the version of today', () => {
    expect(PEER_PROTOCOL).toBe(1);
  });

  it.each(Object.values(sampleFrames))('a $type frame is written and read as it was released', (frame) => {
    expect(hexOf(peerCodec.encodeFrame(frame))).toBe(PROTOCOL_1[frame.type]);
    expect(plain(peerCodec.decodeFrame(bytesOf(PROTOCOL_1[frame.type])))).toEqual(plain(frame));
  });

  it('so are columns of the log, entries and the bookkeeping of the store', () => {
    expect(hexOf(peerCodec.encodeColumns(sampleColumns()))).toBe(PROTOCOL_1.columns);
    expect(plain(peerCodec.decodeColumns(bytesOf(PROTOCOL_1.columns), 2))).toEqual(plain(sampleColumns()));
    expect(hexOf(peerCodec.encodeState(sampleState))).toBe(PROTOCOL_1.state);
    expect(peerCodec.decodeState(bytesOf(PROTOCOL_1.state))).toEqual(sampleState);
    expect(hexOf(peerCodec.encodeMeta(sampleMeta))).toBe(PROTOCOL_1.meta);
    expect(peerCodec.decodeMeta(bytesOf(PROTOCOL_1.meta))).toEqual(sampleMeta);
  });
});
