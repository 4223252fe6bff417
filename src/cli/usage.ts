import { basename, relative } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { CausewayError } from '../errors.ts';

/** The command line is wrong: exit code 2. Everything else that fails ends with 1. */
export class UsageError extends CausewayError {
  constructor(message: string) {
    super('CONFIG', message);
    this.name = 'UsageError';
  }
}

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
/** Nothing wrong was found, and not all could be looked at. */
export const EXIT_UNDECIDED = 3;

/** What a command prints to and learns about where it prints. */
export interface Terminal {
  readonly isTty: boolean;
  readonly hasColor: boolean;
  /** Width in characters, for what is rewritten in place. */
  columns(): number;
  write(text: string): void;
}

/** Standard output. Colours only on a terminal that wants them, unless `--no-color`. */
export function standardTerminal(wantsColor: boolean): Terminal {
  const isTty = process.stdout.isTTY;
  const isPlain = process.env['NO_COLOR'] !== undefined || process.env['TERM'] === 'dumb';
  return {
    isTty: isTty && process.env['TERM'] !== 'dumb',
    hasColor: isTty && wantsColor && !isPlain,
    columns: () => process.stdout.columns || 80,
    write: (text) => process.stdout.write(text),
  };
}

export function bold(terminal: Terminal, text: string): string {
  return terminal.hasColor ? `\u001b[1m${text}\u001b[22m` : text;
}

/** An option's value as a whole number within bounds, for commander. */
export function integerOption(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a whole number of ${min} to ${max}.`);
  };
}

/** An option's value as a number within bounds, for commander. */
export function numberOption(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a number of ${min} to ${max}.`);
  };
}

/** An option's value as names without repetition, for commander. */
export function listOption(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new InvalidArgumentError('Expected names with a comma between them.');
  return [...new Set(names)];
}

/** How the user calls this program, for commands to try. */
export function programPrefix(): string {
  if (process.env['npm_lifecycle_event'] !== undefined) return 'npm run -s causeway --';
  const script = process.argv[1] ?? '';
  return basename(script) === 'causeway' ? 'causeway' : `node ${relative(process.cwd(), script)}`;
}

/** Text from outside without what would start a line or steer a terminal. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
