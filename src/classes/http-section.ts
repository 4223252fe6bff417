import { z } from 'zod';
import { durationField, expected, inWords } from './section-words.ts';
import type { HttpRule } from './key-class.ts';
import { CLASS_TTL_MS_MAX } from './limits.ts';

const TYPE_SHAPE = 'a content type such as application/json';
/** RFC 9110, 8.3.1, with parameters; what could end a header early is not in it. */
const MEDIA_TYPE = /^[\w!#$&^.+-]{1,100}\/[\w!#$&^.+-]{1,100}( ?; ?[\w!#$&^.+-]{1,50}=[\w!#$&^.+-]{1,50}){0,4}$/;

const duration = durationField(0, CLASS_TTL_MS_MAX);

/** `http:` of a class: what HTTP answers on its keys say to caches. */
export const httpSection: z.ZodType<HttpRule> = z
  .strictObject(
    {
      type: z
        .string({ error: expected(TYPE_SHAPE) })
        .regex(MEDIA_TYPE, { error: expected(TYPE_SHAPE) })
        .optional(),
      'max-age': duration.optional(),
      'stale-while-revalidate': duration.optional(),
      'stale-if-error': duration.optional(),
      private: z.boolean({ error: expected('true or false') }).optional(),
    },
    {
      error: (issue) =>
        inWords(issue)?.concat('; http has type, max-age, stale-while-revalidate, stale-if-error and private') ??
        expected('{ type, max-age, stale-while-revalidate, stale-if-error, private }')(issue),
    },
  )
  .transform((found) => ({
    type: found.type ?? null,
    maxAgeMs: found['max-age'] ?? null,
    staleWhileRevalidateMs: found['stale-while-revalidate'] ?? null,
    staleIfErrorMs: found['stale-if-error'] ?? null,
    isPrivate: found.private ?? false,
  }));
