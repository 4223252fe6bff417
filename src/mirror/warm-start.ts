import { present } from '../base/assert.ts';
import { latin1Range, type ByteRange } from '../base/bytes.ts';
import { parseVersion, type WriteVersion } from '../clock/key-version.ts';
import { fillStampOf, msOfStamp, type Stamp } from '../clock/stamp.ts';
import { NO_SLOT, type KeyspaceReader } from '../keyspace/keyspace.ts';
import type { SecondLevelValue } from '../ports.ts';
import { RETRY_FIRST_MS, RETRY_MAX_MS, WARM_FAILURES_MAX, WARM_KEYS_PER_STEP, type MirrorLimits } from './limits.ts';

/** What a warm start needs of its node. */
export interface WarmHost {
  readonly keys: KeyspaceReader;
  nowMs(): number;
  /** Whether keys of its class may be taken from there: mirrored, and neither strong nor with siblings. */
  isTaken(key: ByteRange): boolean;
  /** Whether the node has applied that write. */
  hasApplied(version: WriteVersion): boolean;
  /** Whether what was written to a key at a stamp is old by an invalidation that came here. */
  isOld(stamp: Stamp, key: string): boolean;
  /** Writes a value at a place in the order of writes that is long over (RULES V8). */
  fill(key: ByteRange, value: Uint8Array, expiresAtMs: number, stamp: Stamp): void;
}

export type WarmStep =
  | { readonly kind: 'scan'; readonly cursor: string }
  | { readonly kind: 'read'; readonly keys: readonly string[] };

/** How a warm start goes. */
export interface WarmProgress {
  readonly isOver: boolean;
  readonly looked: number;
  readonly taken: number;
  /** Of those, the ones that a request asked for before it was their turn. */
  readonly askedFor: number;
  /** Why it ended before it had looked at everything; empty where it did not. */
  readonly gaveUp: string;
}

/**
 * Takes from a second level what a node does not have, once it has what its peers have (SPEC L4). A value is taken where nothing shows here, where it is
 * as it was mirrored, and where the write that it is of never came here: a write that came and does not show was removed or has expired.
 */
export class WarmStart {
  readonly #host: WarmHost;
  readonly #limits: MirrorLimits;
  #cursor: string | null = '';
  #step: WarmStep | null = null;
  #toRead: string[] = [];
  /** Keys that changed here since the beginning: what is there of them is over. */
  readonly #changed: Set<string> = new Set();
  #dueMs = 0;
  #failures = 0;
  #looked = 0;
  #taken = 0;
  #askedFor = 0;
  #gaveUp = '';

  constructor(host: WarmHost, limits: MirrorLimits) {
    this.#host = host;
    this.#limits = limits;
  }

  get progress(): WarmProgress {
    return {
      isOver: this.isOver,
      looked: this.#looked,
      taken: this.#taken,
      askedFor: this.#askedFor,
      gaveUp: this.#gaveUp,
    };
  }

  get isOver(): boolean {
    return this.#gaveUp !== '' || (this.#cursor === null && this.#toRead.length === 0 && this.#step === null);
  }

  dueInMs(monotonicMs: number): number {
    return Math.max(0, this.#dueMs - monotonicMs);
  }

  /** What a key shows here changed, or somebody was told that it shows nothing; null is any key. */
  changed(key: ByteRange | null): void {
    if (this.isOver) return;
    if (key === null) this.#giveUp('all keys changed here meanwhile');
    else if (this.#host.isTaken(key)) this.#changed.add(key.toLatin1());
    if (this.#changed.size > this.#limits.mirrorChangedKeysMax) this.#giveUp('too many keys changed here meanwhile');
  }

  #giveUp(reason: string): void {
    this.#gaveUp = reason;
    this.#changed.clear();
    this.#toRead = [];
  }

  /** What is to be asked next, null for nothing now. */
  next(monotonicMs: number): WarmStep | null {
    if (this.isOver || this.#step !== null || monotonicMs < this.#dueMs) return null;
    const keys = this.#toRead.splice(0, WARM_KEYS_PER_STEP);
    if (keys.length > 0) this.#step = { kind: 'read', keys };
    else if (this.#cursor !== null) this.#step = { kind: 'scan', cursor: this.#cursor };
    return this.#step;
  }

  #ended(): WarmStep {
    const step = present(this.#step, 'a step is on its way');
    this.#step = null;
    return step;
  }

  scanned(keys: readonly string[], next: string | null, monotonicMs: number): void {
    this.#ended();
    this.#failures = 0;
    this.#cursor = next;
    if (this.#gaveUp !== '') return;
    this.#looked += keys.length;
    for (const key of keys) if (this.#isMissing(key)) this.#toRead.push(key);
    this.#dueMs = monotonicMs + (keys.length * 1_000) / this.#limits.mirrorPassKeysPerSecond;
  }

  #isMissing(key: string): boolean {
    const { keys } = this.#host;
    const range = latin1Range(key);
    if (this.#changed.has(key) || !this.#host.isTaken(range)) return false;
    return keys.find(range, keys.hashOf(range), this.#host.nowMs()) === NO_SLOT;
  }

  /** Whether a key may be there that a request names before it was its turn. */
  mayHave(key: ByteRange): boolean {
    return !this.isOver && this.#isMissing(key.toLatin1());
  }

  /** What is there of such a key came, beside the steps. */
  readAhead(key: string, value: SecondLevelValue | null): void {
    if (this.isOver || value === null || !this.#isMissing(key)) return;
    const before = this.#taken;
    this.#take(key, value);
    this.#askedFor += this.#taken - before;
  }

  read(values: readonly (SecondLevelValue | null)[]): void {
    const step = this.#ended();
    this.#failures = 0;
    if (step.kind !== 'read' || this.#gaveUp !== '') return;
    for (const [at, key] of step.keys.entries()) {
      const value = values[at] ?? null;
      if (value !== null && this.#isMissing(key)) this.#take(key, value);
    }
  }

  #take(key: string, { value, version: text, expiresAtMs }: SecondLevelValue): void {
    const version = parseVersion(text);
    if (version === null || 'state' in version || expiresAtMs <= this.#host.nowMs()) return;
    if (this.#host.hasApplied(version)) return;
    const { keys } = this.#host;
    const range = latin1Range(key);
    const stamp = fillStampOf(msOfStamp(version.stamp as Stamp), 0);
    // what is still known of a removal decides, also where the removal has not seen that write
    const removal = keys.versions.floorOf(range, keys.hashOf(range));
    if ((removal !== null && removal.stamp >= stamp) || this.#host.isOld(stamp, key)) return;
    this.#taken++;
    this.#host.fill(range, value, expiresAtMs, stamp);
  }

  failed(monotonicMs: number): void {
    const step = this.#ended();
    if (step.kind === 'read') this.#toRead.unshift(...step.keys);
    this.#dueMs = monotonicMs + Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** this.#failures);
    if (++this.#failures > WARM_FAILURES_MAX) this.#giveUp('it does not answer');
  }
}
