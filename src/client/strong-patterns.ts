import { KeyPattern } from '../classes/key-pattern.ts';
import { listOf, pairsOf, textOf, type Reply } from './replies.ts';

interface PatternClass {
  readonly isStrong: boolean;
  readonly patterns: readonly KeyPattern[];
}

/** Which keys are strong, by what CW.CLASSES says: the first class that has a pattern for a key decides. */
export class StrongPatterns {
  readonly #classes: readonly PatternClass[];

  /** Of a server that knows no classes: no key is strong. */
  static readonly NONE: StrongPatterns = new StrongPatterns([]);

  private constructor(classes: readonly PatternClass[]) {
    this.#classes = classes;
  }

  /** Throws PROTOCOL. */
  static of(reply: Reply): StrongPatterns {
    const classes = listOf(reply).map((keyClass) => {
      const fields = new Map(pairsOf(keyClass));
      return {
        isStrong: textOf(fields.get('consistency')) === 'strong',
        patterns: listOf(fields.get('patterns')).map((pattern) => {
          const text = textOf(pattern);
          return new KeyPattern(text, Buffer.from(text));
        }),
      };
    });
    return classes.some(({ isStrong }) => isStrong) ? new StrongPatterns(classes) : StrongPatterns.NONE;
  }

  has(key: string): boolean {
    if (this.#classes.length === 0) return false;
    const bytes = Buffer.from(key);
    const keyClass = this.#classes.find(({ patterns }) =>
      patterns.some((pattern) => pattern.matches(bytes, 0, bytes.length)),
    );
    return keyClass?.isStrong === true;
  }
}
