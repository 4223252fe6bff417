import { AssertionFailed } from '../base/assert.ts';
import { BULK_BYTES_DEFAULT } from '../base/client-limits.ts';
import type { CommandEntry, CommandIndex } from '../commands/command-index.ts';
import type { Args, CommandContext, Reply } from '../commands/context.ts';
import { HeldArgs } from '../commands/copied-args.ts';
import type { NodeView } from '../commands/node-view.ts';
import { namesSystemKey, refuseSystemKey } from '../commands/key-names.ts';
import { unknownCommand } from '../commands/request-errors.ts';
import { refuse, wrongArity } from '../commands/refusals.ts';
import type { ServerState } from '../commands/server-state.ts';
import type { Session } from '../commands/session.ts';
import { isForGroups } from '../commands/strong-gate.ts';
import { CausewayError, toCausewayError } from '../errors.ts';
import type { KeyspaceReader, TransactionWriter } from '../keyspace/keyspace.ts';
import type { Arguments } from './group-entry.ts';
import { STRONG_REPLY_BYTES_MAX } from './limits.ts';
import { SeededRandom } from './seeded-random.ts';

/** A reply that is kept as bytes. */
export interface KeptReply extends Reply {
  /** All that was written, as bytes of their own; the writer is empty afterwards. */
  takeBytes(): Uint8Array;
}

export type NewReply = (respVersion: 2 | 3) => KeptReply;

/** What the requests of one entry run with. */
export interface Run {
  readonly commands: readonly Arguments[];
  readonly isExec: boolean;
  readonly respVersion: 2 | 3;
  readonly nowMs: number;
  readonly seed: number;
  /** Null for requests that only read. */
  readonly tx: TransactionWriter | null;
}

/**
 * Runs commands where a group's log is applied: the same table and the same code as everywhere, on the group's own keyspace, with
 * all that is not in the log shut out, so that every replica comes to the same state and the same reply.
 */
export class StrongExecutor implements CommandContext {
  nowMs = 0;
  args: Args = new HeldArgs([]);
  readonly isInLog = true;
  readonly keys: KeyspaceReader;
  /** Not a node's setting: it would be another one elsewhere. */
  readonly bulkBytesMax: number = BULK_BYTES_DEFAULT;
  readonly #commands: CommandIndex;
  readonly #newReply: NewReply;
  /** Of a run before, empty. */
  readonly #replies: Record<2 | 3, KeptReply | null> = { 2: null, 3: null };
  #reply: KeptReply | null = null;
  #tx: TransactionWriter | null = null;
  readonly #random: SeededRandom = new SeededRandom(0);

  constructor(keys: KeyspaceReader, commands: CommandIndex, newReply: NewReply) {
    this.keys = keys;
    this.#commands = commands;
    this.#newReply = newReply;
  }

  get reply(): Reply {
    if (this.#reply === null) throw new AssertionFailed('a command runs with a reply');
    return this.#reply;
  }

  get tx(): TransactionWriter {
    if (this.#tx === null) throw new AssertionFailed('a request that writes runs in an entry of the log');
    return this.#tx;
  }

  get session(): Session {
    throw new AssertionFailed('a command on strong keys does not depend on its connection');
  }

  get node(): NodeView {
    throw new AssertionFailed('a command on strong keys does not depend on its node');
  }

  get server(): ServerState {
    throw new AssertionFailed('a command on strong keys does not depend on its server');
  }

  random(): number {
    return this.#random.unit();
  }

  /** Counted by nobody: a figure of a node, and this runs on all. */
  countLookup(): void {}

  /** Notifications come where the effects become visible. */
  notify(): void {}

  /** Runs the requests, each to its end, and gives their replies' bytes: of an EXEC an array of them. */
  run({ commands, isExec, respVersion, nowMs, seed, tx }: Run): Uint8Array {
    const reply = (this.#replies[respVersion] ??= this.#newReply(respVersion));
    this.#reply = reply;
    this.#tx = tx;
    this.#random.seed(seed);
    this.nowMs = nowMs;
    if (isExec) reply.array(commands.length);
    for (const list of commands) this.#runOne(new HeldArgs(list), reply);
    this.#tx = null;
    this.#reply = null;
    return reply.takeBytes();
  }

  #runOne(args: Args, reply: Reply): void {
    const mark = reply.mark();
    try {
      const entry = this.#commands.findRequest(args);
      if (entry === undefined) throw unknownCommand(args, false);
      if (!entry.acceptsCount(args.count)) throw wrongArity(entry.fullName);
      // a gate lets nothing else through: a request that came another way must not end its members
      if (!isForGroups(entry) || (entry.writes && this.#tx === null))
        throw refuse(`${entry.fullName} is not for strong keys`);
      if (namesSystemKey(entry, args)) throw refuseSystemKey();
      this.args = args;
      entry.spec.run(this);
      if (reply.mark() > STRONG_REPLY_BYTES_MAX) throw tooLong(entry);
    } catch (thrown) {
      if (thrown instanceof AssertionFailed) throw thrown;
      // what no member could run would end all of them, again at each start
      const { code, message } = toCausewayError(thrown);
      reply.truncate(mark);
      reply.error(code, message);
    }
  }
}

/** In the place of a reply that is too long. What writes has written. */
function tooLong({ fullName, writes }: CommandEntry): CausewayError {
  const limit = `the reply is too long (limit strong-reply-bytes-max ${STRONG_REPLY_BYTES_MAX})`;
  return writes
    ? new CausewayError('UNCERTAIN', `${fullName} was done, and ${limit}`)
    : new CausewayError('LIMIT', `${limit}: ask for less at a time`);
}

/** A null array, which an EXEC replies whose watches did not hold. */
export function abortedExec(newReply: NewReply, respVersion: 2 | 3): Uint8Array {
  const reply = newReply(respVersion);
  reply.nullArray();
  return reply.takeBytes();
}

/** An error's bytes. */
export function errorReply(newReply: NewReply, respVersion: 2 | 3, { code, message }: CausewayError): Uint8Array {
  const reply = newReply(respVersion);
  reply.error(code, message);
  return reply.takeBytes();
}
