import { Socket, type SocketConstructorOpts } from 'node:net';
import { descriptorOf, type NumberedSocket } from '../adapters/socket-write.ts';

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
export type AdoptedSocket = NumberedSocket;

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
  _handle?: { readonly readStart?: unknown } | null;
}

/**
 * Takes an accepted socket's handle over into a socket that reads straight into the shared buffer, which `net.Server` cannot be asked
 * for. The handle is an internal of Node, of which only this and
 * `adapters/socket-write.ts` know: where it is not what it was, sockets are read as usual.
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
  const socket = new Socket(options as unknown as SocketConstructorOpts);
  return { socket, descriptor: descriptorOf(socket) };
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
