import { connect } from 'node:net';
import type { Address } from '../server/address.ts';
import { requestBytes } from './request-bytes.ts';

/** Asks a server on a connection of its own, and calls back where it says anything at all, a refusal too, in time. */
export function lookForLife(address: Address, withinMs: number, found: () => void): void {
  const socket = connect({ ...address, noDelay: true });
  const timer = setTimeout(() => socket.destroy(), withinMs);
  timer.unref();
  socket.unref();
  socket.on('connect', () => socket.write(requestBytes(['PING'])));
  socket.once('data', () => {
    socket.destroy();
    found();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => clearTimeout(timer));
}
