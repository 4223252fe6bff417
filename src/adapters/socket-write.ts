import { writeSync } from 'node:fs';
import type { Socket } from 'node:net';

/** A socket with the number that the system has for it; -1 where that is not known. */
export interface NumberedSocket {
  readonly socket: Socket;
  readonly descriptor: number;
}

/** Internal to Node: where it is not what it was, all goes through the stream. */
interface OwnsHandle {
  readonly _handle?: { readonly fd?: number } | null;
}

export function descriptorOf(socket: Socket): number {
  return (socket as unknown as OwnsHandle)._handle?.fd ?? -1;
}

/**
 * Gives bytes to the kernel past the stream, which would make four objects and a tick of it; returns how many it took, 0 where that cannot
 * be: the stream has bytes that come first, is closed (its number may be another's by now), or has no number that we know. What is left
 * goes through the stream, which also says what is wrong with a broken connection.
 */
export function writeNow({ socket, descriptor }: NumberedSocket, bytes: Uint8Array, length: number): number {
  if (descriptor < 0 || socket.destroyed || socket.writableLength > 0) return 0;
  try {
    return writeSync(descriptor, bytes, 0, length);
  } catch {
    return 0;
  }
}
