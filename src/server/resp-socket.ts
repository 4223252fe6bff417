import { writeSync } from 'node:fs';
import { Socket, type SocketConstructorOpts } from 'node:net';

/** Free bytes in front of what is read: a parser puts the few that were left over there. */
const HEADROOM_BYTES = 4096;
const READ_BYTES = 65_536;

/**
 * The one buffer that all client sockets are read into. Each event is handled to its end before the next read, so that
 * ten thousand connections need no buffer each, and no buffer is made for a read.
 */
export class SharedReadBuffer {
  readonly bytes: Uint8Array = new Uint8Array(HEADROOM_BYTES + READ_BYTES);
  /** Where a read begins. */
  readonly start: number = HEADROOM_BYTES;
  /** What sockets read into: the same memory without the headroom. */
  readonly readArea: Uint8Array = new Uint8Array(this.bytes.buffer, HEADROOM_BYTES, READ_BYTES);
}

/** A client's socket that reads into the shared buffer. */
export interface AdoptedSocket {
  readonly socket: Socket;
  /** As the system numbers it; -1 where it has no number that we know. */
  readonly descriptor: number;
}

/**
 * Makes a socket of an accepted, paused one that calls `received` with the number of bytes at the buffer's start. Null when the client is
 * gone again. The given socket is of no use afterwards.
 */
export type AdoptSocket = (
  accepted: Socket,
  shared: SharedReadBuffer,
  received: (bytes: number) => void,
) => AdoptedSocket | null;

interface OwnsHandle {
  _handle?: { readonly fd?: number; readonly readStart?: unknown } | null;
}

/**
 * Takes an accepted socket's handle over into a socket that reads straight into the shared buffer, which `net.Server` cannot be asked
 * for. The handle is an internal of Node, and this the only place that knows of it: where it is not what it was, sockets are read as usual.
 */
export const adoptSocket: AdoptSocket = (accepted, shared, received) => {
  const owner = accepted as unknown as OwnsHandle;
  const handle = owner._handle;
  if (accepted.destroyed || handle === null) return null;
  if (typeof handle?.readStart !== 'function') return copyFromSocket(accepted, shared, received);
  owner._handle = null;
  accepted.on('error', () => undefined);
  accepted.destroy();
  const options = {
    handle,
    // What a client that ends its side at once has asked for is still answered.
    allowHalfOpen: true,
    onread: {
      buffer: shared.readArea,
      callback: (bytes: number): boolean => {
        received(bytes);
        return true;
      },
    },
  };
  // Node's types do not know that a socket can be made from the handle of another.
  return { socket: new Socket(options as unknown as SocketConstructorOpts), descriptor: handle.fd ?? -1 };
};

/** By public means alone: each chunk that the socket gives is copied into the shared buffer. */
export const copyFromSocket: AdoptSocket = (accepted, shared, received) => {
  accepted.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; at += READ_BYTES) {
      const piece = chunk.subarray(at, at + READ_BYTES);
      shared.readArea.set(piece);
      received(piece.length);
    }
  });
  return { socket: accepted, descriptor: -1 };
};

/**
 * Gives bytes to the kernel past the stream, which would make four objects and a tick of it; returns how many it took, 0 where that cannot
 * be: the stream has bytes that come first, is closed (its number may be another's by now), or has no number that we know. What is left
 * goes through the stream, which also says what is wrong with a broken connection.
 */
export function writeNow({ socket, descriptor }: AdoptedSocket, bytes: Uint8Array, length: number): number {
  if (descriptor < 0 || socket.destroyed || socket.writableLength > 0) return 0;
  try {
    return writeSync(descriptor, bytes, 0, length);
  } catch {
    return 0;
  }
}
