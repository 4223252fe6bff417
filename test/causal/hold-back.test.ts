import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ColumnsReader } from '../../src/causal/columns-reader.ts';
import { HoldBack, type DeliveryTarget, type HeldChunk } from '../../src/causal/hold-back.ts';
import type { TransactionsFrame } from '../../src/causal/peer-frames.ts';
import type { Origin } from '../../src/clock/origin.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { Update } from '../../src/crdt/update.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { originFor, PlayedStream, type Effect } from '../support/scripted-node.ts';
import { VIRTUAL_START_MS } from '../support/virtual-cluster.ts';

const NOW = { wallMs: VIRTUAL_START_MS + 100_000, monotonicMs: 0 };
const NAMES = ['A', 'B', 'C'] as const;
const SCRATCH = new Update();

interface Made {
  readonly origin: Origin;
  readonly seq: number;
  readonly deps: VersionVector;
}

/** A history: chunks of one to three transactions, each made by an origin that has seen some prefix of what was made before. */
const history = fc.array(fc.record({ by: fc.nat(2), count: fc.integer({ min: 1, max: 3 }), sees: fc.nat(20) }), {
  minLength: 1,
  maxLength: 14,
});

function play(steps: readonly { by: number; count: number; sees: number }[]): {
  frames: TransactionsFrame[];
  made: Made[];
} {
  const streams = NAMES.map((name) => new PlayedStream(name));
  const seen = NAMES.map(() => new VersionVector());
  const frames: TransactionsFrame[] = [];
  const made: Made[] = [];
  for (const { by, count, sees } of steps) {
    const stream = streams[by] as PlayedStream;
    const own = seen[by] as VersionVector;
    // it sees one earlier transaction with all that one had seen
    const cause = made[sees % (made.length + 1)];
    if (cause !== undefined) {
      own.merge(cause.deps);
      own.raise(cause.origin, cause.seq);
    }
    const others = [...own.entries()].filter(([origin]) => origin !== stream.origin);
    const frame = stream.next(
      Array.from({ length: count }, (): Effect => ['set', 'k']),
      others,
    );
    frames.push(frame);
    for (let seq = frame.first; seq <= frame.last; seq++) {
      own.raise(stream.origin, seq);
      const deps = own.clone();
      made.push({ origin: stream.origin, seq, deps });
    }
  }
  return { frames, made };
}

const heldOf = (frame: TransactionsFrame): HeldChunk => ({
  chunk: { origin: frame.origin, first: frame.first, last: frame.last, bytes: frame.bytes, atMs: 0 },
  reader: new ColumnsReader(peerCodec.decodeColumns(frame.bytes, frame.last - frame.first + 1)),
  sender: 64,
  nextSeq: frame.first,
});

class Receiver {
  readonly holdBack: HoldBack;
  readonly vector: VersionVector = new VersionVector();
  readonly running: Map<Origin, VersionVector> = new Map();
  readonly delivered: string[] = [];
  readonly done: string[] = [];

  readonly #budget: number;
  readonly #target: DeliveryTarget = {
    running: (origin) => this.#runningOf(origin),
    deliverNext: ({ chunk, nextSeq, reader }) => {
      reader.next(SCRATCH, () => {});
      this.delivered.push(`${chunk.origin}:${nextSeq}`);
      return 1;
    },
    delivered: (origin, last, count) => {
      expect(last - this.vector.get(origin)).toBe(count);
      this.vector.raise(origin, last);
    },
    done: (chunk) => this.done.push(`${chunk.origin}:${chunk.first}-${chunk.last}`),
  };

  constructor(bytesMax: number, budget = Infinity) {
    this.holdBack = new HoldBack({ bytesMax, skewMsMax: 500 });
    this.#budget = budget;
  }

  take(frame: TransactionsFrame): string {
    const taken = this.holdBack.take(heldOf(frame), this.vector.get(frame.origin), frame.asked, 0);
    for (let isMore = true; isMore;) {
      const before = this.delivered.length;
      isMore = this.holdBack.drain(this.vector, new VersionVector(), NOW, this.#budget, this.#target);
      expect(this.delivered.length - before).toBeLessThanOrEqual(this.#budget);
    }
    return taken;
  }

  #runningOf(origin: Origin): VersionVector {
    const deps = this.running.get(origin) ?? new VersionVector();
    this.running.set(origin, deps);
    return deps;
  }
}

/** The dumb twin: a list of chunks that came in order, looked through from the front until nothing more can be delivered. */
class NaiveList {
  readonly waiting: TransactionsFrame[] = [];
  readonly vector: VersionVector = new VersionVector();
  readonly delivered: Set<string> = new Set();
  readonly #made: readonly Made[];

  constructor(made: readonly Made[]) {
    this.#made = made;
  }

  take(frame: TransactionsFrame): void {
    this.waiting.push(frame);
    for (let progress = true; progress;) {
      progress = false;
      for (const { origin, seq, deps } of this.#made) {
        const isHere = this.waiting.some((chunk) => chunk.origin === origin && chunk.first <= seq && seq <= chunk.last);
        const isNext = this.vector.get(origin) === seq - 1;
        const others = [...deps.dots()].filter(([other]) => other !== origin);
        if (!isHere || !isNext || !this.vector.covers(new VersionVector(others))) continue;
        this.vector.raise(origin, seq);
        this.delivered.add(`${origin}:${seq}`);
        progress = true;
      }
    }
  }
}

/** A delivery order in which each origin's chunks come in sequence, repeats allowed. */
const interleave = (frames: readonly TransactionsFrame[], picks: readonly number[]): TransactionsFrame[] => {
  const queues = NAMES.map((name) => frames.filter((frame) => frame.origin === originFor(name)));
  const order: TransactionsFrame[] = [];
  for (const pick of picks) {
    const queue = queues[pick % 3] as TransactionsFrame[];
    const frame = pick % 7 === 6 ? queue[0] : queue.shift();
    if (frame !== undefined) order.push(frame);
  }
  return [...order, ...queues.flat()];
};

/** Transactions a drain: what it leaves the next one goes on with. */
const budgets = fc.constantFrom(1, 2, 3, Infinity);

describe('hold-back against a list that is looked through', () => {
  it('delivers the same after each chunk, each once, in causal order, and ends empty', () => {
    fc.assert(
      fc.property(history, fc.array(fc.nat(100), { maxLength: 30 }), budgets, (steps, picks, budget) => {
        const { frames, made } = play(steps);
        const receiver = new Receiver(2 ** 30, budget);
        const naive = new NaiveList(made);
        for (const frame of interleave(frames, picks)) {
          receiver.take(frame);
          naive.take(frame);
          expect(new Set(receiver.delivered)).toEqual(naive.delivered);
          expect(receiver.vector.equals(naive.vector)).toBe(true);
        }
        expect(receiver.delivered).toHaveLength(made.length);
        expect(receiver.done).toHaveLength(frames.length);
        expect([receiver.holdBack.bytes, receiver.holdBack.transactions]).toEqual([0, 0]);
        const at = new Map(receiver.delivered.map((dot, index) => [dot, index]));
        for (const { origin, seq, deps } of made) {
          for (const [other, upTo] of deps.dots()) {
            if (other !== origin && upTo > 0)
              expect(at.get(`${other}:${upTo}`)).toBeLessThan(at.get(`${origin}:${seq}`) ?? -1);
          }
        }
      }),
      runOptions(400, 6_000),
    );
  });

  it('under any bound, with what was dropped sent again, ends with the same; the bytes stay within it and a chunk an origin', () => {
    let dropped = 0;
    fc.assert(
      fc.property(
        history,
        fc.array(fc.nat(100), { maxLength: 30 }),
        fc.constantFrom(1, 60, 150),
        (steps, picks, bound) => {
          const { frames, made } = play(steps);
          const receiver = new Receiver(bound);
          const longest = Math.max(...frames.map((frame) => frame.bytes.length));
          for (let round = 0; round <= frames.length && receiver.delivered.length < made.length; round++) {
            for (const frame of interleave(frames, picks)) {
              const taken = receiver.take(frame);
              if (taken === 'full' || taken === 'gap') dropped++;
              expect(receiver.holdBack.bytes).toBeLessThanOrEqual(bound + longest * NAMES.length);
            }
          }
          expect(new Set(receiver.delivered)).toEqual(new Set(made.map(({ origin, seq }) => `${origin}:${seq}`)));
          expect(receiver.delivered).toHaveLength(made.length);
          expect(receiver.holdBack.bytes).toBe(0);
        },
      ),
      runOptions(300, 6_000),
    );
    expect(dropped).toBeGreaterThan(0);
  });
});
