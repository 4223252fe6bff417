import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { nodeNumber, type NodeNumber } from '../clock/origin.ts';
import { CausewayError } from '../errors.ts';
import { explainZodError } from './explain-zod-error.ts';

/** A place that nodes may be in. Its number never changes and is never given to another: it is in every dot. */
export interface Region {
  readonly name: string;
  readonly number: number;
  readonly place: string;
}

/** The regions that are known and how far they are apart. */
export interface Topology {
  readonly regions: ReadonlyMap<string, Region>;
  /** Half of the mean measured round trip, in milliseconds. Throws CONFIG when it was not measured. */
  oneWayMs(from: string, to: string): number;
  /** Half of the mean deviation of the measured round trips, in milliseconds. Throws as `oneWayMs`. */
  jitterMs(from: string, to: string): number;
}

/** What ping said of one directed pair of regions, in milliseconds. */
export interface RoundTrip {
  readonly averageMs: number;
  readonly deviationMs: number;
}

/** A node's name taken apart: `us-east-1/a`. */
export interface NodeName {
  readonly id: string;
  readonly region: string;
  readonly letter: string;
  readonly nodeNumber: NodeNumber;
}

const REGION_NUMBER_MAX = 16_383;
/** Letters a … z take fewer. */
const NODE_PLACES_PER_REGION = 64;

const topologySchema = z.strictObject({
  roundTrips: z.string().min(1),
  regions: z.record(
    z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'expected a region name of a-z, 0-9 and "-"'),
    z.strictObject({ number: z.int().min(1).max(REGION_NUMBER_MAX), place: z.string() }),
  ),
});

/** Reads `topology.yaml` and the table of round trips that it names. Throws CONFIG that names the file and the place in it. */
export function loadTopology(directory: string): Topology {
  const path = join(directory, 'topology.yaml');
  const yamlText = readText(path);
  const parsed = topologySchema.safeParse(parseYamlText(yamlText, path));
  if (!parsed.success) throw new CausewayError('CONFIG', explainZodError(path, parsed.error));
  const regions = new Map<string, Region>();
  const taken = new Map<number, string>();
  for (const [name, { number, place }] of Object.entries(parsed.data.regions)) {
    const other = taken.get(number);
    if (other !== undefined)
      throw new CausewayError('CONFIG', `${path}: regions ${other} and ${name} have the same number ${number}`);
    taken.set(number, name);
    regions.set(name, { name, number, place });
  }
  const csvPath = join(directory, parsed.data.roundTrips);
  return topologyOf(regions, parseRoundTrips(readText(csvPath), csvPath), csvPath);
}

function topologyOf(
  regions: ReadonlyMap<string, Region>,
  roundTrips: ReadonlyMap<string, RoundTrip>,
  source: string,
): Topology {
  const measured = (from: string, to: string): RoundTrip => {
    const roundTrip = roundTrips.get(`${from},${to}`);
    if (roundTrip === undefined) throw new CausewayError('CONFIG', `${source} has no round trip from ${from} to ${to}`);
    return roundTrip;
  };
  return {
    regions,
    oneWayMs: (from, to) => measured(from, to).averageMs / 2,
    jitterMs: (from, to) => measured(from, to).deviationMs / 2,
  };
}

/** `from,to` → what was measured, from rows of `from,to,min,avg,max,mdev` in milliseconds. */
export function parseRoundTrips(csvText: string, source: string): Map<string, RoundTrip> {
  const roundTrips = new Map<string, RoundTrip>();
  for (const [index, line] of csvText.split('\n').entries()) {
    if (line === '' || line.startsWith('#') || line.startsWith('from,')) continue;
    const [from, to, , average, , deviation] = line.split(',');
    const averageMs = Number(average);
    const deviationMs = Number(deviation);
    const isRow = from && to && average && deviation && averageMs >= 0 && deviationMs >= 0;
    if (!isRow) {
      const expected = 'from,to,rtt_min_ms,rtt_avg_ms,rtt_max_ms,rtt_mdev_ms';
      throw new CausewayError('CONFIG', `${source}:${index + 1}: expected ${expected}, got "${line.slice(0, 100)}"`);
    }
    roundTrips.set(`${from},${to}`, { averageMs, deviationMs });
  }
  return roundTrips;
}

/** The region of that name. Throws CONFIG that lists those that exist. */
export function regionOf(topology: Topology, name: string): Region {
  const region = topology.regions.get(name);
  if (region === undefined) {
    throw new CausewayError(
      'CONFIG',
      `unknown region "${name}"; the topology has ${[...topology.regions.keys()].join(', ')}`,
    );
  }
  return region;
}

/** `us-east-1/a` with its number. Throws CONFIG for another shape or an unknown region. */
export function nodeNameOf(topology: Topology, id: string): NodeName {
  const slash = id.lastIndexOf('/');
  const letter = id.slice(slash + 1);
  if (slash < 1 || !/^[a-z]$/.test(letter)) {
    throw new CausewayError('CONFIG', `expected a node as region/letter, such as us-east-1/a, got "${id}"`);
  }
  const region = regionOf(topology, id.slice(0, slash));
  const place = letter.charCodeAt(0) - 'a'.charCodeAt(0);
  return { id, region: region.name, letter, nodeNumber: nodeNumber(region.number * NODE_PLACES_PER_REGION + place) };
}

/** Of two nodes the one with the lower number opens the connections. */
export function dials(self: { readonly nodeNumber: number }, other: { readonly nodeNumber: number }): boolean {
  return self.nodeNumber < other.nodeNumber;
}

/** A file's text. Throws CONFIG that names the file and why it cannot be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CausewayError(
      'CONFIG',
      `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

/** YAML as plain values; duplicate keys and aliases that explode are refused. Throws CONFIG that names the file and line. */
export function parseYamlText(text: string, source: string): unknown {
  try {
    return parseYaml(text, { maxAliasCount: 0, prettyErrors: true });
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new CausewayError('CONFIG', `${source}: ${reason.replace(/:$/, '')}`, { cause: error });
  }
}
