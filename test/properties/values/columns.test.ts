import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ColumnsBuilder } from '../../../src/causal/columns.ts';
import { ColumnsReader } from '../../../src/causal/columns-reader.ts';
import { VersionVector } from '../../../src/clock/version-vector.ts';
import { Update } from '../../../src/crdt/update.ts';
import { peerCodec } from '../../../src/wire/peer-codec.ts';
import { runs } from '../../support/fast-check-runs.ts';
import { RandomHistory, stepsArbitrary } from './random-history.ts';
import { effectOf, transactionText, updateOf, type Effect, type Transaction } from './transaction.ts';

/** What a peer reads of an origin's transactions that came as one chunk over the wire. */
function overTheWire(made: readonly Transaction[]): string[] {
  const builder = new ColumnsBuilder();
  let before = new VersionVector();
  for (const { stamp, deps, effects } of made) {
    builder.begin(stamp, deps.changesSince(before));
    for (const effect of effects) builder.add(updateOf(effect));
    before = deps;
  }
  const reader = new ColumnsReader(peerCodec.decodeColumns(builder.take(), made.length));
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

it('every transaction that commands make arrives as it was made', { timeout: runs(60_000) }, () => {
  let transactions = 0;
  fc.assert(
    fc.property(stepsArbitrary({ writes: 'flush' }), (steps) => {
      const history = new RandomHistory();
      for (const step of steps) history.run(step);
      for (const { origin } of history.replicas) {
        const made = history.transactions.filter((transaction) => transaction.origin === origin);
        if (made.length === 0) continue;
        transactions += made.length;
        expect(overTheWire(made)).toEqual(made.map(transactionText));
      }
    }),
    { numRuns: runs(100) },
  );
  expect(transactions).toBeGreaterThan(runs(100));
});
