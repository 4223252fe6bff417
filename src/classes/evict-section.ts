import { z } from 'zod';
import { parseMemory } from '../base/memory-size.ts';
import {
  DEFAULT_EVICTION,
  EVICTION_PRIORITIES,
  EVICTION_TARGETS,
  type EvictionRule,
} from '../keyspace/eviction/eviction-rules.ts';
import { expected, inWords, shown } from './section-words.ts';

const priority = z.enum(EVICTION_PRIORITIES, { error: expected(`one of ${EVICTION_PRIORITIES.join(', ')}`) });
const to = z.enum(EVICTION_TARGETS, { error: expected(`one of ${EVICTION_TARGETS.join(', ')}`) });

/** Less would be gone before it is read. */
const CLASS_BYTES_MIN: number = 64 * 1024;
const SIZE_SHAPE = 'a size of 64kb or more, such as 256mb';
const max = z.union([z.string(), z.number()], { error: expected(SIZE_SHAPE) }).transform((given, context): number => {
  const bytes = parseMemory(String(given));
  if (bytes !== null && bytes >= CLASS_BYTES_MIN) return bytes;
  context.addIssue(`expected ${SIZE_SHAPE}, got ${shown(given)}`);
  return z.NEVER;
});

/** `evict:` of a class: which of its values leave memory before those of others, or never, when, and whether they can be read again. */
export const evictSection: z.ZodType<EvictionRule> = z
  .strictObject(
    { priority: priority.optional(), to: to.optional(), max: max.optional() },
    {
      error: (issue) =>
        inWords(issue)?.concat('; evict has priority, to and max') ?? expected('{ priority, max }')(issue),
    },
  )
  .transform((given, context): EvictionRule => {
    if (given.priority === 'never' && (given.max !== undefined || given.to !== undefined))
      context.addIssue('what is never evicted has neither "max" nor "to"');
    return {
      priority: given.priority ?? DEFAULT_EVICTION.priority,
      to: given.to ?? DEFAULT_EVICTION.to,
      maxBytes: given.max ?? null,
    };
  });
