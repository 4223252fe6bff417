import type { ShownValue } from './audit-value.ts';
import { asciiJson, sha256Hex, type ShownArgument, type ShownBytes } from './audit-text.ts';

/** Where a chain is: how many records it has, the log index of the last, and its SHA-256 in hex. */
export interface AuditHead {
  readonly count: number;
  readonly index: number;
  readonly hash: string;
}

/** What the first record of a group names as the one before. */
export const CHAIN_START: string = '0'.repeat(64);

export const EMPTY_CHAIN: AuditHead = { count: 0, index: 0, hash: CHAIN_START };

/** Arguments of a command; what is not shown is counted. */
export interface ShownCommand {
  readonly arguments: readonly ShownArgument[];
  /** How many there are, where not all are shown. */
  readonly count?: number;
}

/** What one entry of the log did to one key, in the order in which it is written. */
export interface AuditFacts {
  readonly group: string;
  readonly index: number;
  /** Hybrid time of the entry, and the Unix milliseconds in it. */
  readonly stamp: number;
  readonly ms: number;
  readonly user: string;
  /** Null for what the group does by itself. */
  readonly address: string | null;
  readonly region: string | null;
  /** `node number#incarnation:serial`, null for what the group does by itself. */
  readonly request: string | null;
  /** The client's own id of the request, null for none. */
  readonly id: ShownBytes | null;
  readonly key: ShownBytes;
  readonly commands: readonly ShownCommand[];
  /** How many commands of the entry wrote the key, where not all are shown. */
  readonly commandCount?: number;
  readonly old: ShownValue;
  readonly new: ShownValue;
}

/**
 * The record that follows on `head`: one line of JSON in ASCII, whose own SHA-256 is the head from then on. What is stored,
 * exported and hashed are the same bytes, so that a chain can be checked with any SHA-256 tool.
 */
export function nextRecord(head: AuditHead, facts: AuditFacts): { readonly line: string; readonly head: AuditHead } {
  const line = asciiJson({ record: head.count + 1, previous: head.hash, ...facts });
  return { line, head: { count: head.count + 1, index: facts.index, hash: sha256Hex(line) } };
}
