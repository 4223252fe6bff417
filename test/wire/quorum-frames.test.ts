import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeNumber } from '../../src/clock/origin.ts';
import { CausewayError } from '../../src/errors.ts';
import type { LaneFrame, QuorumFrame } from '../../src/groups/strong-frames.ts';
import type { Entry, Message } from '../../src/quorum/messages.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';
import { packr } from '../../src/wire/msgpack-checks.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { flatMessage } from '../../src/wire/quorum-codec.ts';
import { decodeQuorumFrame, encodeQuorumFrame } from '../../src/wire/quorum-frames.ts';
import { runOptions } from '../support/fast-check-runs.ts';

/** As the general codec writes it. */
const packed = ({ group, message }: QuorumFrame): Uint8Array => packr.pack([1, group, flatMessage(message)]);

/** Near the ends of the forms that a number has. */
const count = fc.oneof(
  fc.constantFrom(0, 1, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
);
const node = fc.integer({ min: 1, max: 2 ** 20 - 1 }).map(nodeNumber);
const data = fc.oneof(
  { weight: 5, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  fc.constantFrom(255, 256, 65_535, 65_536).map((length) => new Uint8Array(length).fill(7)),
);
const entry: fc.Arbitrary<Entry> = fc.record({ index: count, term: count, kind: fc.constantFrom(1, 2, 3), data });
const base = { from: node, to: node, term: count };
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: fc.constant('append' as const),
    ...base,
    previousIndex: count,
    previousTerm: count,
    entries: fc.array(entry, { maxLength: 18 }),
    commit: count,
    round: count,
  }),
  fc.record({
    type: fc.constant('append-response' as const),
    ...base,
    isAccepted: fc.boolean(),
    previousIndex: count,
    index: count,
    conflictTerm: count,
    round: count,
  }),
);
const group = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('us-east-1/region', 'x', '', 'x'.repeat(31)) },
  fc.constantFrom('x'.repeat(32), 'ü/region'),
);
const frame: fc.Arbitrary<QuorumFrame> = fc.record({ type: fc.constant('quorum' as const), group, message });

/** The frame, or the code of what is thrown. */
function read(bytes: Uint8Array): unknown {
  try {
    return groupCodec.decodeFrame(bytes);
  } catch (error) {
    return error instanceof CausewayError ? error.code : error;
  }
}

test('appends and their answers have the bytes that msgpack gives them, and are read back', () => {
  fc.assert(
    fc.property(frame, (given) => {
      const bytes = groupCodec.encodeFrame(given);
      expect(Buffer.compare(bytes, packed(given))).toBe(0);
      expect(groupCodec.decodeFrame(bytes)).toEqual(given);
    }),
    runOptions(500, 10_000),
  );
});

test('what is long or no plain text is left to the general codec, all else is not', () => {
  fc.assert(
    fc.property(frame, (given) => {
      const isPlain = given.group.length < 32 && given.group !== 'ü/region';
      expect(encodeQuorumFrame(given) === null).toBe(!isPlain);
      expect(decodeQuorumFrame(packed(given)) === null).toBe(!isPlain);
    }),
    runOptions(200, 10_000),
  );
  const vote: LaneFrame = {
    type: 'quorum',
    group: 'x',
    message: { type: 'timeout-now', from: 1, to: 2, term: 3 },
  };
  expect(encodeQuorumFrame(vote)).toBeNull();
  expect(decodeQuorumFrame(groupCodec.encodeFrame(vote))).toBeNull();
  expect(groupCodec.decodeFrame(groupCodec.encodeFrame(vote))).toEqual(vote);
});

test('whatever is changed in the bytes, they are read as the general codec reads them or refused', () => {
  fc.assert(
    fc.property(frame, fc.nat(), fc.nat(255), fc.nat(3), (given, at, value, cut) => {
      const bytes = packed(given).slice();
      bytes[at % bytes.length] = value;
      const hurt = bytes.subarray(0, bytes.length - cut);
      const found = read(hurt);
      if (found === 'PROTOCOL') return;
      const again = found as LaneFrame;
      // what was taken is what is said by those bytes, in the one form of it
      expect(read(groupCodec.encodeFrame(again))).toEqual(again);
      // the general codec leaves parts that it does not know
      if (decodeQuorumFrame(hurt) !== null)
        expect(packr.unpack(hurt)).toEqual(packr.unpack(packed(again as QuorumFrame)));
    }),
    runOptions(1_000, 10_000),
  );
});

test('entries do not lie in the buffer that they came in', () => {
  const given: QuorumFrame = {
    type: 'quorum',
    group: 'x',
    message: {
      type: 'append',
      from: 1,
      to: 2,
      term: 3,
      previousIndex: 4,
      previousTerm: 3,
      entries: [{ index: 5, term: 3, kind: 1, data: new Uint8Array([1, 2, 3]) }],
      commit: 4,
      round: 6,
    },
  };
  const bytes = new Uint8Array(groupCodec.encodeFrame(given));
  const found = groupCodec.decodeFrame(bytes);
  bytes.fill(0);
  expect(found).toEqual(given);
});

test("a frame of groups between peers has msgpack's bytes, whatever its length", () => {
  for (const length of [0, 1, 255, 256, 65_535, 65_536, 70_000]) {
    const bytes = new Uint8Array(length).fill(length % 251);
    const encoded = peerCodec.encodeFrame({ type: 'strong', bytes });
    expect(Buffer.compare(encoded, packr.pack([12, bytes]))).toBe(0);
    expect(peerCodec.decodeFrame(encoded)).toEqual({ type: 'strong', bytes });
    expect(() => peerCodec.decodeFrame(encoded.subarray(0, -1))).toThrow('frame refused');
    expect(() =>
      peerCodec.decodeFrame(new Uint8Array([...encoded.subarray(0, 20), 1, ...encoded.subarray(20)])),
    ).toThrow('frame refused');
  }
});
