import { expect } from 'vitest';
import type { QuorumBatch, QuorumStore } from '../../src/ports.ts';
import { saved } from './quorum-batches.ts';
import { isPromise, numbersOf, SCRIPT_GROUPS } from './quorum-script.ts';

/** Takes the model to what was found, which says by its numbers which batches are there. */
export async function followed(
  model: QuorumStore,
  store: QuorumStore,
  script: Iterator<QuorumBatch>,
  told: ReadonlySet<number>,
): Promise<{ onlyInJournal: number; passing: number }> {
  const numbers = (each: QuorumStore): number[] =>
    SCRIPT_GROUPS.flatMap((group) => Object.values(numbersOf(each, group)));
  const heads = new Map(SCRIPT_GROUPS.map((group) => [group, numbersOf(store, group).head]));
  const inTree = Math.max(...SCRIPT_GROUPS.map((group) => numbersOf(store, group).state));
  const newest = Math.max(...numbers(store), ...told);
  const counts = { onlyInJournal: 0, passing: 0 };
  let isPassing = false;
  for (let number = Math.max(...numbers(model)) + 1; number <= newest; number++) {
    const batch = script.next().value as QuorumBatch;
    const there = batch.groups.map(
      ({ group }) => number <= inTree || (isPromise(batch) && number <= (heads.get(group) ?? 0)),
    );
    expect(new Set(there).size, `batch ${number} as a whole`).toBe(1);
    if (there[0] !== true) {
      expect(told.has(number), `batch ${number} was acknowledged`).toBe(false);
      isPassing ||= !isPromise(batch);
      continue;
    }
    if (number > inTree) counts.onlyInJournal += 1;
    if (isPassing) counts.passing += 1;
    await saved(model, ...batch.groups);
  }
  return counts;
}
