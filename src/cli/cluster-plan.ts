import { join, resolve } from 'node:path';
import { formatAddress } from '../server/address.ts';
import { nodeNameOf, readText, regionOf, type NodeName, type Topology } from '../server/topology.ts';
import { regionsFolder } from './package-root.ts';
import { UsageError } from './usage.ts';

/** Fixed ports lie in base … base + 49: one for RESP a node from the start, one for HTTP a node from the middle. */
const HTTP_OFFSET = 25;
export const FIXED_NODES_MAX: number = HTTP_OFFSET;

export const LOOPBACK = '127.0.0.1';

/** The options of `up`, as commander gives them. */
export interface UpOptions {
  readonly regions: readonly string[];
  readonly nodesPerRegion: number;
  /** 0 takes free ports. */
  readonly portBase: number;
  readonly wanScale: number;
  readonly wanJitter: boolean;
  /** What clients of the nodes have to say. */
  readonly requirepass?: string;
  /** The classes file; that of the package otherwise. */
  readonly classes?: string;
  readonly dataDir?: string;
  readonly readyFile?: string;
}

/** Where the classes file that comes with the package has its strong keys at home. */
const PACKAGED_HOME = 'us-east-1';

/**
 * The classes file that all nodes are started with. That of the package names a home region: in a cluster without it `write` makes
 * a copy whose strong keys are at home in the first region.
 */
export function classesFileOf({ classes, regions }: UpOptions, write: (text: string) => string): string {
  if (classes !== undefined) return resolve(classes);
  const packaged = join(regionsFolder(), 'classes.yaml');
  const [first] = regions;
  if (first === undefined || regions.includes(PACKAGED_HOME)) return packaged;
  return write(readText(packaged).replaceAll(`home: ${PACKAGED_HOME}`, `home: ${first}`));
}

/** A node that `up` is to run; ports are 0 where any free one will do. */
export interface PlannedNode extends NodeName {
  readonly respPort: number;
  readonly httpPort: number;
}

/** Every node of the cluster, region by region as they were named. Throws a usage error for what cannot be. */
export function planNodes(options: UpOptions, topology: Topology): PlannedNode[] {
  const { regions, nodesPerRegion, portBase } = options;
  for (const region of regions) {
    if (!topology.regions.has(region)) {
      throw new UsageError(
        `--regions: unknown region "${region}"; there are ${[...topology.regions.keys()].join(', ')}`,
      );
    }
  }
  const count = regions.length * nodesPerRegion;
  if (portBase !== 0 && count > FIXED_NODES_MAX) {
    throw new UsageError(
      `${regions.length} regions of ${nodesPerRegion} nodes are ${count} nodes, and ${FIXED_NODES_MAX} fit into the ports base … base+49; --port-base 0 takes free ones`,
    );
  }
  return regions.flatMap((region, regionIndex) => {
    return Array.from({ length: nodesPerRegion }, (_, letterIndex): PlannedNode => {
      const place = regionIndex * nodesPerRegion + letterIndex;
      const letter = String.fromCharCode('a'.charCodeAt(0) + letterIndex);
      return {
        ...nodeNameOf(topology, `${regionOf(topology, region).name}/${letter}`),
        respPort: portBase === 0 ? 0 : portBase + place,
        httpPort: portBase === 0 ? 0 : portBase + HTTP_OFFSET + place,
      };
    });
  });
}

/** `127.0.0.1:PORT` */
export function loopback(port: number): string {
  return formatAddress({ host: LOOPBACK, port });
}
