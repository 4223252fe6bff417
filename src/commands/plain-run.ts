import type { ClassPolicy } from '../classes/class-policy.ts';
import type { TransactionWriter } from '../keyspace/keyspace.ts';
import type { CommandEntry } from './command-index.ts';
import type { Args } from './context.ts';
import type { Engine } from './engine.ts';
import type { ExecutionContext } from './execution-context.ts';
import { mayNameSystemKey } from './key-names.ts';
import { notificationBit } from './notification-classes.ts';
import type { Fetching } from './fetching.ts';
import type { ServerState } from './server-state.ts';
import type { Session } from './session.ts';
import { carriesReads } from './session-level.ts';
import type { TurnClock } from './turn-clock.ts';

const NEW_KEY = notificationBit('n');

/** Requests that are timed together. */
const LAP_REQUESTS = 16;
/** What is slower than this is timed by itself where it is to be logged. */
const EXACT_SLOWLOG_USEC = 1_000;
/** A request with more than these may take long, and is timed by itself; so is one that answers with more. */
const PLAIN_ARGUMENTS_MAX = 64;
const PLAIN_BYTES_MAX = 32_768;

/** What a run needs of its dispatcher. */
export interface PlainRunHost {
  readonly server: ServerState;
  readonly context: ExecutionContext;
  readonly clock: TurnClock;
  /** Answers a command that threw, and counts it. */
  failed(session: Session, entry: CommandEntry, thrown: unknown): void;
  /** Takes what no longer matters out of what a session has seen, where that has grown. */
  trim(session: Session): void;
  /** Writes a slow request down where it is one that is to be. */
  logSlow(session: Session, entry: CommandEntry, args: Args, usec: number): void;
}

/**
 * Plain requests of one connection one after the other: short commands on keys that are not strong, of a session that asks for nothing
 * special. What is the same for all of them is looked at once, where the run begins: nothing that could change it (a command that
 * is not plain, another connection, a frame) comes between them. So it costs what it costs to run them.
 *
 * They are timed by up to 16 together: each counts with its share in the figures, and SLOWLOG names the last of them where all took as
 * long as one may. Where SLOWLOG is to see what is shorter than a millisecond nothing is plain.
 */
export class PlainRun {
  readonly #host: PlainRunHost;
  readonly #server: ServerState;
  readonly #engine: Engine;
  readonly #context: ExecutionContext;
  /** Whose run it is, null between runs. */
  #session: Session | null = null;
  #mayRead = false;
  #mayWrite = false;
  /** Whether there is a limit to memory, which each write may reach. */
  #isLimited = false;
  /** Which keys may be strong, null where none is. */
  #policy: ClassPolicy | null = null;
  /** Where keys may have to be fetched first, null where there is nothing to ask. */
  #fetching: Fetching | null = null;
  #last: CommandEntry | null = null;
  #running: CommandEntry | null = null;
  /** Requests since the last look at the clock, and the commands that they were. */
  #untimed = 0;
  readonly #commands: (CommandEntry | null)[] = new Array<CommandEntry | null>(LAP_REQUESTS).fill(null);
  #commandCount = 0;
  #hasWritten = false;

  constructor(host: PlainRunHost) {
    this.#host = host;
    this.#server = host.server;
    this.#engine = host.server.engine;
    this.#context = host.context;
  }

  /** Runs a request as a part of the run, which begins with it where there is none. False for what is not plain: nothing was done. */
  take(session: Session, entry: CommandEntry, args: Args): boolean {
    if (!entry.isPlain || (session !== this.#session && !this.#begin(session))) return false;
    if (this.#isLimited && entry.takesMemory && this.#engine.memory.isFull) return false;
    if (!(entry.writes ? this.#mayWrite : this.#mayRead) || !isShort(entry, args)) return false;
    if (mayNameSystemKey(entry, args)) return false;
    if (this.#policy !== null && namesStrong(this.#policy, entry, args)) return false;
    const context = this.#context;
    if (this.#fetching !== null && this.#fetching.mayWait(entry, args, context.nowMs)) return false;
    const { reply } = context;
    const mark = reply.mark();
    context.args = args;
    try {
      if (entry.writes) this.#write(session, entry);
      else entry.spec.run(context);
    } catch (thrown) {
      reply.truncate(mark);
      this.#host.failed(session, entry, thrown);
    }
    this.#last = entry;
    if (entry.untimedCalls++ === 0) this.#commands[this.#commandCount++] = entry;
    if (++this.#untimed === LAP_REQUESTS || reply.mark() - mark > PLAIN_BYTES_MAX) this.#lap(session);
    return true;
  }

  #write(session: Session, entry: CommandEntry): void {
    this.#running = entry;
    this.#hasWritten = true;
    try {
      const seq = this.#engine.transact(this.#context.nowMs, this.#runInTransaction);
      if (seq > 0) session.noteWrite(this.#engine.origin, seq);
    } finally {
      this.#context.setTransaction(null);
    }
  }

  readonly #runInTransaction = (tx: TransactionWriter): void => {
    this.#context.setTransaction(tx);
    this.#running?.spec.run(this.#context);
  };

  /** Whether a run of the session may begin; then it has. */
  #begin(session: Session): boolean {
    this.end();
    const server = this.#server;
    const { settings } = server;
    const isTimedExactly = settings.slowlogSlowerThanUsec >= 0 && settings.slowlogSlowerThanUsec < EXACT_SLOWLOG_USEC;
    const isPlain =
      session.isPlain &&
      server.pause === null &&
      server.clients.monitors.size === 0 &&
      !isTimedExactly &&
      (settings.notifyClasses & NEW_KEY) === 0;
    if (!isPlain) return false;
    this.#session = session;
    this.#mayRead = this.#engine.refusal(false, false) === null;
    const isWrittenElsewhere = server.regional?.isActive === true || server.sourceWrites?.isActive === true;
    this.#mayWrite = this.#engine.refusal(true, false) === null && !isWrittenElsewhere;
    this.#isLimited = this.#engine.memory.limit.bytes > 0;
    const { policy } = this.#engine.node.classes;
    this.#policy = policy.hasStrong ? policy : null;
    this.#fetching = server.fetching.isActive ? server.fetching : null;
    this.#context.begin(session, this.#engine.nowMs(this.#host.clock.wallMs));
    const { level } = session;
    if (level === null) this.#engine.readFor(session.dots, true);
    else if (carriesReads(level)) this.#engine.readFor(session.dots, false);
    return true;
  }

  /** Ends the run, where there is one: the figures are right after it. */
  end(): void {
    const session = this.#session;
    if (session === null) return;
    if (this.#untimed > 0) this.#lap(session);
    this.#session = null;
    this.#engine.readFor(null, false);
  }

  /** Whether a command that writes was run since the last call. */
  takeWritten(): boolean {
    const hasWritten = this.#hasWritten;
    this.#hasWritten = false;
    return hasWritten;
  }

  /** Looks at the clock, and accounts for what ran since it was looked at. */
  #lap(session: Session): void {
    const { clock } = this.#host;
    const usec = clock.lapUsec();
    const requests = this.#untimed;
    const last = this.#last as CommandEntry;
    this.#untimed = 0;
    for (let at = 0; at < this.#commandCount; at++) (this.#commands[at] as CommandEntry).count(usec / requests);
    this.#commandCount = 0;
    this.#server.stats.commandsProcessed += requests;
    const nowWallMs = clock.wallMs;
    session.lastCommand = last.fullName;
    session.lastActiveAtMs = nowWallMs;
    this.#host.logSlow(session, last, this.#context.args, usec);
    this.#host.trim(session);
    this.#context.nowMs = this.#engine.nowMs(nowWallMs);
  }
}

/** Whether it has the right number of arguments, and little of them. */
function isShort(entry: CommandEntry, args: Args): boolean {
  const { count } = args;
  if (count > PLAIN_ARGUMENTS_MAX || !entry.acceptsCount(count)) return false;
  return args.range(count - 1).end - args.range(0).start <= PLAIN_BYTES_MAX;
}

/** Whether one of the keys is of a class that may be strong. */
function namesStrong(policy: ClassPolicy, { spec }: CommandEntry, args: Args): boolean {
  const { keys } = spec;
  if (keys === undefined) return false;
  const [first, last, step] = keys;
  if (last === first) return policy.mayBeStrong(args.range(first));
  const end = last < 0 ? args.count + last : last;
  for (let at = first; at <= end; at += step) if (policy.mayBeStrong(args.range(at))) return true;
  return false;
}
