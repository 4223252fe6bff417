import { present } from '../base/assert.ts';
import { latin1Range, writeLatin1, type ByteRange } from '../base/bytes.ts';
import { SYSTEM_KEY_PREFIX } from '../base/system-keys.ts';
import { DEFAULT_EVICTION, type EvictionRules } from '../keyspace/eviction/eviction-rules.ts';
import { DEFAULT_CLASS_NAME, type KeyClass } from './key-class.ts';
import { KeyPattern } from './key-pattern.ts';

/** One pattern with the class that it gives. */
export interface ClassRule {
  /** Null for the rule that all other keys have. */
  readonly pattern: KeyPattern | null;
  readonly keyClass: KeyClass;
}

/** What a class is before it has its place in a policy. */
export interface ClassDefinition extends Omit<KeyClass, 'name' | 'index' | 'patterns'> {
  readonly patterns: readonly KeyPattern[];
}

const BYTES = 256;
/** What all keys of the product's own match, whatever the file's patterns say of them. */
const SYSTEM_PATTERN = new KeyPattern('system', latin1Range(`${SYSTEM_KEY_PREFIX}*`).buf);

/**
 * Which class a key is of: the first pattern that matches, in the file's order, decides; keys that none matches are of the default
 * class (`causal`, `lww`, no ttl), and so are the product's own (SPEC C8), in a class that no list shows. Immutable. A look-up allocates nothing: patterns are sorted by the first byte they allow
 * beforehand, so that it compares a few.
 */
export class ClassPolicy {
  /** In the file's order; the default class is the last. */
  readonly classes: readonly KeyClass[];
  /** In the order in which they are tried. */
  readonly rules: readonly ClassRule[];
  /** Whether some class is of `consistency: strong`. */
  readonly hasStrong: boolean;
  /** Which values leave memory first; null where no class says so. */
  readonly evictionRules: EvictionRules;
  /** The file's own number: the rules of strong keys of a higher one take the place of those in force (SPEC C7). */
  readonly version: number;
  readonly #fallback: ClassRule;
  readonly #byFirstByte: readonly (readonly ClassRule[])[];
  readonly #ofEmptyKey: ClassRule;
  /** By the first byte of a key: 1 where a strong class may begin with it. */
  readonly #mayBeginStrong: Uint8Array;
  #scratch: Uint8Array = new Uint8Array(256);

  constructor(definitions: readonly ClassDefinition[], version = 0) {
    this.version = version;
    const classes = definitions.map((definition, index): KeyClass => {
      const patterns = definition.patterns.map((pattern) => pattern.text);
      return { ...definition, name: present(patterns[0], 'a class has a pattern'), index, patterns };
    });
    const fallback: KeyClass = {
      name: DEFAULT_CLASS_NAME,
      index: classes.length,
      patterns: [],
      consistency: 'causal',
      ttlMs: null,
      conflict: { kind: 'lww' },
    };
    this.classes = [...classes, fallback];
    const saysEviction = classes.some(({ evict }) => evict !== undefined);
    const evictions = this.classes.map(({ evict }) => evict ?? DEFAULT_EVICTION);
    this.evictionRules = saysEviction ? { rules: evictions, indexOf: (key) => this.classOf(key).index } : null;
    this.hasStrong = classes.some(({ strong }) => strong !== undefined);
    this.#fallback = { pattern: null, keyClass: fallback };
    const rules = definitions.flatMap(({ patterns }, index) =>
      patterns.map((pattern) => ({ pattern, keyClass: present(classes[index], 'made above') })),
    );
    this.rules = [...rules, this.#fallback];
    const system = { ...fallback, name: SYSTEM_PATTERN.text, index: classes.length + 1 };
    const tried = [{ pattern: SYSTEM_PATTERN, keyClass: system }, ...rules];
    this.#byFirstByte = Array.from({ length: BYTES }, (_, byte) =>
      tried.filter(({ pattern }) => pattern.mayBeginWith(byte)),
    );
    this.#mayBeginStrong = Uint8Array.from(this.#byFirstByte, (candidates) =>
      candidates.some(({ keyClass }) => keyClass.strong !== undefined) ? 1 : 0,
    );
    this.#ofEmptyKey = rules.find(({ pattern }) => pattern.matches(this.#scratch, 0, 0)) ?? this.#fallback;
  }

  /** The paths of the resolver modules that it names, as written. */
  get modules(): string[] {
    const conflicts = this.classes.map(({ conflict }) => conflict);
    return [
      ...new Set(conflicts.flatMap((rule) => (rule.kind === 'resolver' && rule.module !== null ? rule.module : []))),
    ];
  }

  /** Whether the key may be of a strong class, by its first byte: nearly all that are not are told apart without a comparison. */
  mayBeStrong(key: ByteRange): boolean {
    return key.start === key.end || this.#mayBeginStrong[key.buf[key.start] as number] === 1;
  }

  classOf(key: ByteRange): KeyClass {
    return this.#ruleOf(key.buf, key.start, key.end).keyClass;
  }

  /** The pattern that decides, with its class. */
  ruleOf(key: ByteRange): ClassRule {
    return this.#ruleOf(key.buf, key.start, key.end);
  }

  /** As `classOf`, of a key as a latin1 string. */
  classOfText(key: string): KeyClass {
    if (key.length > this.#scratch.length) this.#scratch = new Uint8Array(key.length * 2);
    return this.#ruleOf(this.#scratch, 0, writeLatin1(key, this.#scratch, 0)).keyClass;
  }

  #ruleOf(buf: Uint8Array, start: number, end: number): ClassRule {
    if (start === end) return this.#ofEmptyKey;
    const candidates = this.#byFirstByte[buf[start] as number] as readonly ClassRule[];
    for (let at = 0; at < candidates.length; at++) {
      const rule = candidates[at] as ClassRule;
      if (rule.pattern?.matches(buf, start, end) === true) return rule;
    }
    return this.#fallback;
  }
}

/** Every key is causal, the latest write wins, nothing expires by itself. */
export const DEFAULT_POLICY: ClassPolicy = new ClassPolicy([]);
