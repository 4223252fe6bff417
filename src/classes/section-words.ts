import { z } from 'zod';
import { DURATION_SHAPE, durationText, parseDuration } from './duration.ts';

/** What of a file was found where something else was expected. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  const text = textOf(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** An alias of YAML can be part of what it stands for: such a value has no text. */
function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'something else';
  } catch {
    return 'an alias that contains itself';
  }
}

/** The words of an error: what was expected, and what is there. */
export const expected =
  (what: string) =>
  ({ input }: { input?: unknown }): string =>
    `expected ${what}, got ${shown(input)}`;

/** Unknown keys, with what there is. */
export function inWords(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'unrecognized_keys') return undefined;
  const keys = issue.keys.map((key) => JSON.stringify(key)).join(', ');
  return `unknown ${issue.keys.length === 1 ? 'key' : 'keys'} ${keys}`;
}

/** A duration such as `5m`, in milliseconds, within bounds. */
export function durationField(minMs: number, maxMs: number): z.ZodType<number> {
  return z.string({ error: expected(DURATION_SHAPE) }).transform((text, context): number => {
    const ms = parseDuration(text);
    if (ms === null) context.addIssue(`expected ${DURATION_SHAPE}, got ${shown(text)}`);
    else if (ms < minMs || ms > maxMs)
      context.addIssue(`expected ${durationText(minMs)} to ${durationText(maxMs)}, got ${shown(text)}`);
    return ms ?? z.NEVER;
  });
}

/** A module below the folder of the classes file. */
export function modulePath(shape: string): z.ZodType<string> {
  return z
    .string({ error: expected(shape) })
    .regex(/^\.\/(?!.*(?:^|\/)\.\.(?:\/|$))[\w./-]+\.m?js$/, { error: expected(shape) });
}
