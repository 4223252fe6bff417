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

interface OwnsHandle {
  _handle: { readonly fd?: number } | null;
}

/**
 * Takes an accepted, paused socket over into one that reads into the shared buffer, which `net.Server` cannot be asked for.
 * `received` is called with the number of bytes at the buffer's start. The given socket is of no use afterwards.
 */
export function adoptSocket(
  accepted: Socket,
  shared: SharedReadBuffer,
  received: (bytes: number) => void,
): { readonly socket: Socket; readonly descriptor: number } | null {
  const owner = accepted as unknown as OwnsHandle;
  const handle = owner._handle;
  // Already gone again.
  if (handle === null) return null;
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
}
