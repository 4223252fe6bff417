import { hash, timingSafeEqual } from 'node:crypto';
import type { PasswordDigests } from '../commands/authentication.ts';

/** Digests of passwords by Node's cryptography. */
export const sha256Digests: PasswordDigests = {
  digest: (bytes) => hash('sha256', bytes, 'buffer'),
  equal: (left, right) => timingSafeEqual(left, right),
};

/** SHA-256 in hex by Node's cryptography. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}
