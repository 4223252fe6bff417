import { parseInteger } from '../base/decimal.ts';
import type { CommandContext } from './context.ts';
import { refuse, syntaxError } from './refusals.ts';
import type { Session } from './session.ts';

export type ClientType = 'normal' | 'pubsub' | 'replica' | 'master';

/** A type of CLIENT LIST and CLIENT KILL; throws for an unknown one. */
export function clientTypeOf(text: string): ClientType {
  const word = text.toLowerCase();
  if (word === 'slave') return 'replica';
  if (word === 'normal' || word === 'pubsub' || word === 'replica' || word === 'master') return word;
  throw refuse(`Unknown client type '${text}'`);
}

type Filter = (session: Session) => boolean;

/** CLIENT KILL addr:port, or CLIENT KILL with filters, all of which must fit. */
export function clientKill(context: CommandContext): void {
  const { args, reply, session } = context;
  if (args.count === 3) {
    const address = args.text(2);
    const killed = kill(context, [(other) => other.connection.address === address]);
    if (killed === 0) throw refuse('No such client');
    reply.ok();
    return;
  }
  const { filters, skipSelf } = filtersOf(context);
  if (skipSelf) filters.push((other) => other !== session);
  reply.integer(kill(context, filters));
}

function kill({ server, session }: CommandContext, filters: readonly Filter[]): number {
  const found = [...server.clients].filter((other) => filters.every((filter) => filter(other)));
  for (const other of found) {
    if (other === session) session.connection.closeAfterReply();
    else other.connection.close('CLIENT KILL');
  }
  return found.length;
}

function filtersOf({ args }: CommandContext): { filters: Filter[]; skipSelf: boolean } {
  const filters: Filter[] = [];
  let skipSelf = true;
  for (let i = 2; i < args.count; i += 2) {
    if (i + 1 >= args.count) throw syntaxError();
    const value = args.text(i + 1);
    switch (args.word(i)) {
      case 'ID': {
        const id = parseInteger(args.range(i + 1));
        if (id === null || id < 1n) throw refuse('client-id should be greater than 0');
        filters.push((other) => BigInt(other.id) === id);
        break;
      }
      case 'TYPE': {
        const type = clientTypeOf(value);
        filters.push((other) => other.type === type);
        break;
      }
      case 'ADDR':
        filters.push((other) => other.connection.address === value);
        break;
      case 'LADDR':
        filters.push((other) => other.connection.localAddress === value);
        break;
      case 'USER':
        if (value !== 'default') throw refuse(`No such user '${value}'`);
        break;
      case 'SKIPME':
        skipSelf = yesOrNo(value);
        break;
      default:
        throw syntaxError();
    }
  }
  return { filters, skipSelf };
}

function yesOrNo(text: string): boolean {
  const word = text.toLowerCase();
  if (word !== 'yes' && word !== 'no') throw syntaxError();
  return word === 'yes';
}
