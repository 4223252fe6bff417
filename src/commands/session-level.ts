import { CONSISTENCIES, type Consistency } from '../classes/key-class.ts';

/**
 * What a connection asks of its reads, weakest first. `weak` and `eventual`: nothing, and what is read is not carried along.
 * `causal`: what is read and written is carried in the token. `session`: as well, nothing is answered before this node has what
 * CW.ATTACH named. All of them are answered from the copy on this node. `strong`: of strong keys linearizably, of others as `session`.
 * Null: of each key what its class says.
 */
export type SessionLevel = Consistency | null;

/** How CW.LEVEL names the level that each key's class gives. */
export const LEVEL_BY_CLASS = 'class';

/** All that CW.LEVEL takes. */
export const LEVEL_WORDS: readonly string[] = [...CONSISTENCIES, LEVEL_BY_CLASS];

/** Dots a connection keeps before those that became stable are taken out. */
export const SESSION_DOTS_KEPT = 16;

/** Whether what is read at a level becomes part of the session. */
export function carriesReads(level: Consistency): boolean {
  return level === 'causal' || level === 'session' || level === 'strong';
}
