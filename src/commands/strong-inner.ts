import type { ByteRange } from '../base/bytes.ts';
import type { StrongRule } from '../classes/key-class.ts';
import type { CommandEntry } from './command-index.ts';
import type { Args } from './context.ts';
import { refuse, wrongArity } from './refusals.ts';
import { unknownCommand } from './request-errors.ts';
import type { ServerState } from './server-state.ts';
import { strongRouteOf } from './strong-gate.ts';

/** The arguments of a request from one on: those of a command that is named within another. */
export class TailArgs implements Args {
  readonly count: number;
  readonly keyHash = 0;
  readonly #args: Args;
  readonly #first: number;

  constructor(args: Args, first: number) {
    this.#args = args;
    this.#first = first;
    this.count = args.count - first;
  }

  range(index: number): ByteRange {
    return this.#args.range(this.#first + index);
  }

  text(index: number): string {
    return this.#args.text(this.#first + index);
  }

  word(index: number): string {
    return this.#args.word(this.#first + index);
  }
}

/** The row of a command that is named within another. Throws what the command alone would be answered. */
export function innerCommand(server: ServerState, args: Args): CommandEntry {
  const entry = server.commands.findRequest(args);
  if (entry === undefined) throw unknownCommand(args, server.commands.find(args.range(0)) !== undefined);
  if (!entry.acceptsCount(args.count)) throw wrongArity(entry.fullName);
  return entry;
}

/** The group of a key. Throws ERR for a key that is not strong. */
export function strongRuleOf(server: ServerState, key: ByteRange): StrongRule {
  const { strong } = server.engine.node.classes.policy.classOf(key);
  if (strong === undefined) throw notStrong('the key');
  return strong;
}

/** The group that a command within another is for. Throws ERR where it is for none, CROSSCLASS where for several. */
export function innerRoute(server: ServerState, entry: CommandEntry, args: Args): StrongRule {
  const route = strongRouteOf(server, entry, args);
  if (route === null) throw notStrong(`what ${entry.fullName} is to run on`);
  return route;
}

const notStrong = (what: string): Error => refuse(`${what} is not of a class of consistency strong`);
