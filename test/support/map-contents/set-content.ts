import { IndexedMap } from './indexed-map.ts';
import type { VersionVector } from '../../../src/clock/version-vector.ts';
import { compareWrites, type StampedDot, type UpdateContext } from '../../../src/crdt/update.ts';
import { ObservedWrites, type MergeSides, type WriteState } from '../../../src/crdt/writes.ts';

export type MemberState = [member: string, adds: WriteState<null>[]];

/**
 * A set where an add wins over a concurrent removal. Each member keeps the adds that nothing has seen; a removal takes what its
 * deps cover and needs no tombstone, because delivery is causal and exactly once.
 */
export class SetContent {
  readonly members: IndexedMap<ObservedWrites<null>> = new IndexedMap();
  /** Members that keep more than one add, so that forgetting looks only at them. */
  readonly #unsettled: Set<string> = new Set();

  get isEmpty(): boolean {
    return this.members.size === 0;
  }

  /** Says whether the member is new. */
  add(member: string, context: UpdateContext): boolean {
    const adds = this.members.get(member);
    if (adds !== undefined) {
      adds.add(null, context);
      if (adds.losers !== null) this.#unsettled.add(member);
      return false;
    }
    const first = new ObservedWrites<null>();
    first.add(null, context);
    this.members.set(member, first);
    return true;
  }

  /** Says whether the member went. */
  remove(member: string, context: UpdateContext): boolean {
    const adds = this.members.get(member);
    if (adds === undefined) return false;
    adds.removeCovered(context);
    return adds.isEmpty && this.members.delete(member);
  }

  removeCovered(context: UpdateContext): boolean {
    let changed = false;
    for (let at = this.members.size - 1; at >= 0; at--) {
      if (this.remove(this.members.keyAt(at), context)) changed = true;
    }
    return changed;
  }

  /** Forgets stable losers; says whether nothing is left to forget later. */
  settle(stable: VersionVector): boolean {
    for (const member of this.#unsettled) {
      const adds = this.members.get(member);
      adds?.forgetStableLosers(stable);
      if (adds === undefined || adds.losers === null) this.#unsettled.delete(member);
    }
    return this.#unsettled.size === 0;
  }

  get isSettled(): boolean {
    return this.#unsettled.size === 0;
  }

  latest(): StampedDot | null {
    let latest: StampedDot | null = null;
    for (let at = 0; at < this.members.size; at++) {
      const add = this.members.valueAt(at).best;
      if (add !== null && (latest === null || compareWrites(add.stamp, add.origin, latest.stamp, latest.origin) > 0))
        latest = add;
    }
    return latest;
  }

  merge(other: SetContent | null, sides: MergeSides): void {
    for (let at = this.members.size - 1; at >= 0; at--) {
      const member = this.members.keyAt(at);
      this.#mergeMember(member, other?.members.get(member), sides);
    }
    if (other === null) return;
    for (let at = 0; at < other.members.size; at++) {
      const member = other.members.keyAt(at);
      if (!this.members.has(member)) this.#mergeMember(member, other.members.valueAt(at), sides);
    }
  }

  #mergeMember(member: string, their: ObservedWrites<null> | undefined, sides: MergeSides): void {
    const adds = this.members.get(member) ?? new ObservedWrites<null>();
    adds.merge(their, sides);
    if (adds.isEmpty) this.members.delete(member);
    else this.members.set(member, adds);
    if (adds.losers !== null) this.#unsettled.add(member);
  }

  toState(): MemberState[] {
    const states: MemberState[] = [];
    for (let at = 0; at < this.members.size; at++)
      states.push([this.members.keyAt(at), this.members.valueAt(at).toState()]);
    return states;
  }

  static fromState(state: readonly MemberState[]): SetContent {
    const content = new SetContent();
    for (const [member, states] of state) {
      const adds = ObservedWrites.fromState(states);
      content.members.set(member, adds);
      if (adds.losers !== null) content.#unsettled.add(member);
    }
    return content;
  }
}
