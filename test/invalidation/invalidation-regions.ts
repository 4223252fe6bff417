import type { VirtualOptions } from '../support/virtual-cluster.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, VirtualRegions, WEST } from '../support/virtual-regions.ts';

export const REGIONS = [EAST, WEST, ASIA] as const;

/** Three regions with a client each. */
export function openRegions(options: Partial<VirtualOptions> = {}): {
  readonly regions: VirtualRegions;
  readonly east: VirtualClient;
  readonly west: VirtualClient;
  readonly asia: VirtualClient;
} {
  const regions = new VirtualRegions(options);
  regions.sync();
  return { regions, east: regions.connect(EAST), west: regions.connect(WEST), asia: regions.connect(ASIA) };
}

/** What each region shows of a key. */
export function everywhere(regions: VirtualRegions, key: string): (string | null)[] {
  return REGIONS.map((region) => regions.node(region).get(key));
}
