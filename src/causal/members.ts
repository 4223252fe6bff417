import type { NodeNumber, Origin } from '../clock/origin.ts';
import { incarnationOf, nodeOf } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';
import type { VersionVector } from '../clock/version-vector.ts';

/** A member of the cluster, from the topology. */
export interface Member {
  readonly nodeNumber: NodeNumber;
  /** `us-east-1/a` */
  readonly id: string;
  readonly region: string;
}

/** What a member said of itself: passed on by whoever knows it, the newest wins. */
export interface Row {
  readonly node: NodeNumber;
  readonly incarnation: number;
  /** Its clock when it said so: what it makes later has a higher stamp. */
  readonly stamp: Stamp;
  /** Its wall clock, Unix milliseconds. */
  readonly wallMs: number;
  readonly applied: VersionVector;
  /** What of it survives a kill -9 there; stability counts this (RULES D5). */
  readonly durable: VersionVector;
  /** Newest incarnation it knows of each node, flat: node, incarnation. From older ones it takes nothing more. */
  readonly incarnations: readonly number[];
}

interface MemberState {
  readonly member: Member;
  row: Row | null;
  heardAtMs: number;
  /** The newest row that counts for stability. */
  counted: Row | null;
  /** The row that is to count next: kept until it does, or a member that always writes would never have one that counts. */
  next: Row | null;
  /** The incarnation of the member of which nothing older can come any more. */
  settled: number;
}

/** The rows of all members and what follows from them: who has what, what is stable, whose clock has passed. */
export class Members {
  readonly #self: NodeNumber;
  readonly #states: Map<number, MemberState> = new Map();
  /** Those that count: all but the removed ones, of which everything is here. */
  readonly #counting: Map<number, MemberState> = new Map();

  constructor(members: readonly Member[], self: NodeNumber) {
    this.#self = self;
    for (const member of members) this.#states.set(member.nodeNumber, unheard(member));
    for (const [node, state] of this.#states) this.#counting.set(node, state);
  }

  /** A removed node: nothing waits for it and nothing is asked of it any more (RULES D7). */
  letGo(node: number): void {
    this.#counting.delete(node);
  }

  /** A node that comes in again: nothing is stable until it has said what it has, whatever it said in earlier lives (RULES D7). */
  takeIn(node: number): void {
    const member = this.get(node);
    if (member === undefined) return;
    const state = unheard(member);
    this.#states.set(node, state);
    this.#counting.set(node, state);
  }

  get(node: number): Member | undefined {
    return this.#states.get(node)?.member;
  }

  /** All of the topology, removed ones too. */
  all(): Member[] {
    return [...this.#states.values()].map((state) => state.member);
  }

  /** All others that count. */
  others(): Member[] {
    return [...this.#counting.values()]
      .map((state) => state.member)
      .filter((member) => member.nodeNumber !== this.#self);
  }

  row(node: number): Row | null {
    return this.#states.get(node)?.row ?? null;
  }

  /** Milliseconds since a row of the node came in, Infinity for never. */
  silentMs(node: number, monotonicMs: number): number {
    return monotonicMs - (this.#states.get(node)?.heardAtMs ?? -Infinity);
  }

  /** Takes a row in if it is newer than the one known; says whether it was. */
  take(row: Row, monotonicMs: number): boolean {
    const state = this.#counting.get(row.node);
    if (state === undefined || (state.row !== null && !isNewer(row, state.row))) return false;
    state.row = row;
    state.heardAtMs = monotonicMs;
    return true;
  }

  /**
   * Raises `stable` to what every member is known to have. A row of member j counts only when everything j had made when it
   * said so is here (RULES D5), and all that is left of its earlier lives. Returns whether it rose.
   */
  raiseStable(stable: VersionVector, local: VersionVector): boolean {
    // from this node's own row on: another's no longer names the origins that are retired there already
    const own = this.#counting.get(this.#self);
    const least = own === undefined ? undefined : this.#countable(own, local)?.durable.clone();
    if (least === undefined) return false;
    for (const state of this.#counting.values()) {
      const row = this.#countable(state, local);
      if (row === null) return false;
      least.lowerTo(row.durable);
    }
    let rose = false;
    for (const [origin, seq] of least.dots()) if (stable.raise(origin, seq)) rose = true;
    return rose;
  }

  #countable(state: MemberState, local: VersionVector): Row | null {
    if (state.next === null && state.row !== state.counted) state.next = state.row;
    while (state.next !== null && coversOwn(local, state.next) && this.#isSettled(state, state.next, local)) {
      state.counted = state.next;
      state.next = state.row === state.counted ? null : state.row;
    }
    return state.counted;
  }

  /**
   * Whether all that the member made in earlier lives is here, as far as somebody has it: what a kill -9 or a lost disk took from
   * itself too, which its row cannot tell of. Everybody knows the new life, so nobody takes anything more from an older one.
   */
  #isSettled(state: MemberState, row: Row, local: VersionVector): boolean {
    if (state.settled >= row.incarnation) return true;
    for (const other of this.#counting.values()) {
      if (other.row === null || !knowsIncarnation(other.row, row.node, row.incarnation)) return false;
      for (const [origin, seq] of other.row.applied.dots()) {
        const isOlder = nodeOf(origin) === row.node && incarnationOf(origin) < row.incarnation;
        if (isOlder && local.get(origin) < seq) return false;
      }
    }
    state.settled = row.incarnation;
    return true;
  }

  /** The stamp that every member's clock has passed, with all that it made before here; 0 until each has said something. */
  clockFloor(): Stamp {
    let least = Infinity;
    for (const state of this.#counting.values()) least = Math.min(least, state.counted?.stamp ?? 0);
    return (least === Infinity ? 0 : least) as Stamp;
  }

  /** Other regions all of whose live nodes have applied the dot; a node is live while it was heard within `liveMs` (RULES S3). */
  regionsCovering(origin: Origin, seq: number, ownRegion: string, monotonicMs: number, liveMs: number): number {
    const regions = new Map<string, boolean>();
    for (const state of this.#counting.values()) {
      const { region } = state.member;
      if (region === ownRegion || monotonicMs - state.heardAtMs > liveMs || state.row === null) continue;
      regions.set(region, (regions.get(region) ?? true) && state.row.applied.contains(origin, seq));
    }
    return [...regions.values()].filter(Boolean).length;
  }

  /** The highest sequence that any member says it has, of each open origin of a node. */
  highestOf(node: NodeNumber): Map<Origin, number> {
    const highest = new Map<Origin, number>();
    for (const state of this.#counting.values()) {
      for (const [origin, seq] of state.row?.applied.dots() ?? []) {
        if (nodeOf(origin) === node) highest.set(origin, Math.max(seq, highest.get(origin) ?? 0));
      }
    }
    return highest;
  }

  /** Whether every other member has said something while it knew this node's incarnation. */
  allKnowIncarnation(node: NodeNumber, incarnation: number): boolean {
    for (const state of this.#counting.values()) {
      if (state.member.nodeNumber === this.#self) continue;
      if (state.row === null || !knowsIncarnation(state.row, node, incarnation)) return false;
    }
    return true;
  }
}

function unheard(member: Member): MemberState {
  return { member, row: null, heardAtMs: -Infinity, counted: null, next: null, settled: 0 };
}

function isNewer(row: Row, than: Row): boolean {
  return row.incarnation !== than.incarnation ? row.incarnation > than.incarnation : row.stamp > than.stamp;
}

function knowsIncarnation(row: Row, node: NodeNumber, incarnation: number): boolean {
  for (let at = 0; at + 1 < row.incarnations.length; at += 2) {
    if (row.incarnations[at] === node && (row.incarnations[at + 1] as number) >= incarnation) return true;
  }
  return false;
}

/** Whether all that the member had made when it said so, in this life and earlier ones, is here (RULES D5). */
function coversOwn(local: VersionVector, row: Row): boolean {
  for (const [origin, seq] of row.applied.dots()) {
    if (nodeOf(origin) === row.node && local.get(origin) < seq) return false;
  }
  return true;
}
