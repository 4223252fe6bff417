import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { FRAME_ROOM_BYTES, type TransactionsFrame } from '../../src/causal/peer-frames.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { CausewayError } from '../../src/errors.ts';
import { checkShape } from '../../src/wire/msgpack-shape.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { frame, state } from './arbitrary-frames.ts';
import { PROTOCOL_1 } from './protocol-1.ts';
import { bytesOf, hexOf, sampleFrames } from './sample-frames.ts';

const anyFrame = frame(fc.uint8Array({ maxLength: 40 }));
const golden = Object.values(PROTOCOL_1).map(bytesOf);

/** Decodes as a frame, as columns, as an entry and as bookkeeping; whatever is thrown must be PROTOCOL. Says how many were taken. */
function decodeAsAll(bytes: Uint8Array): number {
  let taken = 0;
  const decoders = [
    () => peerCodec.decodeFrame(bytes),
    () => peerCodec.decodeColumns(bytes, 2),
    () => peerCodec.decodeState(bytes),
    () => peerCodec.decodeMeta(bytes),
  ];
  for (const decode of decoders) {
    try {
      decode();
      taken++;
    } catch (error) {
      if (!(error instanceof CausewayError) || error.code !== 'PROTOCOL') throw error;
    }
  }
  return taken;
}

describe('frames of any content', () => {
  it('read as what was written', () => {
    fc.assert(
      fc.property(anyFrame, (written) => {
        const bytes = peerCodec.encodeFrame(written);
        expect(hexOf(peerCodec.encodeFrame(peerCodec.decodeFrame(bytes)))).toBe(hexOf(bytes));
        expect(peerCodec.decodeFrame(bytes).type).toBe(written.type);
      }),
      runOptions(1_000, 5_000),
    );
  });

  it('of transactions are as msgpackr writes them, and the same in the memory of their columns', () => {
    const parts = fc.record({
      origin: fc.constantFrom(originOf(nodeNumber(64), 1), originOf(nodeNumber(4_000), 70_000)),
      first: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 53 - 2 ** 20 })),
      more: fc.constantFrom(0, 1, 127, 128, 255, 256, 65_535, 65_536),
      length: fc.constantFrom(0, 1, 255, 256, 65_535, 65_536, 70_000),
      asked: fc.boolean(),
    });
    const packr = new Packr({ useRecords: false });
    fc.assert(
      fc.property(parts, ({ origin, first, more, length, asked }) => {
        const memory = new Uint8Array(8 + FRAME_ROOM_BYTES + length).fill(0xaa);
        const bytes = memory.subarray(8 + FRAME_ROOM_BYTES);
        const written = { type: 'transactions', origin, first, last: first + more, asked, bytes } as const;
        const expected = hexOf(packr.pack([7, origin, first, more, asked ? 1 : 0, bytes]));
        expect(hexOf(peerCodec.encodeFrame(written))).toBe(expected);
        const inPlace = peerCodec.encodeFrame({ ...written, room: FRAME_ROOM_BYTES });
        expect(hexOf(inPlace)).toBe(expected);
        // one that was asked for is elsewhere
        expect(inPlace.buffer === memory.buffer).toBe(!asked);
        expect([...memory.subarray(0, 8)]).toEqual(Array.from({ length: 8 }, () => 0xaa));
        // as another encoder may write it, with a longer head
        const longer = Uint8Array.of(0xdc, 0, 6, ...inPlace.subarray(1));
        for (const received of [inPlace, longer]) {
          const read = peerCodec.decodeFrame(received) as TransactionsFrame;
          expect({ ...read, bytes: hexOf(read.bytes) }).toEqual({ ...written, bytes: hexOf(bytes) });
        }
        expect(() => peerCodec.decodeFrame(inPlace.subarray(0, -1))).toThrow(
          expect.objectContaining({ code: 'PROTOCOL' }) as Error,
        );
      }),
      runOptions(300, 3_000),
    );
  });

  it('entries too', () => {
    fc.assert(
      fc.property(state, (written) => {
        expect(peerCodec.decodeState(peerCodec.encodeState(written))).toEqual(written);
      }),
      runOptions(500, 5_000),
    );
  });
});

describe('hostile bytes', () => {
  it('give PROTOCOL: random ones', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeAsAll(bytes)),
      runOptions(3_000, 5_000),
    );
  });

  it('give PROTOCOL or a frame: good ones with bytes changed, put in and taken out', () => {
    let taken = 0;
    const edit = fc.record({
      at: fc.nat(400),
      kind: fc.nat(2),
      byte: fc.constantFrom(0, 1, 0x7f, 0x90, 0x91, 0xc0, 0xc1, 0xc4, 0xc6, 0xcb, 0xd4, 0xdc, 0xdd, 0xdf, 0xff),
    });
    fc.assert(
      fc.property(fc.constantFrom(...golden), fc.array(edit, { minLength: 1, maxLength: 4 }), (bytes, edits) => {
        const mutated = [...bytes];
        for (const { at, kind, byte } of edits)
          mutated.splice(at % (mutated.length + 1), kind === 2 ? 0 : 1, ...(kind === 1 ? [] : [byte]));
        taken += decodeAsAll(Uint8Array.from(mutated));
      }),
      runOptions(5_000, 8_000),
    );
    expect(taken).toBeGreaterThan(0);
  });

  it('give PROTOCOL: every good one cut anywhere, and with something after it', () => {
    for (const bytes of golden) {
      for (let end = 0; end < bytes.length; end++) expect(decodeAsAll(bytes.subarray(0, end))).toBe(0);
      expect(decodeAsAll(Uint8Array.of(...bytes, 0xc0))).toBe(0);
    }
  });

  it.each([
    ['a list of 2^32 − 1', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['a list of 2^24', [0xdd, 0x01, 0x00, 0x00, 0x00, ...Array.from({ length: 64 }, () => 0)]],
    ['a frame with a list of 2^28 in it', [0x93, 0x02, 0xdd, 0x10, 0x00, 0x00, 0x00, 0x90]],
    ['bytes of 2^32 − 1', [0xc6, 0xff, 0xff, 0xff, 0xff]],
    ['text of 2^31', [0xdb, 0x80, 0x00, 0x00, 0x00]],
    ['a map of 2^32 − 1', [0xdf, 0xff, 0xff, 0xff, 0xff, 1, 1]],
    ['a record definition', [0x91, 0xd4, 0x72, 0x40, 0x92, 0xa1, 0x61, 0xa1, 0x62, 1, 2]],
    ['a reference', [0x91, 0xd6, 0x70, 0, 0, 0, 1]],
  ])('give PROTOCOL without making room for it: %s', (_what, parts) => {
    const bytes = Uint8Array.from(parts);
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    expect(decodeAsAll(bytes)).toBe(0);
    expect(process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before).toBeLessThan(64 * 2 ** 20);
  });

  it('give PROTOCOL: two million lists in each other', () => {
    expect(decodeAsAll(new Uint8Array(2_000_000).fill(0x91))).toBe(0);
    // known before anything is decoded, whose stack it would take
    expect(() => checkShape(new Uint8Array(100).fill(0x91))).toThrow(/deeper than 16/);
  });

  it.each([0, -1, 2 ** 32, 2 ** 40, 1.5])('are incarnations that cannot be: %d', (incarnation) => {
    const { hello, rows } = sampleFrames;
    if (hello.type !== 'hello' || rows.type !== 'rows') throw new Error('samples have other types');
    const row = { ...rows.rows[0], incarnation } as (typeof rows.rows)[0];
    const knowing = { ...rows.rows[0], incarnations: [64, incarnation] } as (typeof rows.rows)[0];
    const hearing = { ...rows.rows[0], heard: [64, incarnation] } as (typeof rows.rows)[0];
    const floor = originOf(nodeNumber(64), 0);
    for (const hostile of [
      { ...hello, incarnation },
      { ...hello, applied: [[floor, incarnation] as const] },
      { ...rows, rows: [row] },
      { ...rows, rows: [knowing] },
      { ...rows, rows: [hearing] },
    ]) {
      expect(decodeAsAll(peerCodec.encodeFrame(hostile))).toBe(0);
    }
  });

  it('do not change how the next frame is read', () => {
    expect(decodeAsAll(Uint8Array.of(0x91, 0xd4, 0x72, 0x40, 0x92, 0xa1, 0x61, 0xa1, 0x62, 1, 2))).toBe(0);
    for (const bytes of golden.slice(0, 10))
      expect(hexOf(peerCodec.encodeFrame(peerCodec.decodeFrame(bytes)))).toBe(hexOf(bytes));
  });

  it('are no other kinds of values: dates, sets, patterns, maps, big integers, text that is no bytes', () => {
    const packr = new Packr({ structuredClone: true, moreTypes: true });
    for (const value of [new Date(0), new Set([1]), /a+/, new Map([[1, 2]]), new Error('e'), undefined]) {
      expect(decodeAsAll(packr.pack([5, value]))).toBe(0);
    }
    expect(decodeAsAll(packr.pack([9, [['\u{1F600}', [null, null, null, null]]]]))).toBe(0);
  });
});
