import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ColumnsBuilder } from '../../../src/causal/columns.ts';
import { joinColumns, type EncodedColumns } from '../../../src/causal/columns-join.ts';
import { ColumnsReader } from '../../../src/causal/columns-reader.ts';
import { VersionVector } from '../../../src/clock/version-vector.ts';
import { Update } from '../../../src/crdt/update.ts';
import { peerCodec } from '../../../src/wire/peer-codec.ts';
import { runs } from '../../support/fast-check-runs.ts';
import { RandomHistory, stepsArbitrary } from './random-history.ts';
import { effectOf, transactionText, updateOf, type Effect, type Transaction } from './transaction.ts';

const sizesArbitrary = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 });

/** Transactions as chunks of so many each, again and again, the last of fewer. */
function chunksOf(made: readonly Transaction[], sizes: readonly number[]): EncodedColumns[] {
  const builder = new ColumnsBuilder();
  const chunks: EncodedColumns[] = [];
  let before = new VersionVector();
  for (let from = 0; from < made.length;) {
    const part = made.slice(from, from + (sizes[chunks.length % sizes.length] ?? made.length));
    for (const { stamp, deps, effects } of part) {
      builder.begin(stamp, deps.changesSince(before));
      for (const effect of effects) builder.add(updateOf(effect));
      before = deps;
    }
    from += part.length;
    chunks.push({ bytes: builder.take(), first: from - part.length + 1, last: from });
  }
  return chunks;
}

/** What a peer reads of an origin's transactions that came as one chunk over the wire. */
function overTheWire(made: readonly Transaction[], bytes: Uint8Array): string[] {
  const reader = new ColumnsReader(peerCodec.decodeColumns(bytes, made.length));
  const running = new VersionVector();
  const update = new Update();
  return made.map(({ origin, seq }) => {
    reader.raiseDeps(running);
    const { stamp } = reader;
    const effects: Effect[] = [];
    reader.next(update, (next) => effects.push(effectOf(next)));
    return transactionText({ origin, seq, stamp, deps: running.clone(), effects });
  });
}

it(
  'every transaction that commands make arrives as it was made, also where it was in another chunk before',
  { timeout: runs(60_000) },
  () => {
    let transactions = 0;
    let chunksJoined = 0;
    fc.assert(
      fc.property(stepsArbitrary({ writes: 'flush' }), sizesArbitrary, (steps, sizes) => {
        const history = new RandomHistory();
        for (const step of steps) history.run(step);
        for (const { origin } of history.replicas) {
          const made = history.transactions.filter((transaction) => transaction.origin === origin);
          if (made.length === 0) continue;
          transactions += made.length;
          const expected = made.map(transactionText);
          const [whole] = chunksOf(made, [made.length]);
          expect(overTheWire(made, whole?.bytes ?? new Uint8Array())).toEqual(expected);
          const chunks = chunksOf(made, sizes);
          chunksJoined += chunks.length;
          expect(overTheWire(made, joinColumns(chunks))).toEqual(expected);
        }
      }),
      { numRuns: runs(100) },
    );
    expect([transactions, chunksJoined]).toSatisfy((counts: number[]) => counts.every((count) => count > runs(100)));
  },
);
