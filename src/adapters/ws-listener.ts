import { createServer, STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { LinkKind } from '../ports.ts';
import { listen } from './listen.ts';
import { PEER_PATHS, PEER_PROTOCOL, SECRET_PEER_PROTOCOL } from './ws-connection.ts';

/** Sockets on the peer port at once, whatever they are. */
const SOCKETS_MAX = 1024;
const HEADER_BYTES_MAX = 8192;
/** A node of another version says so in these words. */
const OTHER_VERSION = /^causeway\.\d{1,9}(\.secret)?$/;
const NO_SECRET_HERE = 'peer secret: the node that dials has one, the node that is dialled has none';
const NO_SECRET_THERE = 'peer secret: the node that is dialled has one, the node that dials has none';

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly frameBytesMax: number;
  /** How long whoever connects may take to ask for a WebSocket. */
  readonly headersMsMax: number;
  /** The subprotocol that is spoken. */
  readonly protocol: string;
  /** Told of whoever speaks another version of it, or without the secret that this end has, or the other way round. */
  readonly refused: (kind: LinkKind, reason: string) => void;
  readonly accepted: (webSocket: WebSocket, socket: Socket, kind: LinkKind) => void;
}

/** The peer port: takes WebSockets of our protocol on the two paths, and nothing else. */
export class WsListener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #webSockets: WebSocketServer;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = createServer({
      maxHeaderSize: HEADER_BYTES_MAX,
      connectionsCheckingInterval: options.headersMsMax / 2,
    });
    this.#server.headersTimeout = options.headersMsMax;
    this.#server.requestTimeout = options.headersMsMax;
    this.#server.maxConnections = SOCKETS_MAX;
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      // in the order in which they came, beside those that are read past it
      allowSynchronousEvents: true,
      autoPong: false,
      maxPayload: options.frameBytesMax,
      handleProtocols: () => options.protocol,
    });
    this.#server.on('request', (_request, response) => {
      response.writeHead(426, { connection: 'close', 'content-type': 'text/plain' });
      response.end('this port speaks to other nodes only, by WebSocket\n');
    });
    this.#server.on('clientError', (_error, socket) => socket.destroy());
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  listen(): Promise<number> {
    return listen(this.#server, this.#options.host, this.#options.port, 'peer links');
  }

  /** Takes nobody any more. Connections that were handed out stay. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const kind = kindOf(request.url);
    // A browser names its page's origin, a node has none: no page may speak here through its reader's machine.
    if (request.headers.origin !== undefined) return refuse(socket, 403, 'not for browsers');
    if (kind === null) return refuse(socket, 404, `paths are ${Object.values(PEER_PATHS).join(' and ')}`);
    const offered = protocolsOf(request);
    const { protocol } = this.#options;
    if (!offered.includes(protocol)) {
      const isOurs = offered.includes(PEER_PROTOCOL) || offered.includes(SECRET_PEER_PROTOCOL);
      if (!isOurs) {
        const other = offered.find((name) => OTHER_VERSION.test(name));
        if (other !== undefined) this.#options.refused(kind, otherVersion(other, protocol));
        return refuse(socket, 400, `this node speaks ${protocol}`);
      }
      const reason = protocol === PEER_PROTOCOL ? NO_SECRET_HERE : NO_SECRET_THERE;
      this.#options.refused(kind, reason);
      return refuse(socket, 403, reason);
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      // Our server makes plain sockets only, and ws has typed what it is given more widely.
      this.#options.accepted(webSocket, socket as Socket, kind);
    });
  }
}

const otherVersion = (theirs: string, ours: string): string =>
  `peer protocol: the node that dials speaks ${theirs}, this node ${ours}`;

function kindOf(url: string | undefined): LinkKind | null {
  if (url === PEER_PATHS.bulk) return 'bulk';
  return url === PEER_PATHS.control ? 'control' : null;
}

function protocolsOf(request: IncomingMessage): readonly string[] {
  const offered = request.headers['sec-websocket-protocol'] ?? '';
  return offered.split(',').map((name) => name.trim());
}

function refuse(socket: Duplex, status: number, message: string): void {
  const body = `${message}\n`;
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, 'Connection: close', 'Content-Type: text/plain'];
  socket.end(`${head.join('\r\n')}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  // Whoever keeps sending is not listened to.
  socket.once('finish', () => socket.destroy());
}
