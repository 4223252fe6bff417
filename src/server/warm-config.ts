import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { durationField } from '../classes/section-words.ts';

/** What a starting node reads before it is asked for it. */
export interface WarmConfig {
  /** Whether the keys that were used most are recorded in the data folder, and read at the next start. */
  readonly hot: boolean;
  /** How often they are recorded. */
  readonly recordEveryMs: number;
  /** A file with a key a line, null for none. */
  readonly keysFile: string | null;
  /** For how long, at most, the node is not ready while it reads. */
  readonly waitMs: number;
}

const HOUR_MS = 3_600_000;

/** As it stands in the file, with the defaults in. */
interface WarmSection {
  readonly hot: boolean;
  readonly record: number;
  readonly keys?: string | undefined;
  readonly wait: number;
}

const section: z.ZodType<WarmSection> = z.strictObject({
  hot: z.boolean().default(true),
  record: durationField(1_000, 24 * HOUR_MS).default(60_000),
  keys: z.string().min(1).optional(),
  wait: durationField(0, HOUR_MS).default(0),
});

export const warmShape: z.ZodType<WarmSection | null> = section.nullable().default(null);

/** What a region's file says; a file of keys is beside it. */
export function warmOf(file: WarmSection | null, source: string): WarmConfig | null {
  if (file === null) return null;
  const { hot, record, keys, wait } = file;
  const keysFile = keys === undefined ? null : resolve(dirname(source), keys);
  return { hot, recordEveryMs: record, keysFile, waitMs: wait };
}
