import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter, latin1Range } from '../../src/base/bytes.ts';
import { VarintCursor, writeVarint } from '../../src/base/varint.ts';
import { ColumnsReader } from '../../src/causal/columns-reader.ts';
import { ColumnsBuilder } from '../../src/causal/columns.ts';
import { INCARNATION_MAX, nodeNumber, originOf } from '../../src/clock/origin.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { Update, UPDATE_KIND_MAX, UpdateKind } from '../../src/crdt/update.ts';
import { CausewayError } from '../../src/errors.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { sampleColumns } from './sample-frames.ts';

const A = originOf(nodeNumber(64), 7);
const TIMELESS = 0x80;

/** What columns say, column by column, as a liar would write them. */
interface Said {
  readonly updates: number;
  readonly stamps: readonly number[];
  readonly deps: readonly number[];
  readonly counts: readonly number[];
  /** Kind and how many, flat. */
  readonly kinds: readonly number[];
  readonly lengths: readonly number[];
  readonly numbers: readonly number[];
  readonly content: string;
}

/** Two SETs without an expiry, in a transaction each. */
const HONEST: Said = {
  updates: 2,
  stamps: [5, 1],
  deps: [0, A, 3],
  counts: [],
  kinds: [UpdateKind.Set | TIMELESS, 2],
  lengths: [1, 2, 1, 1],
  numbers: [],
  content: 'kvwlx',
};

function varints(numbers: readonly number[]): Uint8Array {
  const writer = new ByteWriter();
  for (const number of numbers) writeVarint(writer, number);
  return writer.toBytes();
}

function bytesOf({ updates, stamps, deps, counts, kinds, lengths, numbers, content }: Said): Uint8Array {
  const runs = kinds.map((part, at) => (at % 2 === 0 ? Uint8Array.of(part) : varints([part])));
  const columns = [stamps, deps, counts].map(varints);
  columns.push(Uint8Array.from(runs.flatMap((run) => [...run])), varints(lengths), varints(numbers));
  const head = varints([updates, ...columns.map((column) => column.length)]);
  return Uint8Array.from([head, ...columns, latin1Range(content).toBytes()].flatMap((column) => [...column]));
}

const said = (lie: Partial<Said>): Uint8Array => bytesOf({ ...HONEST, ...lie });

/** Reads every transaction of checked columns; returns how many updates there were. */
function readAll(bytes: Uint8Array, transactions: number): number {
  const reader = new ColumnsReader(peerCodec.decodeColumns(bytes, transactions));
  const [update, running, vector] = [new Update(), new VersionVector(), new VersionVector()];
  let updates = 0;
  for (let transaction = 0; transaction < transactions; transaction++) {
    reader.missingDep(vector, vector, A);
    reader.raiseDeps(running);
    reader.next(update, ({ key, field, value, atMs }) => {
      updates++;
      for (const { start, end } of [key, field, value]) expect(start <= end && end <= bytes.length).toBe(true);
      expect(atMs === Infinity || (Number.isSafeInteger(atMs) && atMs >= 0)).toBe(true);
    });
    expect(Number.isSafeInteger(reader.stamp)).toBe(true);
  }
  return updates;
}

describe('columns of a liar', () => {
  it('are taken where they are no lies', () => {
    expect(readAll(said({}), 2)).toBe(2);
    expect(readAll(said({ counts: [2, 0] }), 2)).toBe(2);
    expect(readAll(said({ kinds: [UpdateKind.Set, 2], numbers: [0, 2 ** 52, 5] }), 2)).toBe(2);
    const flushes = { kinds: [UpdateKind.FlushAll, 1, UpdateKind.FlushAll, 1], lengths: [], content: '' };
    expect(readAll(said(flushes), 2)).toBe(2);
  });

  it.each<readonly [string, Partial<Said>]>([
    ['the count of transactions differs', { stamps: [5] }],
    ['the count of transactions differs', { stamps: [5, 1, 1] }],
    ['a stamp does not rise', { stamps: [0, 1] }],
    ['a stamp does not rise', { stamps: [5, 0] }],
    ['a stamp is beyond a safe integer', { stamps: [Number.MAX_SAFE_INTEGER, 1] }],
    ['deps are out of order', { deps: [2, A, 3] }],
    ['deps are out of order', { deps: [0, A, 3, 2, A, 3] }],
    ['deps are out of order', { deps: [2 ** 53 - 1, A, 3] }],
    ['deps name no origin', { deps: [0, 7, 3] }],
    ['deps name no origin', { deps: [0, 2 ** 53 - 1, 3] }],
    ['deps have no sequence', { deps: [0, A, 0] }],
    ['deps name a floor', { deps: [0, originOf(nodeNumber(64), 0), INCARNATION_MAX + 1] }],
    [
      'the count of updates differs',
      { updates: 3, lengths: [1, 2, 1, 1, 0, 0], kinds: [UpdateKind.Set | TIMELESS, 3] },
    ],
    ['the count of updates differs', { counts: [1, 2] }],
    ['the count of updates differs', { counts: [1, 1, 0] }],
    ['a count of updates is missing', { counts: [2] }],
    ['the count of updates differs', { counts: [2 ** 53 - 1, 2 ** 53 - 1] }],
    ['the count of updates differs', { kinds: [UpdateKind.Set | TIMELESS, 1] }],
    ['the count of updates differs', { kinds: [UpdateKind.Set | TIMELESS, 2 ** 53 - 1] }],
    ['a run of updates is none', { kinds: [UpdateKind.Set | TIMELESS, 0, UpdateKind.Set | TIMELESS, 2] }],
    ['unknown update kind 0', { kinds: [0, 2] }],
    ['unknown update kind', { kinds: [UPDATE_KIND_MAX + 1, 2] }],
    ['a kind that has a time has none', { kinds: [UpdateKind.SetAdd | TIMELESS, 2] }],
    [
      'a kind that has a time has none',
      { kinds: [UpdateKind.CloseIncarnations | TIMELESS, 2], lengths: [], content: '' },
    ],
    ['no parts', { kinds: [UpdateKind.FlushAll, 2], lengths: [], content: '' }],
    ['a length is missing', { lengths: [1, 2, 2] }],
    ['there are parts that no update has', { lengths: [1, 2, 1, 1, 0] }],
    ['there are parts that no update has', { numbers: [1] }],
    ['do not add up', { lengths: [1, 2, 1, 2] }],
    ['do not add up', { lengths: [1, 2, 1, 0] }],
    ['do not add up', { lengths: [1, 2, 2 ** 53 - 1, 1] }],
    ['a time is not a number', { kinds: [UpdateKind.Set, 2], numbers: [7] }],
    ['a time is not a number', { kinds: [UpdateKind.Set, 2], numbers: [2, 1] }],
    ['a time is not a number', { kinds: [UpdateKind.Set, 2], numbers: [0, 2 ** 53 - 1, 3] }],
    ['a closing of no', { kinds: [UpdateKind.CloseIncarnations, 2], lengths: [], content: '', numbers: [1, 1] }],
    [
      'a closing of no',
      { kinds: [UpdateKind.CloseIncarnations, 2], lengths: [], content: '', numbers: [0, INCARNATION_MAX + 1, 1] },
    ],
    ['a base names no origin', { kinds: [UpdateKind.Increment, 2], numbers: [7, 1, A, 1] }],
    ['a base has no sequence', { kinds: [UpdateKind.Increment, 2], numbers: [A, 1, A] }],
  ])('are refused: %s', (reason, lie) => {
    expect(() => peerCodec.decodeColumns(said(lie), 2)).toThrow(
      expect.objectContaining({ code: 'PROTOCOL', message: expect.stringContaining(reason) as string }),
    );
  });

  it('are refused where a column is longer than the bytes, or a number longer than the column', () => {
    const head = (...numbers: number[]): Uint8Array => Uint8Array.from([...varints(numbers), 1, 1, 1]);
    const refused = expect.objectContaining({ code: 'PROTOCOL' });
    expect(() => peerCodec.decodeColumns(head(1, 2 ** 53 - 1, 0, 0, 0, 0, 0), 1)).toThrow(refused);
    expect(() => peerCodec.decodeColumns(head(1, 1, 1, 1, 1, 0, 0), 1)).toThrow(refused);
    // the stamp runs on into the next column
    expect(() => peerCodec.decodeColumns(Uint8Array.of(0, 1, 0, 1, 0, 0, 0, 0x81, 0), 1)).toThrow(refused);
    expect(() => peerCodec.decodeColumns(Uint8Array.of(), 1)).toThrow(refused);
    expect(() => peerCodec.decodeColumns(said({}), 1_000_001)).toThrow(refused);
  });

  it('are refused or read to their end: good ones with bytes changed', () => {
    const builder = new ColumnsBuilder();
    const update = new Update();
    update.kind = UpdateKind.Set;
    for (let at = 1; at <= 20; at++) {
      builder.begin((1000 + at) as Stamp, at % 3 === 0 ? [[A, at]] : []);
      for (let each = 0; each < at % 4; each++) {
        update.key.setFrom(latin1Range(`key${each}`));
        update.value.setFrom(latin1Range('x'.repeat(at * 10)));
        update.atMs = at % 5 === 0 ? 1_800_000_000_000 + at : Infinity;
        builder.add(update);
      }
    }
    const good = [
      { bytes: builder.take(), transactions: 20 },
      { bytes: sampleColumns(), transactions: 2 },
      { bytes: said({}), transactions: 2 },
    ];
    const edits = fc.array(fc.tuple(fc.nat(120), fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80, 0xff))), {
      minLength: 1,
      maxLength: 3,
    });
    let taken = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.constantFrom(...good), edits, ({ bytes, transactions }, changed) => {
        const mutated = Uint8Array.from(bytes);
        for (const [at, byte] of changed) mutated[at % mutated.length] = byte;
        try {
          readAll(mutated, transactions);
          taken++;
        } catch (error) {
          if (!(error instanceof CausewayError) || error.code !== 'PROTOCOL') throw error;
          refused++;
        }
      }),
      runOptions(5_000, 20_000),
    );
    expect(Math.min(taken, refused)).toBeGreaterThan(0);
    for (const { bytes, transactions } of good)
      for (let end = 0; end < bytes.length; end++)
        expect(() => readAll(bytes.subarray(0, end), transactions)).toThrow(
          expect.objectContaining({ code: 'PROTOCOL' }),
        );
  });
});

describe('varints', () => {
  it('are read as they were written, from 0 to the last safe integer', () => {
    const some = fc.oneof(
      fc.nat(),
      fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      fc.constantFrom(0, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 49, Number.MAX_SAFE_INTEGER),
    );
    fc.assert(
      fc.property(fc.array(some), (numbers) => {
        const bytes = varints(numbers);
        const cursor = new VarintCursor(bytes, 0);
        expect(numbers.map(() => cursor.next())).toEqual(numbers);
        expect(cursor.at).toBe(bytes.length);
        expect(cursor.next()).toBe(-1);
      }),
      runOptions(1_000, 5_000),
    );
  });

  it.each([
    ['that ends early', [0x80]],
    ['of more than eight bytes', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['beyond a safe integer', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]],
  ])('one %s is none', (_what, bytes) => {
    expect(new VarintCursor(Uint8Array.from(bytes), 0).next()).toBe(-1);
  });
});
