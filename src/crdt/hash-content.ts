import { ByteRange, latin1Range } from '../base/bytes.ts';
import type { KeyHash } from '../base/key-hash.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { ElementTable, NO_ELEMENT } from './element-table.ts';
import { Increments, sumText, type Amount, type RunState } from './increments.ts';
import { compareWrites, covers, type StampedDot, type UpdateContext } from './update.ts';
import { ObservedWrites, type MergeSides, type WriteState } from './writes.ts';

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

  /** One write and no increments: the common case, which lies in the table without a `Field`. */
  get isPlain(): boolean {
    return this.writes.best !== null && this.writes.losers === null && this.increments === null;
  }

  /** All that it consists of. */
  *dots(): Generator<StampedDot> {
    yield* this.writes.all();
    if (this.increments !== null) yield* this.increments.dots();
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
  readonly #fields: ElementTable<Field>;
  /** Fields that are more than one plain write, so that forgetting looks only at them. */
  #unsettled: Set<string> | null = null;

  constructor(keyHash: KeyHash) {
    this.#fields = new ElementTable(keyHash, true);
  }

  get size(): number {
    return this.#fields.size;
  }

  get isEmpty(): boolean {
    return this.#fields.size === 0;
  }

  // ── reads ──

  /** The position of a field, NO_ELEMENT where it is not there. */
  find(name: ByteRange): number {
    return this.#fields.find(name, this.#fields.hashOf(name));
  }

  nameAt(position: number): string {
    return this.#fields.nameAt(position);
  }

  /** Points at the name; good until the next change. */
  nameInto(position: number, into: ByteRange): void {
    this.#fields.nameInto(position, into);
  }

  /** What the field shows. */
  textAt(position: number): string {
    return this.#fields.objectAt(position)?.text() ?? this.#fields.valueAt(position);
  }

  /** Points at what the field shows, good until the next change; false where that has to be made (`textAt`). */
  valueInto(position: number, into: ByteRange): boolean {
    if (!this.#fields.isPlain(position)) return false;
    this.#fields.valueInto(position, into);
    return true;
  }

  /** All that is kept of a field, to be read. */
  fieldAt(position: number): Field {
    return this.#fields.objectAt(position) ?? this.#plainField(position);
  }

  #plainField(position: number): Field {
    const fields = this.#fields;
    const field = new Field();
    field.writes.best = {
      value: fields.valueAt(position),
      stamp: fields.stamp(position),
      origin: fields.origin(position),
      seq: fields.seq(position),
    };
    return field;
  }

  // ── changes ──

  /** Writes a field; says whether it is new. */
  write(name: ByteRange, value: ByteRange, context: UpdateContext): boolean {
    return this.writePlain(name, value, context) ?? this.#writeBeside(name, value, context);
  }

  /** As `write`, where that leaves one write and nothing else, as nearly all do; null where it does not, and nothing was done. */
  writePlain(name: ByteRange, value: ByteRange, context: UpdateContext): boolean | null {
    const fields = this.#fields;
    const hash = fields.hashOf(name);
    let position = fields.find(name, hash);
    const isNew = position === NO_ELEMENT;
    if (isNew) {
      position = fields.add(name, hash, value.end - value.start);
      fields.setDot(position, context);
    } else if (!fields.supersede(position, context)) return null;
    fields.setValue(position, value);
    return isNew;
  }

  /** Whether a field is one write, which the transaction had seen. */
  #isCovered(position: number, context: UpdateContext): boolean {
    const fields = this.#fields;
    return fields.isPlain(position) && covers(context, fields.origin(position), fields.seq(position));
  }

  /** Writes a field that is there beside what the transaction had not seen of it. */
  #writeBeside(name: ByteRange, value: ByteRange, context: UpdateContext): boolean {
    const position = this.find(name);
    const field = this.fieldAt(position);
    field.removeCovered(context);
    field.writes.add(value.toLatin1(), context);
    this.#put(position, field);
    return false;
  }

  increment(name: ByteRange, amount: Amount, context: UpdateContext): void {
    const fields = this.#fields;
    const hash = fields.hashOf(name);
    const known = fields.find(name, hash);
    const field = known === NO_ELEMENT ? new Field() : this.fieldAt(known);
    (field.increments ??= new Increments()).add(amount, context);
    this.#put(known === NO_ELEMENT ? fields.add(name, hash, 0) : known, field);
  }

  remove(name: ByteRange, context: UpdateContext): boolean {
    const position = this.find(name);
    return position !== NO_ELEMENT && this.#removeAt(position, context);
  }

  #removeAt(position: number, context: UpdateContext): boolean {
    if (this.#isCovered(position, context)) {
      this.#fields.remove(position);
      return true;
    }
    const field = this.#fields.objectAt(position);
    if (field === null) return false;
    const changed = field.removeCovered(context);
    if (changed) this.#takeIn(position, field);
    return changed;
  }

  /** Removes all that the transaction had seen. */
  removeCovered(context: UpdateContext): boolean {
    let changed = false;
    for (let at = this.#fields.size - 1; at >= 0; at--) if (this.#removeAt(at, context)) changed = true;
    return changed;
  }

  /** Takes in a field that something was added to. */
  #put(position: number, field: Field): void {
    if (!field.isEmpty && !field.isPlain) (this.#unsettled ??= new Set()).add(this.#fields.nameAt(position));
    this.#takeIn(position, field);
  }

  /** Takes in a field that changed. */
  #takeIn(position: number, field: Field): void {
    const fields = this.#fields;
    const { best } = field.writes;
    if (field.isEmpty) {
      fields.remove(position);
    } else if (field.isPlain && best !== null) {
      fields.setDot(position, best);
      fields.setValue(position, latin1Range(best.value));
    } else {
      fields.putObject(position, field);
    }
  }

  // ── forgetting, and the whole ──

  /** Forgets stable losers and folds stable increments; says whether nothing is left to forget later. */
  settle(stable: VersionVector): boolean {
    for (const name of this.#unsettled ?? []) {
      const position = this.find(latin1Range(name));
      const field = position === NO_ELEMENT ? null : this.#fields.objectAt(position);
      if (field !== null) {
        field.writes.forgetStableLosers(stable);
        field.increments?.fold(stable);
        this.#takeIn(position, field);
      }
      if (field === null || field.isSettled(stable)) this.#unsettled?.delete(name);
    }
    return this.isSettled;
  }

  get isSettled(): boolean {
    return this.#unsettled === null || this.#unsettled.size === 0;
  }

  /** All writes and increments that it consists of. */
  *dots(): Generator<StampedDot> {
    for (let at = 0; at < this.#fields.size; at++) yield* this.fieldAt(at).dots();
  }

  latest(): StampedDot | null {
    let latest: StampedDot | null = null;
    for (let at = 0; at < this.#fields.size; at++) {
      const candidate = this.fieldAt(at).latest();
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
    const name = new ByteRange();
    for (let at = this.#fields.size - 1; at >= 0; at--) {
      this.#fields.nameInto(at, name);
      const their = other === null ? NO_ELEMENT : other.find(name);
      const field = this.fieldAt(at);
      mergeField(field, their === NO_ELEMENT ? null : (other?.fieldAt(their) ?? null), sides);
      this.#put(at, field);
    }
    if (other === null) return;
    for (let at = 0; at < other.size; at++) {
      other.nameInto(at, name);
      if (this.find(name) !== NO_ELEMENT) continue;
      const field = new Field();
      mergeField(field, other.fieldAt(at), sides);
      if (!field.isEmpty) this.#put(this.#fields.add(name, this.#fields.hashOf(name), 0), field);
    }
  }

  toState(): FieldState[] {
    return Array.from({ length: this.#fields.size }, (_unused, at): FieldState => {
      const { writes, increments } = this.fieldAt(at);
      return [this.nameAt(at), writes.toState(), increments === null ? null : increments.toState()];
    });
  }

  static fromState(state: readonly FieldState[], keyHash: KeyHash): HashContent {
    const content = new HashContent(keyHash);
    for (const [name, writes, runs] of state) {
      const field = new Field(ObservedWrites.fromState(writes), runs === null ? null : Increments.fromState(runs));
      const range = latin1Range(name);
      const [first] = writes;
      const position = content.#fields.add(
        range,
        content.#fields.hashOf(range),
        first === undefined ? 0 : first[0].length,
      );
      content.#put(position, field);
    }
    return content;
  }
}

function mergeField(field: Field, their: Field | null, sides: MergeSides): void {
  field.writes.merge(their?.writes, sides);
  if (field.increments === null && (their?.increments ?? null) === null) return;
  field.increments ??= new Increments();
  field.increments.merge(their?.increments ?? undefined, sides);
  if (field.increments.isEmpty) field.increments = null;
}
