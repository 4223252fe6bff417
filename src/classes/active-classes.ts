import type { ByteRange } from '../base/bytes.ts';
import type { ShownSiblings, SiblingView } from '../crdt/sibling-content.ts';
import { CausewayError } from '../errors.ts';
import { NO_KEYS, type KeyTest } from '../keyspace/key-kinds.ts';
import { DEFAULT_POLICY, type ClassPolicy } from './class-policy.ts';
import { problemText } from './class-problems.ts';
import { compensateText, conflictName, evictText, explainClass, httpText, ttlText } from './explain-class.ts';
import { missingText, sourceText } from './source-text.ts';
import { groupRulesOf, type GroupRules } from './group-rules.ts';
import { isWeak, type KeyClass } from './key-class.ts';
import { readClasses } from './read-classes.ts';
import { Resolutions } from './resolutions.ts';
import type { Resolver } from './resolver.ts';
import { rulesDigest, rulesText } from './rules-digest.ts';
import { utf8Latin1 } from './utf8.ts';

/** A resolver of the user's, loaded. */
export interface ResolverModule {
  readonly resolve: Resolver;
  /** SHA-256 of its code, in hex. */
  readonly codeDigest: string;
}

export interface ActiveClassesOptions {
  readonly policy?: ClassPolicy;
  /** The file it was read from, for people; null for none. */
  readonly file?: string | null;
  /** The resolver modules that the policy names, by their paths as written. */
  readonly modules?: ReadonlyMap<string, ResolverModule>;
  /** The region of a node, by its number: for the rule `region-priority`. */
  readonly regionOf?: (node: number) => string;
}

/** The name that reload's messages give to a text that came with a command. */
const COMMAND_TEXT = 'classes';

/**
 * The policy in force at a node. What members must agree on (`rulesDigest`) stands for the life of the node; ttl, audit and the levels
 * `causal`, `eventual` and `session` may be replaced while it runs.
 */
export class ActiveClasses {
  readonly file: string | null;
  /** For the hello of peer links: the same at all members. */
  readonly rulesDigest: string;
  /** What keys show of several siblings. */
  readonly resolutions: Resolutions;
  readonly #codeDigests: ReadonlyMap<string, string>;
  readonly #rulesText: string;
  #policy: ClassPolicy;
  #reloads = 0;
  /** By quorum group, of the policy in force. */
  #groupRules: Map<string, ReturnType<ActiveClasses['groupRules']>> = new Map();
  /** Updates made here, by the place of the class in the policy. */
  #writes: number[];
  /** Conflicts of keys that were found here, by class as the updates. */
  #conflicts: number[];

  constructor({
    policy = DEFAULT_POLICY,
    file = null,
    modules = new Map(),
    regionOf = String,
  }: ActiveClassesOptions = {}) {
    this.file = file;
    this.#policy = policy;
    this.#writes = policy.classes.map(() => 0);
    this.#conflicts = policy.classes.map(() => 0);
    const resolvers = new Map([...modules].map(([path, { resolve }]) => [path, resolve]));
    this.resolutions = new Resolutions(resolvers, regionOf);
    const codeDigests = new Map([...modules].map(([path, { codeDigest }]) => [path, codeDigest]));
    this.#codeDigests = codeDigests;
    this.#rulesText = rulesText(policy, codeDigests);
    this.rulesDigest = rulesDigest(policy, codeDigests);
  }

  /** Which keys never leave the node: the same for the node's life, as reloads leave that. */
  weakKeys(): KeyTest {
    const hasWeak = this.#policy.classes.some((keyClass) => isWeak(keyClass));
    return hasWeak ? (key) => isWeak(this.#policy.classOf(key)) : NO_KEYS;
  }

  /** What a key (a latin1 string) shows of several siblings, oldest first. */
  showSiblings(key: string, siblings: readonly SiblingView[]): ShownSiblings {
    return this.resolutions.show(this.#policy.classOfText(key), siblings);
  }

  /** Which keys a quorum group owns: the same for the node's life. */
  pinnedKeys(): KeyTest {
    return this.#policy.hasStrong ? (key) => this.#policy.classOf(key).strong !== undefined : NO_KEYS;
  }

  /** The quorum group that owns a key (a latin1 string), null for none: the same for the node's life. */
  ownerOf(key: string): string | null {
    return this.#policy.classOfText(key).strong?.group ?? null;
  }

  get policy(): ClassPolicy {
    return this.#policy;
  }

  /** What the classes say of a group's keys where its log is applied, to be put into force by the log. */
  groupRules(group: string): {
    readonly rules: GroupRules;
    readonly version: number;
    readonly pins: string;
    readonly reloads: number;
  } {
    let known = this.#groupRules.get(group);
    if (known === undefined) {
      known = {
        rules: groupRulesOf(this.#policy, group),
        version: this.#policy.version,
        pins: this.rulesDigest,
        reloads: this.#reloads,
      };
      this.#groupRules.set(group, known);
    }
    return known;
  }

  /** How often the policy was replaced since the start. */
  get reloads(): number {
    return this.#reloads;
  }

  /** Counts an update that a command here makes, and says whether its key never leaves the node. */
  beginWrite(key: ByteRange): boolean {
    const keyClass = this.#policy.classOf(key);
    this.#writes[keyClass.index] = this.writesOf(keyClass) + 1;
    return isWeak(keyClass);
  }

  /** Updates of keys of a class of `policy`, made here since the start. */
  writesOf(keyClass: KeyClass): number {
    return this.#writes[keyClass.index] ?? 0;
  }

  /** Counts conflicts of a key (a latin1 string), and says its class. */
  countConflicts(key: string, conflicts: number): KeyClass {
    const keyClass = this.#policy.classOfText(key);
    this.#conflicts[keyClass.index] = this.conflictsOf(keyClass) + conflicts;
    return keyClass;
  }

  /** Conflicts of keys of a class of `policy` that were found here since the start. */
  conflictsOf(keyClass: KeyClass): number {
    return this.#conflicts[keyClass.index] ?? 0;
  }

  /** The classes with their figures, for metrics. */
  telemetry(): { name: string; consistency: string; ttlMs: number | null; conflict: string; writesTotal: number }[] {
    return this.#policy.classes.map((keyClass) => {
      const { name, consistency, ttlMs, conflict } = keyClass;
      return { name, consistency, ttlMs, conflict: conflictName(conflict), writesTotal: this.writesOf(keyClass) };
    });
  }

  /** Lines that say which rule a key falls under and what that means; UTF-8 as latin1, as replies take it. */
  explain(key: ByteRange): [name: string, value: string][] {
    const { pattern, keyClass } = this.#policy.ruleOf(key);
    const by = pattern === null ? 'no pattern matches' : `by the pattern ${JSON.stringify(pattern.text)}`;
    const lines: [string, string][] = [['class', `${keyClass.name} (${by})`], ...explainClass(keyClass).slice(1)];
    return lines.map(([name, value]) => [name, utf8Latin1(value)]);
  }

  /**
   * What would change if the text of a classes file came into force. Throws ERR when the text is no classes file, or where it changes what
   * all members must agree on.
   */
  check(text: string): { readonly policy: ClassPolicy; readonly changes: string[] } {
    const { policy, problems } = readClasses(text);
    if (policy === null) {
      const errors = problems.filter(({ severity }) => severity === 'error');
      throw new CausewayError('ERR', errors.map((problem) => problemText(COMMAND_TEXT, problem)).join('; '));
    }
    const rules = rulesText(policy, this.#codeDigests);
    if (rules !== this.#rulesText) {
      throw new CausewayError(
        'ERR',
        'the file changes which keys are weak or strong, where those are at home, or how conflicts end, and all nodes must agree on that from their start: ' +
          `${linesThatDiffer(this.#rulesText, rules)}; stop all nodes, change the file everywhere, and start them`,
      );
    }
    return { policy, changes: changesBetween(this.#policy, policy) };
  }

  /** Puts the text of a classes file into force. Returns and throws as `check`. */
  reload(text: string): string[] {
    const { policy, changes } = this.check(text);
    // a class goes on counting under its name
    const olds = new Map(this.#policy.classes.map((keyClass) => [keyClass.name, keyClass]));
    const carriedOver = (counts: readonly number[]): number[] =>
      policy.classes.map(({ name }) => counts[olds.get(name)?.index ?? -1] ?? 0);
    this.#writes = carriedOver(this.#writes);
    this.#conflicts = carriedOver(this.#conflicts);
    this.#policy = policy;
    this.#groupRules = new Map();
    this.#reloads++;
    return changes;
  }
}

/** The first lines that only one of two texts has. */
function linesThatDiffer(before: string, after: string): string {
  const olds = new Set(before.split('\n'));
  const news = new Set(after.split('\n'));
  const gone = [...olds].find((line) => !news.has(line));
  const added = [...news].find((line) => !olds.has(line));
  const parts = [
    ...(gone === undefined || gone === '' ? [] : [`${ruleOf(gone)} is no more`]),
    ...(added === undefined || added === '' ? [] : [`${ruleOf(added)} is new`]),
  ];
  return parts.length === 0 ? 'patterns with different rules change places' : parts.join(', ');
}

function ruleOf(line: string): string {
  const [pattern, rule] = JSON.parse(line) as [string, string];
  return `${JSON.stringify(pattern)} as ${rule}`;
}

/** A line for each pattern whose guarantees change, appear or go. */
function changesBetween(before: ClassPolicy, after: ClassPolicy): string[] {
  const olds = byPattern(before);
  const news = byPattern(after);
  const changes: string[] = [];
  for (const [pattern, meaning] of news) {
    const old = olds.get(pattern);
    if (old === undefined) changes.push(`${pattern}: new, ${meaning}`);
    else if (old !== meaning) changes.push(`${pattern}: ${meaning}; before: ${old}`);
  }
  for (const pattern of olds.keys()) if (!news.has(pattern)) changes.push(`${pattern}: gone`);
  if (changes.length === 0 && [...olds.keys()].join('\n') !== [...news.keys()].join('\n')) {
    changes.push('the order of patterns');
  }
  return changes;
}

function byPattern(policy: ClassPolicy): Map<string, string> {
  const meanings = new Map<string, string>();
  for (const { pattern, keyClass } of policy.rules) {
    if (pattern === null) continue;
    const { consistency, conflict, strong, mirror, missing, source, evict, compensate, http } = keyClass;
    const rest = strong === undefined ? conflictName(conflict) : `audit ${strong.audit ? 'on' : 'off'}`;
    const words = [consistency, `ttl ${ttlText(keyClass)}`, rest];
    if (strong?.forward === false) words.push('forward off');
    if (strong !== undefined && strong.reads !== 'strong') words.push(`reads ${strong.reads}`);
    if (evict !== undefined) words.push(`evict ${evictText(evict)}`);
    if (mirror !== undefined) words.push(`mirror ${mirror}`);
    if (source !== undefined) words.push(`source ${sourceText(source)}`);
    if (missing !== undefined) words.push(`missing ${missingText(missing)}`);
    if (compensate !== undefined) words.push(`compensate ${compensateText(compensate)}`);
    if (http !== undefined) words.push(`http ${httpText(http)}`);
    meanings.set(JSON.stringify(pattern.text), words.join(', '));
  }
  return meanings;
}
