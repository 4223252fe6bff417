import { removable } from './key-steps.ts';
import type { Step } from './linearization-search.ts';

/** Tries of one history to make it smaller. */
const TRIES_MAX = 600;

/**
 * A small part of a key's steps that is broken as the whole is: first what was done until the first answer that cannot be explained, then
 * that without all that it does not need. `isBroken` judges; what it cannot decide is not broken.
 */
export function smallestBreak(steps: readonly Step[], isBroken: (part: readonly Step[]) => boolean): readonly Step[] {
  let tries = 0;
  const fails = (part: readonly Step[]): boolean => ++tries <= TRIES_MAX && isBroken(part);
  let part = firstBroken(steps, isBroken);
  for (let size = Infinity; part.length < size;) {
    size = part.length;
    part = without(part, removable(part).looks, fails);
    part = without(part, removable(part).effects, fails);
  }
  return part;
}

/** The shortest time from the beginning that is broken: if there is an order of all there is one of what was done until any moment. */
function firstBroken(steps: readonly Step[], isBroken: (part: readonly Step[]) => boolean): readonly Step[] {
  const ends = [...new Set(steps.map(({ end }) => end))]
    .filter((end) => end < Infinity)
    .sort((left, right) => left - right);
  let [low, high] = [0, ends.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBroken(until(steps, ends[middle] as number))) high = middle;
    else low = middle + 1;
  }
  const part = until(steps, ends[low] ?? Infinity);
  return isBroken(part) ? part : steps;
}

/** What was done until a moment; of what was under way then nobody knows. */
function until(steps: readonly Step[], time: number): Step[] {
  return steps.flatMap((step): Step[] => {
    if (step.start > time) return [];
    if (step.end <= time) return [step];
    return step.op === 'read' || step.did === false ? [] : [{ ...step, end: Infinity, did: null, result: null }];
  });
}

/** Leaves out as many of the candidates as can be: all, then halves, quarters …, while what is left is broken. */
function without(
  steps: readonly Step[],
  candidates: readonly Step[],
  isBroken: (part: readonly Step[]) => boolean,
): readonly Step[] {
  let part = steps;
  for (let size = candidates.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < candidates.length; from += size) {
      const leftOut = new Set(candidates.slice(from, from + size));
      const smaller = part.filter((step) => !leftOut.has(step));
      if (smaller.length < part.length && isBroken(smaller)) part = smaller;
    }
  }
  return part;
}
