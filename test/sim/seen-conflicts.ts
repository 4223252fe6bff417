import { dotText } from '../../src/clock/dot.ts';
import type { Origin } from '../../src/clock/origin.ts';
import type { DeliveryOracle } from '../properties/delivery/delivery-oracle.ts';
import type { VirtualNode } from '../support/virtual-cluster.ts';

/** What a node reported as a conflict though one of the two had seen the other (SPEC S4), and how many it reported of which that is known. */
export function seenConflicts(
  { id, core }: VirtualNode,
  oracle: DeliveryOracle,
): { readonly checked: number; readonly wrong: string[] } {
  const wrong: string[] = [];
  const records = core.conflicts.latest(Infinity, () => true);
  let checked = 0;
  for (const { key, kept, other } of records) {
    for (const [one, two] of [
      [kept, other],
      [other, kept],
    ] as const) {
      const deps = oracle.depsOf(one.origin as Origin, one.seq);
      if (deps === undefined) continue;
      checked++;
      // what was lost with a closed life is covered by its floor, and not seen
      if (
        one.origin !== two.origin &&
        (deps.isRetired(two.origin as Origin) || !deps.contains(two.origin as Origin, two.seq))
      )
        continue;
      const [first, second] = [one, two].map(({ origin, seq }) => dotText(origin as Origin, seq, core.names));
      wrong.push(`S4: ${id} reports a conflict of ${first} and ${second} of ${key}, and one had seen the other`);
    }
  }
  return { checked, wrong };
}
