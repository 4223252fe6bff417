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
  /** Of each node it knows, flat: node, incarnation. From older ones it takes nothing more, and holds nothing of them back. */
  readonly incarnations: readonly number[];
  /** The newest incarnation heard of, where something of an older one is held back: from that one it takes nothing more, either. */
  readonly heard: readonly number[];
  /** Its own incarnations below this one are closed, by what it had applied when it said so; 0 for none. */
  readonly closedBelow: number;
  /** The epoch of the members as it knew them. */
  readonly epoch: number;
}

/** What is known here, for rows to be held against. */
export interface Known {
  /** What is applied here. */
  readonly local: VersionVector;
  /** Floors of what is closed here. */
  readonly closed: VersionVector;
  /** Of the members. */
  readonly epoch: number;
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
  raiseStable(stable: VersionVector, known: Known): boolean {
    // from this node's own row on: another's no longer names the origins that are retired there already
    const own = this.#counting.get(this.#self);
    const least = own === undefined ? undefined : this.#countable(own, known)?.durable.clone();
    if (least === undefined) return false;
    for (const state of this.#counting.values()) {
      const row = this.#countable(state, known);
      if (row === null) return false;
      least.lowerTo(row.durable);
    }
    let rose = false;
    for (const [origin, seq] of least.dots()) if (stable.raise(origin, seq)) rose = true;
    return rose;
  }

  #countable(state: MemberState, known: Known): Row | null {
    if (state.next === null && state.row !== state.counted) state.next = state.row;
    while (state.next !== null && coversOwn(known.local, state.next) && this.#isSettled(state, state.next, known)) {
      state.counted = state.next;
      state.next = state.row === state.counted ? null : state.row;
    }
    return state.counted;
  }

  /** Whether all that the member made in earlier lives is here, as far as somebody has it: what it lost of them itself its row cannot tell of. */
  #isSettled(state: MemberState, row: Row, known: Known): boolean {
    if (state.settled >= row.incarnation) return true;
    if (!this.isAllHere(row.node, row.incarnation, known)) return false;
    state.settled = row.incarnation;
    return true;
  }

  /**
   * Whether nobody has, or will ever have, more of a node's incarnations below this one than is here (RULES D8). Everybody has said that it
   * takes no more of them from the node itself and holds nothing of them back. What one member passes on to another, that one has
   * applied; and none can have said less than it passed on and then ended, for the others' words are from after they parted from that life
   * of it, or of a node that was removed meanwhile. Of what is retired at another, the row does not tell how much it is: it is here once
   * it is closed here as well.
   */
  isAllHere(node: NodeNumber, below: number, { local, closed, epoch }: Known): boolean {
    const closedBelow = Math.max(local.floor(node), closed.floor(node));
    for (const { row } of this.#counting.values()) {
      if (row === null || row.epoch < epoch || lifeIn(row.incarnations, node) < below) return false;
      if (row.applied.floor(node) > closedBelow || !this.#hasHeardAll(row)) return false;
      for (const [origin, seq] of row.applied.dots()) {
        if (nodeOf(origin) === node && incarnationOf(origin) < below && local.get(origin) < seq) return false;
      }
    }
    return true;
  }

  /** Whether it was said by a member that had parted from all earlier lives of the others. */
  #hasHeardAll(row: Row): boolean {
    for (const { row: other } of this.#counting.values()) {
      if (other === null) return false;
      const heard = Math.max(lifeIn(row.incarnations, other.node), lifeIn(row.heard, other.node));
      if (other !== row && heard < other.incarnation) return false;
    }
    return true;
  }

  /** The lowest incarnation of a node that any member says something may still come of; 0 where one has not heard of it. */
  lowestAwaited(node: NodeNumber): number {
    let lowest = Infinity;
    for (const { row } of this.#counting.values())
      lowest = Math.min(lowest, row === null ? 0 : lifeIn(row.incarnations, node));
    return lowest;
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
}

function unheard(member: Member): MemberState {
  return { member, row: null, heardAtMs: -Infinity, counted: null, next: null, settled: 0 };
}

function isNewer(row: Row, than: Row): boolean {
  return row.incarnation !== than.incarnation ? row.incarnation > than.incarnation : row.stamp > than.stamp;
}

/** All lives of nodes that a row tells of. */
export function* livesIn({ node, incarnation, incarnations, heard }: Row): Generator<readonly [number, number]> {
  yield [node, incarnation];
  for (const list of [incarnations, heard])
    for (let at = 0; at + 1 < list.length; at += 2) yield [list[at] as number, list[at + 1] as number];
}

/** What a flat list says of a node, 0 for nothing. */
function lifeIn(list: readonly number[], node: NodeNumber): number {
  for (let at = 0; at + 1 < list.length; at += 2) if (list[at] === node) return list[at + 1] as number;
  return 0;
}

/** Whether all that the member had made when it said so, in this life and earlier ones, is here (RULES D5). */
function coversOwn(local: VersionVector, row: Row): boolean {
  for (const [origin, seq] of row.applied.dots()) {
    if (nodeOf(origin) === row.node && local.get(origin) < seq) return false;
  }
  return true;
}
