import type { AddressInfo, Server } from 'node:net';
import { CausewayError } from '../errors.ts';

/**
 * Listens and returns the port, which for port 0 is a free one. Throws PORTBUSY that names the port when another process
 * has it, and CONFIG when this machine has no such address or refuses it.
 */
export function listen(server: Server, host: string, port: number, purpose: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => reject(listenError(error, host, port, purpose));
    server.once('error', fail);
    server.listen({ host, port }, () => {
      server.off('error', fail);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** The error of a `listen` as one of ours. */
export function listenError(error: NodeJS.ErrnoException, host: string, port: number, purpose: string): CausewayError {
  if (error.code === 'EADDRINUSE') {
    return new CausewayError('PORTBUSY', `port ${port} on ${host} (${purpose}) is in use by another process`, {
      retry: 'later',
      cause: error,
    });
  }
  return new CausewayError('CONFIG', `cannot listen on ${host} port ${port} (${purpose}): ${error.message}`, {
    cause: error,
  });
}
