import type { StrongRequest } from '../commands/strong-view.ts';

/** What is answered to a request that no entry of a log can hold. */
export const TOO_LARGE = {
  code: 'LIMIT',
  message: "the request is larger than an entry of a group's log may be (limit entry-bytes-max)",
} as const;

/**
 * Whether a request cannot fit into an entry, by the bytes of its words alone. Judged before it is sent: what is too large for the control
 * connection to its leader would cut that off.
 */
export function isTooLarge({ commands, keys, watches }: StrongRequest, entryBytesMax: number): boolean {
  let bytes = 0;
  for (const words of commands) {
    bytes += words.length + 1;
    for (const word of words) bytes += word.length;
  }
  for (const key of keys) bytes += key.length + 1;
  for (const [key] of watches) bytes += key.length + 1;
  return bytes > entryBytesMax;
}
