import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { parseClasses } from '../classes/read-classes.ts';
import { planGroups } from './strong-groups.ts';
import { CausewayError } from '../errors.ts';
import { ADDRESS_SHAPE, parseAddress, formatAddress, type Address } from './address.ts';
import { ENVIRONMENT_TABLE, NODE_PLACEHOLDER } from './config-table.ts';
import { doorsOf, doorsShape } from './doors.ts';
import { explainZodError } from './explain-zod-error.ts';
import { redisOf, redisShape } from './redis-config.ts';
import { LOG_FORMATS, LOG_LEVELS, type MemberConfig, type NodeConfig } from './node-config.ts';
import { warmOf, warmShape } from './warm-config.ts';
import { dials, nodeNameOf, parseYamlText, readText, regionOf, type NodeName, type Topology } from './topology.ts';

export type { NodeConfig } from './node-config.ts';

/** The variables of a process, or a test's own. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ParseConfigOptions {
  /** The letter of the node to start. */
  readonly node: string;
  readonly topology: Topology;
  readonly environment: Environment;
  /** The file's name, for messages. */
  readonly source: string;
}

const address = z.string().transform((text, context): Address => {
  const parsed = parseAddress(text);
  if (parsed !== null) return parsed;
  context.addIssue(`expected ${ADDRESS_SHAPE}, got "${text}"`);
  return z.NEVER;
});

const LINK_SHAPE = 'expected ws://host:port or wss://host:port';
const linkUrl = z.string().refine(isLinkUrl, { error: (issue) => `${LINK_SHAPE}, got "${String(issue.input)}"` });

const NODE_LETTER = z.string().regex(/^[a-z]$/, 'expected a node letter, a to z');

const regionFile = z.strictObject({
  clusterId: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-"'),
  region: z.string(),
  nodes: z.record(
    NODE_LETTER,
    z.strictObject({ resp: address, http: address, peer: address, dataDir: z.string().min(1).nullable() }),
  ),
  members: z.record(z.string(), linkUrl.nullable()).default({}),
  classes: z.string().min(1).nullable().optional(),
  limits: z.record(z.string(), z.number('expected a number').min(0).max(Number.MAX_SAFE_INTEGER)).default({}),
  ...doorsShape,
  redis: redisShape,
  warm: warmShape,
  log: z
    .strictObject({ level: z.enum(LOG_LEVELS).default('info'), format: z.enum(LOG_FORMATS).default('json') })
    .default({ level: 'info', format: 'json' }),
});

type RegionFile = z.infer<typeof regionFile>;

/** What a region's file says of its classes unless it names another file. */
const CLASSES_FILE = 'classes.yaml';

/** Reads a region's file for one of its nodes, and the classes file beside it. Throws CONFIG, as `parseConfig`. */
export function loadConfig(path: string, options: Omit<ParseConfigOptions, 'source'>): NodeConfig {
  const { classesFile, ...config } = parse(readText(path), { ...options, source: path });
  if (classesFile === null) return config;
  const file = resolve(dirname(path), classesFile ?? CLASSES_FILE);
  if (classesFile === undefined && !existsSync(file)) return config;
  const text = readText(file);
  const groups = at(path, () => planGroups(parseClasses(text, file), config, options.topology));
  return { ...config, classes: { file, text }, groups };
}

/**
 * What the region's file says for one of its nodes, with what the environment overrides. Throws CONFIG with a line a
 * problem: where it is, what was expected there, what there is to choose from. Reads no other file but `peerSecretFile`.
 */
export function parseConfig(text: string, options: ParseConfigOptions): NodeConfig {
  const { classesFile: _, ...config } = parse(text, options);
  return config;
}

/** A configuration with the name of the classes file as written: null for none, undefined where nothing is said. */
type ParsedConfig = NodeConfig & { readonly classesFile: string | null | undefined };

function parse(text: string, options: ParseConfigOptions): ParsedConfig {
  const { node, topology, source } = options;
  const raw = parseYamlText(text, source);
  override(raw, options);
  const parsed = regionFile.safeParse(raw, { error: inWords });
  if (!parsed.success) throw new CausewayError('CONFIG', explainZodError(source, parsed.error));
  const file = parsed.data;
  const own = Object.hasOwn(file.nodes, node) ? file.nodes[node] : undefined;
  if (own === undefined) {
    throw new CausewayError(
      'CONFIG',
      `${source}: no node "${node}"; region ${file.region} has ${Object.keys(file.nodes).join(', ')}`,
    );
  }
  return at(source, () => {
    regionOf(topology, file.region);
    const self = nodeNameOf(topology, `${file.region}/${node}`);
    const redis = redisOf(file.redis);
    const warm = warmOf(file.warm, source);
    return {
      clusterId: file.clusterId,
      region: file.region,
      nodeId: self.id,
      nodeNumber: self.nodeNumber,
      resp: own.resp,
      http: own.http,
      peer: own.peer,
      dataDir: own.dataDir,
      members: membersOf(file, self, topology),
      limits: file.limits,
      classesFile: file.classes,
      doors: doorsOf(file),
      ...(redis === null ? {} : { redis }),
      ...(warm === null ? {} : { warm }),
      log: file.log,
    };
  });
}

/**
 * Checks that every node which this one has to dial can be dialled; for a node that is not told later. Throws CONFIG.
 */
export function requireLinkUrls(config: NodeConfig): void {
  const missing = config.members.filter((member) => dials(config, member) && member.url === null);
  if (missing.length === 0) return;
  const names = missing.map((member) => member.id).join(', ');
  throw new CausewayError(
    'CONFIG',
    `${config.nodeId} dials ${names}, and has no URL for it: give one under members or in CAUSEWAY_LINKS`,
  );
}

function membersOf(file: RegionFile, self: NodeName, topology: Topology): MemberConfig[] {
  const members = new Map<string, MemberConfig>();
  for (const [letter, addresses] of Object.entries(file.nodes)) {
    const name = nodeNameOf(topology, `${file.region}/${letter}`);
    if (name.id !== self.id) members.set(name.id, memberOf(name, neighbourUrl(addresses.peer)));
  }
  for (const [id, url] of Object.entries(file.members)) {
    const name = nodeNameOf(topology, id);
    const isKnown = name.region !== file.region || Object.hasOwn(file.nodes, name.letter);
    if (!isKnown) {
      throw new CausewayError('CONFIG', `members.${id}: a node of region ${file.region} itself belongs under nodes`);
    }
    if (name.id !== self.id) members.set(id, memberOf(name, url));
  }
  return [...members.values()].toSorted((a, b) => a.nodeNumber - b.nodeNumber);
}

function memberOf(name: NodeName, url: string | null): MemberConfig {
  return { id: name.id, region: name.region, nodeNumber: name.nodeNumber, url };
}

/** Within a region a node is dialled where it listens, unless that is no address to dial. */
function neighbourUrl(peer: Address): string | null {
  const isDialable = peer.port !== 0 && peer.host !== '0.0.0.0' && peer.host !== '::';
  return isDialable ? `ws://${formatAddress(peer)}` : null;
}

/** Whether it is a WebSocket URL of a host alone: the path is ours to choose. */
function isLinkUrl(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null && (url.protocol === 'ws:' || url.protocol === 'wss:') && url.pathname === '/' && url.search === ''
  );
}

/** Puts what the environment says in its place in the file, so that it is validated with the rest. */
function override(raw: unknown, options: ParseConfigOptions): void {
  if (!isPlainObject(raw)) return;
  for (const row of ENVIRONMENT_TABLE) {
    const text = options.environment[row.name];
    if (text === undefined || (text === '' && row.name !== 'CAUSEWAY_DATA_DIR')) continue;
    const read = row.read(text);
    if ('expected' in read) throw new CausewayError('CONFIG', `${row.name}: expected ${read.expected}, got "${text}"`);
    place(
      raw,
      row.path.map((key) => (key === NODE_PLACEHOLDER ? options.node : key)),
      read.value,
    );
  }
}

function place(into: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (key === undefined) return;
  const inner = Object.hasOwn(into, key) ? into[key] : undefined;
  if (isPlainObject(value) && rest.length === 0) into[key] = { ...(isPlainObject(inner) ? inner : {}), ...value };
  else if (rest.length === 0) into[key] = value;
  else if (isPlainObject(inner)) place(inner, rest, value);
  else if ((inner === undefined || inner === null) && rest.length === 1) into[key] = { [rest[0] ?? '']: value };
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** zod's own words, with what was there and what would have been allowed. */
function inWords(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? `missing, expected ${issue.expected}`
        : `expected ${issue.expected}, got ${shown(issue.input)}`;
    case 'invalid_value':
      return `expected one of ${issue.values.join(', ')}, got ${shown(issue.input)}`;
    case 'unrecognized_keys':
      return `unknown ${issue.keys.length === 1 ? 'key' : 'keys'} ${issue.keys.map((key) => `"${key}"`).join(', ')}`;
    case 'invalid_key':
      return issue.issues[0]?.message;
    default:
      return undefined;
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** Runs `read` and puts the file's name before what it complains of. */
function at<T>(source: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof CausewayError)
      throw new CausewayError(error.code, `${source}: ${error.message}`, { cause: error });
    throw error;
  }
}
