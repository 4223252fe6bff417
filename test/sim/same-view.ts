import { latin1Range } from '../../src/base/bytes.ts';
import type { VirtualNode } from '../support/virtual-cluster.ts';
import { FAR_KEYS } from './race-works.ts';

/** When a key expires, whatever the time is; null where it is not there, or is purged. */
function expiryAt(node: VirtualNode, key: string): number | null {
  const { keys } = node.core;
  const slot = keys.find(latin1Range(key), 0, 0);
  return slot < 0 ? null : keys.expiryOf(slot);
}

/** Nodes that have applied the same show the same, not only in the end (SPEC V3), whatever each has forgotten by then. */
export function lookAtEquals(nodes: readonly VirtualNode[]): string[] {
  const wrong: string[] = [];
  for (const [at, node] of nodes.entries()) {
    const vector = node.vector();
    const other = nodes.find((each, place) => place > at && each.vector().equals(vector));
    if (other === undefined) continue;
    for (const key of FAR_KEYS) {
      const [one, two] = [expiryAt(node, key), expiryAt(other, key)];
      if (one !== null && two !== null && one !== two)
        wrong.push(`V3: ${node.id} and ${other.id} have the same and show expiries ${one} and ${two} of ${key}`);
    }
  }
  return wrong;
}
