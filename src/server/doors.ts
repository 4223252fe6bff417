import { z } from 'zod';
import { PASSWORD_BYTES_MAX } from '../base/client-limits.ts';
import { CausewayError } from '../errors.ts';
import { formatAddress, isLoopback } from './address.ts';
import type { DoorsConfig, NodeConfig } from './node-config.ts';
import { readText } from './topology.ts';

/** Below this a secret can be guessed by whoever has recorded one handshake. */
const PEER_SECRET_CHARS_MIN = 16;
const PEER_SECRET_CHARS_MAX = 1024;
/** What `peerSecret` says where there is none on purpose. */
const NO_SECRET = 'none';

/** A text that is in no message: zod's own words would say what was there. */
function secretText(expected: string): z.ZodString {
  return z.string({ error: () => `expected ${expected}; in quotes, if it could be read as a number` });
}

const PASSWORD_SHAPE = `a password of 1 to ${PASSWORD_BYTES_MAX} bytes`;
const SECRET_SHAPE = `a secret of ${PEER_SECRET_CHARS_MIN} to ${PEER_SECRET_CHARS_MAX} characters, or ${NO_SECRET}`;

/** What a region's file says of doors, with the defaults in. */
export interface DoorsOfFile {
  readonly requirepass: string | null;
  readonly protectedMode: boolean;
  readonly peerSecret: string | null;
  readonly peerSecretFile: string | null;
}

/** The keys of a region's file that keep strangers out. */
export const doorsShape: { readonly [Key in keyof DoorsOfFile]: z.ZodType<DoorsOfFile[Key]> } = {
  requirepass: secretText(PASSWORD_SHAPE)
    .refine(isPassword, { error: () => `expected ${PASSWORD_SHAPE}` })
    .nullable()
    .default(null),
  protectedMode: z.boolean().default(true),
  peerSecret: secretText(SECRET_SHAPE)
    .refine(isSecret, { error: () => `expected ${SECRET_SHAPE}` })
    .nullable()
    .default(null),
  peerSecretFile: z.string().min(1).nullable().default(null),
};

function isPassword(text: string): boolean {
  return text !== '' && Buffer.byteLength(text) <= PASSWORD_BYTES_MAX;
}

function isSecret(text: string): boolean {
  return text === NO_SECRET || (text.length >= PEER_SECRET_CHARS_MIN && text.length <= PEER_SECRET_CHARS_MAX);
}

/** What the file says of doors. Throws CONFIG; no message holds a secret. */
export function doorsOf(file: DoorsOfFile): DoorsConfig {
  const { requirepass, protectedMode, peerSecretFile } = file;
  if (file.peerSecret !== null && peerSecretFile !== null) {
    throw new CausewayError('CONFIG', 'peerSecret and peerSecretFile: expected one of them');
  }
  const said = peerSecretFile === null ? file.peerSecret : readSecret(peerSecretFile);
  const isPeerPortOpen = said === NO_SECRET;
  return { requirepass, protectedMode, peerSecret: isPeerPortOpen ? null : said, isPeerPortOpen };
}

function readSecret(path: string): string {
  const secret = readText(path).replace(/\r?\n$/, '');
  if (isSecret(secret)) return secret;
  throw new CausewayError('CONFIG', `peerSecretFile: expected ${SECRET_SHAPE} in ${path}, on one line`);
}

/** The same as values of CONFIG, whose texts are latin1: a client's password is the bytes that it sends. */
export function doorParameters({ requirepass, protectedMode }: DoorsConfig): Readonly<Record<string, string>> {
  return {
    requirepass: Buffer.from(requirepass ?? '', 'utf8').toString('latin1'),
    'protected-mode': protectedMode ? 'yes' : 'no',
  };
}

/** Refuses a peer port that everybody reaches and where nothing is asked. Throws CONFIG. */
export function requirePeerSecret({ peer, doors }: NodeConfig): void {
  if (isLoopback(peer.host) || doors.peerSecret !== null || doors.isPeerPortOpen) return;
  throw new CausewayError(
    'CONFIG',
    `the peer port ${formatAddress(peer)} is beyond this machine, and anybody could join the cluster there: set peerSecret ` +
      `(CAUSEWAY_PEER_SECRET, or peerSecretFile), at least ${PEER_SECRET_CHARS_MIN} characters and the same on every node, or say ` +
      'peerSecret: none where the network itself keeps strangers out',
  );
}
