import { NOTHING_LOST, type LostList, type LostWrite } from '../causal/lost-list.ts';
import { isWithin } from '../causal/membership-record.ts';
import type { VectorEntries } from '../causal/peer-frames.ts';
import { nodeOf, type NodeNumber, type Origin } from '../clock/origin.ts';
import { VersionVector } from '../clock/version-vector.ts';
import type { LostPage, OfferPage, OfferRequest } from '../commands/membership-view.ts';
import type { EntryState } from '../crdt/entry.ts';
import type { TransactionWriter } from '../keyspace/keyspace.ts';
import { lostWritesOf } from './lost-writes.ts';
import { offerWrite, type OfferOptions } from './lost-offer.ts';

/** A keyspace that was cut, and up to where. */
export interface CutKeyspace {
  readonly node: NodeNumber;
  readonly cut: VectorEntries;
  readonly vector: VersionVector;
  readonly running: Iterable<readonly [Origin, VersionVector]>;
  /** Every key with its state, from a place on: the same place for the same key as long as nothing changes. */
  states(from: number): Iterable<readonly [place: number, key: string, state: EntryState]>;
}

/**
 * What a node that was removed has of its own beyond the cut (RULES D7). While it is removed that is read from its keyspace; when it joins
 * again, with an empty one, it is set aside here and in the store, until it is offered.
 */
export class LostDesk {
  #aside: LostList = NOTHING_LOST;
  /** Whether the store does not have the list as it is. */
  isDirty = false;

  restore(list: LostList): void {
    this.#aside = list;
  }

  /** The list for the store. */
  take(): LostList {
    this.isDirty = false;
    return this.#aside;
  }

  /** Keeps what is lost of a keyspace that is given up. */
  setAside(of: CutKeyspace): void {
    const isLost = lostOf(of);
    const writes: LostWrite[] = [];
    for (const [, key, state] of of.states(0)) writes.push(...lostWritesOf(key, state, isLost));
    const seen: (readonly [Origin, VectorEntries])[] = [];
    for (const [origin, deps] of of.running) if (nodeOf(origin) === of.node) seen.push([origin, [...deps.entries()]]);
    const before = this.#aside;
    this.#aside = {
      writes: [...before.writes, ...writes],
      seen: [...before.seen, ...seen],
      transactions: before.transactions + beyond(of),
      left: before.left + dotsOf(writes),
      offered: before.offered,
    };
    this.isDirty = true;
  }

  /** A page of what is set aside, and of what a keyspace that is removed and not given up yet has. */
  page(cursor: number, count: number, of: CutKeyspace | null): LostPage {
    const { writes: aside, transactions, left, offered } = this.#aside;
    const writes: LostWrite[] = aside.slice(cursor, cursor + count);
    let next = cursor + writes.length;
    const sums = { transactions, left, offered };
    if (of === null) return { ...sums, next: next < aside.length ? next : 0, writes };
    const isLost = lostOf(of);
    const from = Math.max(0, next - aside.length);
    for (const [place, key, state] of writes.length < count ? of.states(from) : []) {
      if (writes.length >= count) return { ...this.#with(sums, of, cursor), next: aside.length + place, writes };
      writes.push(...lostWritesOf(key, state, isLost));
      next = 0;
    }
    return { ...this.#with(sums, of, cursor), next: writes.length < count ? 0 : next, writes };
  }

  /** The sums with those of a keyspace; which transactions left something is looked up for the first page only. */
  #with(sums: Pick<LostPage, 'transactions' | 'left' | 'offered'>, of: CutKeyspace, cursor: number): typeof sums {
    const transactions = sums.transactions + beyond(of);
    if (cursor > 0) return { ...sums, transactions };
    const isLost = lostOf(of);
    const dots = new Set<string>();
    for (const [, key, state] of of.states(0))
      for (const { origin, seq } of lostWritesOf(key, state, isLost)) dots.add(`${origin}:${seq}`);
    return { ...sums, transactions, left: sums.left + dots.size };
  }

  /** Offers a page of what is set aside again. What is written, or was there already, leaves the list. */
  offer(
    { cursor, count, isAbsentTaken }: OfferRequest,
    stateOf: (key: string) => EntryState | null,
    tx: TransactionWriter,
    { nowMs, isOwn }: Pick<OfferOptions, 'nowMs' | 'isOwn'>,
  ): OfferPage {
    const { writes, seen } = this.#aside;
    const seenBy = new Map(seen.map(([origin, entries]) => [origin, new VersionVector(entries)]));
    const kept: (LostWrite & { readonly reason: string })[] = [];
    let [offered, already] = [0, 0];
    let end = Math.min(writes.length, cursor + count);
    // what goes to one key goes in one transaction
    while (end < writes.length && writes[end]?.key === writes[end - 1]?.key) end++;
    for (const write of writes.slice(cursor, end)) {
      const options = { nowMs, isOwn, isAbsentTaken, seen: seenBy.get(write.origin) ?? new VersionVector() };
      const verdict = offerWrite(write, stateOf(write.key), tx, options);
      if (verdict === 'written') offered++;
      else if (verdict === 'already') already++;
      else kept.push({ ...write, ...verdict });
    }
    const rest = writes.slice(end);
    const next = rest.length === 0 ? 0 : cursor + kept.length;
    if (offered + already > 0) {
      const stay = kept.map(({ reason: _reason, ...write }): LostWrite => write);
      this.#aside = {
        ...this.#aside,
        writes: [...writes.slice(0, cursor), ...stay, ...rest],
        offered: this.#aside.offered + offered,
      };
      this.isDirty = true;
    }
    return { next, offered, already, kept };
  }
}

function lostOf({ node, cut, vector }: CutKeyspace): (origin: Origin, seq: number) => boolean {
  return (origin, seq) => nodeOf(origin) === node && !vector.isRetired(origin) && !isWithin(cut, origin, seq);
}

/** How many transactions of its own a node has beyond the cut. */
function beyond({ node, cut, vector }: CutKeyspace): number {
  const cutOf = new Map(cut);
  let count = 0;
  for (const [origin, seq] of vector.dots())
    if (nodeOf(origin) === node) count += Math.max(0, seq - (cutOf.get(origin) ?? 0));
  return count;
}

function dotsOf(writes: readonly LostWrite[]): number {
  return new Set(writes.map(({ origin, seq }) => `${origin}:${seq}`)).size;
}
