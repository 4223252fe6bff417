import type { ByteRange } from '../base/bytes.ts';
import { PATTERN_BYTES_MAX } from '../base/client-limits.ts';
import { Glob } from '../base/glob.ts';
import { overLimit } from './refusals.ts';

/** A client's glob made ready, null for one that matches everything. */
export function patternOf(pattern: ByteRange): Glob | null {
  if (pattern.length > PATTERN_BYTES_MAX)
    throw overLimit('pattern is too long', 'pattern-bytes-max', PATTERN_BYTES_MAX);
  const glob = new Glob(pattern);
  return glob.matchesAll ? null : glob;
}
