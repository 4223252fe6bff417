import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { CausewayError } from '../errors.ts';
import { ClassPolicy, type ClassDefinition } from './class-policy.ts';
import { pathText, problemText, type ClassProblem } from './class-problems.ts';
import { classesSchema, type ClassInFile } from './classes-schema.ts';
import { sourceName } from './key-class.ts';
import type { KeyPattern } from './key-pattern.ts';
import {
  CLASS_PATTERNS_BYTES_MAX,
  CLASS_PATTERNS_MAX,
  CLASSES_FILE_CHARS_MAX,
  RESOLVER_MODULES_MAX,
  SOURCES_MAX,
} from './limits.ts';

/** What a classes file says, or why it says nothing. */
export interface ClassesReading {
  /** Null when there is an error among the problems. */
  readonly policy: ClassPolicy | null;
  /** By their place in the file. */
  readonly problems: readonly ClassProblem[];
}

type Path = readonly PropertyKey[];

/** Reads the text of a classes file. Never throws: all that is wrong with it is among the problems. */
export function readClasses(text: string): ClassesReading {
  if (text.length > CLASSES_FILE_CHARS_MAX) {
    const message = `expected at most ${CLASSES_FILE_CHARS_MAX} characters, got ${text.length}`;
    return { policy: null, problems: [{ severity: 'error', line: 1, column: 1, path: '', message }] };
  }
  const reader = new Reader(text);
  const policy = reader.read();
  const problems = reader.problems.sort((a, b) => a.line - b.line || a.column - b.column);
  return { policy, problems };
}

/** The policy that a classes file gives. Throws CONFIG with a line a problem: file, line, column, path, what was expected. */
export function parseClasses(text: string, file: string): ClassPolicy {
  const { policy, problems } = readClasses(text);
  if (policy !== null) return policy;
  const errors = problems.filter(({ severity }) => severity === 'error');
  throw new CausewayError('CONFIG', errors.map((problem) => problemText(file, problem)).join('\n'));
}

/** A pattern with its place in the file and the number of its class. */
interface SeenPattern {
  readonly pattern: KeyPattern;
  readonly path: Path;
  readonly index: number;
}

class Reader {
  readonly problems: ClassProblem[] = [];
  readonly #lines: LineCounter = new LineCounter();
  readonly #document: Document.Parsed;

  constructor(text: string) {
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
  }

  read(): ClassPolicy | null {
    for (const { message, pos, code } of this.#document.errors) {
      const hint = code === 'BAD_ALIAS' ? '; a pattern that begins with * is written in quotes' : '';
      this.#at(pos[0], 'error', [], `${message}${hint}`);
    }
    if (this.problems.length > 0) return null;
    const parsed = classesSchema.safeParse(this.#plainValue());
    if (this.problems.length > 0) return null;
    if (!parsed.success) {
      for (const issue of parsed.error.issues) this.#issue(issue);
      return null;
    }
    const { classes, version = 0 } = parsed.data;
    if (!this.#checkCount(classes)) return null;
    this.#check(classes);
    if (this.problems.some(({ severity }) => severity === 'error')) return null;
    return new ClassPolicy(classes.map(definitionOf), version);
  }

  #plainValue(): unknown {
    try {
      return this.#document.toJS();
    } catch (error) {
      // an alias that stands for something above itself, or aliases without end
      this.#at(0, 'error', [], error instanceof Error ? error.message : 'cannot be read');
      return null;
    }
  }

  #issue(issue: z.core.$ZodIssue): void {
    const path: Path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : issue.path;
    this.#at(this.#offsetOf(path), 'error', issue.path, issue.message);
  }

  /** What no field shows alone. */
  #check(classes: readonly ClassInFile[]): void {
    const seen: SeenPattern[] = [];
    const sources = new Set<string>();
    const modules = new Set<string>();
    for (const [index, keyClass] of classes.entries()) {
      const { match, consistency, conflict } = keyClass;
      this.#checkStrong(keyClass, index);
      if (consistency === 'weak' && keyClass.compensate !== undefined) {
        const path = ['classes', index, 'compensate'];
        this.#at(this.#offsetOf(path), 'error', path, 'weak keys never leave their node, so no write of them is lost');
      }
      this.#checkSource(keyClass, index);
      if (keyClass.source !== undefined) sources.add(sourceName(keyClass.source));
      if (sources.size > SOURCES_MAX) {
        const path = ['classes', index, 'source'];
        this.#at(this.#offsetOf(path), 'error', path, `expected at most ${SOURCES_MAX} sources in all`);
        return;
      }
      if (consistency === 'weak' && conflict !== undefined) {
        const path = ['classes', index, 'conflict'];
        this.#at(this.#offsetOf(path), 'error', path, 'weak keys never leave their node, so they have no conflicts');
      }
      if (consistency === 'weak' && keyClass.mirror !== undefined) {
        const path = ['classes', index, 'mirror'];
        const message = 'weak keys differ from node to node, so a region has no one value of them to mirror';
        this.#at(this.#offsetOf(path), 'error', path, message);
      }
      if (conflict?.kind === 'resolver' && conflict.module !== null) modules.add(conflict.module);
      if (modules.size > RESOLVER_MODULES_MAX) {
        const path = ['classes', index, 'conflict'];
        this.#at(
          this.#offsetOf(path),
          'error',
          path,
          `expected at most ${RESOLVER_MODULES_MAX} resolver modules in all`,
        );
        return;
      }
      for (const [at, pattern] of match.entries()) {
        const path = ['classes', index, 'match', at];
        this.#compare(pattern, index, path, seen);
        seen.push({ pattern, path, index });
      }
    }
  }

  /** What a class with a source cannot be. */
  #checkSource({ consistency, conflict, source, ttl }: ClassInFile, index: number): void {
    if (source === undefined) return;
    if (typeof ttl === 'object' && source.aheadMs >= ttl.minMs) {
      const ahead = ['classes', index, 'source', 'ahead'];
      this.#at(this.#offsetOf(ahead), 'error', ahead, 'expected "ahead" to be shorter than the shortest ttl');
    }
    const isOfOther = consistency === 'weak' || consistency === 'strong';
    if (!isOfOther && (conflict === undefined || conflict.kind === 'lww')) return;
    const path = ['classes', index, 'source'];
    const why = isOfOther ? `consistency ${consistency}` : 'keys that keep siblings';
    this.#at(
      this.#offsetOf(path),
      'error',
      path,
      `a source is for causal, session and eventual keys of conflict lww, not for ${why}`,
    );
  }

  /** What only strong classes have, and what they must. */
  #checkStrong(keyClass: ClassInFile, index: number): void {
    const say = (name: string, message: string): void => {
      const path = ['classes', index, name];
      this.#at(this.#offsetOf(path), 'error', path, message);
    };
    if (keyClass.consistency === 'strong') {
      if (keyClass.home === undefined) say('home', 'strong keys have a home: a region such as us-east-1');
      if (keyClass.conflict !== undefined)
        say('conflict', 'writes of strong keys have one order, so they have no conflicts');
      if (keyClass.compensate !== undefined)
        say('compensate', 'writes of strong keys have one order, so none of them is lost to another');
      if (typeof keyClass.ttl === 'object') say('ttl', 'the ttl of strong keys is one duration');
      if (keyClass.evict !== undefined) say('evict', 'strong keys are never evicted');
      if (keyClass.missing !== undefined) say('missing', 'strong keys are where their group is, and nowhere else');
      return;
    }
    const isWeak = keyClass.consistency === 'weak';
    if (keyClass.evict?.to === 'nothing' && !isWeak)
      say('evict', 'only weak keys are evicted to nothing: others are kept by all nodes alike');
    if (keyClass.evict?.to === 'store' && isWeak)
      say('evict', 'weak keys are on no disk: what is said of their eviction is "to: nothing"');
    for (const name of ['home', 'survive', 'audit', 'forward', 'reads'] as const) {
      if (keyClass[name] !== undefined) say(name, `"${name}" belongs to classes of consistency strong`);
    }
  }

  /** Says whether there are few enough to compare each with all others. */
  #checkCount(classes: readonly ClassInFile[]): boolean {
    const path = ['classes'];
    const patterns = classes.flatMap(({ match }) => match);
    const bytes = patterns.reduce((sum, pattern) => sum + pattern.bytes, 0);
    if (patterns.length > CLASS_PATTERNS_MAX) {
      const message = `expected at most ${CLASS_PATTERNS_MAX} patterns in all, got ${patterns.length}`;
      this.#at(this.#offsetOf(path), 'error', path, message);
      return false;
    }
    if (bytes <= CLASS_PATTERNS_BYTES_MAX) return true;
    const message = `expected patterns of at most ${CLASS_PATTERNS_BYTES_MAX} bytes in all, got ${bytes}`;
    this.#at(this.#offsetOf(path), 'error', path, message);
    return false;
  }

  /** Says of a pattern when an earlier one leaves it nothing, or takes some of its keys. */
  #compare(pattern: KeyPattern, index: number, path: Path, earlier: readonly SeenPattern[]): void {
    const text = JSON.stringify(pattern.text);
    const named = (other: SeenPattern): string => `${JSON.stringify(other.pattern.text)} of ${pathText(other.path)}`;
    const same = earlier.find((other) => other.pattern.text === pattern.text);
    if (same !== undefined) {
      this.#at(this.#offsetOf(path), 'error', path, `the pattern ${text} is already there, as ${named(same)}`);
      return;
    }
    const whole = earlier.find((other) => other.pattern.covers(pattern));
    if (whole !== undefined) {
      const message = `no key gets here by ${text}: ${named(whole)} comes first and has them all`;
      this.#at(this.#offsetOf(path), 'warning', path, message);
      return;
    }
    // a narrow pattern before a wide one is how exceptions are written
    const [first, ...more] = earlier.filter(
      (other) => other.index !== index && !pattern.covers(other.pattern) && other.pattern.overlaps(pattern),
    );
    if (first === undefined) return;
    const others = more.length === 0 ? '' : ` (and of ${more.length} more)`;
    const message = `keys that match ${text} and ${named(first)}${others} are of the earlier class`;
    this.#at(this.#offsetOf(path), 'warning', path, message);
  }

  #at(offset: number, severity: ClassProblem['severity'], path: Path, message: string): void {
    const { line, col } = this.#lines.linePos(offset);
    this.problems.push({ severity, line: Math.max(1, line), column: Math.max(1, col), path: pathText(path), message });
  }

  /** Where the value at a path begins; where a key is missing, or is the last of the path and unknown, the nearest there is. */
  #offsetOf(path: Path): number {
    let node: unknown = this.#document.contents;
    let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
    for (const key of path) {
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key);
        if (pair === undefined) return offset;
        if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
        node = pair.value;
      } else if (isSeq(node) && typeof key === 'number') {
        node = node.items[key];
        if (isNode(node)) offset = node.range?.[0] ?? offset;
      } else {
        return offset;
      }
    }
    return offset;
  }
}

function definitionOf(keyClass: ClassInFile): ClassDefinition {
  const { match, consistency, ttl, conflict, home, survive = 'region', mirror } = keyClass;
  const definition = {
    patterns: match,
    consistency,
    ttlMs: typeof ttl === 'object' ? ttl.maxMs : (ttl ?? null),
    ...(typeof ttl === 'object' ? { adaptiveTtl: ttl } : {}),
    conflict: conflict ?? { kind: 'lww' as const },
    ...(keyClass.missing === undefined ? {} : { missing: keyClass.missing }),
    ...(keyClass.source === undefined ? {} : { source: keyClass.source }),
    ...(keyClass.http === undefined ? {} : { http: keyClass.http }),
    ...(mirror === undefined ? {} : { mirror }),
    ...(keyClass.compensate === undefined ? {} : { compensate: keyClass.compensate }),
    ...(keyClass.evict === undefined ? {} : { evict: keyClass.evict }),
  };
  if (consistency !== 'strong' || home === undefined) return definition;
  const { audit = false, forward = true, reads = 'strong' } = keyClass;
  return { ...definition, strong: { home, survive, group: `${home}/${survive}`, audit, forward, reads } };
}
