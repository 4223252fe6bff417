/**
 * What a connection asks of its reads, weakest first. `weak` and `eventual`: nothing, and what is read is not carried along.
 * `causal`: what is read and written is carried in the token. `session`: as well, nothing is answered before this node has what
 * CW.ATTACH named. All of them are answered from the copy on this node.
 */
export const SESSION_LEVELS = ['weak', 'eventual', 'causal', 'session'] as const;
export type SessionLevel = (typeof SESSION_LEVELS)[number];

/** Dots a connection keeps before those that became stable are taken out. */
export const SESSION_DOTS_KEPT = 16;

/** Whether what is read at a level becomes part of the session. */
export function carriesReads(level: SessionLevel): boolean {
  return level === 'causal' || level === 'session';
}
