import { latin1Range, type ByteRange } from '../base/bytes.ts';
import { FEEDS_MAX } from '../base/client-limits.ts';
import { PrefixTable } from '../base/prefix-table.ts';
import { versionText } from '../clock/key-version.ts';
import { dotText } from '../clock/dot.ts';
import { nodeOf, type Origin } from '../clock/origin.ts';
import { CausewayError } from '../errors.ts';
import { NO_SLOT } from '../keyspace/keyspace.ts';
import { ChangeLog, type Change } from './change-log.ts';
import type { ChangeEvent, Engine } from './engine.ts';
import type { ServerTime } from './server-state.ts';

/** Events handed to a reader at once; the next ones come when it is asked again whether it takes more. */
const EVENTS_AT_ONCE = 500;
/** How long changes are kept for a reader that comes back, after the last one has gone. */
const KEPT_MS = 60_000;

/**
 * What became of a key: `set` and `del` say whether it shows something when that is told, `expired` why it does not. `all`: every
 * key may have changed (FLUSHALL, a snapshot). `lost`: the reader was too far behind, and has to read anew all that it wants to know.
 */
export type FeedKind = 'set' | 'del' | 'expired' | 'all' | 'lost';

export interface FeedEvent {
  readonly kind: FeedKind;
  /** Latin1, one char a byte; null for `all` and `lost`. */
  readonly key: string | null;
  /** The version below which the key shows none any more (SPEC S5); null where it has none with an order. */
  readonly version: string | null;
  /** The transaction that changed it, as `us-east-1/a#3:17`; null for what is none: time, a snapshot, a weak key. */
  readonly dot: string | null;
  /** The region that the transaction is of; of a strong key the home region. */
  readonly region: string | null;
  /** Where to go on from: at this node, in this life of it. */
  readonly position: string;
}

export interface FeedOptions {
  /** Latin1; none of them the beginning of another. None at all is every key. */
  readonly prefixes: readonly string[];
  /** The position of the last event that was seen; without it what comes from now on. */
  readonly from?: string | undefined;
  /** Whether the reader takes more now. While it does not, it falls behind. */
  isReady(): boolean;
  /** Told at the end of a turn, in the order in which the changes showed here. */
  told(events: readonly FeedEvent[]): void;
}

/** One reader of the feed. */
export interface FeedSubscription {
  /** That of the last event told: what was read of the keys after this was got has no changes that are not told. */
  readonly position: string;
  close(): void;
}

/** Changes that a reader may have before it, which were not told yet. Past it, it has lost its place. */
const PENDING_MAX = 8_192;

/** What a reader needs of the feed. */
interface ReadFeed {
  readonly last: string;
  positionOf(number: number): string;
  close(reader: Reader): void;
}

class Reader implements FeedSubscription {
  readonly options: FeedOptions;
  /** None at all is the empty one. */
  readonly prefixes: readonly string[];
  readonly #feed: ReadFeed;
  /** The number of the last change that it was told. */
  seen = 0;
  /** Numbers of those that it is to be told. */
  pending: number[] = [];
  isLost = false;

  constructor(options: FeedOptions, feed: ReadFeed) {
    this.options = options;
    this.prefixes = options.prefixes.length === 0 ? [''] : options.prefixes;
    this.#feed = feed;
  }

  get isDue(): boolean {
    return this.isLost || this.pending.length > 0;
  }

  get position(): string {
    return this.isDue ? this.#feed.positionOf(this.seen) : this.#feed.last;
  }

  wants({ key }: Change): boolean {
    return key === null || this.prefixes.some((prefix) => key.startsWith(prefix));
  }

  note(number: number): void {
    if (this.isLost) return;
    if (this.pending.push(number) > PENDING_MAX) this.lose();
  }

  lose(): void {
    this.isLost = true;
    this.pending = [];
  }

  close(): void {
    this.#feed.close(this);
  }
}

/**
 * Every change of what this node shows, in the order in which it showed here, which is a causal one. What is kept is one bounded log for all readers: who
 * falls off its end has lost its place and is told so. While nobody reads, and nobody may come back, nothing is written down.
 */
export class ChangeFeed {
  readonly #engine: Engine;
  readonly #time: ServerTime;
  readonly #log: ChangeLog = new ChangeLog();
  readonly #readers: Set<Reader> = new Set();
  readonly #byPrefix: PrefixTable<Set<Reader>> = new PrefixTable();
  readonly #due: Set<Reader> = new Set();
  readonly #reportThrown: (error: unknown) => void;
  /** Whether changes are written down. */
  isOn = false;
  #keptUntilMs = 0;

  constructor(engine: Engine, time: ServerTime, reportThrown: (error: unknown) => void) {
    this.#engine = engine;
    this.#time = time;
    this.#reportThrown = reportThrown;
  }

  get readerCount(): number {
    return this.#readers.size;
  }

  get #positionPrefix(): string {
    return `${this.#engine.origin}-`;
  }

  positionOf(number: number): string {
    return `${this.#positionPrefix}${number}`;
  }

  /** The position of the latest change. */
  get last(): string {
    return this.positionOf(this.#log.last);
  }

  /** Begins to tell a reader; where it goes on from a position, at the end of this turn. Throws LIMIT past the readers that a node may have. */
  subscribe(options: FeedOptions): FeedSubscription {
    if (this.#readers.size >= FEEDS_MAX)
      throw new CausewayError('LIMIT', `too many readers of the change feed (limit feeds-max ${FEEDS_MAX})`);
    this.isOn = true;
    const reader = new Reader(options, this);
    this.#readers.add(reader);
    for (const prefix of reader.prefixes) {
      const readers = this.#byPrefix.get(prefix);
      if (readers === undefined) this.#byPrefix.set(prefix, new Set([reader]));
      else readers.add(reader);
    }
    if (options.from !== undefined) this.#goOn(reader, this.#numberOf(options.from));
    return reader;
  }

  #goOn(reader: Reader, from: number): void {
    reader.seen = Math.max(0, from);
    if (!this.#log.reaches(from)) reader.lose();
    else {
      for (let number = from + 1; number <= this.#log.last; number++) {
        const change = this.#log.at(number);
        if (change !== null && reader.wants(change)) reader.note(number);
      }
    }
    if (reader.isDue) this.#due.add(reader);
  }

  close(reader: Reader): void {
    if (!this.#readers.delete(reader)) return;
    this.#due.delete(reader);
    for (const prefix of reader.prefixes) {
      const readers = this.#byPrefix.get(prefix);
      readers?.delete(reader);
      if (readers?.size === 0) this.#byPrefix.delete(prefix);
    }
    this.#keptUntilMs = this.#time.monotonicMs() + KEPT_MS;
  }

  /** The number of a position; −1, which nothing reaches, for one of another node or life. */
  #numberOf(position: string): number {
    const prefix = this.#positionPrefix;
    const number = position.startsWith(prefix) ? position.slice(prefix.length) : '';
    return /^\d{1,15}$/.test(number) ? Number(number) : -1;
  }

  keyChanged(range: ByteRange, event: ChangeEvent | null): void {
    const isExpiry = event?.classLetter === 'x';
    const by = this.#engine.changing(range);
    const key = range.toLatin1();
    this.#log.push({ key, isExpiry, origin: by?.origin ?? 0, seq: by?.seq ?? 0 });
    this.#byPrefix.each(key, this.#note);
  }

  flushed(): void {
    this.#log.push({ key: null, isExpiry: false, origin: 0, seq: 0 });
    this.#note(this.#readers);
  }

  readonly #note = (readers: ReadonlySet<Reader>): void => {
    for (const reader of readers) {
      reader.note(this.#log.last);
      this.#due.add(reader);
    }
  };

  /** Whether somebody is to be told something, or nobody is there any more. */
  get isDue(): boolean {
    return this.isOn && (this.#due.size > 0 || this.#readers.size === 0);
  }

  /** The end of a turn. */
  flush(): void {
    if (this.#readers.size === 0 && this.#time.monotonicMs() >= this.#keptUntilMs) {
      this.isOn = false;
      this.#log.interrupt();
      return;
    }
    const nowMs = this.#engine.nowMs(this.#time.wallMs());
    for (const reader of [...this.#due]) {
      while (reader.isDue && this.#due.has(reader) && reader.options.isReady()) this.#tell(reader, nowMs);
      if (!reader.isDue) this.#due.delete(reader);
    }
  }

  #tell(reader: Reader, nowMs: number): void {
    try {
      reader.options.told(this.#nextEvents(reader, nowMs));
    } catch (thrown) {
      reader.close();
      this.#reportThrown(thrown);
    }
  }

  #nextEvents(reader: Reader, nowMs: number): FeedEvent[] {
    const numbers = reader.pending.splice(0, EVENTS_AT_ONCE);
    const [first = this.#log.last] = numbers;
    // what is kept goes from its beginning: where the first is there, all are
    if (reader.isLost || this.#log.at(first) === null) {
      reader.pending = [];
      reader.isLost = false;
      reader.seen = this.#log.last;
      return [{ kind: 'lost', key: null, version: null, dot: null, region: null, position: this.last }];
    }
    const events: FeedEvent[] = [];
    let told: Change | null = null;
    for (const number of numbers) {
      const change = this.#log.at(number);
      if (change === null) continue;
      reader.seen = number;
      // one transaction may change a key several times, and shows it once
      if (told !== null && told.key === change.key && isSameTransaction(told, change)) events.pop();
      events.push(this.#event(change, this.positionOf(number), nowMs));
      told = change;
    }
    return events;
  }

  #event({ key, isExpiry, origin, seq }: Change, position: string, nowMs: number): FeedEvent {
    const { keys, node } = this.#engine;
    const name = origin === 0 ? undefined : node.names(nodeOf(origin as Origin));
    const dot = origin === 0 ? null : dotText(origin as Origin, seq, node.names);
    const region = name?.split('/', 1)[0] ?? null;
    if (key === null) return { kind: 'all', key, version: null, dot, region, position };
    const range = latin1Range(key);
    const hash = keys.hashOf(range);
    const isShown = !isExpiry && keys.find(range, hash, nowMs) !== NO_SLOT;
    const kind = isExpiry ? 'expired' : isShown ? 'set' : 'del';
    const version = keys.versions.floorOf(range, hash);
    return { kind, key, version: version === null ? null : versionText(version), dot, region, position };
  }
}

function isSameTransaction(left: Change, right: Change): boolean {
  return (
    left.origin !== 0 && left.origin === right.origin && left.seq === right.seq && left.isExpiry === right.isExpiry
  );
}
