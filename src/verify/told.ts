import type { Operation } from './history.ts';

/** A value or a key as a violation shows it: short, and without what a terminal would take as more than text. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 48 ? `${text.slice(0, 48)}…` : text);
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
