import type { DocumentNode } from './document.ts';
import { utf8Text } from './document-json.ts';

/** Steps of one path. */
export const PATH_STEPS_MAX = 128;
/** Bytes of one path. */
const PATH_BYTES_MAX = 65_536;
/** Values that one path may visit: recursive descent over recursive descent grows with a power of the depth. */
const PATH_VISITS_MAX = 1_000_000;

type Selector =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'wildcard' }
  /** Absent ends are null. */
  | { readonly kind: 'slice'; readonly start: number | null; readonly end: number | null; readonly step: number };

interface Step {
  /** Whether it looks at every value below, too (`..`). */
  readonly descends: boolean;
  /** More than one is a union: `[1,3]`, `['a','b']`. */
  readonly selectors: readonly Selector[];
}

/** A place that a path came by: one object a place, however often it is reached. */
export class Match {
  readonly node: DocumentNode;
  readonly #parent: Match | null;
  readonly #step: string | number;
  #children: Map<string | number, Match> | null = null;

  constructor(node: DocumentNode, parent: Match | null = null, step: string | number = '') {
    this.node = node;
    this.#parent = parent;
    this.#step = step;
  }

  /** Names and positions from the root. */
  get place(): (string | number)[] {
    if (this.#parent === null) return [];
    const place = this.#parent.place;
    place.push(this.#step);
    return place;
  }

  /** The member or element, nothing where there is none. */
  child(step: string | number, node: DocumentNode | null): Match[] {
    if (node === null) return [];
    this.#children ??= new Map();
    let match = this.#children.get(step);
    if (match === undefined) {
      match = new Match(node, this, step);
      this.#children.set(step, match);
    }
    return [match];
  }
}

/** Why a path is none; for people. */
export class PathError extends Error {}

/**
 * A JSONPath of names, positions, wildcards, slices, unions and recursive descent. Read front to back, once, without regular expressions;
 * filters are not offered. A path that does not begin with `$` is RedisJSON's legacy kind: `.a.b`, `a[0]`, `.`; it means
 * its first match.
 */
export class JsonPath {
  /** As the client wrote it, UTF-8 bytes one char each. */
  readonly text: string;
  readonly isLegacy: boolean;
  readonly #steps: readonly Step[];

  private constructor(text: string, isLegacy: boolean, steps: readonly Step[]) {
    this.text = text;
    this.isLegacy = isLegacy;
    this.#steps = steps;
  }

  /** Throws PathError. `bytes` are UTF-8, one char a byte. */
  static parse(bytes: string): JsonPath {
    const text = utf8Text(bytes);
    if (text === null) throw new PathError('a path is UTF-8');
    if (text.length > PATH_BYTES_MAX) throw new PathError('the path is too long');
    const isLegacy = !(text === '$' || text.startsWith('$.') || text.startsWith('$['));
    return new JsonPath(bytes, isLegacy, new PathParser(text, isLegacy).steps());
  }

  get isRoot(): boolean {
    return this.#steps.length === 0;
  }

  /** With `$` in front, as messages name a legacy path. */
  get dollarText(): string {
    if (!this.isLegacy) return this.text;
    if (this.isRoot) return '$';
    return this.text.startsWith('.') || this.text.startsWith('[') ? `$${this.text}` : `$.${this.text}`;
  }

  /** Whether each step names one member or element, so that there is at most one match. */
  get isStatic(): boolean {
    return this.#steps.every(({ descends, selectors }) => {
      const [only] = selectors;
      return !descends && selectors.length === 1 && (only?.kind === 'name' || only?.kind === 'index');
    });
  }

  /** The name at the end of a static path, null when it ends with a position. */
  get lastName(): string | null {
    const last = this.#steps[this.#steps.length - 1]?.selectors[0];
    return last?.kind === 'name' ? last.name : null;
  }

  /** The path without its last step. */
  get parent(): JsonPath {
    return new JsonPath(this.text, this.isLegacy, this.#steps.slice(0, -1));
  }

  /** Every place that matches, in document order, each once. Throws PathError past the limit of visits. */
  select(root: DocumentNode): Match[] {
    const visits = { left: PATH_VISITS_MAX };
    let matches: ReadonlySet<Match> = new Set([new Match(root)]);
    for (const step of this.#steps) {
      const next = new Set<Match>();
      for (const match of matches) {
        for (const base of step.descends ? descendants(match, visits) : [match]) {
          for (const selector of step.selectors) {
            for (const found of selected(base, selector)) {
              visit(visits);
              next.add(found);
            }
          }
        }
      }
      matches = next;
    }
    return [...matches];
  }
}

function visit(visits: { left: number }): void {
  if (visits.left-- <= 0) throw new PathError(`the path visits more than ${PATH_VISITS_MAX} values`);
}

/** A match and all below it, in document order. */
function* descendants(match: Match, visits: { left: number }): Generator<Match> {
  const waiting = [match];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    visit(visits);
    yield next;
    const children = selected(next, { kind: 'wildcard' });
    for (let at = children.length - 1; at >= 0; at--) waiting.push(children[at] as Match);
  }
}

function selected(match: Match, selector: Selector): Match[] {
  const { node } = match;
  switch (selector.kind) {
    case 'name':
      return match.child(selector.name, node.member(selector.name));
    case 'index': {
      const index = selector.index < 0 ? node.size + selector.index : selector.index;
      return match.child(index, node.element(index));
    }
    case 'wildcard':
      if (node.isObject) return node.names().flatMap((name) => match.child(name, node.member(name)));
      return node.elements().flatMap((element, index) => match.child(index, element));
    case 'slice': {
      const elements = node.elements();
      return slicePositions(elements.length, selector.start, selector.end, selector.step).flatMap((index) =>
        match.child(index, elements[index] ?? null),
      );
    }
  }
}

function slicePositions(length: number, start: number | null, end: number | null, step: number): number[] {
  const bound = (value: number | null, otherwise: number): number => {
    if (value === null) return otherwise;
    return Math.min(length, Math.max(0, value < 0 ? length + value : value));
  };
  const positions: number[] = [];
  for (let at = bound(start, 0); at < bound(end, length); at += step) positions.push(at);
  return positions;
}

/** Reads a path front to back. */
class PathParser {
  readonly #text: string;
  #at: number;

  constructor(text: string, isLegacy: boolean) {
    this.#text = text;
    this.#at = isLegacy ? 0 : 1;
  }

  steps(): Step[] {
    const text = this.#text;
    const steps: Step[] = [];
    if (text === '.') return steps;
    if (text === '') throw this.#unexpected();
    if (this.#at === 0 && text[0] !== '.' && text[0] !== '[') steps.push(this.#named(false));
    while (this.#at < text.length) {
      if (steps.length >= PATH_STEPS_MAX) throw new PathError(`a path has at most ${PATH_STEPS_MAX} steps`);
      steps.push(this.#step());
    }
    return steps;
  }

  #step(): Step {
    if (this.#take('[')) return { descends: false, selectors: this.#bracket() };
    if (!this.#take('.')) throw this.#unexpected();
    const descends = this.#take('.');
    if (this.#take('[')) return { descends, selectors: this.#bracket() };
    return this.#named(descends);
  }

  #named(descends: boolean): Step {
    if (this.#take('*')) return { descends, selectors: [{ kind: 'wildcard' }] };
    const start = this.#at;
    while (this.#at < this.#text.length && !'.[]*?()\'", '.includes(this.#text[this.#at] as string)) this.#at++;
    if (this.#at === start) throw this.#unexpected();
    return { descends, selectors: [{ kind: 'name', name: this.#text.slice(start, this.#at) }] };
  }

  #bracket(): Selector[] {
    const selectors: Selector[] = [];
    do {
      this.#spaces();
      selectors.push(this.#selector());
      this.#spaces();
    } while (this.#take(','));
    if (!this.#take(']')) throw this.#unexpected();
    return selectors;
  }

  #selector(): Selector {
    const char = this.#text[this.#at];
    if (char === '?') throw new PathError('filters are not offered in a path');
    if (this.#take('*')) return { kind: 'wildcard' };
    if (char === '"' || char === "'") return { kind: 'name', name: this.#quoted(char) };
    const start = this.#integer();
    this.#spaces();
    if (!this.#take(':')) {
      if (start === null) throw this.#unexpected();
      return { kind: 'index', index: start };
    }
    this.#spaces();
    const end = this.#integer();
    this.#spaces();
    const step = this.#take(':') ? (this.#integer() ?? 1) : 1;
    if (step < 1) throw new PathError('the step of a slice is at least 1');
    return { kind: 'slice', start, end, step };
  }

  #quoted(quote: string): string {
    this.#at++;
    let name = '';
    for (;;) {
      const char = this.#text[this.#at++];
      if (char === undefined) throw this.#unexpected();
      if (char === quote) return name;
      if (char !== '\\') name += char;
      else {
        const escaped = this.#text[this.#at++];
        if (escaped === undefined) throw this.#unexpected();
        name += escaped === 'n' ? '\n' : escaped === 't' ? '\t' : escaped === 'r' ? '\r' : escaped;
      }
    }
  }

  #integer(): number | null {
    const start = this.#at;
    const isNegative = this.#take('-');
    let value = 0;
    let digits = 0;
    for (; digits < 15; digits++) {
      const digit = '0123456789'.indexOf(this.#text[this.#at] ?? ' ');
      if (digit < 0) break;
      value = value * 10 + digit;
      this.#at++;
    }
    if (digits === 0) {
      if (this.#at !== start) throw this.#unexpected();
      return null;
    }
    return isNegative ? -value : value;
  }

  #spaces(): void {
    while (this.#text[this.#at] === ' ') this.#at++;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #unexpected(): PathError {
    const found = this.#text[this.#at];
    return new PathError(
      found === undefined ? 'the path ends too soon' : `the path has an unexpected '${found}' at ${this.#at}`,
    );
  }
}
