import { z } from 'zod';
import { DEFAULT_COMPENSATE_WITHIN_MS, type CompensateRule } from './key-class.ts';
import { COMPENSATE_WITHIN_MS_MAX } from './limits.ts';
import { durationField, expected, inWords, modulePath } from './section-words.ts';

const URL_SHAPE = 'an address such as https://orders.internal/lost';
const MODULE_SHAPE = 'a module such as ./lost-orders.js';
/** Without a user and a password, which would be shown with the classes; nothing that could end a line of a request. */
const ADDRESS = /^https?:\/\/[^\s@\\]{1,2000}$/;

/** `compensate:` of a class: who is told of a write that lost. */
export const compensateSection: z.ZodType<CompensateRule> = z
  .strictObject(
    {
      url: z
        .string({ error: expected(URL_SHAPE) })
        .regex(ADDRESS, { error: expected(URL_SHAPE) })
        .optional(),
      module: modulePath(MODULE_SHAPE).optional(),
      within: durationField(1, COMPENSATE_WITHIN_MS_MAX).optional(),
    },
    {
      error: (issue) =>
        inWords(issue)?.concat('; compensate has url or module, and within') ??
        expected('{ url, within } or { module, within }')(issue),
    },
  )
  .superRefine(({ url, module }, context) => {
    if ((url === undefined) === (module === undefined)) context.addIssue('expected one of url and module');
  })
  .transform(({ url, module, within }) => ({
    url: url ?? null,
    module: module ?? null,
    withinMs: within ?? DEFAULT_COMPENSATE_WITHIN_MS,
  }));
