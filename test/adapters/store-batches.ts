import { latin1Bytes } from '../../src/base/bytes.ts';
import { toCausewayError, type CausewayError } from '../../src/errors.ts';
import type { Store, StoreBatch } from '../../src/ports.ts';

/** A batch with defaults for what a test does not speak of. */
export function batchOf(parts: Partial<StoreBatch>): StoreBatch {
  return { clear: false, entries: [], meta: latin1Bytes('meta'), stampBound: 0, ...parts };
}

export function entry(key: string, state: string | null): readonly [Uint8Array, Uint8Array | null] {
  return [latin1Bytes(key), state === null ? null : latin1Bytes(state)];
}

export function committed(store: Store, batch: StoreBatch): Promise<CausewayError | null> {
  return new Promise((resolve) => store.commit(batch, resolve));
}

export function closed(store: Store): Promise<void> {
  return new Promise((resolve) => store.close(resolve));
}

/** The code of what a call throws. */
export function codeThrown(call: () => unknown): string {
  try {
    call();
    return 'nothing';
  } catch (error) {
    return toCausewayError(error).code;
  }
}
