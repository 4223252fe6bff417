import type { ByteRange } from '../base/bytes.ts';
import { latin1Range } from '../base/bytes.ts';
import { Glob } from '../base/glob.ts';
import type { Session } from './session.ts';

interface PatternSubscribers {
  readonly glob: Glob;
  readonly pattern: ByteRange;
  readonly sessions: Set<Session>;
}

/**
 * Who listens to which channel on this node. Channels are latin1 strings in maps, so `__proto__` is a channel like any
 * other. A message reaches a session once for its channel and once for each of its patterns that match, as in Redis.
 */
export class PubsubHub {
  readonly #channels: Map<string, Set<Session>> = new Map();
  readonly #patterns: Map<string, PatternSubscribers> = new Map();

  get channelCount(): number {
    return this.#channels.size;
  }

  /** Distinct patterns: PUBSUB NUMPAT. */
  get patternCount(): number {
    return this.#patterns.size;
  }

  /** Whether nobody listens to anything, so that a message need not even be built. */
  get idle(): boolean {
    return this.#channels.size === 0 && this.#patterns.size === 0;
  }

  subscribe(session: Session, channel: string): void {
    session.channels.set(channel, true);
    const sessions = this.#channels.get(channel);
    if (sessions === undefined) this.#channels.set(channel, new Set([session]));
    else sessions.add(session);
  }

  unsubscribe(session: Session, channel: string): void {
    if (!session.channels.delete(channel)) return;
    const sessions = this.#channels.get(channel);
    sessions?.delete(session);
    if (sessions?.size === 0) this.#channels.delete(channel);
  }

  subscribePattern(session: Session, pattern: string): void {
    session.patterns.set(pattern, true);
    const subscribers = this.#patterns.get(pattern);
    if (subscribers !== undefined) {
      subscribers.sessions.add(session);
      return;
    }
    const range = latin1Range(pattern);
    this.#patterns.set(pattern, { glob: new Glob(range), pattern: range, sessions: new Set([session]) });
  }

  unsubscribePattern(session: Session, pattern: string): void {
    if (!session.patterns.delete(pattern)) return;
    const subscribers = this.#patterns.get(pattern);
    subscribers?.sessions.delete(session);
    if (subscribers?.sessions.size === 0) this.#patterns.delete(pattern);
  }

  /** Ends all subscriptions of a session, without telling it. */
  leave(session: Session): void {
    for (const channel of [...session.channels.keys()]) this.unsubscribe(session, channel);
    for (const pattern of [...session.patterns.keys()]) this.unsubscribePattern(session, pattern);
  }

  channels(): IterableIterator<string> {
    return this.#channels.keys();
  }

  subscribersOf(channel: string): number {
    return this.#channels.get(channel)?.size ?? 0;
  }

  /** How many times a message to the channel would be delivered on this node. */
  receivers(channel: ByteRange): number {
    if (this.idle) return 0;
    let count = this.subscribersOf(channel.toLatin1());
    for (const { glob, sessions } of this.#patterns.values()) if (glob.matches(channel)) count += sessions.size;
    return count;
  }

  /** Hands a message to everyone on this node who listens. */
  deliver(channel: ByteRange, message: ByteRange): void {
    if (this.idle) return;
    const sessions = this.#channels.get(channel.toLatin1());
    // A copy: a session that is cut off for not reading leaves the set while it is walked.
    if (sessions !== undefined) for (const session of [...sessions]) pushMessage(session, channel, message);
    for (const { glob, pattern, sessions: listening } of [...this.#patterns.values()]) {
      if (!glob.matches(channel)) continue;
      for (const session of [...listening]) pushPatternMessage(session, pattern, channel, message);
    }
  }
}

function pushMessage(session: Session, channel: ByteRange, message: ByteRange): void {
  if (session.closing) return;
  const push = session.connection.beginPush();
  push.push(3);
  push.bulkText('message');
  push.bulk(channel);
  push.bulk(message);
  session.connection.endPush();
}

function pushPatternMessage(session: Session, pattern: ByteRange, channel: ByteRange, message: ByteRange): void {
  if (session.closing) return;
  const push = session.connection.beginPush();
  push.push(4);
  push.bulkText('pmessage');
  push.bulk(pattern);
  push.bulk(channel);
  push.bulk(message);
  session.connection.endPush();
}
