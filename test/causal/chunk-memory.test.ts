import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkMemory } from '../../src/causal/chunk-memory.ts';
import { OpLog, type Chunk } from '../../src/causal/op-log.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { originFor, PlayedStream } from '../support/scripted-node.ts';

const PIECE_BYTES = 64;
const ORIGIN = originFor('A');

type Step =
  | { readonly kind: 'made'; readonly bytes: number }
  | { readonly kind: 'released'; readonly which: number }
  | { readonly kind: 'handed out' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('made' as const), bytes: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('released' as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'handed out' as const }) },
);

describe('memory of chunks', () => {
  it('is not used again before all chunks of a piece have left the log, and their frames have been handed out', () => {
    const buffers = new Set<ArrayBufferLike>();
    let made = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 40, maxLength: 60 }), (steps) => {
        const memory = new ChunkMemory(PIECE_BYTES);
        const inLog: { bytes: Uint8Array; mark: number }[] = [];
        let onTheirWay: typeof inLog = [];
        for (const [mark, each] of steps.entries()) {
          if (each.kind === 'made') {
            const bytes = memory.allocate(each.bytes).fill(mark);
            expect(bytes.length).toBe(each.bytes);
            inLog.push({ bytes, mark });
            buffers.add(bytes.buffer);
            made++;
          } else if (each.kind === 'released') {
            const [chunk] = inLog.splice(each.which % Math.max(1, inLog.length), 1);
            if (chunk === undefined) continue;
            memory.release(chunk.bytes);
            onTheirWay.push(chunk);
          } else {
            memory.handedOut();
            onTheirWay = [];
          }
          for (const { bytes, mark: of } of [...inLog, ...onTheirWay])
            expect(bytes.every((byte) => byte === of)).toBe(true);
        }
      }),
      runOptions(500, 5_000),
    );
    expect(buffers.size).toBeLessThan(made);
  });

  it('of a stream that is acknowledged as it goes stays as small as what is not yet', () => {
    const memory = new ChunkMemory(PIECE_BYTES);
    const log = new OpLog({ logBytesMax: 2 ** 20, logAgeMsMax: 1_000 }, memory);
    const buffers = new Set<ArrayBufferLike>();
    for (let seq = 1; seq <= 1_000; seq++) {
      const chunk: Chunk = { origin: ORIGIN, first: seq, last: seq, bytes: memory.allocate(20), atMs: 0 };
      buffers.add(chunk.bytes.buffer);
      log.append(chunk);
      log.truncate(new VersionVector([[ORIGIN, Math.max(0, seq - 5)]]), 0);
      memory.handedOut();
    }
    // five chunks lie in three pieces at most, and the piece before rests for one turn
    expect(buffers.size).toBeLessThanOrEqual(4);
  });

  it('is used again of chunks that have become one, and for that one', () => {
    const memory = new ChunkMemory(1_000);
    const log = new OpLog({ logBytesMax: 2 ** 20, logAgeMsMax: 1_000 }, memory);
    const stream = new PlayedStream('A');
    const buffers = new Set<ArrayBufferLike>();
    for (let round = 0; round < 50; round++) {
      let from = -1;
      for (let chunk = 0; chunk < 6; chunk++) {
        const { first, last, bytes } = stream.next([['set', 'key', 'value']]);
        if (from < 0) from = first - 1;
        const own = memory.allocate(bytes.length);
        own.set(bytes);
        buffers.add(own.buffer);
        log.append({ origin: ORIGIN, first, last, bytes: own, atMs: 0 });
      }
      const joined = log.afterJoined(ORIGIN, from, 2 ** 20);
      expect(joined?.last).toBe(log.last(ORIGIN));
      buffers.add((joined as Chunk).bytes.buffer);
      log.truncate(new VersionVector([[ORIGIN, from]]), 0);
      memory.handedOut();
    }
    expect(buffers.size).toBeLessThanOrEqual(3);
  });

  it('is its own for what is longer than half a piece', () => {
    const memory = new ChunkMemory(PIECE_BYTES);
    expect(memory.allocate(PIECE_BYTES / 2).buffer.byteLength).toBe(PIECE_BYTES);
    expect(memory.allocate(PIECE_BYTES / 2 + 1).buffer.byteLength).toBe(PIECE_BYTES / 2 + 1);
  });
});
