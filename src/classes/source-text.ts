import { durationText } from './duration.ts';
import type { MissingRule, SourceRule, SourceWriteRule } from './key-class.ts';

/** All that a class says of its source, in a line: two that read the same do the same. */
export function sourceText(rule: SourceRule): string {
  const durations = [
    ['ttl', rule.ttlMs],
    ['timeout', rule.timeoutMs],
    ['absent', rule.absentMs],
    ['stale-while-loading', rule.staleWhileMs],
    ['stale-if-error', rule.staleIfErrorMs],
    ['ahead', rule.aheadMs],
    ['pause', rule.pauseMs],
  ] as const;
  const words = durations.map(([name, ms]) => `${name} ${durationText(ms)}`);
  words.push(
    `jitter ${rule.jitter}`,
    `early ${rule.early}`,
    `stampede ${rule.stampede}`,
    `failures ${rule.failuresMax}`,
  );
  return `${rule.url ?? rule.module ?? ''} (${[...words, ...writeWords(rule.write)].join(', ')})`;
}

function writeWords(write: SourceWriteRule | null): string[] {
  if (write === null) return [];
  const { mode, isDurable, delayMs, unstoredMax } = write;
  return [`write ${mode}`, `durable ${isDurable}`, `delay ${durationText(delayMs)}`, `unstored ${unstoredMax}`];
}

export function missingText({ withinMs, fallback }: MissingRule): string {
  return `within ${durationText(withinMs)}, fallback ${fallback}`;
}
