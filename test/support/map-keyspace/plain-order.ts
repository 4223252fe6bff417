import type { KeyspaceReader, OrderedKeys, Slot } from '../../../src/keyspace/keyspace.ts';

/** Keys in order, by sorting all of them each time. */
export function plainOrder(keys: Pick<KeyspaceReader, 'scan'>, keyAt: (slot: Slot) => string): OrderedKeys {
  return {
    visit(prefix, after, budget, nowMs, visitor) {
      const found: [key: string, slot: Slot][] = [];
      keys.scan(0, Infinity, nowMs, (slot) => found.push([keyAt(slot), slot]));
      const wanted = found
        .filter(([key]) => key.startsWith(prefix) && (after === null || key > after))
        .sort(([left], [right]) => (left < right ? -1 : 1));
      for (const [, slot] of wanted.slice(0, budget)) visitor(slot);
      return wanted.length > budget ? (wanted[budget - 1]?.[0] ?? null) : null;
    },
  };
}
