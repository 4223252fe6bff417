import { CausewayError } from '../errors.ts';
import { formatAddress, type Address } from '../server/address.ts';
import { nodeNameOf, regionOf, type Topology } from '../server/topology.ts';
import { Departures, type WaitPolicy } from './departures.ts';
import { Direction } from './direction.ts';
import { Forward } from './forward.ts';
import { WAN_LIMITS } from './limits.ts';

export interface ShaperOptions {
  readonly topology: Topology;
  /** Factor on every measured delay; 1 when left out. */
  readonly scale?: number;
  /** Whether delays vary as they did when they were measured; off when left out. */
  readonly hasJitter?: boolean;
  /** Bytes a millisecond by `from>to`; no limit for a direction that is not named. */
  readonly bytesPerMs?: ReadonlyMap<string, number>;
  /** Numbers in [0, 1) for jitter. */
  readonly random?: () => number;
  readonly waitPolicy?: WaitPolicy;
}

/** What a forward is asked to be; `listen` on any free port of the loopback when left out. */
export interface ForwardRequest {
  /** The node that dials, `us-east-1/a`. */
  readonly from: string;
  readonly to: string;
  readonly target: Address;
  readonly listen?: Address | undefined;
}

export interface ForwardStatus {
  readonly from: string;
  readonly to: string;
  /** `host:port` */
  readonly listen: string;
  readonly target: string;
  readonly connections: number;
  readonly resetsTotal: number;
}

/** One way between two regions, as `wan links` shows it. */
export interface LinkStatus {
  readonly from: string;
  readonly to: string;
  readonly state: 'open' | 'cut' | 'slow';
  /** The one-way delay in force. */
  readonly oneWayMs: number;
  /** What the topology says, scaled. */
  readonly measuredOneWayMs: number;
  readonly queuedBytes: number;
  readonly bytesTotal: number;
}

const LOOPBACK_ANY_PORT: Address = { host: '127.0.0.1', port: 0 };

/**
 * The WAN between regions of one cluster: forwards that nodes dial, and directed pairs of regions that can be cut, slowed and
 * healed while it runs. What it is told is in force when the call returns.
 */
export class Shaper {
  readonly #options: ShaperOptions;
  readonly #departures: Departures;
  /** By `from>to`, regions. */
  readonly #directions = new Map<string, Direction>();
  /** By `from>to`, nodes. */
  readonly #forwards = new Map<string, Forward>();

  constructor(options: ShaperOptions) {
    this.#options = options;
    this.#departures = new Departures(options.waitPolicy);
  }

  /** Opens forwards, or points those that exist at another target. Throws CONFIG, LIMIT or PORTBUSY. */
  async register(requests: readonly ForwardRequest[]): Promise<ForwardStatus[]> {
    const registered: Forward[] = [];
    for (const request of requests) registered.push(await this.#registerOne(request));
    return registered.map(statusOf);
  }

  links(): LinkStatus[] {
    return [...this.#directions.values()].map((direction) => this.#linkStatus(direction));
  }

  forwards(): ForwardStatus[] {
    return [...this.#forwards.values()].map(statusOf);
  }

  /**
   * Nothing gets from one region to the other any more. Both ways: connections are reset and new ones refused. One way:
   * connections stay, and bytes that way are held until healed. Throws CONFIG for a pair that has no link.
   */
  cut(from: string, to: string, isOneDirection: boolean): LinkStatus[] {
    return this.#change(from, to, isOneDirection, (direction) => {
      direction.isCut = true;
    });
  }

  /** The one-way delay from now on, in milliseconds. A cut stays. Throws as `cut`. */
  slow(from: string, to: string, isOneDirection: boolean, oneWayMs: number): LinkStatus[] {
    return this.#change(from, to, isOneDirection, (direction) => {
      direction.delayMs = oneWayMs;
    });
  }

  /** Back to what was measured: no cut, no slowness. Held bytes flow. Throws as `cut`. */
  heal(from: string, to: string, isOneDirection: boolean): LinkStatus[] {
    return this.#change(from, to, isOneDirection, (direction) => direction.heal());
  }

  /** Resets every connection and closes every port. */
  async stop(): Promise<void> {
    await Promise.all([...this.#forwards.values()].map((forward) => forward.stop()));
    this.#departures.stop();
  }

  async #registerOne(request: ForwardRequest): Promise<Forward> {
    const { topology, random = Math.random } = this.#options;
    const from = nodeNameOf(topology, request.from);
    const to = nodeNameOf(topology, request.to);
    const key = `${from.id}>${to.id}`;
    const existing = this.#forwards.get(key);
    if (existing !== undefined) {
      existing.target = request.target;
      return existing;
    }
    if (this.#forwards.size >= WAN_LIMITS.forwardsMax) {
      throw new CausewayError('LIMIT', `the WAN shaper has ${WAN_LIMITS.forwardsMax} forwards, the most there may be`);
    }
    const forward = new Forward({
      from: from.id,
      to: to.id,
      there: this.#direction(from.region, to.region),
      back: this.#direction(to.region, from.region),
      target: request.target,
      listen: request.listen ?? LOOPBACK_ANY_PORT,
      departures: this.#departures,
      random,
    });
    // Taken before it listens, so that a second request for the same pair meanwhile finds it.
    this.#forwards.set(key, forward);
    try {
      await forward.start();
    } catch (error) {
      this.#forwards.delete(key);
      throw error;
    }
    return forward;
  }

  #direction(from: string, to: string): Direction {
    const key = `${from}>${to}`;
    const existing = this.#directions.get(key);
    if (existing !== undefined) return existing;
    const { topology, scale = 1, hasJitter = false, bytesPerMs } = this.#options;
    const direction = new Direction({
      from,
      to,
      measuredMs: topology.oneWayMs(from, to) * scale,
      jitterMs: hasJitter ? topology.jitterMs(from, to) * scale : 0,
      bytesPerMs: bytesPerMs?.get(key) ?? null,
    });
    this.#directions.set(key, direction);
    return direction;
  }

  #change(from: string, to: string, isOneDirection: boolean, change: (direction: Direction) => void): LinkStatus[] {
    const there = this.#existing(from, to);
    const back = this.#existing(to, from);
    const changed = isOneDirection ? [there] : [there, back];
    for (const direction of changed) change(direction);
    const touched = [...this.#forwards.values()].filter(
      (forward) => changed.includes(forward.there) || changed.includes(forward.back),
    );
    if (there.isCut && back.isCut) for (const forward of touched) forward.resetConnections();
    this.#departures.reschedule(touched.flatMap((forward) => forward.lines));
    return changed.map((direction) => this.#linkStatus(direction));
  }

  #existing(from: string, to: string): Direction {
    regionOf(this.#options.topology, from);
    regionOf(this.#options.topology, to);
    const direction = this.#directions.get(`${from}>${to}`);
    if (direction !== undefined) return direction;
    const known = [...this.#directions.keys()].map((key) => key.replace('>', ' '));
    throw new CausewayError('CONFIG', `no link from ${from} to ${to}; there are: ${known.join(', ') || 'none'}`);
  }

  #linkStatus(direction: Direction): LinkStatus {
    let queuedBytes = 0;
    for (const forward of this.#forwards.values()) {
      for (const line of forward.lines) if (line.direction === direction) queuedBytes += line.queuedBytes;
    }
    return {
      from: direction.from,
      to: direction.to,
      state: direction.isCut ? 'cut' : direction.isSlowed ? 'slow' : 'open',
      oneWayMs: direction.delayMs,
      measuredOneWayMs: direction.measuredMs,
      queuedBytes,
      bytesTotal: direction.bytesTotal,
    };
  }
}

function statusOf(forward: Forward): ForwardStatus {
  return {
    from: forward.from,
    to: forward.to,
    listen: formatAddress(forward.listen),
    target: formatAddress(forward.target),
    connections: forward.connectionCount,
    resetsTotal: forward.resetsTotal,
  };
}
