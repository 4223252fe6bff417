import { AssertionFailed } from '../base/assert.ts';
import { INVALIDATED_PATTERNS_MAX } from '../base/link-limits.ts';
import type { StrongRule } from '../classes/key-class.ts';
import { CausewayError, toCausewayError } from '../errors.ts';
import type { TransactionWriter } from '../keyspace/keyspace.ts';
import type { CommandEntry } from './command-index.ts';
import type { Args } from './context.ts';
import { copiedArgs, copyBytes } from './copied-args.ts';
import type { Engine } from './engine.ts';
import { ExecutionContext } from './execution-context.ts';
import { answerWhenElsewhere } from './regional-level.ts';
import { feedMonitors } from './monitor-feed.ts';
import { NewKeyWriter } from './new-key-writer.ts';
import { notificationBit } from './notification-classes.ts';
import { withoutSecrets } from './redacted-args.ts';
import { PlainRun } from './plain-run.ts';
import { namesSystemKey, refuseSystemKey } from './key-names.ts';
import { overLimit, refuse, wrongArity } from './refusals.ts';
import { refuseUnstorable } from './unstorable.ts';
import { isForeignProtocol, onlyPubsubAllowed, unknownCommand } from './request-errors.ts';
import type { ServerState } from './server-state.ts';
import type { QueuedCommand, Session } from './session.ts';
import { judgeByRoom } from './room-wait.ts';
import { judgeByFloor } from './session-floor.ts';
import { carriesReads, SESSION_DOTS_KEPT } from './session-level.ts';
import {
  askGroup,
  strongCommand,
  strongExec,
  strongRequest,
  strongRoute,
  strongRouteOfExec,
  strongWatch,
  type StrongRoute,
} from './strong-gate.ts';

import { TurnClock } from './turn-clock.ts';
import type { Verdict } from './verdict.ts';

/** What became of a request. */
export const Outcome = {
  /** It is answered, also when the answer is an error. */
  Done: 0,
  /** It was not run, because requests have to wait: to be given again later. */
  Paused: 1,
  /** It runs, and the session runs nothing else until it is answered. */
  Blocked: 2,
  /** It is no request of a Redis client: to be closed at once, unanswered. */
  Foreign: 3,
  /** It was not run, and the session runs nothing else until its wait is over: then it is to be given again. */
  Deferred: 4,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

const NEW_KEY = notificationBit('n');

/** Run at once inside MULTI. */
const NEVER_QUEUED: ReadonlySet<string> = new Set(['exec', 'discard', 'multi', 'watch', 'quit', 'reset', 'cw.once']);
/** What a RESP2 client may send while it listens. */
const PUBSUB_CONTEXT: ReadonlySet<string> = new Set([
  'ping',
  'subscribe',
  'unsubscribe',
  'psubscribe',
  'punsubscribe',
  'quit',
  'reset',
]);

/**
 * Runs requests: finds the row, checks what is to be checked before, runs the command in a transaction of the engine if
 * it writes, and keeps the figures. A command that throws leaves its error as its only reply.
 */
export class Dispatcher {
  readonly #server: ServerState;
  readonly #engine: Engine;
  readonly #context: ExecutionContext;
  readonly #exec: CommandEntry | undefined;
  /** The command that `transact` runs: fields instead of a closure for each request. */
  #running: CommandEntry | null = null;
  #queue: readonly QueuedCommand[] = [];
  readonly #clock: TurnClock;
  readonly #plainRun: PlainRun;
  /** Something was run that is not plain. */
  #isTouched = false;

  constructor(server: ServerState, unit: () => number) {
    this.#server = server;
    this.#engine = server.engine;
    this.#context = new ExecutionContext(server, unit);
    this.#exec = server.commands.findFullName('exec');
    this.#clock = new TurnClock(server.time);
    this.#plainRun = new PlainRun({
      server,
      context: this.#context,
      clock: this.#clock,
      failed: (session, entry, thrown) => this.#failed(session, entry, thrown),
      trim: (session) => this.#trim(session),
      logSlow: (session, entry, args, usec) => this.#logSlow(session, entry, args, usec),
    });
  }

  /** Reads the clocks: to be called before the requests of one readable event, and `endTurn` after them. */
  beginTurn(): void {
    this.#clock.begin();
  }

  /**
   * Ends what the requests of one readable event have in common; their figures are right after it. Says whether the node has to be flushed:
   * something else was run than reads of this node's copy.
   */
  endTurn(): boolean {
    this.#plainRun.end();
    const isTouched = this.#isTouched || this.#plainRun.takeWritten();
    this.#isTouched = false;
    return isTouched;
  }

  /** Runs one request. Throws only when an invariant of ours is broken. */
  execute(session: Session, args: Args): Outcome {
    const entry = this.#server.commands.findRequest(args);
    if (entry !== undefined && this.#plainRun.take(session, entry, args)) return Outcome.Done;
    this.#plainRun.end();
    this.#isTouched = true;
    return entry === undefined ? this.#unknown(session, args) : this.#executeAny(session, entry, args);
  }

  #executeAny(session: Session, entry: CommandEntry, args: Args): Outcome {
    const { reply } = session.connection;
    const mark = reply.mark();
    let verdict: Verdict = this.#refusalOf(session, entry, args) ?? 'run';
    if (verdict === 'run' && this.#mustWait(entry, session)) return Outcome.Paused;
    if (verdict === 'run' && this.#engine.memory.isFull) verdict = judgeByRoom(this.#server, session, entry);
    let route: StrongRoute = null;
    if (verdict === 'run' && this.#engine.node.classes.policy.hasStrong) {
      const found = this.#routeOf(session, entry, args);
      if (found instanceof CausewayError) verdict = found;
      else route = found;
    }
    if (verdict === 'run' && route === null) verdict = this.#judgeHere(session, entry, args);
    if (verdict === 'wait') return Outcome.Deferred;
    session.lastCommand = entry.fullName;
    session.lastActiveAtMs = this.#clock.wallMs;
    session.fetched = null;
    if (verdict !== 'run') {
      entry.rejectedCalls++;
      this.#reject(session, entry === this.#exec ? this.#aborted(session, verdict) : verdict);
    } else if (session.queue !== null && !NEVER_QUEUED.has(entry.fullName)) {
      this.#enqueue(session, entry, args);
    } else if (route !== null) {
      session.running = true;
      try {
        this.#askGroup(session, entry, args, route);
      } finally {
        session.running = false;
      }
    } else {
      const { regional, sourceWrites } = this.#server;
      regional?.begin();
      sourceWrites?.begin();
      this.#run(session, entry, args);
      if (regional !== null || sourceWrites !== null) answerWhenElsewhere(this.#server, session, mark);
    }
    if (session.tracking !== null) this.#server.tracking.ended(session, entry);
    applyReplyMode(session, mark);
    return session.blocked === null ? Outcome.Done : Outcome.Blocked;
  }

  #unknown(session: Session, args: Args): Outcome {
    if (isForeignProtocol(args)) return Outcome.Foreign;
    const { reply } = session.connection;
    const mark = reply.mark();
    const container = this.#server.commands.find(args.range(0));
    const needsPassword = !session.authenticated && container === undefined;
    this.#reject(session, needsPassword ? noAuthentication() : unknownCommand(args, container !== undefined));
    applyReplyMode(session, mark);
    return Outcome.Done;
  }

  /** Why a request is not run, null when it is. */
  #refusalOf(session: Session, entry: CommandEntry, args: Args): CausewayError | null {
    if (!entry.acceptsCount(args.count)) return wrongArity(entry.fullName);
    if (!session.authenticated && !entry.allowedUnauthenticated) return noAuthentication();
    if (namesSystemKey(entry, args)) return refuseSystemKey();
    if (session.queue !== null && !entry.allowedInMulti) return refuse('Command not allowed inside a transaction');
    if (session.respVersion === 2 && session.subscribed && !PUBSUB_CONTEXT.has(entry.fullName)) {
      return onlyPubsubAllowed(entry.fullName);
    }
    if (entry === this.#exec && session.queue !== null) {
      return this.#engine.refusal(
        session.queueWrites,
        session.queue.every((queued) => queued.entry.allowedWhileLoading),
      );
    }
    return this.#engine.refusal(entry.writes, entry.allowedWhileLoading);
  }

  /** What becomes of a request that is run on this node's copy. */
  #judgeHere(session: Session, entry: CommandEntry, args: Args): Verdict {
    const { fetching, sourceWrites } = this.#server;
    let verdict: Verdict = 'run';
    if (session.floor !== null) verdict = judgeByFloor(this.#server, session, entry, args);
    if (verdict === 'run' && sourceWrites?.isActive === true)
      verdict = refuseUnstorable(this.#server, session, entry, args) ?? 'run';
    if (verdict === 'run' && fetching.isActive)
      verdict = fetching.judge(session, entry, args, this.#engine.nowMs(this.#clock.wallMs));
    return verdict;
  }

  /** The quorum group that a request is for, null for this node, or why it may not be done as it is asked. */
  #routeOf(session: Session, entry: CommandEntry, args: Args): StrongRoute | CausewayError {
    try {
      if (session.queue === null) {
        if (entry.fullName === 'watch') return strongWatch(this.#server, session, args)?.route ?? null;
        return strongRoute(this.#server, session, entry, args);
      }
      return entry === this.#exec && !session.queueFailed ? strongRouteOfExec(this.#server, session) : null;
    } catch (thrown) {
      if (thrown instanceof CausewayError) return thrown;
      throw thrown;
    }
  }

  /** Sends what is on strong keys to its group; the session waits for the answer. */
  #askGroup(session: Session, entry: CommandEntry, args: Args, route: StrongRule): void {
    const { reply } = session.connection;
    const server = this.#server;
    if (entry === this.#exec) {
      const watches = Array.from(session.strongWatches, ([key, { version }]) => [key, version] as const);
      const { execOnce } = session;
      const queue = session.queue ?? [];
      session.dropQueue();
      server.watches.unwatchAll(session);
      const request = strongExec(server, session, route, queue, watches, execOnce);
      askGroup(server, session, route, request, (answer) => reply.raw(answer.reply, 0, answer.reply.length));
    } else if (entry.fullName === 'watch') {
      const keys = strongWatch(server, session, args)?.keys ?? [];
      const request = { ...strongRequest(server, session, route, 'versions'), keys };
      askGroup(server, session, route, request, ({ versions }) => {
        for (const [at, key] of keys.entries()) {
          const version = versions[at] ?? 0;
          if (!session.strongWatches.has(key)) session.strongWatches.set(key, { group: route.group, version });
        }
        reply.ok();
      });
    } else {
      const request = strongCommand(server, session, route, entry, args);
      askGroup(server, session, route, request, (answer) => reply.raw(answer.reply, 0, answer.reply.length));
    }
    this.#account(session, entry, args);
  }

  #mustWait(entry: CommandEntry, session: Session): boolean {
    const { pause } = this.#server;
    if (pause === null || entry.fullName === 'client|unpause') return false;
    if (pause.mode === 'all') return true;
    return entry.writes || (entry === this.#exec && session.queueWrites);
  }

  /** Answers with an error before anything was run; an open MULTI is spoilt by it. */
  #reject(session: Session, error: CausewayError): void {
    if (session.queue !== null) session.queueFailed = true;
    this.#answerError(session, error);
  }

  #answerError(session: Session, error: CausewayError): void {
    this.#server.stats.countError(error.code);
    session.connection.reply.error(error.code, error.message);
  }

  /** An EXEC that cannot run ends its transaction. */
  #aborted(session: Session, cause: CausewayError): CausewayError {
    session.dropQueue();
    this.#server.watches.unwatchAll(session);
    const reason = cause.code === 'ERR' ? cause.message : `${cause.code} ${cause.message}`;
    return new CausewayError('EXECABORT', `Transaction discarded because of: ${reason}`);
  }

  #enqueue(session: Session, entry: CommandEntry, args: Args): void {
    const bytes = copyBytes(args);
    const limit = this.#server.settings.queryBufferBytesMax;
    if (session.queuedBytes + bytes > limit) {
      this.#reject(session, refuse(`transaction is too large (limit client-query-buffer-limit ${limit})`));
      return;
    }
    const patterns = session.queuedPatterns + (entry.spec.patternsOf?.(args) ?? 0);
    if (patterns > INVALIDATED_PATTERNS_MAX) {
      const error = overLimit(
        'too many patterns in a transaction',
        'invalidated-patterns-max',
        INVALIDATED_PATTERNS_MAX,
      );
      this.#reject(session, error);
      return;
    }
    session.enqueue({ entry, args: copiedArgs(args), bytes });
    session.connection.reply.simple('QUEUED');
  }

  #run(session: Session, entry: CommandEntry, args: Args): void {
    const nowMs = this.#engine.nowMs(this.#clock.wallMs);
    const context = this.#context;
    context.begin(session, nowMs);
    const shown = this.#server.fetching.takeShown();
    if (shown !== null) context.keys = shown;
    const { reply } = session.connection;
    const mark = reply.mark();
    session.running = true;
    if (session.tracking !== null) this.#server.tracking.running = session;
    this.#readFor(session);
    try {
      if (entry === this.#exec && session.queue !== null) {
        this.#runExec(session, nowMs);
      } else {
        context.args = args;
        this.#running = entry;
        if (entry.writes) this.#transact(session, nowMs, this.#runInTransaction);
        else entry.spec.run(context);
        if (session.tracking !== null) this.#server.tracking.ran(session, entry, args);
      }
    } catch (thrown) {
      reply.truncate(mark);
      this.#failed(session, entry, thrown);
    } finally {
      session.running = false;
      this.#server.tracking.running = null;
      this.#engine.readFor(null, false);
      if (shown !== null) context.keys = this.#engine.keys;
    }
    this.#trim(session);
    this.#account(session, entry, args);
  }

  /** What is read becomes part of the session where its level, or the key's class, says so. */
  #readFor(session: Session): void {
    const { level } = session;
    if (level === null) this.#engine.readFor(session.dots, true);
    else if (carriesReads(level)) this.#engine.readFor(session.dots, false);
  }

  /** Keeps what a session has seen small however long it lives. */
  #trim(session: Session): void {
    if (session.dots.size <= session.dotsMax) return;
    const needed = this.#engine.node.sessions.needed(session.dots);
    session.dots.clear();
    session.dots.raiseAll(needed);
    session.dotsMax = Math.max(SESSION_DOTS_KEPT, needed.length * 2);
  }

  readonly #runInTransaction = (tx: TransactionWriter): void => {
    this.#useTransaction(tx);
    this.#running?.spec.run(this.#context);
  };

  #useTransaction(tx: TransactionWriter): void {
    const { notifier, settings } = this.#server;
    const announcesNewKeys = (settings.notifyClasses & NEW_KEY) !== 0;
    this.#context.setTransaction(
      announcesNewKeys ? new NewKeyWriter(tx, this.#context.nowMs, this.#engine.keys, notifier) : tx,
    );
  }

  /** Notes what the session wrote last, also when the command failed after writing. */
  #transact(session: Session, nowMs: number, run: (tx: TransactionWriter) => void): void {
    try {
      const seq = this.#engine.transact(nowMs, run);
      if (seq > 0) session.noteWrite(this.#engine.origin, seq);
    } finally {
      this.#context.setTransaction(null);
    }
  }

  #failed(session: Session, entry: CommandEntry, thrown: unknown): void {
    if (thrown instanceof AssertionFailed) throw thrown;
    entry.failedCalls++;
    const error = toCausewayError(thrown);
    if (error.code === 'Internal') this.#server.facts.reportInternal(thrown, entry.fullName);
    this.#answerError(session, error);
  }

  /** Figures, SLOWLOG and MONITOR of a command that has run. */
  #account(session: Session, entry: CommandEntry, args: Args): void {
    const server = this.#server;
    const usec = this.#clock.lapUsec();
    entry.calls++;
    entry.latency.add(usec);
    server.stats.commandsProcessed++;
    this.#logSlow(session, entry, args, usec);
    if (server.clients.monitors.size > 0 && entry.monitored) {
      feedMonitors(server, session, withoutSecrets(entry, args), this.#clock.wallMs);
    }
  }

  #logSlow(session: Session, entry: CommandEntry, args: Args, usec: number): void {
    const { slowlog, settings } = this.#server;
    const { slowlogSlowerThanUsec, slowlogLengthMax } = settings;
    if (slowlogSlowerThanUsec < 0 || usec < slowlogSlowerThanUsec || !entry.slowlogged) return;
    const client = { address: session.connection.address, name: session.name };
    slowlog.add(withoutSecrets(entry, args), this.#clock.wallMs, usec, client, slowlogLengthMax);
  }

  /** EXEC of an open MULTI: all of its requests at one time and in one transaction, or none. */
  #runExec(session: Session, nowMs: number): void {
    const queue = session.queue ?? [];
    const { queueFailed, queueWrites } = session;
    const holds = this.#server.watches.holds(session, nowMs);
    session.dropQueue();
    this.#server.watches.unwatchAll(session);
    if (queueFailed) throw new CausewayError('EXECABORT', 'Transaction discarded because of previous errors.');
    if (!holds) {
      session.connection.reply.nullArray();
      return;
    }
    session.connection.reply.array(queue.length);
    this.#queue = queue;
    session.inExec = true;
    try {
      if (queueWrites) this.#transact(session, nowMs, this.#runQueueInTransaction);
      else this.#runQueue();
    } finally {
      session.inExec = false;
      this.#queue = [];
    }
  }

  readonly #runQueueInTransaction = (tx: TransactionWriter): void => {
    this.#useTransaction(tx);
    this.#runQueue();
  };

  #runQueue(): void {
    const context = this.#context;
    const { session, reply } = context;
    for (const { entry, args } of this.#queue) {
      const mark = reply.mark();
      context.args = args;
      try {
        entry.spec.run(context);
        if (session.tracking !== null) this.#server.tracking.ran(session, entry, args);
      } catch (thrown) {
        reply.truncate(mark);
        this.#failed(session, entry, thrown);
      }
      this.#account(session, entry, args);
    }
  }
}

function noAuthentication(): CausewayError {
  return new CausewayError('NOAUTH', 'Authentication required.');
}

/** CLIENT REPLY: takes back what was not to be said. */
function applyReplyMode(session: Session, mark: number): void {
  if (session.replyMode === 'on') return;
  if (session.replyMode === 'off' || session.replyMode === 'skip') session.connection.reply.truncate(mark);
  if (session.replyMode === 'skip') session.replyMode = 'on';
  else if (session.replyMode === 'skip-next') session.replyMode = 'skip';
}
