import { latin1Of } from '../base/bytes.ts';
import type { CausewayError } from '../errors.ts';
import type { Args } from './context.ts';
import { notOffered } from './not-offered.ts';
import { refuse } from './refusals.ts';

/** How much of what a client sent is said back to it. */
const ECHO_CHARS_MAX = 128;

function shortText(args: Args, index: number, charsMax: number): string {
  const { buf, start, end } = args.range(index);
  return latin1Of(buf, start, Math.min(end, start + charsMax));
}

/** The name of the command, or of its subcommand, is in no row. */
export function unknownCommand(args: Args, isContainer: boolean): CausewayError {
  const name = shortText(args, 0, ECHO_CHARS_MAX);
  if (isContainer) {
    const subcommand = shortText(args, 1, ECHO_CHARS_MAX);
    return refuse(`unknown subcommand '${subcommand}'. Try ${args.word(0)} HELP.`);
  }
  const reason = notOffered.get(name.toUpperCase());
  if (reason !== undefined) return refuse(`${name.toUpperCase()} is not offered: ${reason}`);
  let beginning = '';
  for (let i = 1; i < args.count && beginning.length < ECHO_CHARS_MAX; i++) {
    beginning += `'${shortText(args, i, ECHO_CHARS_MAX - beginning.length)}' `;
  }
  return refuse(`unknown command '${name}', with args beginning with: ${beginning}`);
}

/** A subcommand that takes arguments in some numbers only. */
export function subcommandSyntax(args: Args): CausewayError {
  const subcommand = shortText(args, 1, ECHO_CHARS_MAX);
  return refuse(`unknown subcommand or wrong number of arguments for '${subcommand}'. Try ${args.word(0)} HELP.`);
}

/** In RESP2 a client that listens cannot tell a reply from a message. */
export function onlyPubsubAllowed(commandName: string): CausewayError {
  return refuse(
    `Can't execute '${commandName}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
  );
}

/** A command that a browser or a mail server sends, not a Redis client: whoever makes one do so shall get nowhere. */
export function isForeignProtocol(args: Args): boolean {
  const { length } = args.range(0);
  if (length !== 4 && length !== 5) return false;
  const word = args.word(0);
  return word === 'POST' || word === 'HOST:';
}
