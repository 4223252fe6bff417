import { RANDOM_SAMPLES_MAX } from '../base/limits.ts';
import { clamped } from './numbers.ts';
import { overLimit } from './refusals.ts';

/** One position of `size`. */
export function randomIndex(random: () => number, size: number): number {
  return Math.floor(random() * size);
}

/**
 * `count` different positions of `size`, every selection as likely as every other, in time and memory of `count`.
 * Floyd's algorithm: Bentley, "Programming Pearls: A Sample of Brilliance", CACM 30 (1987).
 */
export function distinctIndexes(random: () => number, size: number, count: number): Iterable<number> {
  const chosen = new Set<number>();
  for (let last = size - count; last < size; last++) {
    const index = randomIndex(random, last + 1);
    chosen.add(chosen.has(index) ? last : index);
  }
  return chosen;
}

/**
 * The positions that a count of SRANDMEMBER or HRANDFIELD asks for: a positive one means so many different ones, all where there
 * are not so many; a negative one so many with repetition.
 */
export function sampledIndexes(random: () => number, size: number, count: bigint): number[] {
  if (count >= 0n) {
    if (count >= BigInt(size)) return Array.from({ length: size }, (_, index) => index);
    return [...distinctIndexes(random, size, Number(count))];
  }
  const samples = clamped(-count, RANDOM_SAMPLES_MAX + 1);
  if (samples > RANDOM_SAMPLES_MAX) {
    throw overLimit('count is too large', 'random-samples-max', RANDOM_SAMPLES_MAX);
  }
  return Array.from({ length: samples }, () => randomIndex(random, size));
}
