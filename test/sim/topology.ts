import { ActiveClasses } from '../../src/classes/active-classes.ts';
import { parseClasses } from '../../src/classes/read-classes.ts';
import { nodeNumber } from '../../src/clock/origin.ts';
import { planGroup } from '../../src/groups/group-plan.ts';
import { GROUP_LIMITS, GROUP_TIMING } from '../../src/groups/limits.ts';
import { regionDelayMs } from '../support/strong-regions.ts';
import type { VirtualOptions } from '../support/virtual-cluster.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';
import type { Scenario } from './scenario.ts';
import { SOURCE_CLASSES } from './sim-sources.ts';
import { streamOf } from './streams.ts';

const REGIONS = [EAST, WEST, ASIA, 'sa-east-1', 'af-south-1'];
/** A minute ahead must be more than what a stamp may be, and a pause shorter than what ends a connection. */
const SILENT_MS_MAX = 6_000;

/** Keys of all classes; what none names is causal and the latest write stays. */
const classes = (survive: string): string => `
classes:
  - match: ['position:*', 'risk:*']
    consistency: strong
    home: ${EAST}
    survive: ${survive}
    audit: true
  - match: ['plan:*']
    consistency: strong
    home: ${WEST}
    survive: region
    reads: session
  - { match: ['ses:*'], consistency: session }
  - { match: ['weak:*'], consistency: weak }
  - { match: ['sib:*'], conflict: siblings }
  - { match: ['max:*'], conflict: { resolver: max } }
  - { match: ['short:*'], ttl: 700ms }
${SOURCE_CLASSES}`;

/** The cluster of a scenario but for its network: real distances, small limits, all classes. */
export function clusterOptions({ seed, options }: Scenario): VirtualOptions {
  const regions = REGIONS.slice(0, options.regions);
  const nodes = regions.flatMap((region, index) =>
    Array.from({ length: options.nodesPerRegion }, (_unused, letter) => ({
      nodeNumber: nodeNumber((index + 1) * 64 + letter),
      region,
    })),
  );
  const random = streamOf(seed, 'elections');
  return {
    regions,
    nodesPerRegion: options.nodesPerRegion,
    diskMs: options.diskMs,
    ...(options.bytesPerMs === undefined ? {} : { bytesPerMs: options.bytesPerMs }),
    classes: new ActiveClasses({ policy: parseClasses(classes(options.survive), 'sim.yaml') }),
    limits: {
      logBytesMax: options.logBytesMax,
      holdBackBytesMax: options.holdBackBytesMax,
      chunkBytesMax: options.chunkBytesMax,
      silentMsMax: SILENT_MS_MAX,
      appliedPerTurn: 50,
      storedPerTurn: 20,
      sentPerTurnBytes: 4_000,
      joinedBytesMax: 1_000,
      logPieceBytes: 2_000,
      askedBytesMax: 2_000,
    },
    evicts: options.evicts === true,
    strong: {
      plans: [
        planGroup(EAST, 1, options.survive, nodes, regionDelayMs),
        planGroup(WEST, 2, 'region', nodes, regionDelayMs),
      ],
      timing: GROUP_TIMING,
      limits: {
        ...GROUP_LIMITS,
        slackBytesMax: options.slackBytesMax,
        snapshotChunkBytes: options.snapshotChunkBytes,
      },
      random: () => random.unit(),
      agrees: true,
    },
  };
}
