import { SiblingContent, type RegisterState, type SiblingsState } from './sibling-content.ts';
import { StringContent, type StringState } from './string-content.ts';
import { compareWrites } from './update.ts';

/** Whether a state is that of a string whose concurrent writes are all kept. */
export function isSiblingsState(state: StringState | SiblingsState): state is SiblingsState {
  return state.length === 2;
}

/**
 * The string of a state in the form that its key has now. What was stored while the key was of another class is converted: a register
 * becomes the only sibling, and of siblings the latest stays.
 */
export function restoredString(
  state: StringState | SiblingsState,
  keepsSiblings: boolean,
): StringContent | SiblingContent {
  if (keepsSiblings) return SiblingContent.fromState(isSiblingsState(state) ? state : asSiblings(state));
  return StringContent.fromState(isSiblingsState(state) ? asOne(state) : state);
}

/** Increments without a register are one of the siblings; a tombstone is none. */
function asSiblings([value, stamp, origin, seq, runs]: StringState): SiblingsState {
  return value === null ? [[], runs] : [[[value, stamp, origin, seq, runs]], null];
}

/** Without a register the increments stay; with one they go, as in any slot that a register takes (RULES V4). */
function asOne([registers, runs]: SiblingsState): StringState {
  let latest: RegisterState | null = null;
  for (const register of registers) if (latest === null || isLater(register, latest)) latest = register;
  return latest ?? [null, 0, 0, 0, runs];
}

const isLater = ([, stamp, origin]: RegisterState, [, otherStamp, otherOrigin]: RegisterState): boolean =>
  compareWrites(stamp, origin, otherStamp, otherOrigin) > 0;
