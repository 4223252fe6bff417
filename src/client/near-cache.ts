import { LRUCache } from 'lru-cache';
import { compareVersions, versionText, type KeyVersion } from '../clock/key-version.ts';
import type { NearFigures } from './client-events.ts';
import type { NearSettings } from './client-options.ts';
import type { Codecs } from './codec.ts';
import type { ReadPart } from './near-part-read.ts';

/** What an entry takes beside its key and value: the objects that hold it. */
const ENTRY_BYTES = 200;
/** Of an entry that has only parts: it is never served as a string. */
const NO_STRING = {
  value: null,
  bytes: null,
  version: null,
  filledMs: -Infinity,
  endsMs: -Infinity,
  round: 0,
} as const;

/** A value in the process. What it shows is shared by all who read it, so objects are frozen. */
interface NearEntry {
  /** Null where the key is known to show nothing. */
  readonly value: unknown;
  /** Kept in the place of a value that cannot be frozen; decoded for each read. */
  readonly bytes: Uint8Array | null;
  readonly version: KeyVersion | null;
  readonly filledMs: number;
  /** When it is no longer served while a node is connected: by its time to live, or as the key expires. */
  readonly endsMs: number;
  /** Which confirmation of the session it came before. */
  readonly round: number;
  /** What is kept of a hash or a document, by the names of `endParts`; null for a string. */
  readonly parts: Map<string, NearPart> | null;
  /** As it counts against the bound. */
  readonly size: number;
}

/** A part of what a hash or a document shows. */
interface NearPart {
  readonly value: unknown;
  readonly size: number;
  readonly filledMs: number;
  readonly endsMs: number;
  readonly round: number;
}

/** The answer of a read. */
export interface Filling {
  /** Null for a key that shows nothing. */
  readonly bytes: Uint8Array | null;
  /** What the bytes decode to. */
  readonly value: unknown;
  /** Null where the node gives none. */
  readonly version: KeyVersion | null;
  /** Until the key expires, in milliseconds. */
  readonly leftMs: number;
}

/** What a read finds here. */
export interface NearHit {
  readonly value: unknown;
  readonly ageMs: number;
  /** Served while no node was connected, or for longer than its time to live. */
  readonly isStale: boolean;
  readonly version: string | null;
}

/** A read on its way whose answer may be kept. */
export interface Fill {
  readonly key: string;
  /** Whether the key was written or invalidated since the read left, or the connection lost: its answer is not kept. */
  isPassed: boolean;
}

/**
 * Level 1: values in the process, bounded by entries and bytes. Each lives for the time to live at most, and goes before that where the node says that the key changed.
 * Its node must push invalidations over the connection that fills it, in order: then an answer that comes before an invalidation is dropped by it, and one that comes behind it was read after the
 * change. Whoever fills does it where the reply is read, not later. Nothing but the connection in use fills it (`Fill`s of one before are passed). Of versions that have an order the highest that
 * was seen of a key is remembered beyond its value, and beyond the connection: what a node that is behind says is not kept. Of all else (parts of hashes and documents have no such versions) it is the
 * session that no node is behind of: with `isOfSession` nothing is served before it is known that the session has it.
 */
export class NearCache {
  readonly #settings: NearSettings;
  readonly #codecs: Codecs;
  readonly #nowMs: () => number;
  readonly #isOfSession: boolean;
  /** Confirmations so far. */
  #round = 0;
  readonly #entries: LRUCache<string, NearEntry>;
  /** The highest version that was seen of a key. */
  readonly #floors: LRUCache<string, KeyVersion>;
  /** Reads on their way, by key. */
  readonly #fills: Map<string, Fill[]> = new Map();
  /** Since when no node is connected; null while one is. */
  #lostMs: number | null = 0;
  #hits = 0;
  #misses = 0;
  #staleHits = 0;
  #invalidations = 0;
  #outdated = 0;

  constructor(
    settings: NearSettings,
    codecs: Codecs,
    isOfSession: boolean,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#settings = settings;
    this.#codecs = codecs;
    this.#isOfSession = isOfSession;
    this.#nowMs = nowMs;
    this.#entries = new LRUCache({ max: settings.entriesMax, maxSize: settings.bytesMax });
    this.#floors = new LRUCache({
      max: settings.entriesMax,
      maxSize: settings.bytesMax,
      sizeCalculation: (_version, key) => key.length + ENTRY_BYTES,
    });
  }

  /** Whether a key's value may be kept, as far as the options say. */
  takes(key: string): boolean {
    const { prefixes } = this.#settings;
    return prefixes === null || prefixes.some((prefix) => key.startsWith(prefix));
  }

  /**
   * The value of a key as it lies here: undefined where it does not, null where the key is known to show nothing. Of objects all readers get the same one,
   * frozen. Throws DecodeFailed.
   */
  get(key: string): unknown {
    const entry = this.#entries.get(key);
    if (entry === undefined || !this.#isServed(entry, this.#nowMs())) {
      this.#misses++;
      return undefined;
    }
    this.#hits++;
    if (this.#lostMs !== null) this.#staleHits++;
    return entry.bytes === null ? entry.value : this.#codecs.decode(key, entry.bytes);
  }

  /** As `get`, with what is known of the value; null where there is none here. */
  find(key: string): NearHit | null {
    const value = this.get(key);
    const entry = value === undefined ? undefined : this.#entries.peek(key);
    if (entry === undefined) return null;
    const version = entry.version === null ? null : versionText(entry.version);
    return { value, ageMs: this.#nowMs() - entry.filledMs, isStale: this.#lostMs !== null, version };
  }

  /** A read of the key leaves, over the connection whose pushes come here. */
  begin(key: string): Fill {
    const fill: Fill = { key, isPassed: false };
    const others = this.#fills.get(key);
    if (others === undefined) this.#fills.set(key, [fill]);
    else others.push(fill);
    return fill;
  }

  /** The answer of a read, where the reply is read. */
  end(fill: Fill, { bytes, value, version, leftMs }: Filling): void {
    this.#forget(fill);
    const { key } = fill;
    if (fill.isPassed || this.#isOlder(key, version)) {
      this.#outdated++;
      return;
    }
    this.#raise(key, version);
    const isShared = bytes === null || freeze(value);
    const filledMs = this.#nowMs();
    const endsMs = filledMs + Math.min(this.#settings.ttlMs, leftMs);
    const size = key.length + (bytes?.length ?? 0) + ENTRY_BYTES;
    const kept = { value: isShared ? value : null, bytes: isShared ? null : bytes };
    this.#keep(key, { ...kept, version, filledMs, endsMs, round: this.#round, parts: null, size });
  }

  #keep(key: string, entry: NearEntry): void {
    // one that is longer than all of it is not kept
    this.#entries.set(key, entry, { size: entry.size });
  }

  /** A part of what a hash or a document shows, as it was given to `endParts`; null where it does not lie here. All readers get the same, frozen. */
  part(key: string, name: string): { readonly value: unknown } | null {
    const part = this.#entries.get(key)?.parts?.get(name);
    if (part === undefined || !this.#isServed(part, this.#nowMs())) {
      this.#misses++;
      return null;
    }
    this.#hits++;
    if (this.#lostMs !== null) this.#staleHits++;
    return part;
  }

  /** As `end`, for parts of a hash or a document, whose versions have no order; together of so many bytes. What cannot be frozen is not kept. */
  endParts(fill: Fill, parts: readonly ReadPart[], bytes: number): void {
    this.#forget(fill);
    const { key } = fill;
    if (fill.isPassed) {
      this.#outdated++;
      return;
    }
    const filledMs = this.#nowMs();
    const endsMs = filledMs + this.#settings.ttlMs;
    const before = this.#entries.peek(key);
    const known = before?.parts ?? null;
    const kept = known ?? new Map<string, NearPart>();
    let size = known === null || before === undefined ? key.length + ENTRY_BYTES : before.size;
    const partSize = Math.ceil(bytes / Math.max(1, parts.length)) + ENTRY_BYTES;
    for (const { name, value } of parts) {
      if (!freeze(value)) continue;
      size += partSize - (kept.get(name)?.size ?? 0);
      kept.set(name, { value, size: partSize, filledMs, endsMs, round: this.#round });
    }
    this.#keep(key, { ...NO_STRING, parts: kept, size });
  }

  /** A read that has no answer. */
  giveUp(fill: Fill): void {
    this.#forget(fill);
  }

  /** The node says that the key changed, and below which version it shows none any more. Reads whose answers come behind this were made after it. */
  invalidate(key: string, version: KeyVersion | null = null): void {
    this.#invalidations++;
    this.#entries.delete(key);
    this.#raise(key, version);
  }

  /** All keys may have changed. */
  invalidateAll(): void {
    this.#invalidations++;
    this.#entries.clear();
  }

  /** What came until now is part of the session: another node is asked for it before it is used. */
  confirmed(): void {
    this.#round++;
  }

  /** This client writes the key: what is here goes when the write leaves and when it is answered, and no read from before fills it again. */
  written(key: string): void {
    this.#entries.delete(key);
    for (const fill of this.#fills.get(key) ?? []) fill.isPassed = true;
  }

  /** This client may have written any key. */
  wroteAnything(): void {
    this.#entries.clear();
    this.#passAll();
  }

  /** Invalidations come no more. */
  lost(): void {
    this.#lostMs ??= this.#nowMs();
    this.#passAll();
    if (this.#settings.serveForMs === 0) this.#entries.clear();
  }

  /** They come again, for what is read from now on. */
  connected(): void {
    this.#lostMs = null;
    this.#passAll();
    this.#entries.clear();
  }

  get figures(): NearFigures {
    return {
      hits: this.#hits,
      misses: this.#misses,
      staleHits: this.#staleHits,
      invalidations: this.#invalidations,
      outdated: this.#outdated,
      entries: this.#entries.size,
      bytes: this.#entries.calculatedSize,
    };
  }

  #isServed(entry: Pick<NearEntry, 'endsMs' | 'filledMs' | 'round'>, nowMs: number): boolean {
    if (this.#isOfSession && entry.round === this.#round) return false;
    if (this.#lostMs === null) return nowMs < entry.endsMs;
    return nowMs - entry.filledMs < this.#settings.serveForMs;
  }

  #isOlder(key: string, version: KeyVersion | null): boolean {
    const floor = version === null ? undefined : this.#floors.get(key);
    return floor !== undefined && version !== null && (compareVersions(version, floor) ?? 0) < 0;
  }

  #raise(key: string, version: KeyVersion | null): void {
    if (version === null || 'state' in version || this.#isOlder(key, version)) return;
    this.#floors.set(key, version);
  }

  #passAll(): void {
    for (const fills of this.#fills.values()) for (const fill of fills) fill.isPassed = true;
  }

  #forget(fill: Fill): void {
    const fills = this.#fills.get(fill.key);
    if (fills === undefined) return;
    if (fills.length === 1) this.#fills.delete(fill.key);
    else fills.splice(fills.indexOf(fill), 1);
  }
}

/** Freezes a value of JSON's kinds through and through; false for what cannot be shared so. */
function freeze(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  if (!isPlain) return false;
  for (const inner of Object.values(value)) if (!freeze(inner)) return false;
  Object.freeze(value);
  return true;
}
