const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** What `parseDuration` reads, for messages. */
export const DURATION_SHAPE = 'a duration with its unit (ms, s, m, h or d), such as 90s, 5m or 12h';

/** Milliseconds of a text such as `5m`, null when it is none. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text);
  const [, count, unit] = match ?? [];
  const unitMs = unit === undefined ? undefined : UNIT_MS[unit];
  return count === undefined || unitMs === undefined ? null : Number(count) * unitMs;
}

/** The shortest text of a duration: `5m`, `90s`, `1500ms`. */
export function durationText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const unitMs = UNIT_MS[unit] ?? 1;
    if (ms >= unitMs && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return `${ms}ms`;
}
