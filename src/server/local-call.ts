import type { LocalAnswer, LocalArgument } from './in-process-session.ts';

/** A request of a local session, as the dispatcher takes it. */
export interface LocalCall {
  /** All arguments one after the other: a copy, so that the caller may use its bytes again. */
  readonly bytes: Uint8Array;
  /** Start and end of each. */
  readonly offsets: Int32Array;
  readonly count: number;
  readonly longestBytes: number;
  readonly answered: (answer: LocalAnswer) => void;
  /** Lets go of the signal. */
  forget: () => void;
  isSettled: boolean;
}

const nothing = (): void => undefined;

export function encodeCall(args: readonly LocalArgument[], answered: LocalCall['answered']): LocalCall {
  const parts = args.map((arg) => (typeof arg === 'object' ? arg : Buffer.from(String(arg))));
  const offsets = new Int32Array(args.length * 2);
  let length = 0;
  let longestBytes = 0;
  for (const [index, part] of parts.entries()) {
    offsets[index * 2] = length;
    length += part.length;
    offsets[index * 2 + 1] = length;
    longestBytes = Math.max(longestBytes, part.length);
  }
  const bytes = new Uint8Array(length);
  for (const [index, part] of parts.entries()) bytes.set(part, offsets[index * 2]);
  return { bytes, offsets, count: args.length, longestBytes, answered, forget: nothing, isSettled: false };
}
