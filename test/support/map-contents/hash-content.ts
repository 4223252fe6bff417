import { IndexedMap } from './indexed-map.ts';
import type { VersionVector } from '../../../src/clock/version-vector.ts';
import { Increments, sumText, type Amount, type RunState } from '../../../src/crdt/increments.ts';
import { compareWrites, type StampedDot, type UpdateContext } from '../../../src/crdt/update.ts';
import { ObservedWrites, type MergeSides, type WriteState } from '../../../src/crdt/writes.ts';

export type FieldState = [field: string, writes: WriteState<string>[], runs: RunState[] | null];

/** One field: its unsuperseded writes (RULES V1) and its increments, which only a removal or a write that saw them takes away (V4). */
class Field {
  readonly writes: ObservedWrites<string>;
  increments: Increments | null;

  constructor(writes: ObservedWrites<string> = new ObservedWrites(), increments: Increments | null = null) {
    this.writes = writes;
    this.increments = increments;
  }

  text(): string {
    const base = this.writes.best === null ? null : this.writes.best.value;
    if (this.increments === null) return base ?? '';
    return sumText(base, this.increments.integer, this.increments.units);
  }

  get isEmpty(): boolean {
    return this.writes.isEmpty && this.increments === null;
  }

  /** One write and no increments: the common case. */
  get isPlain(): boolean {
    return this.writes.losers === null && this.increments === null;
  }

  isSettled(stable: VersionVector): boolean {
    return this.writes.losers === null && (this.increments === null || this.increments.isSettled(stable));
  }

  removeCovered(context: UpdateContext): boolean {
    const written = this.writes.removeCovered(context);
    if (this.increments === null) return written;
    const counted = this.increments.removeCovered(context);
    if (this.increments.isEmpty) this.increments = null;
    return written || counted;
  }

  latest(): StampedDot | null {
    const best = this.writes.best;
    const counted = this.increments?.latest() ?? null;
    if (best === null || counted === null) return best ?? counted;
    return compareWrites(best.stamp, best.origin, counted.stamp, counted.origin) > 0 ? best : counted;
  }
}

/** A hash: field by field; a concurrent write of a field survives its removal. */
export class HashContent {
  readonly fields: IndexedMap<Field> = new IndexedMap();
  /** Fields that keep more than one plain write, so that forgetting looks only at them. */
  readonly #unsettled: Set<string> = new Set();

  get isEmpty(): boolean {
    return this.fields.size === 0;
  }

  #field(name: string): Field {
    let field = this.fields.get(name);
    if (field === undefined) {
      field = new Field();
      this.fields.set(name, field);
    }
    return field;
  }

  write(name: string, value: string, context: UpdateContext): void {
    const field = this.#field(name);
    field.removeCovered(context);
    field.writes.add(value, context);
    if (!field.isPlain) this.#unsettled.add(name);
  }

  increment(name: string, amount: Amount, context: UpdateContext): void {
    const field = this.#field(name);
    (field.increments ??= new Increments()).add(amount, context);
    this.#unsettled.add(name);
  }

  remove(name: string, context: UpdateContext): boolean {
    const field = this.fields.get(name);
    if (field === undefined) return false;
    const changed = field.removeCovered(context);
    if (field.isEmpty) this.fields.delete(name);
    return changed;
  }

  /** Removes all that the transaction had seen. */
  removeCovered(context: UpdateContext): boolean {
    let changed = false;
    for (let at = this.fields.size - 1; at >= 0; at--) {
      if (this.remove(this.fields.keyAt(at), context)) changed = true;
    }
    return changed;
  }

  /** Forgets stable losers and folds stable increments; says whether nothing is left to forget later. */
  settle(stable: VersionVector): boolean {
    for (const name of this.#unsettled) {
      const field = this.fields.get(name);
      field?.writes.forgetStableLosers(stable);
      field?.increments?.fold(stable);
      if (field === undefined || field.isSettled(stable)) this.#unsettled.delete(name);
    }
    return this.#unsettled.size === 0;
  }

  get isSettled(): boolean {
    return this.#unsettled.size === 0;
  }

  latest(): StampedDot | null {
    let latest: StampedDot | null = null;
    for (let at = 0; at < this.fields.size; at++) {
      const candidate = this.fields.valueAt(at).latest();
      if (
        candidate !== null &&
        (latest === null || compareWrites(candidate.stamp, candidate.origin, latest.stamp, latest.origin) > 0)
      ) {
        latest = candidate;
      }
    }
    return latest;
  }

  merge(other: HashContent | null, sides: MergeSides): void {
    for (let at = this.fields.size - 1; at >= 0; at--) {
      const name = this.fields.keyAt(at);
      this.#mergeField(name, other?.fields.get(name), sides);
    }
    if (other === null) return;
    for (let at = 0; at < other.fields.size; at++) {
      const name = other.fields.keyAt(at);
      if (!this.fields.has(name)) this.#mergeField(name, other.fields.valueAt(at), sides);
    }
  }

  #mergeField(name: string, their: Field | undefined, sides: MergeSides): void {
    const field = this.#field(name);
    field.writes.merge(their?.writes, sides);
    if (field.increments !== null || (their?.increments ?? null) !== null) {
      field.increments ??= new Increments();
      field.increments.merge(their?.increments ?? undefined, sides);
      if (field.increments.isEmpty) field.increments = null;
    }
    if (field.isEmpty) this.fields.delete(name);
    else if (!field.isPlain) this.#unsettled.add(name);
  }

  toState(): FieldState[] {
    const states: FieldState[] = [];
    for (let at = 0; at < this.fields.size; at++) {
      const field = this.fields.valueAt(at);
      states.push([
        this.fields.keyAt(at),
        field.writes.toState(),
        field.increments === null ? null : field.increments.toState(),
      ]);
    }
    return states;
  }

  static fromState(state: readonly FieldState[]): HashContent {
    const content = new HashContent();
    for (const [name, writes, runs] of state) {
      const field = new Field(ObservedWrites.fromState(writes), runs === null ? null : Increments.fromState(runs));
      content.fields.set(name, field);
      if (!field.isPlain) content.#unsettled.add(name);
    }
    return content;
  }
}
