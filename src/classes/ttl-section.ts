import { z } from 'zod';
import type { AdaptiveTtl } from './adaptive-ttl.ts';
import { DURATION_SHAPE } from './duration.ts';
import { CLASS_TTL_MS_MAX } from './limits.ts';
import { durationField, expected, inWords } from './section-words.ts';

const duration = durationField(1, CLASS_TTL_MS_MAX);

const adaptive = z
  .strictObject(
    { min: duration, max: duration },
    { error: (issue) => inWords(issue)?.concat('; adaptive has min and max') ?? expected('{ min, max }')(issue) },
  )
  .transform(({ min, max }, context): AdaptiveTtl => {
    if (min > max) context.addIssue('expected "min" to be no longer than "max"');
    return { minMs: min, maxMs: max };
  });

const adaptiveTtl = z
  .strictObject(
    { adaptive },
    {
      error: (issue) =>
        inWords(issue)?.concat('; a ttl that is no duration has adaptive') ?? expected(DURATION_SHAPE)(issue),
    },
  )
  .transform((section) => section.adaptive);

/** `ttl:` of a class: how long keys live that are made without an expiry of their own, in milliseconds, or its bounds where that follows their changes. */
export const ttlSection: z.ZodType<number | AdaptiveTtl> = z.unknown().transform((value, context) => {
  const isObject = typeof value === 'object' && value !== null;
  const parsed = (isObject ? adaptiveTtl : duration).safeParse(value);
  if (parsed.success) return parsed.data;
  for (const { message, path } of parsed.error.issues) context.addIssue({ code: 'custom', message, path });
  return z.NEVER;
});
