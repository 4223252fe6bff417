import { CausewayError } from '../errors.ts';

/** Where something listens or is reached. `port` 0 means any free port where it listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

const PORT_MAX = 65_535;

/** What the text of an address must look like, for messages. */
export const ADDRESS_SHAPE: string = `"host:port" with a port of 0 to ${PORT_MAX}`;

/** Reads `host:port`, also `[::1]:port`; null when it is not that. */
export function parseAddress(text: string): Address | null {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([^\s:/[\]]{1,255})):([0-9]{1,5})$/.exec(text);
  if (match === null) return null;
  const host = match[1] ?? match[2];
  const port = Number(match[3]);
  return host === undefined || port > PORT_MAX ? null : { host, port };
}

/** As `parseAddress`, for text that names a thing to connect to. Throws CONFIG. */
export function addressOf(text: string, what: string): Address {
  const address = parseAddress(text);
  if (address === null || address.port === 0) {
    throw new CausewayError('CONFIG', `${what}: expected "host:port" with a port of 1 to ${PORT_MAX}, got "${text}"`);
  }
  return address;
}

/** The inverse of `parseAddress`. */
export function formatAddress(address: Address): string {
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

/**
 * Whether an address, or the name `localhost`, is this machine's own: only processes of this machine get there, or come
 * from there. An address that is not known is not.
 */
export function isLoopback(host: string | undefined): boolean {
  if (host === undefined) return false;
  const address = host.toLowerCase().replace(/^::ffff:/, '');
  return address === 'localhost' || address === '::1' || /^127(\.\d{1,3}){3}$/.test(address);
}
