import { ActiveClasses } from '../../src/classes/active-classes.ts';
import { ClassPolicy } from '../../src/classes/class-policy.ts';
import { KeyPattern } from '../../src/classes/key-pattern.ts';
import { nodeNumber } from '../../src/clock/origin.ts';
import { GROUP_LIMITS, GROUP_TIMING } from '../../src/groups/limits.ts';
import { planGroup, type Survive } from '../../src/groups/group-plan.ts';
import { SeededRandom } from '../../src/groups/seeded-random.ts';
import type { RaftLimits } from '../../src/quorum/options.ts';
import type { VirtualOptions } from './virtual-cluster.ts';
import type { VirtualStrong } from './virtual-node.ts';
import { ASIA, EAST, VirtualRegions, WEST } from './virtual-regions.ts';

const REGIONS = [EAST, WEST, ASIA];

/** One-way delays in milliseconds, as measured between the regions. */
const DELAYS_MS: Readonly<Record<string, number>> = {
  [`${EAST} ${WEST}`]: 35,
  [`${EAST} ${ASIA}`]: 115,
  [`${WEST} ${ASIA}`]: 87,
};

export function regionDelayMs(from: string, to: string): number {
  if (from === to) return 1;
  return DELAYS_MS[`${from} ${to}`] ?? DELAYS_MS[`${to} ${from}`] ?? 50;
}

export interface StrongRegionsOptions extends Partial<VirtualOptions> {
  readonly survive?: Survive;
  readonly seed?: number;
  readonly ttlMs?: number;
  readonly forward?: boolean;
  /** Whether writes of the keys at home in us-east-1 are recorded. */
  readonly audit?: boolean;
  readonly raftLimits?: Partial<RaftLimits>;
  /** Homes of groups that survive a region, in the place of the usual ones; with `classes` that say the same. */
  readonly homes?: readonly string[];
}

const pattern = (text: string): KeyPattern => new KeyPattern(text, new Uint8Array(Buffer.from(text)));

/** Keys `position:*` and `risk:*` are of the group `us-east-1/…`, `plan:*` of `eu-west-1/region`; all others are causal. */
export function strongClasses(options: StrongRegionsOptions = {}): ActiveClasses {
  const { survive = 'region', ttlMs, forward = true, audit = false } = options;
  const strong = (home: string, of: Survive) => ({
    consistency: 'strong' as const,
    ttlMs: ttlMs ?? null,
    conflict: { kind: 'lww' as const },
    strong: {
      home,
      survive: of,
      group: `${home}/${of}`,
      audit: audit && home === EAST,
      forward,
      reads: 'strong' as const,
    },
  });
  return new ActiveClasses({
    policy: new ClassPolicy([
      { ...strong(EAST, survive), patterns: [pattern('position:*'), pattern('risk:*')] },
      { ...strong(WEST, 'region'), patterns: [pattern('plan:*')] },
    ]),
  });
}

/** Three regions in virtual time, as far apart as they are, with strong keys. */
export class StrongRegions extends VirtualRegions {
  readonly strong: VirtualStrong;

  constructor(options: StrongRegionsOptions = {}) {
    const { survive = 'region', seed = 1, nodesPerRegion = 1 } = options;
    const random = new SeededRandom(seed);
    const nodes = REGIONS.flatMap((region, index) =>
      Array.from({ length: nodesPerRegion }, (_, letter) => ({
        nodeNumber: nodeNumber((index + 1) * 64 + letter),
        region,
      })),
    );
    const strong: VirtualStrong = {
      plans: options.homes?.map((home) =>
        planGroup(home, REGIONS.indexOf(home) + 1, 'region', nodes, regionDelayMs),
      ) ?? [planGroup(EAST, 1, survive, nodes, regionDelayMs), planGroup(WEST, 2, 'region', nodes, regionDelayMs)],
      timing: GROUP_TIMING,
      limits: { ...GROUP_LIMITS, ...options.raftLimits },
      random: () => random.unit(),
    };
    super({
      regions: REGIONS,
      delayMs: (from, to) => regionDelayMs(from.region, to.region),
      diskMs: 1,
      ...options,
      classes: options.classes ?? strongClasses(options),
      strong,
    });
    this.strong = strong;
    this.led();
  }

  /** Lets time pass until every group is led from its home and everybody knows. */
  led(): void {
    const isLed = (): boolean =>
      this.cluster
        .running()
        .every((node) =>
          node.core.strong.groups().every(({ home, leader }) => leader?.startsWith(`${home}/`) === true),
        );
    if (!this.cluster.runUntil(isLed)) throw new Error('the groups are not led from their homes');
  }
}
