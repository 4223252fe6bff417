import type { EntryState } from '../../crdt/entry.ts';
import type { StampedDot } from '../../crdt/update.ts';
import { CausewayError } from '../../errors.ts';

/**
 * The value of a write in a stored state of its key. What the store has is taken only if it is that very write (RULES V7): anything else would
 * be an older value under a newer write's name.
 */
export function storedValue(state: EntryState | null, { stamp, origin, seq }: StampedDot): string {
  const string = state?.[0] ?? null;
  if (string !== null && string.length === 5 && string[0] !== null) {
    if (string[1] === stamp && string[2] === origin && string[3] === seq) return string[0];
  }
  throw new CausewayError('STORE', `the store no longer has the value of write ${origin}:${seq}, which is evicted`);
}
