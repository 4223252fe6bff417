import type { ByteRange } from '../base/bytes.ts';
import { isSystemKey } from '../base/system-keys.ts';
import { SlotFlag } from './slab/slot-records.ts';

/** Which keys are of some kind. The same for the keyspace's life. */
export type KeyTest = (key: ByteRange) => boolean;

/** None is. Told apart from other tests that nobody passes: who gives this one spares every key the question. */
export const NO_KEYS: KeyTest = () => false;

/** What a key is for its life, by its name. */
export class KeyKinds {
  isWeak: KeyTest = NO_KEYS;
  isPinned: KeyTest = NO_KEYS;
  keepsSiblings: KeyTest = NO_KEYS;

  /** As flags of its slot. */
  flagsOf(key: ByteRange): number {
    let flags: number = isSystemKey(key) ? SlotFlag.System : 0;
    if (this.isWeak !== NO_KEYS && this.isWeak(key)) flags |= SlotFlag.Weak;
    if (this.isPinned !== NO_KEYS && this.isPinned(key)) flags |= SlotFlag.Pinned;
    if (this.keepsSiblings !== NO_KEYS && this.keepsSiblings(key)) flags |= SlotFlag.Siblings;
    return flags;
  }
}
