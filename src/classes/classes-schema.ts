import { z } from 'zod';
import {
  BUILT_IN_RESOLVERS,
  CONSISTENCIES,
  type ConflictRule,
  type Consistency,
  type CompensateRule,
  type HttpRule,
  type MirrorMode,
  type MissingRule,
  type SourceRule,
  type ReadLevel,
  type StrongRule,
} from './key-class.ts';
import { compensateSection } from './compensate-section.ts';
import { httpSection } from './http-section.ts';
import { mirrorSection } from './mirror-section.ts';
import type { EvictionRule } from '../keyspace/eviction/eviction-rules.ts';
import { evictSection } from './evict-section.ts';
import { missingSection } from './missing-section.ts';
import { KeyPattern, patternFault } from './key-pattern.ts';
import type { AdaptiveTtl } from './adaptive-ttl.ts';
import { CLASS_PATTERN_BYTES_MAX } from './limits.ts';
import { sourceSection } from './source-section.ts';
import { expected, inWords, shown } from './section-words.ts';
import { ttlSection } from './ttl-section.ts';
import { utf8Bytes } from './utf8.ts';

const PATTERN_SHAPE = 'a pattern such as "quote:*"';

const pattern = z.string({ error: expected(PATTERN_SHAPE) }).transform((text, context): KeyPattern => {
  const bytes = utf8Bytes(text);
  if (text === '') context.addIssue(`expected ${PATTERN_SHAPE}, got an empty text`);
  else if (bytes.length > CLASS_PATTERN_BYTES_MAX)
    context.addIssue(`expected a pattern of at most ${CLASS_PATTERN_BYTES_MAX} bytes, got ${bytes.length}`);
  const fault = patternFault(bytes);
  if (fault !== null) context.addIssue(`the pattern ${shown(text)} ${fault}`);
  return new KeyPattern(text, bytes);
});

const LEVELS = CONSISTENCIES.toReversed().join(', ');

const consistency = z.string({ error: expected(`one of ${LEVELS}`) }).transform((text, context): Consistency => {
  const level = CONSISTENCIES.find((known) => known === text);
  if (level !== undefined) return level;
  context.addIssue(`expected one of ${LEVELS}, got ${shown(text)}`);
  return z.NEVER;
});

const HOME_SHAPE = 'a region such as us-east-1';
const REGION_NAME = /^[a-z][a-z0-9-]{0,62}$/;
const home = z.string({ error: expected(HOME_SHAPE) }).regex(REGION_NAME, { error: expected(HOME_SHAPE) });
const survive = z.enum(['zone', 'region'], { error: expected('zone or region') });
const reads = z.enum(['causal', 'session', 'strong'], { error: expected('one of strong, session, causal') });
const yesOrNo = z.boolean({ error: expected('true or false') });

const RESOLVERS = Object.keys(BUILT_IN_RESOLVERS).join(', ');
const RESOLVER_SHAPE = `a resolver: one of ${RESOLVERS}, or a module such as ./merge-quotes.js`;

/** A module is named by a path below the file's folder, so that the same file means the same everywhere. */
const MODULE_SHAPE = /^\.\/(?!.*(?:^|\/)\.\.(?:\/|$))[\w./-]+\.m?js$/;

const resolver = z.string({ error: expected(RESOLVER_SHAPE) }).transform((name, context): ConflictRule => {
  if (Object.hasOwn(BUILT_IN_RESOLVERS, name)) return { kind: 'resolver', name, module: null };
  if (!MODULE_SHAPE.test(name)) context.addIssue(`expected ${RESOLVER_SHAPE}, got ${shown(name)}`);
  return { kind: 'resolver', name, module: name };
});

const CONFLICT_SHAPE = 'lww, siblings, { resolver: name } or { region-priority: [regions] }';

const PRIORITY_SHAPE = 'a list of regions, the one that wins first, each once, such as [us-east-1, eu-west-1]';
const priority = z
  .array(z.string().regex(REGION_NAME), { error: expected(PRIORITY_SHAPE) })
  .min(1, { error: expected(PRIORITY_SHAPE) })
  .refine((regions) => new Set(regions).size === regions.length, { error: expected(PRIORITY_SHAPE) });

const conflictObject = z.strictObject(
  { resolver: resolver.optional(), 'region-priority': priority.optional() },
  { error: inWords },
);

const conflict = z.unknown().transform((value, context): ConflictRule => {
  if (value === 'lww' || value === 'siblings') return { kind: value };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    context.addIssue(`expected ${CONFLICT_SHAPE}, got ${shown(value)}`);
    return z.NEVER;
  }
  const parsed = conflictObject.safeParse(value);
  if (parsed.success) {
    const { resolver: named, 'region-priority': regions } = parsed.data;
    if (named !== undefined && regions === undefined) return named;
    if (regions !== undefined && named === undefined) return { kind: 'region-priority', regions };
    context.addIssue(`expected ${CONFLICT_SHAPE}, got ${shown(value)}`);
    return z.NEVER;
  }
  for (const { message, path } of parsed.error.issues) context.addIssue({ code: 'custom', message, path });
  return z.NEVER;
});

/** One class as it stands in the file, checked. */
export interface ClassInFile {
  readonly match: readonly KeyPattern[];
  readonly consistency: Consistency;
  /** Milliseconds, or bounds. */
  readonly ttl?: number | AdaptiveTtl | undefined;
  readonly conflict?: ConflictRule | undefined;
  readonly home?: string | undefined;
  readonly survive?: StrongRule['survive'] | undefined;
  readonly audit?: boolean | undefined;
  readonly forward?: boolean | undefined;
  readonly reads?: ReadLevel | undefined;
  readonly missing?: MissingRule | undefined;
  readonly source?: SourceRule | undefined;
  readonly http?: HttpRule | undefined;
  readonly mirror?: MirrorMode | undefined;
  readonly compensate?: CompensateRule | undefined;
  readonly evict?: EvictionRule | undefined;
}

const keyClass: z.ZodType<ClassInFile> = z.strictObject(
  {
    match: z
      .array(pattern, { error: expected('a list of patterns, such as ["quote:*"]') })
      .min(1, 'expected at least one pattern'),
    consistency: consistency.default('causal'),
    ttl: ttlSection.optional(),
    conflict: conflict.optional(),
    home: home.optional(),
    survive: survive.optional(),
    audit: yesOrNo.optional(),
    forward: yesOrNo.optional(),
    reads: reads.optional(),
    missing: missingSection.optional(),
    source: sourceSection.optional(),
    http: httpSection.optional(),
    mirror: mirrorSection.optional(),
    compensate: compensateSection.optional(),
    evict: evictSection.optional(),
  },
  {
    error: (issue) =>
      inWords(issue)?.concat(
        '; a class has match, consistency, ttl, conflict, missing, source, http, mirror, compensate and evict, and a strong one home, survive, audit, forward and reads',
      ) ?? expected('a class with a match')(issue),
  },
);

const VERSION_SHAPE = 'a version: 0, 1, 2 …';

/** The shape of `regions/classes.yaml`. */
export const classesSchema: z.ZodType<{
  readonly classes: readonly ClassInFile[];
  readonly version?: number | undefined;
}> = z.strictObject(
  {
    version: z
      .int({ error: expected(VERSION_SHAPE) })
      .min(0, { error: expected(VERSION_SHAPE) })
      .optional(),
    classes: z.array(keyClass, { error: expected('a list of classes') }),
  },
  {
    error: (issue) =>
      inWords(issue)?.concat('; the file has classes, and a version where it is raised') ??
      expected('"classes:" with a list below it')(issue),
  },
);
