/**
 * States what must be true of our own code, also in production. A failed assertion is a bug of ours, never bad input:
 * the process stops rather than going on with a broken invariant.
 */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new AssertionFailed(invariant);
}

/** Thrown by `assert`; the driver ends the process when it meets one. */
export class AssertionFailed extends Error {
  constructor(invariant: string) {
    super(`assertion failed: ${invariant}`);
    this.name = 'AssertionFailed';
  }
}

/** The value, which our own invariants say is there. */
export function present<T>(value: T | undefined | null, invariant: string): T {
  if (value === undefined || value === null) throw new AssertionFailed(invariant);
  return value;
}
