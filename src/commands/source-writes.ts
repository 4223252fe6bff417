import { ByteRange, latin1Range } from '../base/bytes.ts';
import type { ClassPolicy } from '../classes/class-policy.ts';
import type { KeyClass, SourceRule, SourceWriteRule } from '../classes/key-class.ts';
import { parseVersion, versionText } from '../clock/key-version.ts';
import { isFillStamp, msOfStamp, type Stamp } from '../clock/stamp.ts';
import { compareWrites, UpdateKind, type StampedDot, type Update, type UpdateContext } from '../crdt/update.ts';
import { CausewayError } from '../errors.ts';
import { ContentType, NO_SLOT, type TransactionWriter } from '../keyspace/keyspace.ts';
import type { Engine } from './engine.ts';
import { StoredBefore } from './stored-before.ts';
import { UnstoredKeys, type StoreTask, type UnstoredKey } from './unstored-keys.ts';
import { UnstoredMarks, type SourceContent } from './unstored-marks.ts';
import type { WriteListener } from './written-keys.ts';

/** Bytes of names and values that a node keeps for its sources. */
const UNSTORED_BYTES_MAX: number = 64 * 1024 * 1024;

/** What the writes to sources ask of the world. */
export interface SourceWritesHost {
  readonly engine: Engine;
  wallMs(): number;
  monotonicMs(): number;
  /** A number in [0, 1). */
  unit(): number;
  /** Something was written: what this turn made is to be sent. */
  touched(): void;
}

/** What became of one write of a task. Reasons are for people, and name no value. */
export type StoreEnd =
  | { readonly kind: 'stored' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly isAsked: boolean };

/** A class that is written to its source. */
type WrittenRule = SourceRule & { readonly write: SourceWriteRule };

/** What a request waits for that wrote keys whose source is to have them. */
export interface StoreWait {
  isOver(): boolean;
  /** Why it is not to be answered as it was run; null where it is. To be asked once it is over. */
  error(): CausewayError | null;
  readonly withinMs: number;
}

const isThrough = ({ write }: WrittenRule): boolean => write.mode === 'through';

/** How much of its source's time a request waits for its turn and for the answer. */
const WAIT_TIMEOUTS = 2;
const DISK_WAIT_MS = 5_000;

/**
 * Writes of clients on their way to the source of their class (SPEC F5): a step machine. The cache is written first, as without a source; the node whose client
 * wrote stores what it wrote. It stores again what takes the place of that, where whoever wrote it could not know that this one's store was over:
 * so the last that the source is given of a key is what all nodes come to show.
 */
export class SourceWrites implements WriteListener {
  readonly #host: SourceWritesHost;
  readonly #marks: UnstoredMarks;
  readonly #before: StoredBefore;
  readonly classes: Map<string, UnstoredKeys> = new Map();
  #policy: ClassPolicy | null = null;
  #isActive = false;
  /** Keys that the open transaction writes; those that others wrote in this turn; those that the request which runs has written. */
  readonly #open: Set<string> = new Set();
  readonly #came: Set<string> = new Set();
  #asked: { readonly entry: UnstoredKey; readonly rule: WrittenRule; readonly written: number }[] = [];
  #isFlushed = false;
  #isUnknown = false;
  /** Of the members, when it was last looked at what that means for what is stored. */
  #epoch: number;

  constructor(host: SourceWritesHost) {
    const { writes, keys, node } = host.engine;
    this.#host = host;
    this.#marks = new UnstoredMarks(keys, node.nodeId);
    this.#before = new StoredBefore(writes);
    this.#epoch = writes.epoch;
  }

  /** Whether some class is written to its source. */
  get isActive(): boolean {
    const { policy } = this.#host.engine.node.classes;
    if (policy !== this.#policy) {
      this.#policy = policy;
      this.#isActive = policy.classes.some(({ source }) => (source?.write ?? null) !== null);
    }
    return this.#isActive;
  }

  /** Keys whose source may not have what it is to have. */
  get size(): number {
    let size = 0;
    for (const keys of this.classes.values()) size += keys.size;
    return size;
  }

  /** Of those, how many the next life of this node stores. */
  get durableCount(): number {
    let count = 0;
    for (const keys of this.classes.values()) for (const { isMarked } of keys.values()) if (isMarked) count++;
    return count;
  }

  #classOf(key: string): KeyClass {
    return this.#host.engine.node.classes.policy.classOfText(key);
  }

  #keysOf({ name }: KeyClass): UnstoredKeys {
    let keys = this.classes.get(name);
    if (keys === undefined) this.classes.set(name, (keys = new UnstoredKeys()));
    return keys;
  }

  #nowMs(): number {
    return this.#host.engine.nowMs(this.#host.wallMs());
  }

  /** Takes up what an earlier life of this node had to store: once its keys are here. */
  start(): void {
    const nowMs = this.#nowMs();
    for (const [key, content] of this.#marks.all(nowMs)) {
      const keyClass = this.#classOf(key);
      const rule = writtenRule(keyClass);
      if (rule === null || this.#keysOf(keyClass).get(key) !== undefined) continue;
      // what that life sent may still be on its way, until its time is over: it is not to come last
      const entry = this.#keysOf(keyClass).put(key, content, this.#host.monotonicMs(), rule.timeoutMs);
      entry.isMarked = true;
      // what came meanwhile may be newer
      this.#came.add(key);
    }
  }

  // ── writes as they are made ──

  made({ kind, key }: Update): void {
    if (!this.isActive || !isWrite(kind)) return;
    const keyClass = this.#host.engine.node.classes.policy.classOf(key);
    if (writtenRule(keyClass) !== null) this.#open.add(key.toLatin1());
  }

  beforeClose(tx: TransactionWriter, { stamp, origin, seq }: UpdateContext, nowMs: number): void {
    if (this.#open.size === 0) return;
    const version = versionText({ stamp, origin, seq });
    for (const key of this.#open) {
      const entry = this.#put(tx, key, { value: this.#shown(key, nowMs), version }, seq);
      const rule = writtenRule(this.#classOf(key));
      if (entry === null || rule === null) continue;
      entry.isOwn = true;
      this.#asked.push({ entry, rule, written: entry.written });
    }
    this.#open.clear();
  }

  /** The bytes of what a key shows. */
  #shown(key: string, nowMs: number): Uint8Array | null {
    const { keys } = this.#host.engine;
    const range = latin1Range(key);
    const slot = keys.find(range, keys.hashOf(range), nowMs);
    if (slot === NO_SLOT || keys.typeOf(slot) !== ContentType.String) return null;
    const value = new ByteRange();
    keys.stringInto(slot, value);
    return value.toBytes();
  }

  /** The source is to have this of a key, `afterRequests` of others that are under way: said in the transaction where it must not be lost, or where others must know. */
  #put(
    tx: TransactionWriter,
    key: string,
    content: SourceContent,
    seq: number,
    afterRequests = false,
  ): UnstoredKey | null {
    const keyClass = this.#classOf(key);
    const rule = writtenRule(keyClass);
    if (rule === null) return null;
    const { isDurable } = rule.write;
    const delayMs = Math.max(rule.write.delayMs, afterRequests ? rule.timeoutMs : 0);
    const entry = this.#keysOf(keyClass).put(key, content, this.#host.monotonicMs(), delayMs);
    // while a removal is not stored nobody is to load what it removed
    const isMarked = isDurable || content.value === null;
    if (isMarked) this.#marks.set(tx, key, content);
    else if (entry.isMarked) this.#marks.delete(tx, key);
    entry.isMarked = isMarked;
    entry.isOwn = false;
    entry.seq = isDurable ? seq : 0;
    return entry;
  }

  // ── writes of others ──

  came(key: ByteRange | null, update: Update | null): void {
    if (!this.isActive) return;
    if (key === null) {
      if (update === null) this.#isUnknown = true;
      else this.#isFlushed = true;
    } else if (
      update !== null &&
      isWrite(update.kind) &&
      writtenRule(this.#host.engine.node.classes.policy.classOf(key)) !== null
    )
      this.#came.add(key.toLatin1());
  }

  /** A turn is over: looks at what came in it. */
  turnEnded(): void {
    this.begin();
    if (this.#isFlushed) this.#flushed();
    if (this.#isUnknown) {
      for (const key of this.#before.keys()) this.#came.add(key);
      for (const keys of this.classes.values()) for (const { key } of keys.values()) this.#came.add(key);
      this.#isUnknown = false;
    }
    this.#lookAtCome();
    this.#lookAtMembers();
    // only then: what came in this turn may be of the last that it is remembered for
    this.#before.forget();
  }

  #lookAtCome(): void {
    if (this.#came.size === 0) return;
    const newer = [...this.#came].flatMap((key) => this.#newer(key));
    this.#came.clear();
    if (newer.length === 0) return;
    this.#transact((tx) => {
      // its own transaction is what is to be on disk, where it has one
      for (const [key, content] of newer) this.#put(tx, key, content, 0);
    });
  }

  /**
   * The members changed: a node that was removed may have stored what it wrote below this node's, after this node had, and will not hear any more of
   * what took the place of it. Its last request has its time first.
   */
  #lookAtMembers(): void {
    const { epoch } = this.#host.engine.writes;
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    const again = [...this.#before.keys()].flatMap((key) => {
      const written = this.#written(key);
      const isWaiting = this.#keysOf(this.#classOf(key)).get(key) !== undefined;
      return written === null || isWaiting ? [] : [[key, written.content] as const];
    });
    if (again.length === 0) return;
    this.#transact((tx) => {
      for (const [key, content] of again) this.#put(tx, key, content, 0, true);
    });
  }

  /** What a client's write, of any node, made a key show; null where it shows nothing of the kind. */
  #written(key: string): { readonly content: SourceContent; readonly version: StampedDot | null } | null {
    const nowMs = this.#nowMs();
    const { keys } = this.#host.engine;
    const range = latin1Range(key);
    const hash = keys.hashOf(range);
    const slot = keys.find(range, hash, nowMs);
    const version = slot === NO_SLOT ? keys.versions.floorOf(range, hash) : keys.versions.at(slot);
    // nobody wrote that
    if (version === null || (!('state' in version) && isFillStamp(version.stamp))) return null;
    const single = 'state' in version ? null : version;
    const value = this.#shown(key, nowMs);
    return { content: { value, version: single === null ? '' : versionText(single) }, version: single };
  }

  /** What a key shows by now, where this node is to store it though another one wrote it. */
  #newer(key: string): [key: string, content: SourceContent][] {
    const written = this.#written(key);
    if (written === null) return [];
    const { content, version } = written;
    const waiting = this.#keysOf(this.#classOf(key)).get(key);
    if (waiting !== undefined) return isLater(version, waiting.content) ? [[key, content]] : [];
    const stampMs = version === null ? null : msOfStamp(version.stamp as Stamp);
    return this.#before.mayHideLater(key, content.version, stampMs) ? [[key, content]] : [];
  }

  /** FLUSHALL: what it took is not stored any more. */
  #flushed(): void {
    this.#isFlushed = false;
    const nowMs = this.#nowMs();
    this.#transact((tx) => {
      for (const keys of this.classes.values())
        for (const entry of [...keys.values()]) {
          const isHere = entry.content.value !== null && this.#shown(entry.key, nowMs) !== null;
          if (!isHere) this.#giveUp(tx, keys, entry);
        }
    });
  }

  /** There is nothing to store any more; who waits is answered. */
  #giveUp(tx: TransactionWriter, keys: UnstoredKeys, entry: UnstoredKey): void {
    entry.stored = entry.written;
    this.#drop(tx, keys, entry);
  }

  #drop(tx: TransactionWriter, keys: UnstoredKeys, entry: UnstoredKey): void {
    keys.delete(entry);
    if (entry.isMarked) this.#marks.delete(tx, entry.key);
    entry.isMarked = false;
  }

  #transact(run: (tx: TransactionWriter) => void): void {
    this.#host.engine.transact(this.#nowMs(), run);
    this.#host.touched();
  }

  // ── for who writes ──

  /** A request begins: forgets what was written before. */
  begin(): void {
    if (this.#asked.length > 0) this.#asked = [];
  }

  /** What the request that has just run is to wait for; null for nothing. */
  whenStored(): StoreWait | null {
    if (this.#asked.length === 0) return null;
    const asked = this.#asked.filter(({ rule }) => isThrough(rule) || rule.write.isDurable);
    this.#asked = [];
    if (asked.length === 0) return null;
    const seqs = asked.map(({ entry }) => entry.seq);
    const isOnDisk = (): boolean => this.#host.engine.writes.isDurable(Math.max(...seqs));
    const through = asked.filter(({ rule }) => isThrough(rule));
    const isOver = (): boolean =>
      through.every(({ entry, written }) => Math.max(entry.stored, entry.failed) >= written) &&
      (seqs.every((seq) => seq === 0) || isOnDisk());
    if (isOver()) return null;
    const timeouts = through.map(({ rule }) => rule.timeoutMs * WAIT_TIMEOUTS);
    return {
      isOver,
      error: () =>
        through.find(({ entry, written }) => entry.stored < written && entry.failed >= written)?.entry.error ?? null,
      withinMs: Math.max(DISK_WAIT_MS, ...timeouts),
    };
  }

  /** Why a key may not be written now; null where it may. */
  refusalOf(key: ByteRange, keyClass: KeyClass): CausewayError | null {
    const rule = writtenRule(keyClass);
    const keys = this.classes.get(keyClass.name);
    if (rule === null || keys === undefined || keys.get(key.toLatin1()) !== undefined) return null;
    const { unstoredMax } = rule.write;
    if (keys.size >= unstoredMax)
      return tooMany(`${keyClass.name}: too many keys wait for the source (limit unstored ${unstoredMax})`);
    let bytes = 0;
    for (const each of this.classes.values()) bytes += each.bytes;
    if (bytes < UNSTORED_BYTES_MAX) return null;
    return tooMany(`too much waits for sources (limit source-unstored-bytes-max ${UNSTORED_BYTES_MAX})`);
  }

  // ── for who stores ──

  /** What is to be stored now, null for nothing more. To be ended by `ended`. */
  next(): StoreTask | null {
    const { engine } = this.#host;
    const nowMs = this.#host.monotonicMs();
    // of one that was removed from the cluster nothing counts any more
    if (engine.refusal(true, false) !== null) return null;
    for (const [name, keys] of this.classes) {
      if (keys.size === 0) continue;
      const keyClass = engine.node.classes.policy.classes.find((each) => each.name === name);
      const rule = keyClass === undefined ? null : writtenRule(keyClass);
      // the class is not written to a source any more
      if (rule === null) {
        this.#transact((tx) => {
          for (const entry of [...keys.values()]) this.#giveUp(tx, keys, entry);
        });
        continue;
      }
      const task = keys.take(rule, nowMs, ({ seq }) => seq === 0 || engine.writes.isDurable(seq));
      if (task !== null) return task;
    }
    return null;
  }

  /** Milliseconds until `next` may have something where nothing happens. */
  dueInMs(): number {
    const nowMs = this.#host.monotonicMs();
    let dueMs = Infinity;
    for (const keys of this.classes.values()) dueMs = Math.min(dueMs, keys.dueInMs(nowMs));
    return dueMs;
  }

  /** What became of a task, in the order of its entries. */
  ended(task: StoreTask, ends: readonly StoreEnd[]): void {
    const [first] = task.entries;
    if (first === undefined) return;
    const keyClass = this.#classOf(first.entry.key);
    const keys = this.#keysOf(keyClass);
    keys.ended(task);
    const stale: string[] = [];
    this.#transact((tx) => {
      for (const [at, taken] of task.entries.entries()) {
        const end = ends[at] ?? { kind: 'failed', reason: 'it did not say', isAsked: true };
        const { entry, written, content } = taken;
        if (end.kind === 'stored') this.#stored(tx, keys, taken, stale);
        else this.#notStored(tx, keyClass, task, taken, end, stale);
        if (end.kind !== 'stored') continue;
        entry.stored = Math.max(entry.stored, written);
        this.#before.note(entry.key, content.version, this.#nowMs());
      }
      const { invalidations } = this.#host.engine.node;
      // what is to be shown is loaded anew
      if (stale.length > 0)
        invalidations.invalidate(
          stale.map((name) => ({ kind: 'key', name })),
          { kind: 'remove' },
        );
    });
  }

  #stored(
    tx: TransactionWriter,
    keys: UnstoredKeys,
    { entry, written }: StoreTask['entries'][number],
    stale: string[],
  ): void {
    keys.figures.stored++;
    entry.retries = 0;
    if (entry.written > written) return keys.again(entry);
    this.#drop(tx, keys, entry);
    // loaded before it was stored
    if (this.#showsFill(entry.key)) stale.push(entry.key);
  }

  #notStored(
    tx: TransactionWriter,
    keyClass: KeyClass,
    { rule }: StoreTask,
    { entry, written, content, isOwn }: StoreTask['entries'][number],
    end: Exclude<StoreEnd, { kind: 'stored' }>,
    stale: string[],
  ): void {
    const keys = this.#keysOf(keyClass);
    const isFinal = end.kind === 'refused' || (rule.write?.mode === 'through' && isOwn);
    if (end.kind === 'refused') keys.figures.refused++;
    else keys.figures.failed++;
    if (end.kind === 'failed' && end.isAsked)
      this.#before.note(entry.key, content.version, this.#nowMs() + rule.timeoutMs);
    if (!isFinal) return keys.later(entry, this.#host.monotonicMs(), this.#host.unit());
    entry.failed = Math.max(entry.failed, written);
    entry.error = errorOf(keyClass, end);
    if (entry.written > written) return keys.again(entry);
    this.#drop(tx, keys, entry);
    if (this.#showsVersion(entry.key, content.version)) stale.push(entry.key);
  }

  #showsFill(key: string): boolean {
    const version = this.#versionShown(key);
    return version !== null && !('state' in version) && isFillStamp(version.stamp);
  }

  #showsVersion(key: string, version: string): boolean {
    const shown = this.#versionShown(key);
    return shown !== null && ('state' in shown || versionText(shown) === version);
  }

  #versionShown(key: string): ReturnType<Engine['keys']['versions']['at']> | null {
    const { keys } = this.#host.engine;
    const range = latin1Range(key);
    const slot = keys.find(range, keys.hashOf(range), this.#nowMs());
    return slot === NO_SLOT ? null : keys.versions.at(slot);
  }
}

/** The source of a class that is written to it, null for any other class. */
export function writtenRule({ source }: KeyClass): WrittenRule | null {
  return source === undefined || source.write === null ? null : (source as WrittenRule);
}

/** What a client does to a key's value. What is loaded, an expiry, and an invalidation are none of it. */
function isWrite(kind: UpdateKind): boolean {
  return kind === UpdateKind.Set || kind === UpdateKind.Increment || kind === UpdateKind.DeleteString;
}

/** Whether a write is later than what waits; null: what shows is made up of several. */
function isLater(version: StampedDot | null, { version: text }: SourceContent): boolean {
  const waiting = parseVersion(text);
  if (version === null || waiting === null || 'state' in waiting) return true;
  return compareWrites(version.stamp, version.origin, waiting.stamp, waiting.origin) > 0;
}

function errorOf({ name }: KeyClass, end: Exclude<StoreEnd, { kind: 'stored' }>): CausewayError {
  if (end.kind === 'refused') return new CausewayError('REFUSED', `${name}: the source refused it: ${end.reason}`);
  if (!end.isAsked) return new CausewayError('UNAVAILABLE', `${name}: ${end.reason}`, { retry: 'later' });
  return new CausewayError('UNCERTAIN', `${name}: the source may have taken it or not: ${end.reason}`);
}

function tooMany(message: string): CausewayError {
  return new CausewayError('LIMIT', message, { retry: 'later' });
}
