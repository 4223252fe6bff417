import { ByteRange } from '../base/bytes.ts';
import { isSystemKey } from '../base/system-keys.ts';
import { refuseSystemKey } from '../commands/key-names.ts';
import { wrongType } from '../commands/refusals.ts';
import { CausewayError } from '../errors.ts';
import { ContentType, MARK_NUMBERS, NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import type { RegionNode } from '../node/region-node.ts';
import type { Clock } from '../ports.ts';

/** Values that are kept decoded. */
const KEPT_VALUES_MAX = 65_536;
/** Longer values are decoded anew for each read, so that what is kept stays small. */
const KEPT_BYTES_MAX = 1024;
const KEPT_VALUES_FIRST = 64;

/**
 * Reads in the process of the node. A value that was read before and has not changed since is the same string again, found by the mark of the
 * write that it is of: nothing is told of changes, and nothing old is ever shown.
 */
export class LocalReader {
  readonly #node: RegionNode;
  readonly #clock: Clock;
  /** Where a key's value and mark stand. The one kept first comes first. */
  readonly #places: Map<string, number> = new Map();
  readonly #values: string[] = [];
  #marks: Float64Array = new Float64Array(KEPT_VALUES_FIRST * MARK_NUMBERS);
  readonly #mark: Float64Array = new Float64Array(MARK_NUMBERS);
  readonly #key: ByteRange = new ByteRange();
  readonly #value: ByteRange = new ByteRange();

  constructor(node: RegionNode, clock: Clock) {
    this.#node = node;
    this.#clock = clock;
  }

  /** See `RunningServer.get`. */
  get(key: string): string | null {
    const place = this.#places.get(key);
    if (place === undefined || !this.#node.keys.isStill(this.#marks, place * MARK_NUMBERS))
      return this.#read(key, place);
    const refusal = this.#node.refusal(false, false);
    if (refusal !== null) throw refusal;
    return this.#values[place] ?? null;
  }

  #read(key: string, keptAt: number | undefined): string | null {
    const node = this.#node;
    const refusal = node.refusal(false, false);
    if (refusal !== null) throw refusal;
    const bytes = Buffer.from(key);
    const range = this.#key.set(bytes, 0, bytes.length);
    if (isSystemKey(range)) throw refuseSystemKey();
    const { strong } = node.classes.policy.classOf(range);
    if (strong !== undefined)
      throw new CausewayError(
        'CROSSCLASS',
        `'${key}' is a strong key, of which a copy in the process may be old: ask by a command`,
      );
    const slot = node.keys.find(range, node.keys.hashOf(range), node.nowMs(this.#clock.wallMs()));
    if (slot === NO_SLOT) return null;
    if (node.keys.typeOf(slot) !== ContentType.String) throw wrongType();
    node.keys.stringInto(slot, this.#value);
    const { buf, start, end } = this.#value;
    const value = Buffer.from(buf.buffer, buf.byteOffset + start, end - start).toString();
    if (end - start <= KEPT_BYTES_MAX) this.#keep(key, slot, value, keptAt ?? this.#places.size);
    return value;
  }

  #keep(key: string, slot: Slot, value: string, wantedPlace: number): void {
    const mark = this.#mark;
    if (!this.#node.keys.markInto(slot, mark, 0)) return;
    let place = wantedPlace;
    if (place === KEPT_VALUES_MAX) {
      const [[oldest, its] = ['', 0]] = this.#places;
      this.#places.delete(oldest);
      place = its;
    }
    if ((place + 1) * MARK_NUMBERS > this.#marks.length) {
      const marks = new Float64Array(this.#marks.length * 2);
      marks.set(this.#marks);
      this.#marks = marks;
    }
    this.#marks.set(mark, place * MARK_NUMBERS);
    this.#values[place] = value;
    this.#places.set(key, place);
  }
}
