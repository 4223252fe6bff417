import type { InvalidationEffect, InvalidationTarget } from '../commands/invalidation-view.ts';
import type { InvalidationRecord } from './invalidation-record.ts';

/** Records of keys that are remembered. What is forgotten may be made once more, and is then known again. */
const KNOWN_MAX = 10_000;

/** Which invalidations of keys were made or came lately: one key's by one invalidation, which all that follows from that has the stamp of. */
export class KnownRecords {
  /** The latest last. */
  readonly #names: Set<string> = new Set();

  note({ target, effect, stamp }: InvalidationRecord): void {
    if (target.kind !== 'key') return;
    const name = nameOf(target, effect, stamp);
    this.#names.delete(name);
    this.#names.add(name);
    if (this.#names.size <= KNOWN_MAX) return;
    const [oldest = ''] = this.#names;
    this.#names.delete(oldest);
  }

  has(target: InvalidationTarget, effect: InvalidationEffect, stamp: number): boolean {
    return target.kind === 'key' && this.#names.has(nameOf(target, effect, stamp));
  }
}

function nameOf({ name }: InvalidationTarget, effect: InvalidationEffect, stamp: number): string {
  return `${stamp} ${effect.kind === 'remove' ? '' : effect.graceMs} ${name}`;
}
