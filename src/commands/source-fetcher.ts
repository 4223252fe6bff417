import { latin1Range, type ByteRange } from '../base/bytes.ts';
import { graceMsOf, type KeyClass, type SourceRule } from '../classes/key-class.ts';
import { CausewayError } from '../errors.ts';
import { NO_SLOT } from '../keyspace/keyspace.ts';
import { AbsentKeys } from './absent-keys.ts';
import type { Engine, Load } from './engine.ts';
import type { Fetched, Fetcher, FetchKind, Wanted } from './fetcher.ts';
import { expiryOfLoad, freshUntilMs, isEarly, isOnItsLast } from './freshness.ts';
import { RecentLoads } from './recent-loads.ts';
import { SourceFigures } from './source-figures.ts';
import { isBeingRemoved } from './unstored-marks.ts';

/** What a source says of a key. */
export type SourceAnswer =
  | { readonly kind: 'value'; readonly value: Uint8Array }
  | { readonly kind: 'absent' }
  /** `message` is for people, and names no value. */
  | { readonly kind: 'failed'; readonly message: string };

/** What the fetcher asks of the world. */
export interface SourceHost {
  readonly engine: Engine;
  wallMs(): number;
  monotonicMs(): number;
  /** A number in [0, 1). */
  unit(): number;
  /** Asks the source of a class for a key (latin1). Calls back once, not before it returns, within the rule's time or not much later. */
  load(rule: SourceRule, key: string, done: (answer: SourceAnswer) => void): void;
  /** Does something soon, when what is going on has ended. */
  soon(run: () => void): void;
  /** Something was written: what this turn made is to be sent. */
  touched(): void;
}

/** Whether a load may be left to somebody else. */
export interface LoadTurns {
  /**
   * Null where this node is to load the key; else it was asked for elsewhere: `instead` is called once, when that came to nothing and this node is to
   * load after all. What comes of it comes into the keyspace.
   */
  passOn(rule: SourceRule, key: string, instead: () => void): { readonly cancel: () => void } | null;
}

interface Running {
  readonly keyClass: KeyClass;
  readonly rule: SourceRule;
  readonly waits: ((fetched: Fetched) => void)[];
  readonly isStrong: boolean;
  load: Load | null;
  cancel: (() => void) | null;
}

/** Values from a class's source: who reads what is not here, or is too old, waits for a load; what is nearly too old is loaded beside. */
export class SourceFetcher implements Fetcher {
  readonly kind: FetchKind = 'source';
  readonly figures: Map<string, SourceFigures> = new Map();
  readonly absent: AbsentKeys = new AbsentKeys();
  readonly #recent: RecentLoads;
  readonly #host: SourceHost;
  readonly #turns: LoadTurns;
  /** One load a key, but for strong reads, each of which has one of its own. */
  readonly #running: Map<string, Running> = new Map();

  constructor(host: SourceHost, turns: LoadTurns) {
    this.#host = host;
    this.#turns = turns;
    this.#recent = new RecentLoads(host.engine.loads, host.engine.writes.skewMs);
  }

  serves(keyClass: KeyClass): boolean {
    return keyClass.source !== undefined;
  }

  figuresOf({ name }: KeyClass): SourceFigures {
    let figures = this.figures.get(name);
    if (figures === undefined) this.figures.set(name, (figures = new SourceFigures()));
    return figures;
  }

  isNeeded(wanted: Wanted): boolean {
    const { entry, isAhead, keyClass, key, nowMs, slot } = wanted;
    const rule = keyClass.source;
    const isRead =
      entry.readonly && (entry.spec.group === 'string' || entry.fullName === 'cw.get' || entry.fullName === 'cw.read');
    if (rule === undefined) return false;
    // what is written to the source from here must not begin anew where that has a value
    const mustHave = rule.write !== null && wanted.needsOld;
    if (!mustHave && (!isRead || wanted.isInExec)) return false;
    if (wanted.isStrong) return true;
    if (slot !== NO_SLOT) return this.#isTooOld(wanted, rule);
    const isNone = this.absent.has(key.toLatin1(), nowMs) || this.#isBeingRemoved(rule, key, nowMs);
    if (isNone && !isAhead) this.figuresOf(keyClass).absentHits++;
    return !isNone;
  }

  /** Whether a removal is not stored yet: what the source says is what was removed. */
  #isBeingRemoved(rule: SourceRule, key: ByteRange, nowMs: number): boolean {
    if (rule.write === null) return false;
    const { keys, node } = this.#host.engine;
    return isBeingRemoved(keys, [node.nodeId, ...node.peers(nowMs).map(({ id }) => id)], key, nowMs);
  }

  #isTooOld({ isAhead, key, keyClass, nowMs, slot }: Wanted, rule: SourceRule): boolean {
    const { keys, loads } = this.#host.engine;
    const endMs = freshUntilMs(keys, slot, rule);
    if (endMs === null) return false;
    const figures = this.figuresOf(keyClass);
    const isLast = isOnItsLast(keys, slot, rule, shortestTtlMs(keyClass, rule), loads, nowMs);
    if (isAhead) return nowMs >= endMs + rule.staleWhileMs && !isLast;
    if (nowMs < endMs && !isLast) {
      const isDue =
        nowMs >= endMs - rule.aheadMs || isEarly(nowMs, endMs, figures.meanMs, rule.early, this.#host.unit());
      if (isDue && this.#loadBeside(key, keyClass, rule, nowMs)) figures.early++;
      return false;
    }
    if (nowMs >= endMs + rule.staleWhileMs && !isLast) return true;
    figures.staleServed++;
    this.#loadBeside(key, keyClass, rule, nowMs);
    return false;
  }

  /** Begins to load a key for which nobody waits. Says whether it did: one load is enough, and none for what is known to be gone. */
  #loadBeside(key: ByteRange, keyClass: KeyClass, rule: SourceRule, nowMs: number): boolean {
    const text = key.toLatin1();
    if (this.#running.has(text) || this.absent.has(text, nowMs)) return false;
    this.#begin(text, keyClass, rule, false, []);
    return true;
  }

  ask(key: ByteRange, keyClass: KeyClass, done: (fetched: Fetched) => void, isStrong: boolean): void {
    const rule = keyClass.source;
    if (rule === undefined) return done({ kind: 'absent' });
    const text = key.toLatin1();
    const running = isStrong ? undefined : this.#running.get(text);
    const recent = isStrong ? null : this.#recent.get(text, this.#host.engine.nowMs(this.#host.wallMs()));
    if (recent !== null) return done({ kind: 'found', value: recent });
    if (running === undefined) return this.#begin(text, keyClass, rule, isStrong, [done]);
    this.figuresOf(keyClass).coalesced++;
    running.waits.push(done);
  }

  /** Loads a key because another node asks for it, where it is not here. `done` is not told where what is here will do. */
  loadFor(key: string, keyClass: KeyClass, done: (fetched: Fetched) => void): void {
    const { engine } = this.#host;
    const range = latin1Range(key);
    const nowMs = engine.nowMs(this.#host.wallMs());
    const rule = keyClass.source;
    if (rule === undefined) return;
    const running = this.#running.get(key);
    if (running !== undefined) {
      running.waits.push(done);
      return;
    }
    const slot = engine.keys.find(range, engine.keys.hashOf(range), nowMs);
    const endMs = slot === NO_SLOT ? -Infinity : freshUntilMs(engine.keys, slot, rule);
    // what is as good as new is on its way to who asks
    if (endMs === null) return;
    const ttlMsMin = shortestTtlMs(keyClass, rule);
    if (endMs - nowMs > ttlMsMin / 2 && !isOnItsLast(engine.keys, slot, rule, ttlMsMin, engine.loads, nowMs)) return;
    this.#begin(key, keyClass, rule, false, [done], true);
  }

  #begin(
    key: string,
    keyClass: KeyClass,
    rule: SourceRule,
    isStrong: boolean,
    waits: Running['waits'],
    isForOther = false,
  ): void {
    const running: Running = { keyClass, rule, waits, isStrong, load: null, cancel: null };
    if (!isStrong) this.#running.set(key, running);
    const passed = isStrong || isForOther ? null : this.#turns.passOn(rule, key, () => this.#load(key, running));
    if (passed === null) return this.#load(key, running);
    this.figuresOf(keyClass).passedOn++;
    running.cancel = passed.cancel;
  }

  #load(key: string, running: Running): void {
    const { engine } = this.#host;
    running.cancel = null;
    const startMs = engine.nowMs(this.#host.wallMs());
    const beganMs = this.#host.monotonicMs();
    const load = engine.loads.begin(latin1Range(key), startMs);
    running.load = load;
    this.#host.load(running.rule, key, (answer) => {
      const figures = this.figuresOf(running.keyClass);
      if (answer.kind !== 'failed') figures.took(this.#host.monotonicMs() - beganMs);
      this.#end(key, running, this.#take(key, running, load, answer, startMs));
    });
  }

  /** Puts what came into the keyspace, and says what waits for it. */
  #take(
    key: string,
    { keyClass, rule, isStrong }: Running,
    load: Load,
    answer: SourceAnswer,
    startMs: number,
  ): Fetched {
    const { engine } = this.#host;
    const figures = this.figuresOf(keyClass);
    const nowMs = engine.nowMs(this.#host.wallMs());
    if (answer.kind === 'value') {
      const ttlMs = this.#ttlMsOf(key, keyClass, rule, answer.value);
      const expireAtMs = expiryOfLoad(rule, ttlMs, startMs, this.#host.unit());
      // what a client wrote may not be stored yet: what the source says is not put over it
      const isToKeep = rule.write === null || !this.#showsWritten(key, rule, nowMs);
      const end = engine.loads.end(load, isToKeep ? latin1RangeOf(answer.value) : null, expireAtMs, nowMs);
      this.#host.touched();
      figures.loaded++;
      if (end !== 'kept') figures.dropped++;
      if (end === 'refused') this.#recent.note(key, answer.value, startMs, nowMs);
      if (end === 'changed' && !isStrong) return { kind: 'changed' };
      return { kind: 'found', value: end === 'kept' && !isStrong ? null : answer.value };
    }
    const isChanged = engine.loads.end(load, null, 0, nowMs) === 'changed';
    if (answer.kind === 'absent') {
      figures.absent++;
      if (isChanged && !isStrong) return { kind: 'changed' };
      if (!isChanged && rule.absentMs > 0) this.absent.note(key, nowMs + rule.absentMs);
      return { kind: 'absent' };
    }
    figures.failed++;
    if (this.#hasStale(key, rule, nowMs) && !isStrong) {
      figures.staleServed++;
      return { kind: 'found', value: null };
    }
    return {
      kind: 'failed',
      error: new CausewayError('UNAVAILABLE', `${keyClass.name}: ${answer.message}`, { retry: 'later' }),
    };
  }

  /** How long what was loaded is fresh. */
  #ttlMsOf(key: string, keyClass: KeyClass, rule: SourceRule, value: Uint8Array): number {
    if (keyClass.adaptiveTtl === undefined) return rule.ttlMs;
    const { engine } = this.#host;
    const nowMs = engine.nowMs(this.#host.wallMs());
    return engine.loads.ttlMsOf(keyClass, latin1Range(key), latin1RangeOf(value), nowMs) ?? rule.ttlMs;
  }

  #showsWritten(key: string, rule: SourceRule, nowMs: number): boolean {
    const { keys } = this.#host.engine;
    const range = latin1Range(key);
    const slot = keys.find(range, keys.hashOf(range), nowMs);
    return slot !== NO_SLOT && freshUntilMs(keys, slot, rule) === null;
  }

  /** Whether something is here that may be given where the source fails. */
  #hasStale(key: string, rule: SourceRule, nowMs: number): boolean {
    const { keys } = this.#host.engine;
    const range = latin1Range(key);
    const slot = keys.find(range, keys.hashOf(range), nowMs);
    return slot !== NO_SLOT && keys.expiryOf(slot) - graceMsOf(rule) + rule.staleIfErrorMs > nowMs;
  }

  #end(key: string, running: Running, fetched: Fetched): void {
    if (this.#running.get(key) === running) this.#running.delete(key);
    for (const wait of running.waits.splice(0)) wait(fetched);
  }

  /** A key was changed, here or by another node; null for all: what was left to another node may have come. */
  keyChanged(key: string | null): void {
    this.absent.forget(key);
    const came = key === null ? [] : [this.#running.get(key)];
    for (const running of came) {
      if (running === undefined || running.load !== null || key === null) continue;
      running.cancel?.();
      running.cancel = null;
      // this is in the midst of a transaction
      this.#host.soon(() => this.#end(key, running, { kind: 'changed' }));
    }
  }

  /** The node that was asked says that the source has no value. */
  keyIsAbsent(key: string): void {
    const running = this.#running.get(key);
    if (running === undefined || running.load !== null) return;
    running.cancel?.();
    this.absent.note(key, this.#host.engine.nowMs(this.#host.wallMs()) + running.rule.absentMs);
    this.#host.soon(() => this.#end(key, running, { kind: 'absent' }));
  }

  /** Keys that are being loaded, here or elsewhere. */
  get runningCount(): number {
    return this.#running.size;
  }
}

/** For how long a load of the class is fresh at least, but for its jitter. */
function shortestTtlMs(keyClass: KeyClass, rule: SourceRule): number {
  return keyClass.adaptiveTtl?.minMs ?? rule.ttlMs;
}

function latin1RangeOf(bytes: Uint8Array): ByteRange {
  return latin1Range('').set(bytes, 0, bytes.length);
}
