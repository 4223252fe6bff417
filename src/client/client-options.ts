import { parseDuration, DURATION_SHAPE } from '../classes/duration.ts';
import { CausewayError } from '../errors.ts';
import { addressOf, type Address } from '../server/address.ts';
import type { ClientEvent } from './client-events.ts';
import { Codecs, type CodecChoice } from './codec.ts';

/** Milliseconds, or a text such as `5m`. */
export type Duration = number | string;

/** A region and its nodes, `host:port` of their Redis port. */
export interface RegionOption {
  readonly name: string;
  readonly nodes: readonly string[];
}

/** The cache in the process. */
export interface NearOptions {
  /** Which keys it may keep; all where it is not given. Strong keys are never kept. */
  readonly prefixes?: readonly string[];
  /** How long a value is served without being asked for again, whatever the node says of it. 100 ms. */
  readonly ttl?: Duration;
  /** 10,000. */
  readonly entriesMax?: number;
  /** Of keys and values as they lie on the node. 32 MiB. */
  readonly bytesMax?: number;
  /** What becomes of it while no node is connected: emptied (this is so where nothing is said), or served for so long after it was filled. */
  readonly whenLost?: 'empty' | { readonly serveForMs: number };
}

/**
 * Which reads and writes a move to another node must not lose. `all`: own writes are read, and nothing that was read is older afterwards. `writes`: own writes
 * are read. `none`: each node as it is. A turn's requests share one CW.TOKEN of some 60 bytes; with `writes` only those turns that write have one.
 */
export type SessionCare = 'all' | 'writes' | 'none';

export interface ConnectOptions {
  /** The nearest first. */
  readonly regions: readonly RegionOption[];
  /** `given`, or `measured`: by the time of a PING when the client connects. */
  readonly order?: 'given' | 'measured';
  /** No near cache where it is left out. */
  readonly near?: NearOptions | boolean;
  readonly codec?: CodecChoice;
  readonly user?: string;
  readonly password?: string;
  /** How long a call may take unless it says otherwise. 2 s. */
  readonly deadlineMs?: number;
  /** Until a node has accepted a connection and said that it is ready. 1 s. */
  readonly connectMs?: number;
  /** A node that says nothing for so long is taken for dead, unless it answers on another connection: then it waits, as for a source. 1 s. */
  readonly silentMs?: number;
  readonly session?: SessionCare;
  /** How long a node may take to catch up with the session before the next one is tried. 1 s. */
  readonly attachMs?: number;
  /** How often a nearer node than the one in use is looked for. 1 s. */
  readonly returnMs?: number;
  /** Requests that wait or are on their way, and their bytes: past either a call is refused with QueueFull. 10,000 and 64 MiB. */
  readonly queue?: { readonly entriesMax?: number; readonly bytesMax?: number };
  /** The longest reply that is read. 64 MiB. */
  readonly replyBytesMax?: number;
  /** Connections to a node for requests that wait for others: on strong keys, and transactions. 8. */
  readonly waitingConnectionsMax?: number;
  /** Told of connections, moves and refusals; what it throws is dropped. */
  readonly onEvent?: (event: ClientEvent) => void;
}

/** What a connection says first. */
export function helloOf({ login }: Pick<ClientSettings, 'login'>): (string | number)[] {
  const credentials = login === null ? [] : ['AUTH', login.user, login.password];
  return ['HELLO', 3, ...credentials, 'SETNAME', 'causeway-cache'];
}

/** A node that can be connected to. */
export interface Candidate {
  readonly region: string;
  readonly address: Address;
}

export interface NearSettings {
  readonly prefixes: readonly string[] | null;
  readonly ttlMs: number;
  readonly entriesMax: number;
  readonly bytesMax: number;
  /** 0 where it is emptied at once. */
  readonly serveForMs: number;
}

/** The options with everything that was left out, checked. */
export interface ClientSettings {
  readonly candidates: readonly Candidate[];
  readonly isMeasured: boolean;
  readonly near: NearSettings | null;
  readonly codecs: Codecs;
  readonly login: { readonly user: string; readonly password: string } | null;
  readonly deadlineMs: number;
  readonly connectMs: number;
  readonly silentMs: number;
  readonly session: SessionCare;
  readonly attachMs: number;
  readonly returnMs: number;
  readonly queueEntriesMax: number;
  readonly queueBytesMax: number;
  readonly replyBytesMax: number;
  readonly waitingConnectionsMax: number;
  readonly onEvent: (event: ClientEvent) => void;
}

const MIB = 1024 * 1024;
/** setTimeout takes no more. */
const MS_MAX = 2 ** 31 - 1;

/** Throws CONFIG that names the option. */
export function settingsOf(options: ConnectOptions): ClientSettings {
  const { queue = {}, password } = options;
  const number = (name: string, value: number | undefined, otherwise: number, most = MS_MAX): number =>
    checked(name, value ?? otherwise, most);
  const { onEvent } = options;
  return {
    candidates: candidatesOf(options.regions),
    isMeasured: oneOf('order', options.order ?? 'given', ['given', 'measured']) === 'measured',
    near: nearSettings(options.near),
    codecs: new Codecs(options.codec ?? 'json'),
    login: password === undefined ? null : { user: options.user ?? 'default', password },
    deadlineMs: number('deadlineMs', options.deadlineMs, 2_000),
    connectMs: number('connectMs', options.connectMs, 1_000),
    silentMs: number('silentMs', options.silentMs, 1_000),
    session: oneOf('session', options.session ?? 'all', ['all', 'writes', 'none']),
    attachMs: number('attachMs', options.attachMs, 1_000),
    returnMs: number('returnMs', options.returnMs, 1_000),
    queueEntriesMax: number('queue.entriesMax', queue.entriesMax, 10_000),
    queueBytesMax: number('queue.bytesMax', queue.bytesMax, 64 * MIB, Number.MAX_SAFE_INTEGER),
    replyBytesMax: number('replyBytesMax', options.replyBytesMax, 64 * MIB),
    waitingConnectionsMax: number('waitingConnectionsMax', options.waitingConnectionsMax, 8, 1_000),
    onEvent: (event) => {
      try {
        onEvent?.(event);
      } catch {
        // a listener's own fault must not become ours
      }
    },
  };
}

/** Milliseconds of a duration. Throws CONFIG that names the option. */
export function durationMs(name: string, duration: Duration): number {
  const ms = typeof duration === 'number' ? duration : parseDuration(duration);
  if (ms !== null && Number.isFinite(ms) && ms > 0) return Math.ceil(ms);
  throw new CausewayError(
    'CONFIG',
    `${name}: expected milliseconds above 0 or ${DURATION_SHAPE}, got ${JSON.stringify(duration)}`,
  );
}

function nearSettings(near: NearOptions | boolean | undefined): NearSettings | null {
  if (near === undefined || near === false) return null;
  const options = near === true ? {} : near;
  const { whenLost = 'empty' } = options;
  return {
    prefixes: options.prefixes ?? null,
    ttlMs: durationMs('near.ttl', options.ttl ?? 100),
    entriesMax: checked('near.entriesMax', options.entriesMax ?? 10_000, 2 ** 24),
    bytesMax: checked('near.bytesMax', options.bytesMax ?? 32 * MIB, Number.MAX_SAFE_INTEGER),
    serveForMs: whenLost === 'empty' ? 0 : durationMs('near.whenLost.serveForMs', whenLost.serveForMs),
  };
}

function candidatesOf(regions: readonly RegionOption[]): readonly Candidate[] {
  const candidates = regions.flatMap(({ name, nodes }) =>
    nodes.map((node) => ({ region: name, address: addressOf(node, `regions: ${name}`) })),
  );
  if (candidates.length === 0) throw new CausewayError('CONFIG', 'regions: expected at least one region with one node');
  return candidates;
}

function checked(name: string, value: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return value;
  throw new CausewayError('CONFIG', `${name}: expected a whole number from 1 to ${most}, got ${String(value)}`);
}

function oneOf<T extends string>(name: string, value: T, known: readonly T[]): T {
  if (known.includes(value)) return value;
  throw new CausewayError('CONFIG', `${name}: expected one of ${known.join(', ')}, got ${JSON.stringify(value)}`);
}
