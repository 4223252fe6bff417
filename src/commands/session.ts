import { NameMap } from '../base/measured-names.ts';
import { SessionDots } from '../causal/session-dots.ts';
import type { Dot } from '../clock/dot.ts';
import type { Origin } from '../clock/origin.ts';
import type { CausewayError } from '../errors.ts';
import type { Args, Reply } from './context.ts';
import type { FeedSubscription } from './change-feed.ts';
import type { CommandEntry } from './command-index.ts';
import type { FetchAhead } from './fetch-ahead.ts';
import type { FetchWait } from './fetching.ts';
import type { SessionFloor } from './session-floor.ts';
import { SESSION_DOTS_KEPT, type SessionLevel } from './session-level.ts';
import type { ClientTracking } from './tracking.ts';
import type { StrongRequest } from './strong-view.ts';

/** What a session needs of the connection that carries it. */
export interface ClientConnection {
  /** `address:port` of the client. */
  readonly address: string;
  /** `address:port` of our end. */
  readonly localAddress: string;
  /** The socket, as the system numbers it; -1 where it has no number. */
  readonly descriptor: number;
  /** Where the replies to the client's own requests go. */
  readonly reply: Reply;
  /**
   * Where a push (a message, a monitor line) goes: at once, or behind the reply of the request that the client has
   * running, so that it never splits one. `endPush` follows each.
   */
  beginPush(): Reply;
  endPush(): void;
  setRespVersion(version: 2 | 3): void;
  /** Runs the requests that waited while the session was blocked or paused. */
  resume(): void;
  /** Runs no more requests, sends what was replied and closes. */
  closeAfterReply(): void;
  /** Closes at once. */
  close(reason: string): void;
  /** Bytes received and not yet run, and room for more in that buffer. */
  readonly queryBytes: number;
  readonly queryFreeBytes: number;
  /** Bytes replied and not yet taken by the client. */
  readonly outputBytes: number;
}

/** A request kept for EXEC. */
export interface QueuedCommand {
  readonly entry: CommandEntry;
  /** A copy: the receive buffer is gone by then. */
  readonly args: Args;
  readonly bytes: number;
}

/** Something that a connection waits for: WAIT, CW.ATTACH, what its session has seen. Its end is told once, one way or the other. */
export interface Blocked {
  /** On the monotonic clock; Infinity for ever. */
  readonly deadlineMs: number;
  isOver(): boolean;
  /** It is over, or its time is. */
  end(): void;
  /** It is ended from outside. */
  fail(error: CausewayError): void;
}

/** When replies are left out, CLIENT REPLY. */
export type ReplyMode = 'on' | 'off' | 'skip-next' | 'skip';

/** What the server knows of one client, whatever carries it. Changed by the commands that the client sends. */
export class Session {
  readonly id: number;
  /** Nothing that is written for it is sent: it is not to be known yet. Only while it is blocked. */
  holdsReplies = false;
  readonly connection: ClientConnection;
  readonly connectedAtMs: number;
  lastActiveAtMs: number;
  /** CLIENT SETNAME, CLIENT SETINFO; latin1. */
  name = '';
  libraryName = '';
  libraryVersion = '';
  respVersion: 2 | 3 = 2;
  authenticated = true;
  /** On the monotonic clock: when it began to be without authentication, where it is. */
  unauthenticatedSinceMs = 0;
  lastCommand: string | null = null;

  replyMode: ReplyMode = 'on';
  /** Requests of an open MULTI, null outside one. */
  queue: QueuedCommand[] | null = null;
  queuedBytes = 0;
  /** Patterns that they invalidate. */
  queuedPatterns = 0;
  /** A request of the open MULTI was refused: EXEC will be, too. */
  queueFailed = false;
  /** One of them writes. */
  queueWrites = false;
  /** The client's own name for the open MULTI, where it gave one (CW.ONCE). */
  execOnce: StrongRequest['once'] = null;
  /** A request of this session is running: what is pushed to it comes after the reply. */
  running = false;
  /** EXEC is running this session's requests: nothing may wait. */
  inExec = false;

  /** Watched keys, latin1, with the time at which each expires (see `WatchRegistry.watch`). */
  readonly watched: NameMap<number> = new NameMap();
  /** A watched key was changed: EXEC does nothing. */
  watchBroken = false;

  /** Watched strong keys, latin1, with their group and the version that they had (RULES T3). */
  readonly strongWatches: NameMap<{ readonly group: string; readonly version: number }> = new NameMap();
  /** Whether requests on strong keys are passed on to their leader; else HOMEREGION is answered where it is another node. */
  forwards = true;

  readonly channels: NameMap<true> = new NameMap();
  readonly patterns: NameMap<true> = new NameMap();
  monitoring = false;

  noEvict = false;
  /** What it asked for by CLIENT TRACKING, null for nothing. */
  tracking: ClientTracking | null = null;
  /** Whether its invalidations carry versions (CW.TRACKING). */
  tracksVersions = false;
  /** Its place in the change feed, null where it does not read that. */
  feed: FeedSubscription | null = null;
  /** Whether something may be pushed to it, or was: a push is never to come inside a reply. */
  takesPushes = false;
  /** The newest transaction that this client's requests made: what WAIT waits for. Sequence 0 for none. */
  lastWriteOrigin: Origin | null = null;
  lastWriteSeq = 0;
  blocked: Blocked | null = null;

  /** What it has read and written (SPEC S1): all of it is applied on this node. */
  readonly dots: SessionDots = new SessionDots();
  level: SessionLevel = null;
  /** What CW.ATTACH named and this node does not have yet: reads at level `session` wait for it. */
  floor: SessionFloor | null = null;
  /** What the request that comes next has waited for: keys that were not here. */
  fetched: FetchWait | null = null;
  /** What is fetched for the requests behind it; null where none has waited. */
  ahead: FetchAhead | null = null;
  /** The request that comes next has waited for room in memory, and there was none. */
  waitedForRoom = false;
  /** Dots kept before those that no longer matter are looked for. */
  dotsMax: number = SESSION_DOTS_KEPT;
  closing = false;

  constructor(id: number, connection: ClientConnection, nowMs: number) {
    this.id = id;
    this.connection = connection;
    this.connectedAtMs = nowMs;
    this.lastActiveAtMs = nowMs;
  }

  get subscriptionCount(): number {
    return this.channels.size + this.patterns.size;
  }

  /** Whether anything is subscribed: in RESP2 only a few commands are allowed then. */
  get subscribed(): boolean {
    return this.channels.size > 0 || this.patterns.size > 0;
  }

  /** Whether its requests are run and answered one after the other, and nothing else is to be done about them. */
  get isPlain(): boolean {
    return (
      this.authenticated &&
      this.queue === null &&
      this.floor === null &&
      this.fetched === null &&
      this.blocked === null &&
      this.replyMode === 'on' &&
      !this.subscribed &&
      !this.takesPushes &&
      !this.monitoring
    );
  }

  /** CLIENT TYPE of this session. */
  get type(): 'normal' | 'pubsub' {
    return this.subscribed ? 'pubsub' : 'normal';
  }

  /** Forgets an open MULTI. The watches are the registry's to forget. */
  dropQueue(): void {
    this.queue = null;
    this.queuedBytes = 0;
    this.queuedPatterns = 0;
    this.queueFailed = false;
    this.queueWrites = false;
    this.execOnce = null;
  }

  /** Adds a request to the open MULTI. */
  enqueue(command: QueuedCommand): void {
    this.queue?.push(command);
    this.queuedBytes += command.bytes;
    this.queuedPatterns += command.entry.spec.patternsOf?.(command.args) ?? 0;
    this.queueWrites ||= command.entry.writes;
  }

  /** Forgets what it has seen, and what it asked to see. */
  forgetSession(): void {
    this.dots.clear();
    this.dotsMax = SESSION_DOTS_KEPT;
    this.floor = null;
    this.fetched = null;
    this.level = null;
    this.forwards = true;
  }

  /** Something of a quorum group was read or written, linearizably. */
  noteStrong({ origin, seq }: Dot, isWrite: boolean): void {
    if (isWrite) this.noteWrite(origin, seq);
    else this.dots.raise(origin, seq);
  }

  noteWrite(origin: Origin, seq: number): void {
    this.dots.raise(origin, seq);
    this.lastWriteOrigin = origin;
    this.lastWriteSeq = seq;
  }
}
