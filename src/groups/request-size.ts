import type { StrongRequest } from '../commands/strong-view.ts';
import { REQUEST_OVERHEAD_BYTES } from './lane-limits.ts';

/** What is answered to a request that no entry of a log can hold. */
export const TOO_LARGE = {
  code: 'LIMIT',
  message: "the request is larger than an entry of a group's log may be (limit entry-bytes-max)",
} as const;

/** What its words have, all together. */
function wordBytes({ commands, keys, watches }: StrongRequest): number {
  let bytes = 0;
  for (const words of commands) {
    bytes += words.length + 1;
    for (const word of words) bytes += word.length;
  }
  for (const key of keys) bytes += key.length + 1;
  for (const [key] of watches) bytes += key.length + 1;
  return bytes;
}

/** About what a request has on its way and in memory, at least. */
export function requestBytes(request: StrongRequest): number {
  return wordBytes(request) + REQUEST_OVERHEAD_BYTES;
}

/**
 * Whether a request cannot fit into an entry, by the bytes of its words alone. Judged before it is sent: so large a frame would be
 * refused.
 */
export function isTooLarge(request: StrongRequest, entryBytesMax: number): boolean {
  return wordBytes(request) > entryBytesMax;
}
