import type { Socket } from 'node:net';
import { WebSocket, type RawData } from 'ws';
import type { LinkKind, PeerConnection } from '../ports.ts';
import { ReadShare } from './read-share.ts';
import { descriptorOf, writeNow, type NumberedSocket } from './socket-write.ts';
import { FrameReader, frameRoom, joinFrames, JOINED_BYTES_MAX } from './ws-frames.ts';

/** The subprotocol both ends must name, with the version of the frames (`causal/peer-frames.ts`): of another one none is sent. */
export const PEER_PROTOCOL = 'causeway.2';
/** The same behind a handshake (`peer-secret.ts`): each end says by it whether it has a secret. */
export const SECRET_PEER_PROTOCOL = 'causeway.2.secret';

/** Path of a kind of connection under the peer port. */
export const PEER_PATHS: Readonly<Record<LinkKind, string>> = { bulk: '/peer/bulk', control: '/peer/control' };

/** How long the other end may take to answer our close before the socket is cut. */
const CLOSE_GRACE_MS = 1000;
/** What a WebSocket close frame takes as its reason. */
const CLOSE_REASON_BYTES_MAX = 123;
const CLOSE_NORMAL = 1000;
const CLOSE_UNSUPPORTED_DATA = 1003;
const KEEP_ALIVE_MS = 15_000;
/**
 * What may lie here for a peer on its control connection: one that has not read that much reads nothing, though it may go on speaking. What
 * is large keeps to windows far below (`causal/sender.ts` on the bulk connection, `groups/lane.ts` on this one).
 */
export const CONTROL_UNREAD_BYTES_MAX: number = 16 * 1024 * 1024;

export interface ConnectionParts {
  readonly id: number;
  readonly kind: LinkKind;
  readonly dialledNode: number | null;
  readonly webSocket: WebSocket;
  /** The socket under it, on which `ws` has just begun to listen. */
  readonly socket: Socket;
  readonly frameBytesMax: number;
  /** See `TransportOptions.readShare`. */
  readonly readShare: () => number;
}

export interface ConnectionEvents {
  frame(connection: WsConnection, frame: Uint8Array): void;
  /** Once, also after an own `close`; then no frame any more. Never from within `send` or `close`. */
  closed(connection: WsConnection, reason: string): void;
}

/** One open WebSocket to a peer. All frames sent in one turn of the event loop leave in as few packets as they fit in. */
export class WsConnection implements PeerConnection {
  readonly id: number;
  readonly kind: LinkKind;
  readonly dialledNode: number | null;
  /** Fulfilled when the socket under it is gone. */
  readonly gone: Promise<void>;
  readonly #webSocket: WebSocket;
  readonly #numbered: NumberedSocket;
  readonly #events: ConnectionEvents;
  /** What is to leave together. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isOver = false;
  #failure: string | null = null;

  constructor(parts: ConnectionParts, events: ConnectionEvents) {
    this.id = parts.id;
    this.kind = parts.kind;
    this.dialledNode = parts.dialledNode;
    this.#webSocket = parts.webSocket;
    const { socket } = parts;
    this.#numbered = { socket, descriptor: descriptorOf(socket) };
    this.#events = events;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    const reader = this.#readPast(parts);
    this.#webSocket.on('message', (data, isBinary) => this.#received(data, isBinary));
    this.#webSocket.on('error', (error) => {
      reader.stop();
      this.#failure ??= error.message;
    });
    this.#webSocket.on('close', (code, reason) => this.#closed(code, reason));
    this.gone = new Promise((resolve) => this.#webSocket.once('close', () => resolve()));
  }

  /** Whole messages are taken before `ws` sees them. */
  #readPast({ kind, socket, dialledNode, frameBytesMax, readShare }: ConnectionParts): FrameReader {
    const listeners = socket.listeners('data');
    const reader = new FrameReader({
      isMasked: dialledNode === null,
      frameBytesMax,
      message: (bytes) => {
        if (!this.#isOver) this.#events.frame(this, bytes);
      },
      rest: (chunk) => {
        for (const listener of listeners) listener.call(socket, chunk);
      },
    });
    socket.removeAllListeners('data');
    // heartbeats do not wait
    const share = kind === 'bulk' ? new ReadShare(socket, readShare) : null;
    socket.on('data', (chunk: Buffer) => {
      share?.took(chunk.length);
      reader.take(chunk);
    });
    return reader;
  }

  get bufferedBytes(): number {
    return this.#waitingBytes + this.#webSocket.bufferedAmount;
  }

  send(frame: Uint8Array): void {
    if (this.#isOver) return;
    if (this.kind === 'control' && this.bufferedBytes > CONTROL_UNREAD_BYTES_MAX)
      return this.#end(CLOSE_NORMAL, `over ${CONTROL_UNREAD_BYTES_MAX} bytes that it does not read`);
    const room = frameRoom(frame);
    if (this.#waitingBytes + room > JOINED_BYTES_MAX) this.flush();
    // A copy: the memory of a frame is used again. A failed send closes the connection; that event tells.
    if (room > JOINED_BYTES_MAX) return this.#webSocket.send(Buffer.from(frame), { binary: true }, ignore);
    if (this.#waiting.push(frame) === 1) queueMicrotask(() => this.flush());
    this.#waitingBytes += room;
  }

  flush(): void {
    const frames = this.#waiting;
    if (frames.length === 0) return;
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (this.#webSocket.readyState !== WebSocket.OPEN) return;
    const bytes = joinFrames(frames, this.dialledNode !== null);
    const taken = writeNow(this.#numbered, bytes, bytes.length);
    // a copy: the others are written over before the stream has given them to the kernel
    if (taken < bytes.length) this.#numbered.socket.write(Buffer.from(bytes.subarray(taken)));
  }

  close(reason: string): void {
    this.#end(CLOSE_NORMAL, reason);
  }

  #received(data: RawData, isBinary: boolean): void {
    if (this.#isOver) return;
    if (!isBinary || !(data instanceof Uint8Array)) {
      return this.#end(CLOSE_UNSUPPORTED_DATA, 'a text frame where only binary ones are spoken');
    }
    // Without Buffer's own methods: its `slice` shares the bytes, where the core's is a copy.
    this.#events.frame(this, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  #end(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.flush();
    this.#webSocket.close(code, shortened(reason));
    const cut = setTimeout(() => this.#webSocket.terminate(), CLOSE_GRACE_MS);
    cut.unref();
    this.#webSocket.once('close', () => clearTimeout(cut));
    queueMicrotask(() => this.#events.closed(this, reason));
  }

  #closed(code: number, reason: Buffer): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const said = reason.toString('utf8');
    this.#events.closed(this, this.#failure ?? (said === '' ? `closed by the other end (${code})` : said));
  }
}

function shortened(reason: string): string {
  const bytes = Buffer.from(reason, 'utf8');
  if (bytes.length <= CLOSE_REASON_BYTES_MAX) return reason;
  // A character cut in half at the end would be refused as invalid UTF-8.
  return bytes
    .subarray(0, CLOSE_REASON_BYTES_MAX)
    .toString('utf8')
    .replace(/\uFFFD+$/, '');
}

function ignore(): void {
  // Nothing to do.
}
