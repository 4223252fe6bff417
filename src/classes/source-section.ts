import { z } from 'zod';
import { SOURCE_WRITES, STAMPEDES, type SourceRule } from './key-class.ts';
import {
  CLASS_TTL_MS_MAX,
  SOURCE_DELAY_MS_MAX,
  SOURCE_FAILURES_MAX,
  SOURCE_PAUSE_MS_MAX,
  SOURCE_TIMEOUT_MS_MAX,
  SOURCE_UNSTORED_MAX,
} from './limits.ts';
import { durationField, expected, inWords, modulePath, shown } from './section-words.ts';

const URL_SHAPE = 'an address with {key} in its path or query, such as https://db.internal/prices/{key}';
const MODULE_SHAPE = 'a module such as ./load-prices.js';
const KEY_MARK = '{key}';
const DEFAULT_UNSTORED = 10_000;

const url = z
  .string({ error: expected(URL_SHAPE) })
  // one mark, and behind the host: what a key says is never part of where it goes
  .regex(/^https?:\/\/[^/?#{}\s@]+\/[^{}\s#]*\{key\}[^{}\s#]*$/, { error: expected(URL_SHAPE) });

const upTo = (shape: string, max: number): z.ZodType<number> =>
  z
    .number({ error: expected(shape) })
    .min(0, { error: expected(shape) })
    .max(max, { error: expected(shape) });

const duration = durationField(0, CLASS_TTL_MS_MAX);
const whole = (max: number): z.ZodType<number> =>
  z
    .int({ error: expected(`a whole number, 1 to ${max}`) })
    .min(1, { error: expected(`a whole number, 1 to ${max}`) })
    .max(max, { error: expected(`a whole number, 1 to ${max}`) });

const write = z.enum(SOURCE_WRITES, { error: expected(`one of ${SOURCE_WRITES.join(', ')}`) });
const durable = z.boolean({ error: expected('true or false') });
const stampede = z.enum(STAMPEDES, { error: expected(`one of ${STAMPEDES.join(', ')}`) });

/** `source:` of a class: where values come from that are not here. */
export const sourceSection: z.ZodType<SourceRule> = z
  .strictObject(
    {
      url: url.optional(),
      module: modulePath(MODULE_SHAPE).optional(),
      timeout: durationField(1, SOURCE_TIMEOUT_MS_MAX).default(1_000),
      ttl: durationField(1, CLASS_TTL_MS_MAX),
      jitter: upTo('a part of the ttl, 0 to 0.9', 0.9).default(0.1),
      absent: duration.default(1_000),
      'stale-while-loading': duration.default(0),
      'stale-if-error': duration.default(0),
      ahead: duration.default(0),
      early: upTo('0 to 10', 10).default(1),
      stampede: stampede.default('region'),
      failures: whole(SOURCE_FAILURES_MAX).default(5),
      pause: durationField(1, SOURCE_PAUSE_MS_MAX).default(5_000),
      write: write.optional(),
      durable: durable.optional(),
      delay: durationField(0, SOURCE_DELAY_MS_MAX).optional(),
      unstored: whole(SOURCE_UNSTORED_MAX).optional(),
    },
    {
      error: (issue) =>
        inWords(issue)?.concat(
          '; a source has url or module, and timeout, ttl, jitter, absent, stale-while-loading, stale-if-error, ahead, early, stampede, failures, pause, write, durable, delay and unstored',
        ) ?? expected('{ url, ttl } or { module, ttl }')(issue),
    },
  )
  .transform((given, context): SourceRule => {
    if ((given.url === undefined) === (given.module === undefined))
      context.addIssue(`expected a url with ${KEY_MARK}, or a module, got ${shown(given.url ?? given.module)}`);
    if (given.ahead >= given.ttl) context.addIssue('expected "ahead" to be shorter than "ttl"');
    for (const name of ['durable', 'delay', 'unstored'] as const)
      if (given.write === undefined && given[name] !== undefined)
        context.addIssue(`"${name}" is for a source that is written to: expected "write: through" or "write: behind"`);
    if (given.write === 'through' && given.delay !== undefined)
      context.addIssue('"delay" is for "write: behind": whoever writes through waits for the source');
    return {
      url: given.url ?? null,
      module: given.module ?? null,
      timeoutMs: given.timeout,
      ttlMs: given.ttl,
      jitter: given.jitter,
      absentMs: given.absent,
      staleWhileMs: given['stale-while-loading'],
      staleIfErrorMs: given['stale-if-error'],
      aheadMs: given.ahead,
      early: given.early,
      stampede: given.stampede,
      failuresMax: given.failures,
      pauseMs: given.pause,
      write:
        given.write === undefined
          ? null
          : {
              mode: given.write,
              isDurable: given.durable ?? false,
              delayMs: given.delay ?? 0,
              unstoredMax: given.unstored ?? DEFAULT_UNSTORED,
            },
    };
  });
