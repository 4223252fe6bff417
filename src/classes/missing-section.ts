import { z } from 'zod';
import { durationField, expected, inWords } from './section-words.ts';
import { DEFAULT_MISSING_RULE, FETCH_FALLBACKS, type MissingRule } from './key-class.ts';
import { MISSING_WITHIN_MS_MAX } from './limits.ts';

const fallback = z.enum(FETCH_FALLBACKS, { error: expected(`one of ${FETCH_FALLBACKS.join(', ')}`) });

/** `missing:` of a class: how long requests wait for keys that are not here, and what they get when nobody can tell. */
export const missingSection: z.ZodType<MissingRule> = z
  .strictObject(
    { within: durationField(1, MISSING_WITHIN_MS_MAX).optional(), fallback: fallback.optional() },
    {
      error: (issue) =>
        inWords(issue)?.concat('; missing has within and fallback') ?? expected('{ within, fallback }')(issue),
    },
  )
  .transform(({ within, fallback: chosen }) => ({
    withinMs: within ?? DEFAULT_MISSING_RULE.withinMs,
    fallback: chosen ?? DEFAULT_MISSING_RULE.fallback,
  }));
