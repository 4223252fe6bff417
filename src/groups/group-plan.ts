import { nodeNumber, nodeOf, originOf, type NodeNumber, type Origin } from '../clock/origin.ts';

/** What a group outlives: a node of its home region, or the region. */
export type Survive = 'zone' | 'region';

/** A quorum group as all members plan it: who votes follows from the topology and is the same everywhere. */
export interface GroupPlan {
  /** `us-east-1/region` */
  readonly name: string;
  readonly home: string;
  readonly survive: Survive;
  /** The stream that its log is (DESIGN section 5). */
  readonly origin: Origin;
  readonly voters: readonly NodeNumber[];
  readonly learners: readonly NodeNumber[];
  /** How far a node's region is from home among all: 0 for those at home, 1 for the nearest other region … */
  readonly ranks: ReadonlyMap<number, number>;
}

/** Whether a node is of a group's home region: leadership goes back to such a one. */
export function isAtHome({ origin }: GroupPlan, node: number): boolean {
  return Math.floor(node / NODE_PLACES_PER_REGION) === Math.floor(nodeOf(origin) / NODE_PLACES_PER_REGION);
}

/** A node of the topology, for planning. */
export interface PlannedNode {
  readonly nodeNumber: NodeNumber;
  readonly region: string;
}

const NODE_PLACES_PER_REGION = 64;
/** Letters of nodes end before these places. */
const PLACE: Readonly<Record<Survive, number>> = { region: 63, zone: 62 };
/** A group has at most so many voters: more make writes slower and little safer. */
const VOTERS_MAX = 3;

/** The stream of a group's log, in the place of the home region that no node has. */
export function groupOrigin(homeRegionNumber: number, survive: Survive): Origin {
  return originOf(nodeNumber(homeRegionNumber * NODE_PLACES_PER_REGION + PLACE[survive]), 1);
}

/** Whether a stream is a group's log. */
export function isGroupOrigin(origin: Origin): boolean {
  return nodeOf(origin) % NODE_PLACES_PER_REGION >= Math.min(PLACE.region, PLACE.zone);
}

/**
 * Who votes in a group. `survive: zone`: the first nodes of the home region. `survive: region`: the first node of the home region and of
 * those nearest to it, an odd number of regions. All others learn. `distanceMs` of two regions orders them; equal ones by number.
 */
export function planGroup(
  home: string,
  homeRegionNumber: number,
  survive: Survive,
  nodes: readonly PlannedNode[],
  distanceMs: (from: string, to: string) => number,
): GroupPlan {
  const sorted = [...nodes].sort((left, right) => left.nodeNumber - right.nodeNumber);
  const atHome = sorted.filter((node) => node.region === home);
  const firsts = firstOfRegions(home, sorted, distanceMs);
  const voters = survive === 'zone' ? odd(atHome) : odd(firsts);
  const regions = firsts.map(({ region }) => region);
  const numbers = voters.map((node) => node.nodeNumber);
  return {
    name: `${home}/${survive}`,
    home,
    survive,
    origin: groupOrigin(homeRegionNumber, survive),
    voters: numbers.toSorted((left, right) => left - right),
    learners: sorted.map((node) => node.nodeNumber).filter((number) => !numbers.includes(number)),
    ranks: new Map(sorted.map((node) => [node.nodeNumber, regions.indexOf(node.region)])),
  };
}

/** The first node of each region, the home region's first, then by distance from it. */
function firstOfRegions(
  home: string,
  sorted: readonly PlannedNode[],
  distanceMs: (from: string, to: string) => number,
): PlannedNode[] {
  const firsts = new Map<string, PlannedNode>();
  for (const node of sorted) if (!firsts.has(node.region)) firsts.set(node.region, node);
  const far = (node: PlannedNode): number => (node.region === home ? -1 : distanceMs(home, node.region));
  return [...firsts.values()].sort((left, right) => far(left) - far(right) || left.nodeNumber - right.nodeNumber);
}

/** The first of the list, as many as an odd group takes. */
function odd(list: readonly PlannedNode[]): readonly PlannedNode[] {
  const most = Math.min(VOTERS_MAX, list.length);
  return list.slice(0, most % 2 === 0 && most > 2 ? most - 1 : most);
}

/** How much of its part of the time a voter draws by chance. */
const DRAWN_PART = 0.1;

/**
 * When a node asks to be elected, within the spread, [0, 1): each voter in a part of its own, those nearest to home first. Voters of two
 * regions that asked within each other's delay would split the votes and both wait for a whole time again; no two may draw so.
 */
export function electionDraw(plan: GroupPlan, voters: readonly number[], self: number, unit: number): number {
  const place = nearestFirst(plan, voters).indexOf(self);
  return place < 0 ? unit : (place + DRAWN_PART * unit) / voters.length;
}

/** Of one region as they come. */
export function nearestFirst(plan: GroupPlan, nodes: readonly number[]): number[] {
  return nodes.toSorted((left, right) => rankOf(plan, left) - rankOf(plan, right));
}

/** Who is not in the plan is far. */
export function rankOf({ ranks }: GroupPlan, node: number): number {
  return ranks.get(node) ?? Infinity;
}
