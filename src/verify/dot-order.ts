import type { Operation } from './history.ts';

/**
 * Of two operations with dots of the same origin, which came first there: below 0 the left one, above 0 the right one; 0 where that is not
 * known. An origin's stamps grow with its sequence, so of two writes to a key the later one stays.
 */
export function dotOrder(left: Operation, right: Operation): number {
  if (left.dot === undefined || right.dot === undefined) return 0;
  const [one, other] = [left.dot.lastIndexOf(':'), right.dot.lastIndexOf(':')];
  if (one !== other || left.dot.slice(0, one) !== right.dot.slice(0, other)) return 0;
  return Number(left.dot.slice(one + 1)) - Number(right.dot.slice(other + 1));
}
