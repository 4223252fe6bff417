import type { Operation } from './history.ts';

/** What would do something to a terminal beyond what JSON escapes: more controls, line ends, directions of writing. */
const UNSEEN = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** A value or a key as a violation shows it: short, and without what a terminal would take as more than text. */
export function quoted(text: string): string {
  const short = JSON.stringify(text.length > 48 ? `${text.slice(0, 48)}…` : text);
  return short.replaceAll(UNSEEN, (unseen) => `\\u${unseen.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A client or a region: as it is where it is a plain word. */
export function who(name: string): string {
  return /^[\w.@:/#-]{1,64}$/.test(name) ? name : quoted(name);
}

/** What was found or written: `"a"`, or `nothing`. */
export function shown(value: string | null): string {
  return value === null ? 'nothing' : quoted(value);
}

/** `operation 12`: as a line of the history file, so from 1. */
export function named(at: number): string {
  return `operation ${at + 1}`;
}

/** What an operation left in place: `"b"`, or `the deletion`. */
export function effect({ op, value }: Operation): string {
  return op === 'del' ? 'the deletion' : shown(value);
}
