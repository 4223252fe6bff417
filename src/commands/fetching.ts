import { ByteRange, latin1Range, sameBytes } from '../base/bytes.ts';
import { FETCH_AHEAD_MAX, FETCH_KEYS_MAX, FETCHES_AHEAD_MAX, FETCHES_MAX } from '../base/client-limits.ts';
import { DEFAULT_MISSING_RULE, type KeyClass } from '../classes/key-class.ts';
import type { ClassPolicy } from '../classes/class-policy.ts';
import { durationText } from '../classes/duration.ts';
import { CausewayError } from '../errors.ts';
import { ContentType, NO_SLOT, type KeyspaceReader, type Slot } from '../keyspace/keyspace.ts';
import { keyPositions } from './command-facts.ts';
import type { CommandEntry } from './command-index.ts';
import type { Args } from './context.ts';
import { FetchAhead, type RequestsBehind } from './fetch-ahead.ts';
import { FETCH_ORDER, type Fetched, type Fetcher, type Wanted } from './fetcher.ts';
import { FetchedReader } from './fetched-reader.ts';
import { namesSystemKey } from './key-names.ts';
import { overLimit } from './refusals.ts';
import type { ServerState } from './server-state.ts';
import type { Session } from './session.ts';
import { getOptions } from './strong-get-options.ts';
import type { Verdict } from './verdict.ts';

/** What a request waits for, and what came of it: it is the next that its session runs. */
export class FetchWait {
  /** On the monotonic clock: when the request is run as it is; Infinity until it is known. */
  deadlineMs: number = Infinity;
  readonly results: Map<string, Fetched> = new Map();
  readonly pending: Set<RunningFetch> = new Set();
  /** Why the request is not run, where it was ended from outside. */
  refusal: CausewayError | null = null;
  /** Looks whether it is over; null while nobody waits. */
  onSettled: (() => void) | null = null;
}

/** A request, as far as what its keys are fetched for. */
type AskedRequest = Pick<RunningFetch, 'entry' | 'isInExec' | 'needsOld' | 'isStrong'>;

/** One key that is asked for: reads at level `strong` and all others each by themselves, as only those are told what was changed meanwhile. */
interface RunningFetch {
  readonly key: string;
  readonly keyClass: KeyClass;
  readonly entry: CommandEntry;
  readonly isInExec: boolean;
  readonly needsOld: boolean;
  readonly isStrong: boolean;
  readonly waits: Set<FetchWait>;
  /** What is asked for again when this has ended: by reads that must not be answered by what was asked for before they came. */
  next: RunningFetch | null;
  /** For whose reads it was asked ahead; null where a request waited. */
  readonly ahead: FetchAhead | null;
}

/** A key that a request waits for. */
type MissingKey = Omit<RunningFetch, 'waits' | 'next' | 'ahead'>;

class WantedKey implements Wanted {
  key: ByteRange = new ByteRange();
  slot: Slot = NO_SLOT;
  isStrong = false;
  isAhead = false;
  nowMs = 0;
  readonly keyClass: KeyClass;
  readonly entry: CommandEntry;
  readonly isInExec: boolean;
  readonly needsOld: boolean;

  constructor({ keyClass, entry, isInExec, needsOld }: Pick<Wanted, 'keyClass' | 'entry' | 'isInExec' | 'needsOld'>) {
    this.keyClass = keyClass;
    this.entry = entry;
    this.isInExec = isInExec;
    this.needsOld = needsOld;
  }
}

/** Figures since the start. */
export interface FetchFigures {
  /** Keys asked for. */
  started: number;
  /** Of these, for reads that waited behind another one. */
  ahead: number;
  /** Requests that joined one which was under way. */
  joined: number;
  /** Requests whose time was over before there was an answer. */
  late: number;
}

/**
 * Keys that are not here, or not good enough, are asked for outside before the request that names them is run: the one place where requests wait for
 * fetchers. The request is put back (`Outcome.Deferred`) and run again when all its keys have been asked for or its class's time is over;
 * then a key that is still not here is a miss, and one that nobody could tell about is what the class's fallback says. Each key is asked for
 * once a request; requests for one key share what is under way.
 *
 * What is queued by MULTI is looked at when EXEC comes, as far as a fetcher serves that.
 */
export class Fetching {
  readonly figures: FetchFigures = { started: 0, ahead: 0, joined: 0, late: 0 };
  readonly #server: ServerState;
  readonly #fetchers: Fetcher[] = [];
  /** By `nameOf`. */
  readonly #running: Map<string, RunningFetch> = new Map();
  /** Those that remember something. */
  readonly #aheads: Set<FetchAhead> = new Set();
  /** What serves each class of the policy, and whether any does. */
  #policy: ClassPolicy | null = null;
  #byClass: readonly (readonly Fetcher[])[] = [];
  #isActive = false;

  constructor(server: ServerState) {
    this.#server = server;
  }

  /** From now on it is asked too. */
  add(fetcher: Fetcher): void {
    this.#fetchers.push(fetcher);
    this.#fetchers.sort((left, right) => FETCH_ORDER.indexOf(left.kind) - FETCH_ORDER.indexOf(right.kind));
    this.#policy = null;
  }

  /** From now on it is not asked any more; what it was asked for it still answers. */
  remove(fetcher: Fetcher): void {
    const at = this.#fetchers.indexOf(fetcher);
    if (at >= 0) this.#fetchers.splice(at, 1);
    this.#policy = null;
  }

  /** Whether keys of some class may be fetched. */
  get isActive(): boolean {
    if (this.#fetchers.length === 0) return false;
    const { policy } = this.#server.engine.node.classes;
    if (policy !== this.#policy) this.#follow(policy);
    return this.#isActive;
  }

  #follow(policy: ClassPolicy): void {
    this.#policy = policy;
    this.#byClass = policy.classes.map((keyClass) => this.#fetchers.filter((fetcher) => fetcher.serves(keyClass)));
    this.#isActive = this.#byClass.some((fetchers) => fetchers.length > 0);
  }

  #fetchersOf(keyClass: KeyClass): readonly Fetcher[] {
    return this.#byClass[keyClass.index] ?? [];
  }

  /** Whether a key's class has a source, which is asked by reads at level `strong`. */
  isSourced(key: ByteRange): boolean {
    if (!this.isActive) return false;
    const fetchers = this.#fetchersOf(this.#server.engine.node.classes.policy.classOf(key));
    return fetchers.some(({ kind }) => kind === 'source');
  }

  /** A key was changed, here or by another node; null for all. */
  keyChanged(key: ByteRange | null): void {
    if (!this.isActive) return;
    const text = key?.toLatin1() ?? null;
    for (const fetcher of this.#fetchers) fetcher.keyChanged?.(text);
    for (const ahead of this.#aheads) ahead.forget(text);
  }

  /** Keys that are asked for now. */
  get runningCount(): number {
    return this.#running.size;
  }

  /** Whether a request may have to wait: for who runs it at once otherwise. It is on keys of its row, and no EXEC. */
  mayWait(entry: CommandEntry, args: Args, nowMs: number): boolean {
    const [first, last, step] = entry.spec.keys ?? [0, -1, 1];
    const end = last < 0 ? args.count + last : last;
    const asked = { entry, isInExec: false, needsOld: needsOldValue(entry, args), isStrong: false };
    for (let at = first; at <= end; at += step) if (this.#isWanted(asked, args.range(at), nowMs)) return true;
    return false;
  }

  #isWanted(asked: AskedRequest, key: ByteRange, nowMs: number, isAhead = false): boolean {
    const keyClass = this.#server.engine.node.classes.policy.classOf(key);
    const fetchers = this.#fetchersOf(keyClass);
    if (fetchers.length === 0) return false;
    const looked = new WantedKey({ ...asked, keyClass });
    looked.isAhead = isAhead;
    const wanted = this.#look(looked, key, asked.isStrong, nowMs);
    return fetchers.some((fetcher) => fetcher.isNeeded(wanted));
  }

  #look(wanted: WantedKey, key: ByteRange, isStrong: boolean, nowMs: number): Wanted {
    const { keys } = this.#server.engine;
    wanted.key = key;
    wanted.slot = keys.find(key, keys.hashOf(key), nowMs);
    wanted.isStrong = isStrong;
    wanted.nowMs = nowMs;
    return wanted;
  }

  /** Whether a request can be run; a wait has begun where it cannot yet. What `FetchWait` it leaves to be shown is given to `shown`. */
  judge(session: Session, entry: CommandEntry, args: Args, nowMs: number): Verdict {
    const before = session.fetched ?? this.#foundAhead(session, entry, args);
    session.fetched = null;
    if (before !== null && before.refusal !== null) return before.refusal;
    if (session.queue !== null && entry.fullName !== 'exec') return 'run';
    const missing = this.#missing(session, entry, args, nowMs, before);
    if (missing instanceof CausewayError) return missing;
    if (missing.length === 0) return before === null ? 'run' : this.#conclude(session, before, entry, nowMs);
    const monotonicMs = this.#server.time.monotonicMs();
    const wait = before ?? new FetchWait();
    if (wait.deadlineMs === Infinity)
      wait.deadlineMs = monotonicMs + Math.min(...missing.map((each) => ruleOf(each.keyClass).withinMs));
    for (const wanted of missing) this.#join(wanted, wait);
    if (wait.pending.size === 0) return this.#conclude(session, wait, entry, nowMs);
    this.#block(session, wait, entry);
    return 'wait';
  }

  /** The keys that a request waits for. */
  #missing(
    session: Session,
    entry: CommandEntry,
    args: Args,
    nowMs: number,
    before: FetchWait | null,
  ): MissingKey[] | CausewayError {
    const missing = new Map<string, MissingKey>();
    const { policy } = this.#server.engine.node.classes;
    const isInExec = session.queue !== null;
    const requests = session.queue ?? [{ entry, args }];
    for (const each of requests) {
      const asked = {
        entry: each.entry,
        isInExec,
        needsOld: needsOldValue(each.entry, each.args),
        isStrong: asksForSource(session, each.entry, each.args),
      };
      for (const position of keyPositions(each.entry, each.args, 0) ?? []) {
        const key = each.args.range(position);
        if (!this.#isWanted(asked, key, nowMs)) continue;
        const text = key.toLatin1();
        if (before?.results.has(text) === true) continue;
        missing.set(text, { ...asked, key: text, keyClass: policy.classOf(key) });
        if (missing.size > FETCH_KEYS_MAX)
          return overLimit('too many keys that have to be fetched in one request', 'fetch-keys-max', FETCH_KEYS_MAX);
      }
    }
    const isMuch = this.#running.size + missing.size > FETCHES_MAX;
    if (isMuch && ![...missing.values()].every((wanted) => this.#running.has(nameOf(wanted))))
      return overLimit('too many keys are being fetched', 'fetches-max', FETCHES_MAX);
    return [...missing.values()];
  }

  #join(wanted: MissingKey, wait: FetchWait): void {
    const running = this.#running.get(nameOf(wanted));
    if (running === undefined) {
      this.#begin({ ...wanted, waits: new Set([wait]), next: null, ahead: null }, wait);
      return;
    }
    this.figures.joined++;
    // what was asked for before a strong read came is too old for it
    const after = { ...wanted, waits: new Set<FetchWait>(), next: null, ahead: null };
    const joined = wanted.isStrong ? (running.next ??= after) : running;
    joined.waits.add(wait);
    wait.pending.add(joined);
  }

  #begin(running: RunningFetch, ...waits: readonly FetchWait[]): void {
    this.figures.started++;
    this.#running.set(nameOf(running), running);
    for (const wait of waits) wait.pending.add(running);
    this.#ask(running, 0, null);
  }

  /** Asks the fetchers from the given one on, one after the other. */
  #ask(running: RunningFetch, from: number, failure: Fetched | null): void {
    const fetchers = this.#fetchersOf(running.keyClass);
    const key = latin1Range(running.key);
    for (let at = from; at < fetchers.length; at++) {
      const fetcher = fetchers[at] as Fetcher;
      const nowMs = this.#server.engine.nowMs(this.#server.time.wallMs());
      const wanted = new WantedKey(running);
      if (!fetcher.isNeeded(this.#look(wanted, key, running.isStrong, nowMs))) continue;
      let isTold = false;
      const done = (fetched: Fetched): void => {
        if (isTold) return;
        isTold = true;
        if (fetched.kind === 'found' || fetched.kind === 'changed') this.#end(running, fetched);
        else this.#ask(running, at + 1, fetched.kind === 'failed' ? fetched : failure);
      };
      fetcher.ask(key, running.keyClass, done, running.isStrong);
      return;
    }
    this.#end(running, failure ?? { kind: 'absent' });
  }

  #end(running: RunningFetch, fetched: Fetched): void {
    this.#running.delete(nameOf(running));
    const { next } = running;
    if (next !== null && next.waits.size > 0) this.#begin(next);
    for (const wait of running.waits) {
      wait.pending.delete(running);
      // what was changed is looked at when the request is run again, and asked for where it is not here
      if (fetched.kind !== 'changed') wait.results.set(running.key, fetched);
      if (wait.pending.size === 0) wait.onSettled?.();
    }
    if (running.ahead !== null) this.#noteAhead(running.ahead, running.key, fetched);
  }

  #block(session: Session, wait: FetchWait, { readonly }: CommandEntry): void {
    if (readonly && session.queue === null) {
      const ahead = (session.ahead ??= new FetchAhead());
      ahead.isWaiting = true;
      ahead.seen = 0;
    }
    const leave = (): void => {
      wait.onSettled = null;
      if (session.ahead !== null) session.ahead.isWaiting = false;
      for (const running of wait.pending) running.waits.delete(wait);
      session.fetched = wait;
    };
    wait.onSettled = () => {
      if (!session.closing) this.#server.waiting.expire(session);
    };
    this.#server.waiting.block(session, {
      deadlineMs: wait.deadlineMs,
      isOver: () => wait.pending.size === 0,
      end: () => {
        leave();
        if (wait.pending.size > 0) this.figures.late++;
        for (const running of wait.pending) wait.results.set(running.key, { kind: 'failed', error: tooLate(running) });
        wait.pending.clear();
      },
      fail: (error) => {
        leave();
        wait.refusal = error;
      },
    });
  }

  // ── ahead ──

  /**
   * Asks for what reads will want that wait behind a read, while that waits for keys that are not here; up to the first request that is no read. To be called when
   * it has begun to wait, and when more requests have come.
   */
  askAhead(session: Session, behind: RequestsBehind): void {
    const { ahead } = session;
    if (ahead === null || !ahead.isWaiting || ahead.seen >= FETCH_AHEAD_MAX) return;
    const nowMs = this.#server.engine.nowMs(this.#server.time.wallMs());
    behind.requestsBehind(ahead.seen, (args) => this.#askAheadFor(session, ahead, args, nowMs));
  }

  /** Says whether the request after this one is looked at. */
  #askAheadFor(session: Session, ahead: FetchAhead, args: Args, nowMs: number): boolean {
    const entry = this.#server.commands.findRequest(args);
    if (entry === undefined || !entry.readonly || !entry.acceptsCount(args.count) || namesSystemKey(entry, args))
      return false;
    const asked = { entry, isInExec: false, needsOld: false, isStrong: false };
    // a read at level `strong` asks for itself
    const positions = asksForSource(session, entry, args) ? [] : (keyPositions(entry, args, 0) ?? []);
    for (const position of positions) {
      const key = args.range(position);
      if (!this.#isWanted(asked, key, nowMs, true)) continue;
      const text = key.toLatin1();
      if (ahead.results.has(text) || this.#running.has(nameOf({ key: text, isStrong: false }))) continue;
      if (this.#running.size >= FETCHES_AHEAD_MAX) return false;
      const keyClass = this.#server.engine.node.classes.policy.classOf(key);
      this.figures.ahead++;
      this.#begin({ ...asked, key: text, keyClass, waits: new Set(), next: null, ahead });
    }
    return ++ahead.seen < FETCH_AHEAD_MAX;
  }

  #noteAhead(ahead: FetchAhead, key: string, fetched: Fetched): void {
    // what was found is in the keyspace, and what was changed is to be looked at again
    if (ahead.isOver || fetched.kind === 'found' || fetched.kind === 'changed') return;
    ahead.results.set(key, fetched);
    this.#aheads.add(ahead);
  }

  /** What was said of a request's keys before its turn came; null for nothing. It is said once. */
  #foundAhead({ ahead, queue }: Session, entry: CommandEntry, args: Args): FetchWait | null {
    if (ahead === null || ahead.results.size === 0 || queue !== null || !entry.readonly) return null;
    const found = new FetchWait();
    for (const position of keyPositions(entry, args, 0) ?? []) {
      const text = args.text(position);
      const fetched = ahead.results.get(text);
      if (fetched === undefined) continue;
      ahead.results.delete(text);
      found.results.set(text, fetched);
    }
    return found.results.size > 0 ? found : null;
  }

  /** No request of the session is left: what comes later is asked for anew. */
  endAhead(session: Session): void {
    const { ahead } = session;
    if (ahead === null) return;
    ahead.isOver = true;
    this.#aheads.delete(ahead);
    session.ahead = null;
  }

  // ── what comes of it ──

  /** All that a request waited for has come or failed: it is run, on what came, or refused. */
  #conclude(session: Session, wait: FetchWait, entry: CommandEntry, nowMs: number): Verdict {
    const shown = new Map<string, Uint8Array | null>();
    const { keys, node } = this.#server.engine;
    for (const [text, fetched] of wait.results) {
      const key = latin1Range(text);
      const slot = keys.find(key, keys.hashOf(key), nowMs);
      const isHere = slot !== NO_SLOT;
      if (fetched.kind === 'found' && fetched.value !== null) {
        // what was kept as it came has a version and an expiry to tell
        if (!this.#shows(slot, fetched.value)) shown.set(text, fetched.value);
        if (!isHere && entry.writes) this.#putIn(key, fetched.value, nowMs);
      }
      // what is here was too old to be given, and there is nothing new
      if (fetched.kind === 'absent' && isHere) shown.set(text, null);
      if (fetched.kind !== 'failed') continue;
      const { fallback } = ruleOf(node.classes.policy.classOf(key));
      if (fallback === 'error' || (fallback === 'stale' && !isHere)) return fetched.error;
      if (fallback === 'miss') shown.set(text, null);
    }
    if (shown.size > 0 && !entry.writes && session.queue === null) this.#shown = new FetchedReader(keys, shown);
    return 'run';
  }

  #shows(slot: Slot, value: Uint8Array): boolean {
    const { keys } = this.#server.engine;
    if (slot === NO_SLOT || keys.typeOf(slot) !== ContentType.String) return false;
    const here = new ByteRange();
    keys.stringInto(slot, here);
    return sameBytes(here, new ByteRange(value));
  }

  /** What a write needs and could not be kept as it came is written, as the write that follows is: it is no older than the moment. */
  #putIn(key: ByteRange, value: Uint8Array, nowMs: number): void {
    const { engine } = this.#server;
    const ttlMs = engine.node.classes.policy.classOf(key).source?.ttlMs ?? Infinity;
    const range = new ByteRange().set(value, 0, value.length);
    engine.transact(nowMs, (tx) => tx.set(key, engine.keys.hashOf(key), range, nowMs + ttlMs));
  }

  #shown: FetchedReader | null = null;

  /** What the request reads that was just said to be run; null for the keyspace. */
  takeShown(): KeyspaceReader | null {
    const shown = this.#shown;
    this.#shown = null;
    return shown;
  }
}

const nameOf = ({ key, isStrong }: Pick<RunningFetch, 'key' | 'isStrong'>): string =>
  isStrong ? `s${key}` : `p${key}`;

const ruleOf = (keyClass: KeyClass): typeof DEFAULT_MISSING_RULE => keyClass.missing ?? DEFAULT_MISSING_RULE;

/** Commands that write strings whatever was there. */
const BLIND: ReadonlySet<string> = new Set(['set', 'mset', 'setex', 'psetex']);
/** Options of SET that make it look at what is there. */
const LOOKING: ReadonlySet<string> = new Set(['NX', 'XX', 'GET', 'IFEQ', 'IFNE', 'IFVERSION']);

/** Whether what a request writes depends on what its keys hold. */
function needsOldValue({ fullName, spec, writes }: CommandEntry, args: Args): boolean {
  if (!writes || spec.group !== 'string') return false;
  if (!BLIND.has(fullName)) return true;
  if (fullName !== 'set') return false;
  for (let at = 3; at < args.count; at++) if (LOOKING.has(args.word(at))) return true;
  return false;
}

/** Whether a read of a key that is not strong asks for what its source says now. */
function asksForSource({ level }: Session, { fullName }: CommandEntry, args: Args): boolean {
  if (fullName === 'cw.httpget') return level === 'strong';
  return fullName === 'cw.get' && getOptions(args)?.level === 'strong';
}

function tooLate({ keyClass }: RunningFetch): CausewayError {
  const within = durationText(ruleOf(keyClass).withinMs);
  return new CausewayError('UNAVAILABLE', `a key of ${keyClass.name} is not here and was not fetched within ${within}`);
}
