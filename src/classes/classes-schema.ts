import { z } from 'zod';
import {
  BUILT_IN_RESOLVERS,
  CONSISTENCIES,
  type ConflictRule,
  type Consistency,
  type ReadLevel,
  type StrongRule,
} from './key-class.ts';
import { DURATION_SHAPE, durationText, parseDuration } from './duration.ts';
import { KeyPattern, patternFault } from './key-pattern.ts';
import { CLASS_PATTERN_BYTES_MAX, CLASS_TTL_MS_MAX } from './limits.ts';
import { utf8Bytes } from './utf8.ts';

/** What of a file was found where something else was expected. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  const text = JSON.stringify(value) ?? 'something else';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

const expected =
  (what: string) =>
  ({ input }: { input?: unknown }): string =>
    `expected ${what}, got ${shown(input)}`;

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
const home = z.string({ error: expected(HOME_SHAPE) }).regex(/^[a-z][a-z0-9-]{0,62}$/, { error: expected(HOME_SHAPE) });
const survive = z.enum(['zone', 'region'], { error: expected('zone or region') });
const reads = z.enum(['causal', 'session', 'strong'], { error: expected('one of strong, session, causal') });
const yesOrNo = z.boolean({ error: expected('true or false') });

const ttl = z.string({ error: expected(DURATION_SHAPE) }).transform((text, context): number => {
  const ms = parseDuration(text);
  if (ms === null) context.addIssue(`expected ${DURATION_SHAPE}, got ${shown(text)}`);
  else if (ms < 1 || ms > CLASS_TTL_MS_MAX)
    context.addIssue(`expected 1ms to ${durationText(CLASS_TTL_MS_MAX)}, got ${shown(text)}`);
  return ms ?? z.NEVER;
});

const RESOLVERS = Object.keys(BUILT_IN_RESOLVERS).join(', ');
const RESOLVER_SHAPE = `a resolver: one of ${RESOLVERS}, or a module such as ./merge-quotes.js`;

/** A module is named by a path below the file's folder, so that the same file means the same everywhere. */
const MODULE_SHAPE = /^\.\/(?!.*(?:^|\/)\.\.(?:\/|$))[\w./-]+\.m?js$/;

const resolver = z.string({ error: expected(RESOLVER_SHAPE) }).transform((name, context): ConflictRule => {
  if (Object.hasOwn(BUILT_IN_RESOLVERS, name)) return { kind: 'resolver', name, module: null };
  if (!MODULE_SHAPE.test(name)) context.addIssue(`expected ${RESOLVER_SHAPE}, got ${shown(name)}`);
  return { kind: 'resolver', name, module: name };
});

const CONFLICT_SHAPE = 'lww, siblings or { resolver: name }';

const conflict = z.unknown().transform((value, context): ConflictRule => {
  if (value === 'lww' || value === 'siblings') return { kind: value };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    context.addIssue(`expected ${CONFLICT_SHAPE}, got ${shown(value)}`);
    return z.NEVER;
  }
  const parsed = z.strictObject({ resolver }, { error: inWords }).safeParse(value);
  if (parsed.success) return parsed.data.resolver;
  for (const { message, path } of parsed.error.issues) context.addIssue({ code: 'custom', message, path });
  return z.NEVER;
});

/** Unknown keys, with what there is. */
function inWords(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'unrecognized_keys') return undefined;
  const keys = issue.keys.map((key) => JSON.stringify(key)).join(', ');
  return `unknown ${issue.keys.length === 1 ? 'key' : 'keys'} ${keys}`;
}

/** One class as it stands in the file, checked. */
export interface ClassInFile {
  readonly match: readonly KeyPattern[];
  readonly consistency: Consistency;
  /** Milliseconds. */
  readonly ttl?: number | undefined;
  readonly conflict?: ConflictRule | undefined;
  readonly home?: string | undefined;
  readonly survive?: StrongRule['survive'] | undefined;
  readonly audit?: boolean | undefined;
  readonly forward?: boolean | undefined;
  readonly reads?: ReadLevel | undefined;
}

const keyClass: z.ZodType<ClassInFile> = z.strictObject(
  {
    match: z
      .array(pattern, { error: expected('a list of patterns, such as ["quote:*"]') })
      .min(1, 'expected at least one pattern'),
    consistency: consistency.default('causal'),
    ttl: ttl.optional(),
    conflict: conflict.optional(),
    home: home.optional(),
    survive: survive.optional(),
    audit: yesOrNo.optional(),
    forward: yesOrNo.optional(),
    reads: reads.optional(),
  },
  {
    error: (issue) =>
      inWords(issue)?.concat(
        '; a class has match, consistency, ttl and conflict, and a strong one home, survive, audit, forward and reads',
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
