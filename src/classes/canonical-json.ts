import { JSON_DEPTH_MAX } from './limits.ts';

/** Why a text is no JSON that can be merged. */
export class JsonFault extends Error {}

const SPACES = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;
const WORD = /true|false|null/y;

/**
 * Reads JSON as canonical text: no spaces, members sorted by name, each name once (the last stands), strings with the fewest escapes. Numbers are
 * written as JavaScript writes them where that is exactly the number, else as they were: nothing is rounded.
 */
class CanonicalReader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  end(): void {
    this.#take(SPACES);
    if (this.#at < this.#text.length) this.#fail('more after its end');
  }

  value(): string {
    this.#take(SPACES);
    const first = this.#text[this.#at];
    if (first === '{') return objectText(this.members());
    if (first === '[') return `[${this.elements().join(',')}]`;
    if (first === '"') return this.#string();
    return this.#take(WORD) ?? canonicalNumber(this.#take(NUMBER) ?? this.#fail('no value'));
  }

  /** Canonical names with canonical values. */
  members(): Map<string, string> {
    const members = new Map<string, string>();
    this.#list('{', '}', () => {
      const name = this.#string();
      this.#take(SPACES);
      if (this.#text[this.#at++] !== ':') this.#fail('no colon');
      members.set(name, this.value());
    });
    return members;
  }

  elements(): string[] {
    const elements: string[] = [];
    this.#list('[', ']', () => void elements.push(this.value()));
    return elements;
  }

  #list(open: string, close: string, item: () => void): void {
    this.#take(SPACES);
    if (this.#text[this.#at] !== open) this.#fail(`no ${open}`);
    this.#at++;
    if (++this.#depth > JSON_DEPTH_MAX) throw new JsonFault(`nested more than ${JSON_DEPTH_MAX} deep`);
    this.#take(SPACES);
    if (this.#text[this.#at] === close) this.#at++;
    else {
      for (;;) {
        item();
        this.#take(SPACES);
        const after = this.#text[this.#at++];
        if (after === close) break;
        if (after !== ',') this.#fail(`no comma and no ${close}`);
      }
    }
    this.#depth--;
  }

  #string(): string {
    this.#take(SPACES);
    const raw = this.#take(STRING) ?? this.#fail('no text in quotes');
    try {
      return JSON.stringify(JSON.parse(raw));
    } catch {
      return this.#fail('a text with a wrong escape');
    }
  }

  /** What a sticky expression matches here, null for nothing. */
  #take(expression: RegExp): string | null {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#text)?.[0] ?? null;
    this.#at += found?.length ?? 0;
    return found;
  }

  #fail(found: string): never {
    throw new JsonFault(`no JSON: ${found} at character ${this.#at + 1}`);
  }
}

/** The members of a JSON object, canonical. Throws JsonFault. */
export function canonicalMembers(text: string): Map<string, string> {
  const reader = new CanonicalReader(text);
  const members = reader.members();
  reader.end();
  return members;
}

/** The elements of a JSON array, canonical. Throws JsonFault. */
export function canonicalElements(text: string): string[] {
  const reader = new CanonicalReader(text);
  const elements = reader.elements();
  reader.end();
  return elements;
}

/** A JSON object of canonical members, sorted by name. */
export function objectText(members: ReadonlyMap<string, string>): string {
  const names = [...members.keys()].sort((left, right) => (left < right ? -1 : 1));
  return `{${names.map((name) => `${name}:${members.get(name) ?? ''}`).join(',')}}`;
}

function canonicalNumber(raw: string): string {
  const text = String(Number(raw));
  return exactly(text) === exactly(raw) ? text : raw;
}

const EXPONENT_CHARS_MAX = 20;

/** Where the zeros at the end begin. An expression would look at all zeros behind each zero within. */
function endOfDigits(digits: string): number {
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  return end;
}

/** Digits without zeros at the ends, and the power of ten: equal for equal numbers. */
function exactly(raw: string): string {
  const [mantissa = '', scale = '0'] = raw.toLowerCase().split('e');
  const exponent = scale.replace(/^([+-]?)0+(?=\d)/, '$1');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  if (digits === '') return '0';
  // no number of JavaScript's is written with such a power, and to read one costs more than it is long
  if (exponent.length > EXPONENT_CHARS_MAX) return raw;
  const significant = digits.slice(0, endOfDigits(digits));
  const power = BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - significant.length);
  return `${mantissa.startsWith('-') ? '-' : ''}${significant}e${power}`;
}
