import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import type { SiblingView } from '../../src/classes/resolver.ts';

/** Siblings of nodes 64, 128 …, oldest first, with texts for values. */
export function siblingsOf(...values: string[]): SiblingView[] {
  return values.map((value, at) => ({
    value: Buffer.from(value).toString('latin1'),
    stampMs: 1_800_000_000_000 + at,
    dot: { origin: originOf(nodeNumber((at + 1) * 64), 7), seq: at + 1 },
  }));
}
