import { createServer, type Server, type Socket } from 'node:net';
import { CausewayError } from '../errors.ts';
import { formatAddress, type Address } from '../server/address.ts';
import { SOCKET_OPTIONS, WanConnection } from './connection.ts';
import type { DelayLine } from './delay-line.ts';
import type { Departures } from './departures.ts';
import type { Direction } from './direction.ts';
import { WAN_LIMITS } from './limits.ts';

/** The port behind which one node finds another: it accepts in the dialling node's region and connects in the other. */
export class Forward {
  /** Names of the nodes, `us-east-1/a`. */
  readonly from: string;
  readonly to: string;
  readonly there: Direction;
  readonly back: Direction;
  /** Where new connections go. */
  target: Address;
  resetsTotal = 0;
  readonly #departures: Departures;
  readonly #random: () => number;
  readonly #connections = new Set<WanConnection>();
  readonly #server: Server;
  #listen: Address;

  constructor(options: {
    from: string;
    to: string;
    there: Direction;
    back: Direction;
    target: Address;
    listen: Address;
    departures: Departures;
    random: () => number;
  }) {
    this.from = options.from;
    this.to = options.to;
    this.there = options.there;
    this.back = options.back;
    this.target = options.target;
    this.#listen = options.listen;
    this.#departures = options.departures;
    this.#random = options.random;
    this.#server = createServer(SOCKET_OPTIONS, (client) => this.#accept(client));
  }

  /** Where it listens; the port is the real one once `start` is fulfilled. */
  get listen(): Address {
    return this.#listen;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  get lines(): DelayLine[] {
    return [...this.#connections].flatMap((connection) => connection.lines);
  }

  /** Throws PORTBUSY that names the address. */
  async start(): Promise<void> {
    const { host, port } = this.#listen;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => {
        const where = formatAddress(this.#listen);
        reject(new CausewayError('PORTBUSY', `the WAN shaper cannot listen on ${where}: ${cause.message}`, { cause }));
      });
      this.#server.listen({ host, port }, resolve);
    });
    const bound = this.#server.address();
    if (bound !== null && typeof bound === 'object') this.#listen = { host, port: bound.port };
  }

  /** Ends every connection as a cut cable that both sides notice. */
  resetConnections(): void {
    for (const connection of this.#connections) connection.reset();
  }

  async stop(): Promise<void> {
    this.resetConnections();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #accept(client: Socket): void {
    const isRefused = this.there.isCut && this.back.isCut;
    if (isRefused || this.#connections.size >= WAN_LIMITS.connectionsPerForwardMax) {
      this.resetsTotal += 1;
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const connection = new WanConnection({
      client,
      target: this.target,
      there: this.there,
      back: this.back,
      departures: this.#departures,
      random: this.#random,
      onClose: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }
}
