import type { Dot } from '../../src/clock/dot.ts';
import type { VersionVector } from '../../src/clock/version-vector.ts';

/**
 * One operation of a session on a key, with what the node that answered had applied. A write has its dot and a value that no other
 * has, null for a removal; a read of null showed no value.
 */
export interface SessionOperation {
  readonly session: string;
  readonly kind: 'read' | 'write';
  readonly key: string;
  readonly value: string | null;
  readonly dot: Dot | null;
  readonly seen: VersionVector;
}

export type Guarantee =
  | 'read-your-writes'
  | 'monotonic-reads'
  | 'writes-follow-reads'
  | 'monotonic-writes'
  | 'thin-air';

const has = (seen: VersionVector, dot: Dot | null): boolean => dot === null || seen.contains(dot.origin, dot.seq);

/**
 * The session guarantees that a history of registers breaks. Source: Terry et al., "Session Guarantees for Weakly Consistent
 * Replicated Data", PDIS 1994, with the writes relevant to a read being the one whose value it showed; and, for removals, that no
 * value comes back which the node of an earlier read had applied and no longer showed.
 */
export function brokenGuarantees(history: readonly SessionOperation[]): Guarantee[] {
  const writeOf = new Map(
    history.filter(({ kind, value }) => kind === 'write' && value !== null).map((write) => [write.value, write]),
  );
  const dotOf = (value: string | null): Dot | null => (value === null ? null : (writeOf.get(value)?.dot ?? null));
  const broken = new Set<Guarantee>();
  for (const [index, later] of history.entries()) {
    if (later.kind === 'read' && later.value !== null && !has(later.seen, dotOf(later.value))) broken.add('thin-air');
    if (later.kind === 'read' && later.value !== null && dotOf(later.value) === null) broken.add('thin-air');
    for (const earlier of history.slice(0, index)) {
      if (earlier.session !== later.session) continue;
      if (later.kind === 'write') {
        if (earlier.kind === 'write' && !has(later.seen, earlier.dot)) broken.add('monotonic-writes');
        if (earlier.kind === 'read' && !has(later.seen, dotOf(earlier.value))) broken.add('writes-follow-reads');
      } else if (earlier.key === later.key) {
        if (earlier.kind === 'write' && !has(later.seen, earlier.dot)) broken.add('read-your-writes');
        if (earlier.kind === 'read' && wentBack(earlier, later, dotOf)) broken.add('monotonic-reads');
      }
    }
  }
  return [...broken].toSorted();
}

function wentBack(
  earlier: SessionOperation,
  later: SessionOperation,
  dotOf: (value: string | null) => Dot | null,
): boolean {
  if (!has(later.seen, dotOf(earlier.value))) return true;
  return later.value !== null && later.value !== earlier.value && has(earlier.seen, dotOf(later.value));
}
