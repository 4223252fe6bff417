import type { Origin } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';
import { VersionVector } from '../clock/version-vector.ts';
import type { UpdateContext } from '../crdt/update.ts';

/** No node has the number 0: what bears this origin was made here and stays here. */
const HERE = 1 as Origin;

/**
 * The order of the writes to keys that never leave a node (class `weak`): each has seen all before it, and all of it is stable at
 * once, so that a key never keeps more than it shows.
 */
export class WeakWrites {
  #seq = 0;
  /** All that was written so far. */
  readonly stable: VersionVector = new VersionVector();

  next(): UpdateContext {
    const seq = ++this.#seq;
    this.stable.raise(HERE, seq);
    return { origin: HERE, seq, stamp: seq as Stamp, deps: this.stable };
  }
}
