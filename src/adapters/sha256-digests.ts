import { hash, timingSafeEqual } from 'node:crypto';
import type { PasswordDigests } from '../commands/authentication.ts';

/** Digests of passwords by Node's cryptography. */
export const sha256Digests: PasswordDigests = {
  digest: (bytes) => hash('sha256', bytes, 'buffer'),
  equal: (left, right) => timingSafeEqual(left, right),
};
