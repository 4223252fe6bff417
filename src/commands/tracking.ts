import { latin1Range, type ByteRange } from '../base/bytes.ts';
import { TRACKING_OUTPUT_BYTES_MAX } from '../base/client-limits.ts';
import { versionText } from '../clock/key-version.ts';
import type { Dot } from '../clock/dot.ts';
import { BroadcastPrefixes } from './broadcast-prefixes.ts';
import type { ClientRegistry } from './client-registry.ts';
import { keyPositions } from './command-facts.ts';
import type { CommandEntry } from './command-index.ts';
import type { Args, Reply } from './context.ts';
import type { Engine } from './engine.ts';
import type { ServerSettings } from './server-settings.ts';
import type { Session } from './session.ts';
import { TrackedKeys } from './tracked-keys.ts';

/** What a client asked for by CLIENT TRACKING. */
export interface ClientTracking {
  /** The client that gets the messages in its place, 0 for none. */
  redirect: number;
  /** Every change below its prefixes is told; else that of each key that it has read. */
  isBroadcast: boolean;
  /** Which of its reads count: all, or those that CLIENT CACHING yes is before, or those that CLIENT CACHING no is not before. */
  mode: 'all' | 'optin' | 'optout';
  isNoLoop: boolean;
  /** CLIENT CACHING was said for the next request. */
  isCachingSaid: boolean;
  isRedirectBroken: boolean;
  readonly prefixes: Set<string>;
  /** It does not take what it is sent: it will be told that everything has changed, in place of what it was not told. */
  isBehind: boolean;
}

/** The channel of invalidations for clients of RESP2. */
const CHANNEL = '__redis__:invalidate';

const NO_KEYS: readonly string[] = [];

/**
 * Server-assisted client-side caching as in Redis 7 (CLIENT TRACKING): who has read a key that changes is told, once, so that what it keeps of the
 * key goes. What changes a key is whatever shows here: clients of this node, transactions of others, time, FLUSHALL, a snapshot.
 */
export class Tracking {
  readonly keys: TrackedKeys = new TrackedKeys();
  readonly prefixes: BroadcastPrefixes = new BroadcastPrefixes();
  /** The client whose request is run, where it is one that tracks. */
  running: Session | null = null;
  /** Messages sent so far. */
  sentCount = 0;
  readonly #clients: ClientRegistry;
  readonly #engine: Engine;
  readonly #settings: Pick<ServerSettings, 'trackedKeysMax'>;
  readonly #sessions: Set<Session> = new Set();
  readonly #behind: Set<Session> = new Set();

  constructor(clients: ClientRegistry, engine: Engine, settings: Pick<ServerSettings, 'trackedKeysMax'>) {
    this.#clients = clients;
    this.#engine = engine;
    this.#settings = settings;
  }

  get clientCount(): number {
    return this.#sessions.size;
  }

  /** Whether somebody wants to know of changes. */
  get isOn(): boolean {
    return this.#sessions.size > 0;
  }

  /** Whether something is left for the end of the turn. */
  get isDue(): boolean {
    return (
      this.prefixes.isChanged || this.#behind.size > 0 || (this.isOn && this.keys.isOver(this.#settings.trackedKeysMax))
    );
  }

  start(session: Session, options: Omit<ClientTracking, 'isBehind' | 'isCachingSaid' | 'isRedirectBroken'>): void {
    const { prefixes, ...rest } = options;
    const before = session.tracking;
    session.tracking = {
      ...rest,
      isCachingSaid: before?.isCachingSaid ?? false,
      isRedirectBroken: false,
      isBehind: before?.isBehind ?? false,
      prefixes: before?.prefixes ?? new Set(),
    };
    session.takesPushes = true;
    const target = this.#targetOf(session);
    if (target !== undefined) target.takesPushes = true;
    this.#sessions.add(session);
    for (const prefix of prefixes) {
      session.tracking.prefixes.add(prefix);
      this.prefixes.add(prefix, session);
    }
  }

  stop(session: Session): void {
    for (const prefix of session.tracking?.prefixes ?? []) this.prefixes.remove(prefix, session);
    session.tracking = null;
    this.#behind.delete(session);
    // with the last client goes what was kept for others before it
    if (this.#sessions.delete(session) && this.#sessions.size === 0) this.keys.clear();
  }

  // ── what clients read ──

  /** A command of a client that tracks was run. */
  ran(session: Session, entry: CommandEntry, args: Args): void {
    this.#remember(session, this.#keysRead(session, entry, args));
  }

  /** A request of a client that tracks is over: what it said of the next one holds up to here, or to the end of its MULTI. */
  ended(session: Session, entry: CommandEntry): void {
    if (session.tracking !== null && session.queue === null && !entry.fullName.startsWith('client|'))
      session.tracking.isCachingSaid = false;
  }

  #keysRead({ tracking }: Session, entry: CommandEntry, args: Args): readonly string[] {
    if (tracking === null || tracking.isBroadcast || !entry.readonly) return NO_KEYS;
    if (tracking.mode !== 'all' && tracking.isCachingSaid !== (tracking.mode === 'optin')) return NO_KEYS;
    return keyPositions(entry, args, 0)?.map((position) => args.text(position)) ?? NO_KEYS;
  }

  #remember(session: Session, keys: readonly string[]): void {
    for (const key of keys) this.keys.add(key, session.id);
    this.#limit(keys.length);
  }

  /**
   * A client that tracks asks a quorum group: what is to be called when the answer is written, null for nothing. The copy on this node may be
   * behind the answer, and is told of when it changes; where it may be further already, that is told at once (SPEC S6).
   */
  asks(session: Session, commands: readonly (readonly [CommandEntry, Args])[]): ((dot: Dot) => void) | null {
    const keys = commands.flatMap(([entry, args]) => this.#keysRead(session, entry, args));
    if (keys.length === 0) return null;
    return ({ origin, seq }) => {
      this.#remember(session, keys);
      if (!this.#engine.node.sessions.has([[origin, seq + 1]])) return;
      for (const key of new Set(keys)) this.#invalidate(key, null);
    };
  }

  // ── what changes ──

  /** What a key shows has changed, or may have; `isOwn` says that a request of this node's clients did it. */
  keyChanged(range: ByteRange, isOwn: boolean): void {
    const key = range.toLatin1();
    const writer = isOwn ? this.running : null;
    if (this.prefixes.size > 0) this.prefixes.note(key, writer);
    this.#invalidate(key, writer);
  }

  #invalidate(key: string, writer: Session | null): void {
    for (const id of this.keys.take(key) ?? []) {
      const session = this.#clients.get(id);
      const tracking = session?.tracking ?? null;
      if (session === undefined || tracking === null || tracking.isBroadcast) continue;
      if (tracking.isNoLoop && session === writer) continue;
      this.#send(session, [key]);
    }
  }

  /** Every key may have changed. */
  flushed(): void {
    this.keys.clear();
    for (const session of [...this.#sessions]) this.#send(session, null);
  }

  #limit(added: number): void {
    const { trackedKeysMax } = this.#settings;
    if (!this.keys.isOver(trackedKeysMax)) return;
    for (const key of this.keys.excess(trackedKeysMax, added)) this.#invalidate(key, null);
  }

  /** The end of a turn: what changed below the prefixes, and what is left of the rest. */
  flush(): void {
    this.#limit(0);
    if (this.prefixes.isChanged) this.prefixes.take((session, keys) => this.#send(session, keys));
    for (const session of [...this.#behind]) {
      const target = this.#targetOf(session);
      if (target !== undefined && target.connection.outputBytes > TRACKING_OUTPUT_BYTES_MAX / 2) continue;
      this.#behind.delete(session);
      if (session.tracking === null) continue;
      session.tracking.isBehind = false;
      this.#send(session, null);
    }
  }

  // ── messages ──

  /** Who gets a client's messages; undefined where that is one that has gone. */
  #targetOf(session: Session): Session | undefined {
    const redirect = session.tracking?.redirect ?? 0;
    return redirect === 0 ? session : this.#clients.get(redirect);
  }

  #send(session: Session, keys: readonly string[] | null): void {
    const { tracking } = session;
    if (tracking === null || session.closing || tracking.isBehind) return;
    const target = this.#targetOf(session);
    if (target === undefined) return this.#tellBroken(session, tracking);
    // in RESP2 there is nothing but messages of a channel, which only somebody else can be listening to
    const isMessage = target.respVersion === 2;
    if (isMessage && (tracking.redirect === 0 || !target.subscribed)) return;
    const { connection } = target;
    if (connection.outputBytes > TRACKING_OUTPUT_BYTES_MAX) {
      tracking.isBehind = true;
      this.#behind.add(session);
      return;
    }
    this.sentCount++;
    const push = connection.beginPush();
    const hasVersions = session.tracksVersions && !isMessage;
    push.push(isMessage || hasVersions ? 3 : 2);
    if (isMessage) {
      push.bulkText('message');
      push.bulkText(CHANNEL);
    } else push.bulkText('invalidate');
    writeTexts(push, keys);
    if (hasVersions) writeTexts(push, keys?.map((key) => this.#versionOf(key)) ?? null);
    connection.endPush();
  }

  #tellBroken(session: Session, tracking: ClientTracking): void {
    tracking.isRedirectBroken = true;
    if (session.respVersion === 2) return;
    const push = session.connection.beginPush();
    push.push(2);
    push.bulkText('tracking-redir-broken');
    push.integer(tracking.redirect);
    session.connection.endPush();
  }

  /** The version below which the key shows none any more, where such versions have an order. */
  #versionOf(key: string): string | null {
    const version = this.#engine.keys.versions.floorOf(latin1Range(key), 0);
    return version === null ? null : versionText(version);
  }
}

function writeTexts(push: Reply, texts: readonly (string | null)[] | null): void {
  if (texts === null) return push.null();
  push.array(texts.length);
  for (const text of texts) {
    if (text === null) push.null();
    else push.bulkText(text);
  }
}
