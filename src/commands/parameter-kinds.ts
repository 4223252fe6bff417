import { parseInteger } from '../base/decimal.ts';
import { latin1Range } from '../base/bytes.ts';
import { parseMemory } from '../base/memory-size.ts';

/** How a value of CONFIG is read. Each returns the text as CONFIG GET shows it, or why it is refused. */
export type Parsed = { readonly text: string } | { readonly refusal: string };
export type ParameterKind = (text: string) => Parsed;

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
