import { RecentNames } from '../base/recent-names.ts';
import type { InvalidationEffect, InvalidationTarget } from '../commands/invalidation-view.ts';
import type { InvalidationRecord } from './invalidation-record.ts';

/** Records of keys that are remembered. What is forgotten may be made once more, and is then known again. */
const KNOWN_MAX = { names: 10_000, chars: 4 * 1024 * 1024 };

/** Which invalidations of keys were made or came lately: one key's by one invalidation, which all that follows from that has the stamp of. */
export class KnownRecords {
  readonly #names: RecentNames<true> = new RecentNames(KNOWN_MAX);

  note({ target, effect, stamp }: InvalidationRecord): void {
    if (target.kind === 'key') this.#names.set(nameOf(target, effect, stamp), true);
  }

  has(target: InvalidationTarget, effect: InvalidationEffect, stamp: number): boolean {
    return target.kind === 'key' && this.#names.has(nameOf(target, effect, stamp));
  }
}

function nameOf({ name }: InvalidationTarget, effect: InvalidationEffect, stamp: number): string {
  return `${stamp} ${effect.kind === 'remove' ? '' : effect.graceMs} ${name}`;
}
