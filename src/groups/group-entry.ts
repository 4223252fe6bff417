import type { ByteRange } from '../base/bytes.ts';
import type { VectorEntries } from '../causal/peer-frames.ts';
import type { GroupRule } from '../classes/group-rules.ts';
import type { Origin } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';

/** What makes a retry of one request happen once: the forwarding node's life and its own count. */
export interface RequestId {
  readonly origin: Origin;
  readonly serial: number;
  /** Every serial below is answered: nobody will ask for its reply again. */
  readonly floor: number;
}

/** A client's own name for a request, so that a retry over another connection or node happens once too. */
export interface OnceId {
  readonly id: string;
  /** Unix milliseconds when the client made it: what is older than the time ids are kept is refused, never run again. */
  readonly issuedMs: number;
}

/** Who asked for it, for the audit. Latin1 text. */
export interface Requester {
  readonly user: string;
  readonly address: string;
  readonly region: string;
}

/** One request as its arguments, ranges of bytes that nobody writes over; the first is the command's name. */
export type Arguments = readonly ByteRange[];

interface EntryBase {
  /** The leader's hybrid clock when it proposed: the time that the entry runs at. */
  readonly stamp: Stamp;
}

/** Requests of one client that run together: one command, or all of an EXEC. */
export interface CommandsEntry extends EntryBase {
  readonly kind: 'commands';
  /** Seeds what commands draw at random: [0, 2^32). */
  readonly seed: number;
  readonly request: RequestId;
  readonly once: OnceId | null;
  /** What the client's session had seen: shown nowhere before this is there (RULES T2). */
  readonly deps: VectorEntries;
  /** Keys (latin1) with the version that they must still have; an EXEC with another one runs nothing (T3). */
  readonly watches: readonly (readonly [key: string, version: number])[];
  readonly commands: readonly Arguments[];
  readonly isExec: boolean;
  readonly respVersion: 2 | 3;
  readonly requester: Requester;
}

/** Removes what has expired by the entry's time: strong keys expire by the log alone (RULES D9). */
export interface ExpireEntry extends EntryBase {
  readonly kind: 'expire';
}

/** New generations of documents whose history has become long (RULES V9). */
export interface RenewEntry extends EntryBase {
  readonly kind: 'renew';
  /** Latin1. */
  readonly keys: readonly string[];
}

/** The rules of the group's classes that all entries after it run under (SPEC C7). */
export interface RulesEntry extends EntryBase {
  readonly kind: 'rules';
  /** The log index of the rules that it takes the place of, 0 for none: nothing where others are in force by then. */
  readonly over: number;
  /** Of the classes file. */
  readonly version: number;
  /** The digest of what all members must agree on (SPEC C4), as the file has it. */
  readonly pins: string;
  readonly rules: readonly GroupRule[];
}

/** What a command entry of a group's log says. */
export type GroupEntry = CommandsEntry | ExpireEntry | RenewEntry | RulesEntry;
