import type { SourceRule } from '../classes/key-class.ts';
import type { CausewayError } from '../errors.ts';
import type { SourceContent } from './unstored-marks.ts';

/** Keys that are stored together at most, by an address (a request each) and by a module. */
const REQUESTS_TOGETHER_MAX = 16;
const WRITES_TOGETHER_MAX = 100;
/** Batches of a class that are under way. */
const BATCHES_MAX = 4;
/** What a source does not take is offered again after these, doubling from the first to the last. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 30_000;

/** A key of which the source may not have what it is to have. */
export class UnstoredKey {
  readonly key: string;
  content: SourceContent;
  /** Whether a client of this node wrote it in this life: somebody may wait. */
  isOwn = false;
  /** On the monotonic clock: when the oldest write was made that is not stored; when it may be stored. */
  readonly sinceMs: number;
  dueMs: number;
  retries = 0;
  isRunning = false;
  isMarked = false;
  /** The transaction that has to be on disk before it is stored; 0 for none. */
  seq = 0;
  /** Counts what was written; up to which of that is stored, and up to which has failed. */
  written = 0;
  stored = 0;
  failed = 0;
  error: CausewayError | null = null;

  constructor(key: string, content: SourceContent, nowMs: number) {
    this.key = key;
    this.content = content;
    this.sinceMs = nowMs;
    this.dueMs = nowMs;
  }

  get bytes(): number {
    return this.key.length + (this.content.value?.length ?? 0);
  }
}

/** Some writes that are on their way to the source. */
export interface StoreTask {
  readonly rule: SourceRule;
  readonly entries: readonly {
    readonly entry: UnstoredKey;
    readonly content: SourceContent;
    readonly isOwn: boolean;
    /** `UnstoredKey.written` as it is taken. */
    readonly written: number;
  }[];
}

/** Figures of a class since the start. */
class StoreFigures {
  stored = 0;
  /** Tries that failed and are made again, or were given up (write-through). */
  failed = 0;
  retried = 0;
  /** What the source will never take. */
  refused = 0;
  /** Writes whose key had one waiting: they are stored once. */
  coalesced = 0;
}

/** The keys of one class at a node that wait for their source, each once: in the order in which they came, and those that wait for their time beside. */
export class UnstoredKeys {
  readonly figures: StoreFigures = new StoreFigures();
  readonly #keys: Map<string, UnstoredKey> = new Map();
  readonly #ready: Set<UnstoredKey> = new Set();
  readonly #delayed: Set<UnstoredKey> = new Set();
  #delayedMs = Infinity;
  #running = 0;
  /** Of names and values. */
  bytes = 0;

  get size(): number {
    return this.#keys.size;
  }

  get(key: string): UnstoredKey | undefined {
    return this.#keys.get(key);
  }

  values(): Iterable<UnstoredKey> {
    return this.#keys.values();
  }

  /** When the oldest write was made that waits, on the monotonic clock; null where none does. */
  get oldestMs(): number | null {
    const [oldest] = this.#keys.values();
    return oldest?.sinceMs ?? null;
  }

  /** The key is to have this: as what it waits with, where it waits already. */
  put(key: string, content: SourceContent, nowMs: number, delayMs: number): UnstoredKey {
    let entry = this.#keys.get(key);
    if (entry === undefined) {
      entry = new UnstoredKey(key, content, nowMs);
      this.#keys.set(key, entry);
      this.bytes += entry.bytes;
      if (delayMs > 0) this.#delay(entry, nowMs + delayMs);
      else this.#ready.add(entry);
    } else {
      this.figures.coalesced++;
      this.bytes -= entry.bytes;
      entry.content = content;
      this.bytes += entry.bytes;
    }
    entry.written++;
    return entry;
  }

  #delay(entry: UnstoredKey, untilMs: number): void {
    entry.dueMs = untilMs;
    this.#delayed.add(entry);
    this.#delayedMs = Math.min(this.#delayedMs, untilMs);
  }

  delete(entry: UnstoredKey): void {
    if (this.#keys.get(entry.key) !== entry) return;
    this.#keys.delete(entry.key);
    this.#ready.delete(entry);
    this.#delayed.delete(entry);
    this.bytes -= entry.bytes;
  }

  /** It is not stored yet, or something newer is to be: at once, behind those that are ready. */
  again(entry: UnstoredKey): void {
    this.#ready.add(entry);
  }

  /** The source did not take it: it waits, longer each time. `unit` in [0, 1) spreads those that failed together. */
  later(entry: UnstoredKey, nowMs: number, unit: number): void {
    const waitMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(entry.retries, 16));
    entry.retries++;
    this.figures.retried++;
    this.#delay(entry, nowMs + waitMs * (0.5 + unit / 2));
  }

  /** Milliseconds until something may be taken that only time keeps. */
  dueInMs(nowMs: number): number {
    return Math.max(0, this.#delayedMs - nowMs);
  }

  /** What is to be stored next, null for nothing. `mayStore`: whether a key may be, now. */
  take(rule: SourceRule, nowMs: number, mayStore: (entry: UnstoredKey) => boolean): StoreTask | null {
    this.#wake(nowMs);
    if (this.#running >= BATCHES_MAX) return null;
    const max = rule.url === null ? WRITES_TOGETHER_MAX : REQUESTS_TOGETHER_MAX;
    const taken: UnstoredKey[] = [];
    for (const entry of this.#ready) {
      if (!mayStore(entry)) continue;
      // one that failed goes alone: it may be what the others failed with
      if (entry.retries > 0 && taken.length > 0) continue;
      taken.push(entry);
      if (taken.length === max || entry.retries > 0) break;
    }
    if (taken.length === 0) return null;
    this.#running++;
    for (const entry of taken) {
      this.#ready.delete(entry);
      entry.isRunning = true;
    }
    return {
      rule,
      entries: taken.map((entry) => ({
        entry,
        content: entry.content,
        isOwn: entry.isOwn,
        written: entry.written,
      })),
    };
  }

  #wake(nowMs: number): void {
    if (this.#delayedMs > nowMs) return;
    this.#delayedMs = Infinity;
    for (const entry of this.#delayed) {
      if (entry.dueMs > nowMs) this.#delayedMs = Math.min(this.#delayedMs, entry.dueMs);
      else {
        this.#delayed.delete(entry);
        this.#ready.add(entry);
      }
    }
  }

  ended({ entries }: StoreTask): void {
    this.#running--;
    for (const { entry } of entries) entry.isRunning = false;
  }
}
