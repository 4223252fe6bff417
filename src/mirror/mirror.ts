import { assert, present } from '../base/assert.ts';
import { ByteRange, latin1Range } from '../base/bytes.ts';
import { NO_SLOT, type KeyspaceReader, type Slot } from '../keyspace/keyspace.ts';
import type { SecondLevelLease, SecondLevelVerdict, SecondLevelWrite } from '../ports.ts';
import { ChangedKeys } from './changed-keys.ts';
import { FullPass } from './full-pass.ts';
import { Invalidations } from './invalidations.ts';
import { GONE, imageOf, type KeyImage } from './key-image.ts';
import { LEASE_RENEWED_EVERY_MS, RETRY_FIRST_MS, RETRY_MAX_MS, type MirrorLimits } from './limits.ts';

/** What the mirror reads of its node. */
export interface MirrorHost {
  readonly nodeId: string;
  readonly keys: KeyspaceReader;
  /** The time that expiries are judged by, Unix milliseconds. */
  nowMs(): number;
  isMirrored(key: ByteRange): boolean;
  /** `stamp-origin-seq` of the write that a plain string shows, empty for all else. */
  versionOf(slot: Slot): string;
  /** Whether the node kept no value of a key that is not gone: what is mirrored of it stays. */
  isEvicted(key: ByteRange): boolean;
}

/** What is to be asked of the second level next. One at a time: what it says decides what comes then. */
export type MirrorStep =
  | { readonly kind: 'hold'; readonly epochMin: number }
  | {
      readonly kind: 'write';
      readonly writes: readonly SecondLevelWrite[];
      readonly lease: SecondLevelLease;
      readonly isPass: boolean;
    }
  | { readonly kind: 'scan'; readonly cursor: string }
  | { readonly kind: 'publish'; readonly message: string };

/** Counts since the start. */
export interface MirrorCounts {
  readonly verdicts: Readonly<Record<SecondLevelVerdict, number>>;
  /** Keys whose value is longer than is mirrored. */
  readonly tooLong: number;
  readonly failedSteps: number;
  readonly passes: number;
  readonly published: number;
  readonly overflows: number;
}

const IDLE_MS = LEASE_RENEWED_EVERY_MS;

/**
 * Decides what of the keyspace a second level is to be told, and when. A pure step machine: `next` says what to do, and exactly one of `held`,
 * `wrote`, `scanned`, `published` and `failed` what came of it, before the next one.
 *
 * One node of a region writes: who holds the lease (SPEC L1). It reads a key when it writes it, so that what waits are names, each once.
 */
export class Mirror {
  readonly #host: MirrorHost;
  readonly #limits: MirrorLimits;
  readonly #changed: ChangedKeys;
  readonly #invalidations: Invalidations | null;
  /** Null while another node of the region writes. Kept while the second level is away: who is back first goes on. */
  #lease: SecondLevelLease | null = null;
  #epochMin = 0;
  #renewAtMs = -Infinity;
  #pass: FullPass | null = null;
  #isPassNext = true;
  #seq = 0;
  #step: MirrorStep | null = null;
  readonly #inFlight: Set<string> = new Set();
  #retryMs = RETRY_FIRST_MS;
  #retryAtMs = -Infinity;
  readonly #verdicts: Record<SecondLevelVerdict, number> = {
    written: 0,
    same: 0,
    old: 0,
    fenced: 0,
    late: 0,
    newer: 0,
    refused: 0,
  };
  #tooLong = 0;
  #failedSteps = 0;
  #passes = 0;
  #published = 0;
  #overflows = 0;

  constructor(host: MirrorHost, limits: MirrorLimits, publishes: boolean) {
    this.#host = host;
    this.#limits = limits;
    this.#changed = new ChangedKeys(limits);
    this.#invalidations = publishes ? new Invalidations(limits, host.nodeId) : null;
  }

  get counts(): MirrorCounts {
    return {
      verdicts: { ...this.#verdicts },
      tooLong: this.#tooLong,
      failedSteps: this.#failedSteps,
      passes: this.#passes,
      published: this.#published,
      overflows: this.#overflows,
    };
  }

  /** Whether this node is the one that writes, as far as it knows. */
  get isHolder(): boolean {
    return this.#lease !== null;
  }

  /** Keys that wait to be written. */
  get waiting(): number {
    return this.#changed.size + this.#inFlight.size;
  }

  /** Whether everything is being compared, or is to be. */
  get isComparing(): boolean {
    return this.#pass !== null || this.#changed.isOverflown;
  }

  /** Whether the last change of a key is on its way still. */
  isPending(key: string): boolean {
    return this.#changed.isOverflown || this.#changed.has(key) || this.#inFlight.has(key);
  }

  /** What a key shows changed; null is any key. */
  changed(key: ByteRange | null): void {
    // who takes over compares everything
    if (this.#lease === null) return;
    if (key === null) this.compareAll();
    else if (this.#host.isMirrored(key)) this.#note(key.toLatin1());
  }

  #note(key: string): void {
    if (this.#changed.isOverflown) return;
    this.#changed.add(key);
    if (this.#changed.isOverflown) this.#overflows++;
  }

  /** Begins a comparison of everything anew. */
  compareAll(): void {
    this.#pass = new FullPass();
    this.#changed.clear();
    this.#invalidations?.addAll();
  }

  /** Milliseconds until `next` may have something, where nothing changes. */
  dueInMs(monotonicMs: number): number {
    if (this.#step !== null) return IDLE_MS;
    if (monotonicMs < this.#retryAtMs) return this.#retryAtMs - monotonicMs;
    if (this.#lease !== null && (this.#hasKeys() || this.#invalidations?.isWaiting === true)) return 0;
    const passMs = this.#lease === null || this.#pass === null ? Infinity : this.#pass.dueMs;
    return Math.max(0, Math.min(this.#renewAtMs, passMs) - monotonicMs);
  }

  #hasKeys(): boolean {
    return this.#changed.size > 0 || this.#changed.isOverflown;
  }

  /** What is to be done now, null for nothing. */
  next(monotonicMs: number): MirrorStep | null {
    if (this.#step !== null || monotonicMs < this.#retryAtMs) return null;
    this.#step = this.#choose(monotonicMs);
    return this.#step;
  }

  #choose(monotonicMs: number): MirrorStep | null {
    const lease = this.#lease;
    if (monotonicMs >= this.#renewAtMs) return { kind: 'hold', epochMin: this.#epochMin };
    if (lease === null) return null;
    if (this.#changed.isOverflown) this.compareAll();
    const isPassDue = this.#pass !== null && monotonicMs >= this.#pass.dueMs;
    // in turns, so that neither waits for the end of the other
    if (isPassDue && (this.#changed.size === 0 || this.#isPassNext)) {
      this.#isPassNext = false;
      const step = this.#passStep(present(this.#pass, 'a pass is due'), lease, monotonicMs);
      if (step !== null) return step;
    }
    this.#isPassNext = true;
    if (this.#changed.size > 0) return { kind: 'write', writes: this.#changedWrites(), lease, isPass: false };
    if (this.#invalidations?.isWaiting === true && this.#pass === null)
      return { kind: 'publish', message: this.#invalidations.take() };
    return null;
  }

  #changedWrites(): SecondLevelWrite[] {
    const writes: SecondLevelWrite[] = [];
    let bytes = 0;
    while (writes.length < this.#limits.mirrorBatchKeysMax && bytes < this.#limits.mirrorBatchBytesMax) {
      const key = this.#changed.shift();
      if (key === null) break;
      bytes += this.#add(key, writes);
    }
    return writes;
  }

  #passStep(pass: FullPass, lease: SecondLevelLease, monotonicMs: number): MirrorStep | null {
    if (!pass.isWriting) return { kind: 'scan', cursor: pass.scanCursor };
    const names: string[] = [];
    const key = new ByteRange();
    const looked = pass.keys(this.#host.keys, this.#host.nowMs(), (slot) => {
      this.#host.keys.keyInto(slot, key);
      if (this.#host.isMirrored(key)) names.push(key.toLatin1());
    });
    this.#paced(pass, looked, monotonicMs);
    const writes: SecondLevelWrite[] = [];
    let bytes = 0;
    for (const name of names) {
      // what is too much for one batch is written as if it had changed
      if (bytes > this.#limits.mirrorBatchBytesMax) this.#note(name);
      else bytes += this.#add(name, writes);
    }
    return writes.length === 0 ? null : { kind: 'write', writes, lease, isPass: true };
  }

  #paced(pass: FullPass, looked: number, monotonicMs: number): void {
    pass.dueMs = monotonicMs + (looked * 1_000) / this.#limits.mirrorPassKeysPerSecond;
  }

  /** Adds what a key shows now; returns its bytes. */
  #add(key: string, writes: SecondLevelWrite[]): number {
    const { keys } = this.#host;
    const range = latin1Range(key);
    const slot = keys.find(range, keys.hashOf(range), this.#host.nowMs());
    if (slot === NO_SLOT && this.#host.isEvicted(range)) return 0;
    let image: KeyImage | null = GONE;
    if (slot !== NO_SLOT && this.#host.isMirrored(range)) image = imageOf(keys, slot, this.#limits.mirrorValueBytesMax);
    if (image === null) this.#tooLong++;
    const { kind, parts, bytes } = image ?? GONE;
    this.#inFlight.add(key);
    writes.push({
      key,
      kind,
      parts,
      expiresAtMs: kind === 'gone' ? Infinity : keys.expiryOf(slot),
      version: kind === 'string' ? this.#host.versionOf(slot) : '',
      seq: ++this.#seq,
    });
    return bytes + key.length;
  }

  // ── what came of a step ──

  #ended(kind: MirrorStep['kind']): MirrorStep {
    const step = present(this.#step, 'a step is on its way');
    assert(step.kind === kind, 'what ends is what was begun');
    this.#step = null;
    this.#inFlight.clear();
    this.#retryMs = RETRY_FIRST_MS;
    return step;
  }

  held(lease: SecondLevelLease, monotonicMs: number): void {
    this.#ended('hold');
    this.#renewAtMs = monotonicMs + LEASE_RENEWED_EVERY_MS;
    const before = this.#lease;
    if (!lease.isHeld) {
      this.#lease = null;
      this.#pass = null;
      this.#changed.clear();
      return;
    }
    this.#lease = lease;
    this.#epochMin = Math.max(this.#epochMin, lease.epoch);
    // who is new knows nothing of what is there, and a second level that another process answers for may have lost some
    if (before === null || before.epoch !== lease.epoch || before.identity !== lease.identity) this.compareAll();
  }

  wrote(verdicts: readonly SecondLevelVerdict[], monotonicMs: number): void {
    const step = this.#ended('write');
    if (step.kind !== 'write') return;
    for (const [at, { key }] of step.writes.entries()) {
      const verdict = verdicts[at] ?? 'refused';
      this.#verdicts[verdict]++;
      if (verdict === 'written') this.#invalidations?.add(key);
      else if (verdict === 'late' || verdict === 'refused' || verdict === 'fenced') this.#note(key);
      if (verdict === 'late') this.#renewAtMs = -Infinity;
      if (verdict === 'refused') this.#retryAtMs = monotonicMs + RETRY_MAX_MS;
      // a later holder wrote: this node's time in office is over, or its number was lost with the process that gave it
      if (verdict === 'fenced') this.#dethroned(step.lease.epoch);
    }
    this.#endPass();
  }

  #dethroned(epoch: number): void {
    this.#epochMin = Math.max(this.#epochMin, epoch + 1);
    this.#renewAtMs = -Infinity;
  }

  /** Of the keys that are mirrored there, those that are not here are written as gone. */
  scanned(keys: readonly string[], next: string | null, monotonicMs: number): void {
    this.#ended('scan');
    const pass = this.#pass;
    if (pass === null) return;
    const nowMs = this.#host.nowMs();
    for (const key of keys) {
      const range = latin1Range(key);
      const isHere = this.#host.keys.find(range, this.#host.keys.hashOf(range), nowMs) !== NO_SLOT;
      if (!isHere || !this.#host.isMirrored(range)) this.#note(key);
    }
    pass.scannedTo(next);
    this.#paced(pass, keys.length, monotonicMs);
    this.#endPass();
  }

  #endPass(): void {
    if (this.#pass?.isOver !== true) return;
    this.#pass = null;
    this.#passes++;
  }

  published(): void {
    this.#ended('publish');
    this.#published++;
  }

  /** The second level did not do it, or may not have: nothing of it is known to be there. */
  failed(monotonicMs: number): void {
    const step = present(this.#step, 'a step is on its way');
    this.#step = null;
    this.#inFlight.clear();
    this.#failedSteps++;
    if (step.kind === 'write') for (const { key } of step.writes) this.#note(key);
    // who listens may have missed it
    if (step.kind === 'publish') this.#invalidations?.addAll();
    this.#retryAtMs = monotonicMs + this.#retryMs;
    this.#retryMs = Math.min(RETRY_MAX_MS, this.#retryMs * 2);
    this.#renewAtMs = -Infinity;
  }
}
