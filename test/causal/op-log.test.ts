import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ColumnsReader } from '../../src/causal/columns-reader.ts';
import { OpLog, type Chunk } from '../../src/causal/op-log.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { Update } from '../../src/crdt/update.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { originFor, PlayedStream, type Effect } from '../support/scripted-node.ts';

const ORIGIN = originFor('A');
const LIMITS = { logBytesMax: 100, logAgeMsMax: 1_000 };

/** The dumb twin: all that was ever appended, and from where on it is still there. */
class NaiveLog {
  chunks: Chunk[] = [];
  base = 0;
  last = 0;

  after(seq: number): Chunk | undefined {
    return this.chunks.find((chunk) => chunk.last > seq);
  }
}

type Step =
  | { readonly kind: 'append'; readonly count: number; readonly bytes: number }
  | { readonly kind: 'snapshot'; readonly ahead: number }
  | { readonly kind: 'truncate'; readonly stable: number; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      count: fc.integer({ min: 1, max: 4 }),
      bytes: fc.integer({ min: 1, max: 40 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('snapshot' as const), ahead: fc.nat(6) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('truncate' as const), stable: fc.nat(30), ms: fc.nat(600) }) },
);

describe('the log against a plain list', () => {
  it('has what it says it reaches, from each sequence on, and is no longer than its limits', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const log = new OpLog(LIMITS);
        const naive = new NaiveLog();
        let nowMs = 0;
        for (const each of steps) {
          if (each.kind === 'append') {
            const chunk = {
              origin: ORIGIN,
              first: naive.last + 1,
              last: naive.last + each.count,
              bytes: new Uint8Array(each.bytes),
              atMs: nowMs,
            };
            log.append(chunk);
            naive.chunks.push(chunk);
            naive.last = chunk.last;
          } else if (each.kind === 'snapshot') {
            log.startAfter(ORIGIN, naive.last + each.ahead);
            if (each.ahead > 0 || (naive.chunks.length === 0 && naive.base === 0)) {
              naive.chunks = each.ahead > 0 ? [] : naive.chunks;
              naive.base = naive.last + each.ahead;
              naive.last += each.ahead;
            }
          } else {
            nowMs += each.ms;
            log.truncate(new VersionVector([[ORIGIN, Math.min(each.stable, naive.last)]]), nowMs);
            const stable = Math.min(each.stable, naive.last);
            for (let first = naive.chunks[0]; first !== undefined; first = naive.chunks[0]) {
              const bytes = naive.chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
              if (first.last > stable && bytes <= LIMITS.logBytesMax && nowMs - first.atMs <= LIMITS.logAgeMsMax) break;
              naive.chunks.shift();
              naive.base = first.last;
            }
            expect(log.bytes).toBeLessThanOrEqual(LIMITS.logBytesMax);
          }
          expect(log.last(ORIGIN)).toBe(naive.last);
          expect(log.transactions).toBe(naive.last - naive.base);
          expect(log.bytesOf(ORIGIN)).toBe(naive.chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0));
          for (let seq = 0; seq <= naive.last; seq++) {
            if (naive.last > 0) expect(log.reaches(ORIGIN, seq)).toBe(seq >= naive.base);
            if (seq < naive.base) continue;
            expect(log.after(ORIGIN, seq)).toBe(naive.after(seq));
            const behind = naive.chunks.filter((chunk) => chunk.last > seq);
            expect(log.behind(ORIGIN, seq)).toEqual({
              bytes: behind.reduce((sum, chunk) => sum + chunk.bytes.length, 0),
              transactions: naive.last - seq,
              oldestAtMs: behind[0]?.atMs ?? Infinity,
            });
          }
        }
      }),
      runOptions(300, 5_000),
    );
  });

  it('makes one chunk of many small ones for who is far behind: the same transactions, for every cursor', () => {
    const log = new OpLog({ logBytesMax: 2 ** 20, logAgeMsMax: 1_000 });
    const stream = new PlayedStream('A');
    const told: string[] = [];
    const read = (chunk: Chunk): void => {
      const reader = new ColumnsReader(peerCodec.decodeColumns(chunk.bytes, chunk.last - chunk.first + 1));
      const running = new VersionVector();
      for (let seq = chunk.first; seq <= chunk.last; seq++) {
        const deps = JSON.stringify(reader.depsChanges());
        const { stamp } = reader;
        reader.raiseDeps(running);
        reader.next(new Update(), ({ kind, key, value, atMs }) =>
          told.push(`${seq} ${stamp} ${deps} ${kind} ${key.toLatin1()} ${value.toLatin1()} ${atMs}`),
        );
      }
    };
    const made = Array.from({ length: 9 }, (_unused, at): Chunk => {
      const effects: Effect[] = [
        ['set', `key${at}`, 'v'],
        ['close', '', '7'],
        ['incr', 'n'],
      ];
      const { first, last, bytes } = stream.next(effects.slice(0, 1 + (at % 3)), [[originFor('B'), at + 1]]);
      return { origin: ORIGIN, first, last, bytes, atMs: at };
    });
    for (const chunk of made) log.append(chunk);
    const lengthOf = (chunks: readonly Chunk[]): number => chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
    for (const chunk of made) read(chunk);
    const apart = told.splice(0);
    // the last three are too few to be joined, and the last of seven is beyond the bytes
    expect(log.afterJoined(ORIGIN, made[5]?.last ?? 0, 2 ** 20)).toBe(made[6]);
    const joined = log.afterJoined(ORIGIN, 0, lengthOf(made.slice(0, 6)));
    expect([joined?.first, joined?.last]).toEqual([1, made[5]?.last]);
    expect(log.after(ORIGIN, 3)).toBe(joined);
    expect(log.after(ORIGIN, made[5]?.last ?? 0)).toBe(made[6]);
    expect(log.bytesOf(ORIGIN)).toBe(lengthOf([joined as Chunk, ...made.slice(6)]));
    for (const chunk of [joined as Chunk, ...made.slice(6)]) read(chunk);
    expect(told).toEqual(apart);
  });

  it('knows how much is behind each cursor also after chunks in the middle were joined, and after some were', () => {
    const log = new OpLog({ logBytesMax: 2 ** 20, logAgeMsMax: 1_000 });
    const stream = new PlayedStream('A');
    const chunkOf = ({ first, last, bytes }: Omit<Chunk, 'origin' | 'atMs'>): Chunk => ({
      origin: ORIGIN,
      first,
      last,
      bytes,
      atMs: first,
    });
    let chunks = Array.from({ length: 20 }, (_unused, at) =>
      chunkOf(stream.next([['set', `key${at}`, 'v'.repeat(at)]])),
    );
    for (const chunk of chunks) log.append(chunk);
    const areRight = (): void => {
      for (let seq = (chunks[0]?.first ?? 1) - 1; seq <= 20; seq++) {
        const behind = chunks.filter((chunk) => chunk.last > seq);
        expect(log.behind(ORIGIN, seq)).toEqual({
          bytes: behind.reduce((sum, { bytes }) => sum + bytes.length, 0),
          transactions: 20 - seq,
          oldestAtMs: behind[0]?.atMs ?? Infinity,
        });
      }
    };
    const joins = (after: number, to: number): void => {
      const parts = chunks.filter((chunk) => chunk.last > after && chunk.last <= to);
      const bytesMax = parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
      const joined = log.afterJoined(ORIGIN, after, bytesMax) as Chunk;
      expect([joined.first, joined.last]).toEqual([after + 1, to]);
      chunks = [
        ...chunks.slice(0, chunks.indexOf(parts[0] as Chunk)),
        joined,
        ...chunks.filter(({ last }) => last > to),
      ];
      areRight();
    };
    areRight();
    joins(12, 18);
    joins(4, 8);
    log.truncate(new VersionVector([[ORIGIN, 2]]), 0);
    chunks = chunks.slice(2);
    areRight();
    joins(8, 12);
    joins(2, 20);
  });

  it('joins no chunks that overlap', () => {
    const log = new OpLog({ logBytesMax: 2 ** 20, logAgeMsMax: 1_000 });
    const [a, again] = [new PlayedStream('A'), new PlayedStream('A')];
    const chunkOf = ({ first, last, bytes }: { first: number; last: number; bytes: Uint8Array }): Chunk => ({
      origin: ORIGIN,
      first,
      last,
      bytes,
      atMs: 0,
    });
    const set: Effect = ['set', 'k', 'v'];
    for (let at = 0; at < 5; at++) log.append(chunkOf(a.next([set])));
    log.append(chunkOf(again.next(Array.from({ length: 7 }, () => set))));
    expect(log.afterJoined(ORIGIN, 0, 2 ** 20)).toMatchObject({ first: 1, last: 5 });
    expect(log.after(ORIGIN, 5)).toMatchObject({ first: 1, last: 7 });
  });

  it('takes a chunk once, and one that overlaps a snapshot whole', () => {
    const log = new OpLog(LIMITS);
    const chunk = (first: number, last: number): Chunk => ({
      origin: ORIGIN,
      first,
      last,
      bytes: new Uint8Array(1),
      atMs: 0,
    });
    log.startAfter(ORIGIN, 5);
    log.append(chunk(3, 5));
    expect(log.bytes).toBe(0);
    const overlapping = chunk(4, 8);
    log.append(overlapping);
    log.append(overlapping);
    expect([log.bytes, log.last(ORIGIN), log.after(ORIGIN, 5), log.after(ORIGIN, 8)]).toEqual([
      1,
      8,
      overlapping,
      undefined,
    ]);
    log.drop(ORIGIN);
    expect([...log.origins()]).toEqual([]);
  });
});
