import { ByteRange, sameBytes } from '../base/bytes.ts';
import { CausewayError } from '../errors.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import type { StrongRule } from '../classes/key-class.ts';
import type { CommandEntry } from './command-index.ts';
import type { CommandSpec } from './command-spec.ts';
import type { Args, CommandContext } from './context.ts';
import { lookupTypeForWrite } from './lookup.ts';
import { integerArgumentWithin } from './numbers.ts';
import { overLimit, refuse, wrongArity } from './refusals.ts';
import type { ServerState } from './server-state.ts';
import { askGroup, copiedArguments, strongRequest } from './strong-gate.ts';
import { innerCommand, innerRoute, strongRuleOf, TailArgs } from './strong-inner.ts';
import type { StrongRequest } from './strong-view.ts';

/** Bytes of a client's own request id. */
const ONCE_ID_BYTES_MAX = 128;
const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** What a request asks of its group: its commands, and what must hold where they run. */
interface Conditional {
  readonly route: StrongRule;
  readonly commands: StrongRequest['commands'];
  readonly watches: StrongRequest['watches'];
}

/** A command on strong keys, or one within CW.IFVERSION. */
function conditionalOf(server: ServerState, args: Args): Conditional {
  const entry = innerCommand(server, args);
  return entry.fullName === 'cw.ifversion' ? ifVersionOf(server, args) : plainOf(server, entry, args);
}

function plainOf(server: ServerState, entry: CommandEntry, args: Args): Conditional {
  return { route: innerRoute(server, entry, args), commands: [copiedArguments(args)], watches: [] };
}

function ifVersionOf(server: ServerState, args: Args): Conditional {
  const route = strongRuleOf(server, args.range(1));
  const version = Number(integerArgumentWithin(args, 2, 0n, SAFE_MAX, 'version is not an integer or out of range'));
  const inner = new TailArgs(args, 3);
  const plain = plainOf(server, innerCommand(server, inner), inner);
  if (plain.route.group !== route.group)
    throw new CausewayError(
      'CROSSCLASS',
      `the key whose version counts is of group ${route.group}, the command of ${plain.route.group}`,
    );
  return { ...plain, watches: [[args.text(1), version]] };
}

function submit(context: CommandContext, conditional: Conditional, once: StrongRequest['once']): void {
  const { reply, server, session } = context;
  const { route, commands, watches } = conditional;
  const request = { ...strongRequest(server, session, route, 'write'), commands, watches, once };
  askGroup(server, session, route, request, (answer) => reply.raw(answer.reply, 0, answer.reply.length));
}

/** CW.IFVERSION key version command [arg …]: runs it if the key still has that version where the log is applied, else nil. */
function ifVersion(context: CommandContext): void {
  submit(context, ifVersionOf(context.server, context.args), null);
}

/**
 * CW.ONCE id issued-ms command [arg …]: whoever asks again under the id gets the first answer (RULES T5). Inside MULTI, without a
 * command, it names the transaction.
 */
function runOnce(context: CommandContext): void {
  const { args, server, session } = context;
  if (session.queue !== null) return nameExec(context);
  if (args.count === 3) throw wrongArity('cw.once');
  submit(context, conditionalOf(server, new TailArgs(args, 3)), onceOf(args));
}

/** A name that cannot be is a request of the MULTI that failed. */
function nameExec({ args, node, reply, session }: CommandContext): void {
  const { queueFailed } = session;
  session.queueFailed = true;
  if (args.count > 3) throw refuse('inside MULTI it is CW.ONCE id issued-ms, which names the transaction');
  if (!node.classes.policy.hasStrong) throw refuse('no class of keys is of consistency strong');
  session.execOnce = onceOf(args);
  session.queueFailed = queueFailed;
  reply.ok();
}

function onceOf(args: Args): NonNullable<StrongRequest['once']> {
  const id = args.text(1);
  if (id.length === 0) throw refuse('a request id is not empty');
  if (id.length > ONCE_ID_BYTES_MAX) throw overLimit('request id is too long', 'once-id-bytes-max', ONCE_ID_BYTES_MAX);
  const issuedMs = Number(integerArgumentWithin(args, 2, 0n, SAFE_MAX, 'issued-ms is not an integer or out of range'));
  return { id, issuedMs };
}

const view = new ByteRange();

/** CW.CAS key expected value: the value in the place of the expected one, the expiry as it is; 1, or 0 where it is another. */
function compareAndSet(context: CommandContext): void {
  const { args, isInLog, keys, reply, tx } = context;
  if (!isInLog) throw refuse('CW.CAS is for strong keys: what a node shows of others may have been replaced elsewhere');
  const key = args.range(1);
  const hash = keys.hashOf(key);
  const slot = lookupTypeForWrite(context, key, hash, ContentType.String);
  if (slot !== NO_SLOT) keys.stringInto(slot, view);
  if (slot === NO_SLOT || !sameBytes(view, args.range(2))) {
    reply.integer(0);
    return;
  }
  tx.setKeepingExpiry(key, hash, args.range(3));
  context.notify('$', 'set', key);
  reply.integer(1);
}

/** Writes of strong keys that depend on something. */
export const strongConditionCommands: readonly CommandSpec[] = [
  {
    name: 'cw.cas',
    arity: 4,
    flags: ['write', 'denyoom', 'fast'],
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Replace the value of a strong key where it is the expected one; keeps its expiry',
    run: compareAndSet,
  },
  {
    name: 'cw.ifversion',
    arity: -4,
    flags: ['write', 'denyoom', 'noscript', 'blocking', 'no_multi'],
    keys: [1, 1, 1],
    group: 'causeway',
    summary: 'Run a command on strong keys if a key still has a version, 0 for absent; nil otherwise',
    run: ifVersion,
  },
  {
    name: 'cw.once',
    arity: -3,
    flags: ['write', 'denyoom', 'noscript', 'blocking'],
    group: 'causeway',
    summary: "Run a command, or the open MULTI, on strong keys once under a client's own request id",
    run: runOnce,
  },
];
