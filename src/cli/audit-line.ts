import { createHash } from 'node:crypto';
import { z } from 'zod';

/** A record of an export, as far as its place in the chain goes. */
export interface AuditLine {
  readonly text: string;
  readonly group: string;
  /** The number of the record in its group, from 1. */
  readonly record: number;
  /** The log index of the entry that made it. */
  readonly index: number;
  /** SHA-256 of the record before it. */
  readonly previous: string;
  /** SHA-256 of this one. */
  readonly hash: string;
}

export const SHA256_HEX: RegExp = /^[0-9a-f]{64}$/;

const place = z.object({
  group: z.string().min(1).max(1_024),
  record: z.int().min(1),
  index: z.int().min(1),
  previous: z.string().regex(SHA256_HEX),
});

/** The record that a line holds; null where it holds none. */
export function auditLine(text: string): AuditLine | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const parsed = place.safeParse(value);
  return parsed.success ? { text, ...parsed.data, hash: hashOfLine(text) } : null;
}

/** A record's SHA-256: of its line without the newline, each char a byte. */
export function hashOfLine(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex');
}
