import { parseInteger } from '../base/decimal.ts';
import { latin1Range } from '../base/bytes.ts';

/** How a value of CONFIG is read. Each returns the text as CONFIG GET shows it, or why it is refused. */
export type Parsed = { readonly text: string } | { readonly refusal: string };
export type ParameterKind = (text: string) => Parsed;

const UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['k', 1000],
  ['kb', 1024],
  ['m', 1000 ** 2],
  ['mb', 1024 ** 2],
  ['g', 1000 ** 3],
  ['gb', 1024 ** 3],
]);

function within(value: bigint, least: number, most: number): Parsed {
  if (value >= BigInt(least) && value <= BigInt(most)) return { text: value.toString() };
  return { refusal: `argument must be between ${least} and ${most} inclusive` };
}

/** A whole number within bounds. */
export function integer(least: number, most: number = Number.MAX_SAFE_INTEGER): ParameterKind {
  return (text) => {
    const value = parseInteger(latin1Range(text));
    return value === null ? { refusal: "argument couldn't be parsed into an integer" } : within(value, least, most);
  };
}

/** `16mb`, `1024`: bytes. */
export function parseMemory(text: string): number | null {
  const digits = /^\d{1,15}/.exec(text)?.[0];
  if (digits === undefined) return null;
  const unit = UNITS.get(text.slice(digits.length).toLowerCase());
  const bytes = unit === undefined ? NaN : Number(digits) * unit;
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Bytes within bounds. */
export function memory(least: number, most: number = Number.MAX_SAFE_INTEGER): ParameterKind {
  return (text) => {
    const bytes = parseMemory(text);
    return bytes === null ? { refusal: 'argument must be a memory value' } : within(BigInt(bytes), least, most);
  };
}

export const yesOrNo: ParameterKind = (text) => {
  const word = text.toLowerCase();
  return word === 'yes' || word === 'no' ? { text: word } : { refusal: "argument must be 'yes' or 'no'" };
};

export function oneOf(...words: string[]): ParameterKind {
  return (text) => {
    const word = text.toLowerCase();
    if (words.includes(word)) return { text: word };
    return { refusal: `argument(s) must be one of the following: ${words.join(', ')}` };
  };
}

/** Any text. */
export const anyText: ParameterKind = (text) => ({ text });

/** One value only, where another would promise what this server does not do. */
export function only(value: string, why: string): ParameterKind {
  return (text) => (text.toLowerCase() === value ? { text: value } : { refusal: why });
}
