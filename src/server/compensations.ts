import type { Log } from '../adapters/pino-log.ts';
import { latin1Bytes, latin1Of, latin1Range, ByteRange } from '../base/bytes.ts';
import { STORED, type StoreVerdict } from '../adapters/key-source.ts';
import { systemKey } from '../base/system-keys.ts';
import type { CompensateRule } from '../classes/key-class.ts';
import { utf8Text } from '../classes/utf8.ts';
import { dotText } from '../clock/dot.ts';
import type { Origin } from '../clock/origin.ts';
import { typeNames } from '../commands/generic.ts';
import type { ConflictSide } from '../crdt/conflicts.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import type { LostHere } from '../keyspace/conflict-log.ts';
import type { RegionNode } from '../node/region-node.ts';
import type { Clock } from '../ports.ts';

/** Told at once; others wait. */
const CALLS_MAX = 4;
/** A hook that does not take a write is asked again after these, doubling from the first to the last. */
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 60_000;
/** Writes that wait to be told; what is lost beyond it is counted and logged. */
const PENDING_MAX = 10_000;
/** What is told of a value. */
const VALUE_BYTES_MAX = 65_536;

/** Figures since the start, for metrics. */
export interface CompensationFigures {
  readonly pending: number;
  readonly told: number;
  /** A hook said that it will never take them (a 4xx). */
  readonly refused: number;
  /** Calls that failed and are made again. */
  readonly failedCalls: number;
  /** There were too many at once. */
  readonly untold: number;
}

export interface CompensationsOptions {
  readonly node: RegionNode;
  readonly clock: Clock;
  readonly log: Log;
  /** Something was written: the node is to be flushed. */
  readonly touched: () => void;
  /** Calls a class's module, within its time or not much later. Never rejected. */
  readonly tellModule: (rule: CompensateRule, id: string, body: string) => Promise<StoreVerdict>;
}

/** One lost write on its way to its hook. */
interface Pending {
  readonly id: string;
  readonly className: string;
  readonly body: string;
  retryMs: number;
}

/**
 * Tells the hook of a class of each write that this node made and that was lost to a concurrent one (SPEC S9). What is to be told is written
 * to a system key of the node in the turn in which the loss was found, so that it reaches the disk in one batch with it, and taken away once
 * the hook took it: a node that dies between tells it again, under the same id.
 */
export class Compensations {
  readonly #options: CompensationsOptions;
  readonly #key: ByteRange;
  readonly #hash: number;
  readonly #pending: Map<string, Pending> = new Map();
  readonly #queue: Pending[] = [];
  readonly #timers: Set<NodeJS.Timeout> = new Set();
  readonly #closing: AbortController = new AbortController();
  #running = 0;
  #told = 0;
  #refused = 0;
  #failedCalls = 0;
  #untold = 0;

  constructor(options: CompensationsOptions) {
    this.#options = options;
    const { node } = options;
    this.#key = latin1Range(systemKey('lost', node.nodeId));
    this.#hash = node.keys.hashOf(this.#key);
  }

  get figures(): CompensationFigures {
    const untold = this.#untold + this.#options.node.conflicts.lostUntold;
    return {
      pending: this.#pending.size,
      told: this.#told,
      refused: this.#refused,
      failedCalls: this.#failedCalls,
      untold,
    };
  }

  /** Goes on with what an earlier life of this node did not get told: once its keys are here. */
  start(): void {
    const { node } = this.#options;
    const slot = node.keys.find(this.#key, this.#hash, this.#nowMs());
    if (slot === NO_SLOT || node.keys.typeOf(slot) !== ContentType.Hash) return;
    const hash = node.keys.hashAt(slot);
    const [id, body] = [new ByteRange(), new ByteRange()];
    const found: Pending[] = [];
    for (let at = 0; at < hash.size; at++) {
      hash.at(at, id, body);
      const pending = pendingOf(id.toLatin1(), Buffer.from(body.toBytes()).toString());
      if (pending !== null && !this.#pending.has(pending.id)) found.push(pending);
    }
    for (const pending of found) this.#add(pending);
  }

  /** A turn is over: what was lost in it is noted, before the store takes what was applied. */
  turnEnded(): void {
    const { node } = this.#options;
    // a node that starts, or was removed, writes nothing of its own
    if (!node.conflicts.hasLostHere || this.#closing.signal.aborted || node.refusal(true, false) !== null) return;
    const lost = node.conflicts.takeLostHere();
    const fresh = lost.map((each) => this.#pendingOf(each)).filter((pending) => pending !== null);
    if (fresh.length === 0) return;
    this.#write((tx) => {
      for (const { id, body } of fresh)
        tx.hashSet(this.#key, this.#hash, latin1Range(id), latin1Range(Buffer.from(body).toString('latin1')));
    });
    for (const pending of fresh) this.#add(pending);
  }

  /** What is to be told of a lost write; null where it is told already, or too many wait. */
  #pendingOf(lost: LostHere): Pending | null {
    const id = this.#idOf(lost);
    if (this.#pending.has(id)) return null;
    if (this.#pending.size < PENDING_MAX)
      return { id, className: lost.className, body: this.#bodyOf(lost, id), retryMs: RETRY_MS_MIN };
    if (this.#untold++ === 0)
      this.#options.log.error('lost writes are not told any more: too many wait', { limit: PENDING_MAX });
    return null;
  }

  /** The same for the same pair in each life of the node. */
  #idOf({ lost, kept, kind, key, field }: LostHere): string {
    const dots = [lost, kept].map((side) => this.#dotOf(side)).join('>');
    return [dots, kind, key, ...(field === null ? [] : [field])].join(' ');
  }

  #dotOf({ origin, seq }: ConflictSide): string {
    return dotText(origin as Origin, seq, this.#options.node.names);
  }

  #bodyOf(lost: LostHere, id: string): string {
    const { node } = this.#options;
    const side = (of: ConflictSide): object => ({
      dot: this.#dotOf(of),
      type: of.type === ContentType.None ? null : typeNames[of.type],
      ...(of.text === null ? { value: null } : valueOf(of.text)),
    });
    return JSON.stringify({
      id: Buffer.from(id, 'latin1').toString(),
      class: lost.className,
      region: node.region,
      node: node.nodeId,
      atMs: lost.atMs,
      ...named('key', lost.key),
      kind: lost.kind,
      ...(lost.field === null ? {} : named('field', lost.field)),
      lost: side(lost.lost),
      kept: side(lost.kept),
    });
  }

  #add(pending: Pending): void {
    this.#pending.set(pending.id, pending);
    this.#queue.push(pending);
    this.#next();
  }

  #next(): void {
    while (this.#running < CALLS_MAX) {
      const pending = this.#queue.shift();
      if (pending === undefined || this.#closing.signal.aborted) return;
      this.#running++;
      void this.#tell(pending).then((isOver) => {
        this.#running--;
        if (this.#closing.signal.aborted) return;
        if (isOver) this.#done(pending);
        else this.#again(pending);
        this.#next();
      });
    }
  }

  /** Whether the write need not be told any more. Never rejected. */
  async #tell({ id, className, body }: Pending): Promise<boolean> {
    const { node, log } = this.#options;
    const rule = node.classes.policy.classes.find(({ name }) => name === className)?.compensate;
    // the class has no hook any more
    if (rule === undefined) return true;
    const { url, withinMs } = rule;
    const verdict =
      url === null ? await this.#options.tellModule(rule, id, body) : await this.#post(url, withinMs, id, body);
    if (verdict.kind === 'stored') this.#told++;
    else if (verdict.kind === 'refused') {
      this.#refused++;
      log.error('a hook refused a lost write', { class: className, reason: verdict.reason, id });
    } else if (!this.#closing.signal.aborted) this.#failed(className, verdict.reason);
    return verdict.kind !== 'failed';
  }

  async #post(url: string, withinMs: number, id: string, body: string): Promise<StoreVerdict> {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': encodeURIComponent(id) },
        body,
        redirect: 'error',
        signal: AbortSignal.any([AbortSignal.timeout(withinMs), this.#closing.signal]),
      });
      await response.body?.cancel();
      if (response.ok) return STORED;
      return { kind: isFinal(response.status) ? 'refused' : 'failed', reason: `it answered ${response.status}` };
    } catch (error) {
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  #failed(className: string, reason: string): void {
    this.#failedCalls++;
    if (this.#failedCalls === 1 || this.#failedCalls % 100 === 0)
      this.#options.log.warn('a hook did not take a lost write, it is asked again', { class: className, reason });
  }

  #again(pending: Pending): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#queue.push(pending);
      this.#next();
    }, pending.retryMs);
    timer.unref();
    this.#timers.add(timer);
    pending.retryMs = Math.min(RETRY_MS_MAX, pending.retryMs * 2);
  }

  #done({ id }: Pending): void {
    this.#pending.delete(id);
    this.#write((tx) => tx.hashDelete(this.#key, this.#hash, latin1Range(id)));
  }

  #write(run: Parameters<RegionNode['transact']>[1]): void {
    this.#options.node.transact(this.#nowMs(), run);
    this.#options.touched();
  }

  #nowMs(): number {
    return this.#options.node.nowMs(this.#options.clock.wallMs());
  }

  /** Ends the calls under way; what was not told is told by the next life. */
  close(): void {
    this.#closing.abort(new Error('the node stops'));
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}

/** Statuses that will not become better: the request itself is wrong for whoever is there. */
function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429;
}

/** What an earlier life noted; null for what is none of ours. */
function pendingOf(id: string, body: string): Pending | null {
  try {
    const { class: className } = JSON.parse(body) as { class?: unknown };
    return typeof className === 'string' ? { id, className, body, retryMs: RETRY_MS_MIN } : null;
  } catch {
    return null;
  }
}

/** A name as text where it is UTF-8, else in base64 under another name. */
function named(name: string, latin1: string): object {
  const bytes = latin1Bytes(latin1);
  const text = utf8Text(bytes);
  return text === null ? { [`${name}Base64`]: Buffer.from(bytes).toString('base64') } : { [name]: text };
}

function valueOf(latin1: string): object {
  if (latin1.length <= VALUE_BYTES_MAX) return named('value', latin1);
  // a cut may go through a character
  return { ...named('value', wholeText(latin1.slice(0, VALUE_BYTES_MAX))), lengthBytes: latin1.length };
}

/** Without the last bytes that begin a character and do not end it. */
function wholeText(latin1: string): string {
  for (let dropped = 0; dropped < 4; dropped++) {
    const bytes = latin1Bytes(latin1.slice(0, latin1.length - dropped));
    if (utf8Text(bytes) !== null) return latin1Of(bytes, 0, bytes.length);
  }
  return latin1;
}
