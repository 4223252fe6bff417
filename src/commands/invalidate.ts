import { isSystemKey } from '../base/system-keys.ts';
import { CausewayError } from '../errors.ts';
import type { CommandSpec } from './command-spec.ts';
import type { Args, CommandContext } from './context.ts';
import type { InvalidationEffect, InvalidationRun, InvalidationTarget } from './invalidation-view.ts';
import { refuseSystemKey } from './key-names.ts';
import {
  DELAY_MS_MAX,
  INVALIDATED_NAMES_MAX,
  INVALIDATED_PATTERN_BYTES_MAX,
  INVALIDATED_PATTERNS_MAX,
  LAZY_MS_MAX,
} from '../base/link-limits.ts';
import { checkKey } from './lookup.ts';
import { integerArgumentWithin } from './numbers.ts';
import { overLimit, syntaxError } from './refusals.ts';
import type { Session } from './session.ts';
import type { Reply } from './context.ts';
import { tagArgument } from './tags.ts';

/** Unreached keys that an error names. */
const NAMED_MAX = 10;

interface Asked {
  readonly targets: readonly InvalidationTarget[];
  readonly effect: InvalidationEffect;
  /** Null for at once. */
  readonly delayMs: number | null;
}

function nameOf(context: CommandContext, kind: InvalidationTarget['kind'], index: number): string {
  const { args } = context;
  if (kind === 'tag') return tagArgument(args, index);
  const range = args.range(index);
  if (kind === 'pattern') {
    if (range.length > INVALIDATED_PATTERN_BYTES_MAX)
      throw overLimit('pattern is too long', 'invalidated-pattern-bytes-max', INVALIDATED_PATTERN_BYTES_MAX);
    return range.toLatin1();
  }
  if (isSystemKey(range)) throw refuseSystemKey();
  checkKey(range);
  if (context.node.classes.policy.classOf(range).strong !== undefined)
    throw new CausewayError('CROSSCLASS', 'cw.invalidate is not for strong keys: what they show is never old');
  return range.toLatin1();
}

/** Where the word is that says what is invalidated. */
function kindAt(args: Args): number {
  let at = 1;
  while (at < args.count && (args.word(at) === 'LAZY' || args.word(at) === 'DELAY')) at += 2;
  return at;
}

/** How many patterns a request names, each of which may look at all keys. */
function patternsOf(args: Args): number {
  const at = kindAt(args);
  return at < args.count && args.word(at) === 'PATTERN' ? args.count - at - 1 : 0;
}

/** [LAZY ms] [DELAY ms] KEY | TAG | PATTERN name [name …] */
function asked(context: CommandContext): Asked {
  const { args } = context;
  let effect: InvalidationEffect = { kind: 'remove' };
  let delayMs: number | null = null;
  let at = 1;
  for (; args.word(at) === 'LAZY' || args.word(at) === 'DELAY'; at += 2) {
    if (at + 2 >= args.count) throw syntaxError();
    if (args.word(at) === 'LAZY') effect = { kind: 'lazy', graceMs: millisecondsOf(args, at + 1, LAZY_MS_MAX) };
    else delayMs = millisecondsOf(args, at + 1, DELAY_MS_MAX);
  }
  const word = args.word(at);
  const kind = (['key', 'tag', 'pattern'] as const).find((known) => known === word.toLowerCase());
  if (kind === undefined || at + 1 >= args.count) throw syntaxError();
  const names = args.count - at - 1;
  if (names > INVALIDATED_NAMES_MAX) throw overLimit('too many names', 'invalidated-names-max', INVALIDATED_NAMES_MAX);
  if (kind === 'pattern' && names > INVALIDATED_PATTERNS_MAX)
    throw overLimit('too many patterns', 'invalidated-patterns-max', INVALIDATED_PATTERNS_MAX);
  const targets = Array.from({ length: names }, (_, index) => ({ kind, name: nameOf(context, kind, at + 1 + index) }));
  return { targets, effect, delayMs };
}

function millisecondsOf(args: Args, index: number, max: number): number {
  return Number(integerArgumentWithin(args, index, 1n, BigInt(max), `expected 1 to ${max} milliseconds`));
}

const countOf = (runs: readonly InvalidationRun[]): number => runs.reduce((sum, run) => sum + run.count, 0);

/** How many keys this node took away, or that some were out of reach. */
function replyRuns(reply: Reply, runs: readonly InvalidationRun[]): void {
  const unreached = [...new Set(runs.flatMap((run) => run.unreached))];
  const count = countOf(runs);
  if (unreached.length === 0) return reply.integer(count);
  const more = unreached.length > NAMED_MAX ? ` and at least ${unreached.length - NAMED_MAX} more` : '';
  reply.error(
    'CASCADE',
    `${count} keys were invalidated; too deep or too many to be reached: ${unreached.slice(0, NAMED_MAX).join(', ')}${more}`,
  );
}

/** What came of it where it is not over: it has begun, and goes on by itself once the node may write. */
function replyUnfinished(reply: Reply, runs: readonly InvalidationRun[], refusal: CausewayError | null): void {
  const count = countOf(runs);
  const why = refusal === null ? '' : `, once the node may write again: ${refusal.code} ${refusal.message}`;
  reply.error('UNCERTAIN', `${count} keys were invalidated so far, the rest follows${why}`);
}

/** What was done in turns behind the request is written by its session too: WAIT waits for it, and tokens carry it. Its last write is that of the request, at this node. */
function noteRuns(session: Session, runs: readonly InvalidationRun[]): void {
  for (const { lastDot } of runs)
    if (lastDot !== null && lastDot.seq > session.lastWriteSeq) session.noteWrite(lastDot.origin, lastDot.seq);
}

/** CW.INVALIDATE: answered when all is done here, or cannot go on; inside MULTI when it has begun. */
function invalidate(context: CommandContext): void {
  const { node, nowMs, reply, server, session } = context;
  const { targets, effect, delayMs } = asked(context);
  if (delayMs !== null) {
    node.invalidations.delay(targets, effect, nowMs + delayMs);
    return reply.ok();
  }
  const runs = node.invalidations.invalidate(targets, effect);
  const isOver = (): boolean => runs.every(({ isDone }) => isDone);
  if (isOver() || session.inExec) return replyRuns(reply, runs);
  server.waiting.block(session, {
    deadlineMs: Infinity,
    isOver: () => isOver() || node.invalidations.refusal !== null,
    end: () => {
      noteRuns(session, runs);
      if (isOver()) replyRuns(session.connection.reply, runs);
      else replyUnfinished(session.connection.reply, runs, node.invalidations.refusal);
    },
    fail: ({ code, message }) => {
      noteRuns(session, runs);
      session.connection.reply.error(code, message);
    },
  });
}

/** Invalidations (SPEC I2). */
export const invalidateCommands: readonly CommandSpec[] = [
  {
    name: 'cw.invalidate',
    arity: -3,
    flags: ['write', 'noscript', 'blocking'],
    group: 'causeway',
    summary:
      'Take away what is old of keys, of all keys with a tag or of a pattern, and of what depends on them, in all regions',
    patternsOf,
    run: invalidate,
  },
];
