import type { ByteRange } from '../base/bytes.ts';
import { CausewayError } from '../errors.ts';
import { ClassPolicy } from './class-policy.ts';
import { KeyPattern, patternFault } from './key-pattern.ts';
import { CLASS_PATTERN_BYTES_MAX, CLASS_PATTERNS_BYTES_MAX, CLASS_PATTERNS_MAX, CLASS_TTL_MS_MAX } from './limits.ts';
import { utf8Bytes } from './utf8.ts';

/** What a pattern says of keys of a quorum group where the log is applied. */
export interface GroupRule {
  readonly pattern: string;
  /** Milliseconds that a key lives which is made without an expiry of its own; null for ever. */
  readonly ttlMs: number | null;
  /** Whether each write is recorded. */
  readonly audit: boolean;
}

/**
 * The part of a classes file that the state machine of one quorum group follows: plain, so that it travels in the group's log and is the
 * same for all members whatever their files say by then. The patterns of the group's classes, in the order in which they are tried.
 */
export class GroupRules {
  readonly list: readonly GroupRule[];
  /** Tells rules apart: equal texts mean the same for every key. */
  readonly text: string;
  readonly hasAudit: boolean;
  readonly #policy: ClassPolicy;
  readonly #hasTtl: boolean;

  /** Throws PROTOCOL for what no classes file can say. */
  constructor(list: readonly GroupRule[]) {
    // what comes last and asks for nothing is as good as not there
    const end = list.findLastIndex(({ ttlMs, audit }) => ttlMs !== null || audit) + 1;
    this.list = list.slice(0, end);
    this.text = JSON.stringify(this.list.map(({ pattern, ttlMs, audit }) => [pattern, ttlMs, audit]));
    this.hasAudit = this.list.some(({ audit }) => audit);
    this.#hasTtl = this.list.some(({ ttlMs }) => ttlMs !== null);
    const patterns = this.list.map(({ pattern }) => compiled(pattern));
    checkSize(patterns);
    // the look-up of classes, with a class a pattern
    this.#policy = new ClassPolicy(
      patterns.map((pattern, at) => {
        const ttlMs = this.list[at]?.ttlMs ?? null;
        if (ttlMs !== null && !(ttlMs >= 1 && ttlMs <= CLASS_TTL_MS_MAX)) refuse('a ttl is out of bounds');
        return { patterns: [pattern], consistency: 'strong', ttlMs, conflict: { kind: 'lww' } };
      }),
    );
  }

  ttlMsOf(key: ByteRange): number | null {
    return this.#hasTtl ? this.#policy.classOf(key).ttlMs : null;
  }

  isAudited(key: ByteRange): boolean {
    return this.hasAudit && this.list[this.#policy.classOf(key).index]?.audit === true;
  }
}

/** Nothing expires by itself and nothing is recorded: what a group begins with. */
export const NO_RULES: GroupRules = new GroupRules([]);

/** What a policy says of a group's keys. Keys of other classes are none of its. */
export function groupRulesOf({ rules }: ClassPolicy, group: string): GroupRules {
  return new GroupRules(
    rules.flatMap(({ pattern, keyClass }) => {
      const { strong, ttlMs } = keyClass;
      return pattern === null || strong?.group !== group ? [] : { pattern: pattern.text, ttlMs, audit: strong.audit };
    }),
  );
}

function compiled(text: string): KeyPattern {
  const bytes = utf8Bytes(text);
  if (text === '' || bytes.length > CLASS_PATTERN_BYTES_MAX || patternFault(bytes) !== null)
    refuse('a pattern is none');
  return new KeyPattern(text, bytes);
}

function checkSize(patterns: readonly KeyPattern[]): void {
  const bytes = patterns.reduce((sum, pattern) => sum + pattern.bytes, 0);
  if (patterns.length > CLASS_PATTERNS_MAX || bytes > CLASS_PATTERNS_BYTES_MAX) refuse('they are too many');
}

function refuse(why: string): never {
  throw new CausewayError('PROTOCOL', `rules of a group refused: ${why}`);
}
