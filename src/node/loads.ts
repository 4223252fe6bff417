import { latin1Range, type ByteRange } from '../base/bytes.ts';
import { fillStampOf, msOfStamp, type Stamp } from '../clock/stamp.ts';
import type { KeyClass } from '../classes/key-class.ts';
import type { Engine, FillPlace, Load, LoadEnd, LoadsInFlight } from '../commands/engine.ts';
import type { InvalidationView } from '../commands/invalidation-view.ts';
import { slotHolder } from '../crdt/slot-merge.ts';
import { compareWrites } from '../crdt/update.ts';
import { linkMembers } from '../keyspace/key-links.ts';
import { ContentType, type TransactionWriter } from '../keyspace/keyspace.ts';
import type { ChangeListener, SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import { lifetimeMs } from './lifetimes.ts';

/** The node that a load is for. */
type LoadingNode = Pick<Engine, 'origin' | 'transact' | 'refusal'> & {
  readonly invalidations: Pick<InvalidationView, 'mark' | 'isHit'>;
};

class RunningLoad implements Load {
  readonly key: string;
  readonly stamp: Stamp;
  /** Of what was invalidated before it began (SPEC I3). */
  readonly mark: number;
  /** Whether the node wrote when it began: else its clock may have been anywhere. */
  readonly isTimed: boolean;
  isChanged = false;

  constructor(key: string, stamp: Stamp, mark: number, isTimed: boolean) {
    this.key = key;
    this.stamp = stamp;
    this.mark = mark;
    this.isTimed = isTimed;
  }
}

/**
 * Loads on their way from outside (RULES V8): what one brings is a write at the time at which it began, less the limit of skew. Where its key
 * was changed here meanwhile it is dropped. So nothing was written here in between that it could have missed: as far as its key is
 * concerned, what its transaction has seen is what this node had when the load began.
 */
export class Loads implements LoadsInFlight {
  readonly #keyspace: SlabKeyspace;
  readonly #node: LoadingNode;
  readonly #skewMsMax: number;
  readonly #running: Map<string, Set<RunningLoad>> = new Map();

  constructor(keyspace: SlabKeyspace, node: LoadingNode, skewMsMax: number) {
    this.#keyspace = keyspace;
    this.#node = node;
    this.#skewMsMax = skewMsMax;
  }

  begin(key: ByteRange, nowMs: number): Load {
    const isTimed = this.#node.refusal(true, false) === null;
    const mark = this.#node.invalidations.mark();
    const load = new RunningLoad(key.toLatin1(), fillStampOf(nowMs, this.#skewMsMax), mark, isTimed);
    const others = this.#running.get(load.key);
    if (others === undefined) this.#running.set(load.key, new Set([load]));
    else others.add(load);
    return load;
  }

  ageMs(stamp: number, nowMs: number): number {
    return Math.max(0, nowMs - (msOfStamp(stamp as Stamp) + 1 + this.#skewMsMax));
  }

  /** How long a key lives that is written now without an expiry of its own; null for ever. `value` is what a string becomes. */
  ttlMsOf(keyClass: KeyClass, key: ByteRange, value: ByteRange | undefined, nowMs: number): number | null {
    if (value === undefined || keyClass.adaptiveTtl === undefined) return keyClass.ttlMs;
    return lifetimeMs(this.#keyspace, keyClass, key, value, nowMs, (stamp) => this.ageMs(stamp, nowMs));
  }

  /** Notes what is changed, and passes it on. A key that expires is not changed. */
  watching(next: ChangeListener): ChangeListener {
    return (key, update) => {
      if (this.#running.size > 0 && (key === null || update !== null)) this.#changed(key);
      next(key, update);
    };
  }

  #changed(key: ByteRange | null): void {
    const changed = key === null ? [...this.#running.values()] : [this.#running.get(key.toLatin1()) ?? []];
    for (const loads of changed) for (const load of loads) load.isChanged = true;
  }

  end(load: Load, value: ByteRange | null, expireAtMs: number, nowMs: number, place?: FillPlace): LoadEnd {
    const others = this.#running.get(load.key);
    if (!(load instanceof RunningLoad) || others?.delete(load) !== true) return 'refused';
    if (others.size === 0) this.#running.delete(load.key);
    if (this.#isHit(load, nowMs, place?.tags)) return 'changed';
    const key = latin1Range(load.key);
    const isTimed = load.isTimed && load.stamp <= fillStampOf(nowMs, this.#skewMsMax);
    const mayWrite = isTimed && this.#node.refusal(true, false) === null;
    if (value === null || !mayWrite || !this.#isLatest(load, key)) return 'refused';
    const fill = (tx: TransactionWriter): void =>
      tx.fill(key, this.#keyspace.hashOf(key), value, expireAtMs, load.stamp);
    if (place === undefined) this.#node.transact(nowMs, fill);
    else fill(place.tx);
    return 'kept';
  }

  isGood(load: Load, nowMs: number): boolean {
    return load instanceof RunningLoad && this.#running.get(load.key)?.has(load) === true && !this.#isHit(load, nowMs);
  }

  #isHit({ isChanged, key, mark }: RunningLoad, nowMs: number, tagsToBe: readonly string[] = []): boolean {
    const tags = [...linkMembers(this.#keyspace, 'tags', key, nowMs), ...tagsToBe];
    return isChanged || this.#node.invalidations.isHit(mark, key, tags);
  }

  /** Whether what it brought is later than all that this node remembers of the key, and the key may have it. */
  #isLatest(load: Load, key: ByteRange): boolean {
    if (this.#keyspace.kinds.flagsOf(key) !== 0) return false;
    const entry = this.#keyspace.entryOf(key);
    if (entry !== undefined && entry.type !== ContentType.None && entry.type !== ContentType.String) return false;
    const { flushMark } = this.#keyspace;
    const string = entry?.string;
    if (string?.keepsSiblings === true) return false;
    const holder = string === undefined ? flushMark : slotHolder(string, flushMark);
    return holder === null || compareWrites(load.stamp, this.#node.origin, holder.stamp, holder.origin) >= 0;
  }
}
