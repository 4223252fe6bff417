import type { SnapshotMeta, SnapshotPart } from './messages.ts';
import type { SnapshotPiece, SnapshotSource } from './snapshot-transfer.ts';

/** A snapshot that is small enough to be there whole. */
export function wholeSource(meta: SnapshotMeta, whole: Uint8Array): SnapshotSource {
  let at = 0;
  const next = (bytesMax: number): SnapshotPiece => {
    const bytes = whole.subarray(at, at + bytesMax);
    at += bytes.length;
    return { bytes, isLast: at === whole.length };
  };
  return { meta, next };
}

/** The parts of such a snapshot, put together again. */
export class JoinedParts {
  #parts: Uint8Array[] = [];

  take(parts: readonly SnapshotPart[]): void {
    for (const { offset, bytes } of parts) {
      if (offset === 0) this.#parts = [];
      this.#parts.push(bytes);
    }
  }

  get bytes(): Uint8Array {
    const whole = new Uint8Array(this.#parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
}
