import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Entropy, LinkKind, TransportEvents } from '../ports.ts';
import { PeerHandshake, type PeerSecret } from './peer-secret.ts';
import { PEER_PROTOCOL, SECRET_PEER_PROTOCOL, WsConnection, type ConnectionEvents } from './ws-connection.ts';
import { Dialler } from './ws-dialler.ts';
import { WsListener } from './ws-listener.ts';

/** A node to keep connected to. */
export interface DialTarget {
  readonly nodeNumber: number;
  /** `ws://host:port` */
  readonly url: string;
}

export interface TransportLimits {
  /**
   * Largest frame that is taken; a larger one closes its connection before it is read. It has to be above every
   * transaction that a client can make (values up to 512 MiB), which could not be replicated otherwise.
   */
  readonly frameBytesMax: number;
  /** How long a dialled node may take to answer, over the slowest link there is. */
  readonly handshakeTimeoutMs: number;
  /** Accepted connections that have not proved who they are, at once. The oldest makes room for one more. */
  readonly unprovenConnectionsMax: number;
  /** How long an accepted connection may take to prove who it is. */
  readonly unprovenMs: number;
  /** Bytes taken from an accepted connection before it has proved who it is. */
  readonly unprovenBytesMax: number;
}

export const DEFAULT_TRANSPORT_LIMITS: TransportLimits = {
  frameBytesMax: 1024 * 1024 * 1024,
  handshakeTimeoutMs: 15_000,
  unprovenConnectionsMax: 64,
  unprovenMs: 20_000,
  unprovenBytesMax: 256 * 1024,
};

export interface TransportOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly entropy: Entropy;
  /** What each peer has to prove that it knows, before it is heard; null for nothing. */
  readonly secret?: PeerSecret | null;
  readonly limits?: Partial<TransportLimits>;
  /** The part of what it may read in a turn that a bulk connection is to read, above 0 and 1 at most; all of it where this is not given. */
  readonly readShare?: () => number;
  /** Told of each dial that came to nothing. */
  readonly dialFailed?: (nodeNumber: number, kind: LinkKind, reason: string) => void;
  /** Told of whoever dialled and did not prove that it knows the secret. */
  readonly refused?: (kind: LinkKind, reason: string) => void;
}

/** How long whoever connects may take to ask for a WebSocket. */
const HEADERS_MS_MAX = 10_000;

type Diallers = Readonly<Record<LinkKind, Dialler>>;

interface Guard {
  readonly connection: WsConnection;
  readonly timer: NodeJS.Timeout;
  stopCounting(): void;
}

/**
 * Peer links over WebSockets: listens on the peer port and keeps two connections to each target, one a kind.
 * Behind a secret a connection is `opened` when both ends have proved that they know it.
 * Every connection that was `opened` is `closed` exactly once, with no frame after it; after `close` there are no events.
 */
export class WsTransport {
  readonly #events: TransportEvents;
  readonly #options: TransportOptions;
  readonly #limits: TransportLimits;
  readonly #listener: WsListener;
  readonly #targets = new Map<number, Diallers>();
  readonly #connections = new Map<number, WsConnection>();
  /** By connection: who has to dial again when it is over. */
  readonly #dialledBy = new Map<number, Dialler>();
  /** By connection: what it has to go through before it is opened. */
  readonly #handshakes = new Map<number, PeerHandshake>();
  /** Dialled connections that are in their handshake. */
  readonly #unprovenDialled = new Map<number, Guard>();
  /** Accepted connections that have not proved who they are. */
  readonly #unproven = new Map<number, Guard>();
  #nextId = 1;
  #isClosed = false;

  constructor(options: TransportOptions, events: TransportEvents) {
    this.#options = options;
    this.#events = events;
    this.#limits = { ...DEFAULT_TRANSPORT_LIMITS, ...options.limits };
    this.#listener = new WsListener({
      host: options.host,
      port: options.port,
      frameBytesMax: this.#limits.frameBytesMax,
      headersMsMax: Math.min(HEADERS_MS_MAX, this.#limits.unprovenMs),
      protocol: this.#protocol,
      refused: (kind, reason) => this.#options.refused?.(kind, reason),
      accepted: (webSocket, socket, kind) => this.#accepted(webSocket, socket, kind),
    });
  }

  /** Returns the real port. Throws PORTBUSY or CONFIG. */
  listen(): Promise<number> {
    return this.#listener.listen();
  }

  get #protocol(): string {
    return (this.#options.secret ?? null) === null ? PEER_PROTOCOL : SECRET_PEER_PROTOCOL;
  }

  /** Bytes handed over on all connections and not yet given to the kernel. */
  get bufferedBytes(): number {
    let bytes = 0;
    for (const connection of this.#connections.values()) bytes += connection.bufferedBytes;
    return bytes;
  }

  /**
   * The nodes to keep connected to. One that is there already keeps its connections, a new URL counts from its next dial;
   * one that is no longer there is closed.
   */
  setTargets(targets: readonly DialTarget[]): void {
    if (this.#isClosed) return;
    const wanted = new Set(targets.map((target) => target.nodeNumber));
    for (const nodeNumber of this.#targets.keys()) if (!wanted.has(nodeNumber)) this.#drop(nodeNumber);
    for (const { nodeNumber, url } of targets) {
      const known = this.#targets.get(nodeNumber);
      if (known === undefined) {
        const bulk = this.#dialler(nodeNumber, url, 'bulk');
        this.#targets.set(nodeNumber, { bulk, control: this.#dialler(nodeNumber, url, 'control') });
      } else for (const dialler of Object.values(known)) dialler.setUrl(url);
    }
  }

  /** An accepted connection has shown who it is: it does not count as a stranger any more. */
  proved(connectionId: number): void {
    release(this.#unproven, connectionId);
  }

  /**
   * Ends everything, with `reason` as the last word on each connection, after what was sent before. No event comes any
   * more. Fulfilled when the sockets are gone, which takes a second at most.
   */
  async close(reason: string): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#listener.close();
    for (const diallers of this.#targets.values()) for (const dialler of Object.values(diallers)) dialler.stop();
    this.#targets.clear();
    for (const guards of [this.#unproven, this.#unprovenDialled]) for (const id of guards.keys()) release(guards, id);
    const connections = [...this.#connections.values()];
    this.#connections.clear();
    for (const connection of connections) connection.close(reason);
    await Promise.all(connections.map((connection) => connection.gone));
  }

  #dialler(nodeNumber: number, url: string, kind: LinkKind): Dialler {
    const { frameBytesMax, handshakeTimeoutMs } = this.#limits;
    const dialler = new Dialler(
      url,
      { kind, protocol: this.#protocol, frameBytesMax, handshakeTimeoutMs, entropy: this.#options.entropy },
      {
        connected: (webSocket, socket) => {
          const connection = this.#open(webSocket, socket, kind, nodeNumber);
          if (connection !== null) this.#dialledBy.set(connection.id, dialler);
          // a session needs both, and each would wait for its own time
          for (const other of Object.values(this.#targets.get(nodeNumber) ?? {})) other.dialNow();
        },
        failed: (reason) => this.#options.dialFailed?.(nodeNumber, kind, reason),
      },
    );
    return dialler;
  }

  #drop(nodeNumber: number): void {
    const diallers = this.#targets.get(nodeNumber);
    this.#targets.delete(nodeNumber);
    for (const dialler of Object.values(diallers ?? {})) dialler.stop();
    for (const connection of this.#connections.values()) {
      if (connection.dialledNode === nodeNumber) connection.close('the node is no longer to be dialled');
    }
  }

  #accepted(webSocket: WebSocket, socket: Socket, kind: LinkKind): void {
    // A member proves who it is within a round trip; whoever only wants to keep the places taken does not.
    const [oldest] = this.#unproven.values();
    if (oldest !== undefined && this.#unproven.size >= this.#limits.unprovenConnectionsMax) {
      this.proved(oldest.connection.id);
      oldest.connection.close('too many connections have not said who they are');
    }
    const connection = this.#open(webSocket, socket, kind, null);
    if (connection !== null) this.#unproven.set(connection.id, this.#guard(connection, socket));
  }

  /** Until it has proved who it is, the other end has little time and few bytes. */
  #guard(connection: WsConnection, socket: Socket): Guard {
    const { unprovenMs, unprovenBytesMax } = this.#limits;
    let receivedBytes = 0;
    const count = (chunk: Buffer): void => {
      receivedBytes += chunk.length;
      if (receivedBytes > unprovenBytesMax) connection.close(`over ${unprovenBytesMax} bytes before saying who it is`);
    };
    socket.on('data', count);
    const timer = setTimeout(() => connection.close(`did not say who it is within ${unprovenMs} ms`), unprovenMs);
    return { connection, timer, stopCounting: () => socket.off('data', count) };
  }

  #open(webSocket: WebSocket, socket: Socket, kind: LinkKind, dialledNode: number | null): WsConnection | null {
    if (this.#isClosed) {
      webSocket.terminate();
      return null;
    }
    const events: ConnectionEvents = {
      frame: (from, frame) => {
        if (this.#isClosed) return;
        const handshake = this.#handshakes.get(from.id);
        if (handshake === undefined) this.#events.frame(from, frame);
        else this.#shakeHands(from, handshake, frame);
      },
      closed: (over, reason) => this.#closed(over, reason),
    };
    const { frameBytesMax } = this.#limits;
    const { readShare = () => 1 } = this.#options;
    const parts = { id: this.#nextId++, kind, dialledNode, webSocket, socket, frameBytesMax, readShare };
    const connection = new WsConnection(parts, events);
    this.#connections.set(connection.id, connection);
    const secret = this.#options.secret ?? null;
    if (secret === null) this.#events.opened(connection);
    else {
      const handshake = new PeerHandshake({ ...secret, kind, dialledNode, entropy: this.#options.entropy });
      this.#handshakes.set(connection.id, handshake);
      if (dialledNode !== null) this.#unprovenDialled.set(connection.id, this.#guard(connection, socket));
      const opening = handshake.opening();
      if (opening !== null) connection.send(opening);
    }
    return connection;
  }

  #shakeHands(connection: WsConnection, handshake: PeerHandshake, frame: Uint8Array): void {
    const step = handshake.receive(frame);
    if (step.is === 'refused') return connection.close(step.reason);
    if (step.send !== null) connection.send(step.send);
    if (step.is !== 'proved') return;
    this.#handshakes.delete(connection.id);
    release(this.#unprovenDialled, connection.id);
    // What the protocol asks for next has its own time: over the slowest links a round trip is most of it.
    this.#unproven.get(connection.id)?.timer.refresh();
    this.#events.opened(connection);
  }

  #closed(connection: WsConnection, reason: string): void {
    this.proved(connection.id);
    release(this.#unprovenDialled, connection.id);
    if (!this.#connections.delete(connection.id) || this.#isClosed) return;
    if (this.#handshakes.delete(connection.id)) this.#handshakeFailed(connection, reason);
    else this.#events.closed(connection, reason);
    this.#dialledBy.get(connection.id)?.ended();
    this.#dialledBy.delete(connection.id);
  }

  /** It was never opened, so its end is told to whoever is told of dials and strangers. */
  #handshakeFailed({ dialledNode, kind }: WsConnection, reason: string): void {
    if (dialledNode === null) this.#options.refused?.(kind, reason);
    else if (this.#targets.has(dialledNode)) this.#options.dialFailed?.(dialledNode, kind, reason);
  }
}

function release(guards: Map<number, Guard>, connectionId: number): void {
  const guard = guards.get(connectionId);
  if (guard === undefined) return;
  guards.delete(connectionId);
  clearTimeout(guard.timer);
  guard.stopCounting();
}
