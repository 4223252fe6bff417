import { WATCHED_KEYS_MAX } from '../base/client-limits.ts';
import { NO_SLOT } from '../keyspace/keyspace.ts';
import type { CommandFlag, CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { checkKeptNames } from './kept-names.ts';
import { refuse } from './refusals.ts';

function multi({ reply, session }: CommandContext): void {
  if (session.queue !== null) throw refuse('MULTI calls can not be nested');
  session.queue = [];
  reply.ok();
}

function discard({ reply, server, session }: CommandContext): void {
  if (session.queue === null) throw refuse('DISCARD without MULTI');
  session.dropQueue();
  server.watches.unwatchAll(session);
  reply.ok();
}

function watch({ args, keys, nowMs, reply, server, session }: CommandContext): void {
  if (session.queue !== null) throw refuse('WATCH inside MULTI is not allowed');
  checkKeptNames(args, [session.watched], 'watched keys', ['watched-keys-max', WATCHED_KEYS_MAX]);
  // Once a watch is broken EXEC does nothing: what else changes is of no interest.
  if (!session.watchBroken) {
    for (let i = 1; i < args.count; i++) {
      const key = args.range(i);
      const slot = keys.find(key, keys.hashOf(key), nowMs);
      server.watches.watch(session, key.toLatin1(), slot === NO_SLOT ? Number.NaN : keys.expiryOf(slot));
    }
  }
  reply.ok();
}

function unwatch({ reply, server, session }: CommandContext): void {
  server.watches.unwatchAll(session);
  reply.ok();
}

const flags: readonly CommandFlag[] = ['noscript', 'loading', 'stale', 'fast', 'allow_busy'];

/** MULTI and its like. EXEC of an open MULTI is run by the dispatcher; its row answers where none is open. */
export const transactionCommands: readonly CommandSpec[] = [
  {
    name: 'multi',
    arity: 1,
    flags,
    group: 'transactions',
    summary: 'Mark the start of a transaction block',
    run: multi,
  },
  {
    name: 'exec',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'skip_slowlog'],
    group: 'transactions',
    summary: 'Execute all commands issued after MULTI',
    run: () => {
      throw refuse('EXEC without MULTI');
    },
  },
  {
    name: 'discard',
    arity: 1,
    flags,
    group: 'transactions',
    summary: 'Discard all commands issued after MULTI',
    run: discard,
  },
  {
    name: 'watch',
    arity: -2,
    flags,
    keys: [1, -1, 1],
    group: 'transactions',
    summary: 'Watch the given keys to determine execution of the MULTI/EXEC block',
    run: watch,
  },
  { name: 'unwatch', arity: 1, flags, group: 'transactions', summary: 'Forget about all watched keys', run: unwatch },
];
