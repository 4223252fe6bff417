import type { VectorEntries } from '../causal/peer-frames.ts';
import type { StrongKind } from '../commands/strong-view.ts';
import type { ErrorCode } from '../errors.ts';
import type { Message, SnapshotMeta } from '../quorum/messages.ts';
import type { GroupKeyState, GroupMeta } from './group-state.ts';
import type { RequestRow } from './request-table.ts';
import type { Piece } from './lane-intake.ts';
import type { Arguments, GroupEntry, OnceId, RequestId, Requester } from './group-entry.ts';

export type { StrongKind } from '../commands/strong-view.ts';

/** A message of a group's Raft. */
export interface QuorumFrame {
  readonly type: 'quorum';
  readonly group: string;
  readonly message: Message;
}

/** A client's request on its way to the leader. */
export interface StrongRequestFrame {
  readonly type: 'strong-request';
  readonly group: string;
  readonly kind: StrongKind;
  readonly request: RequestId;
  readonly once: OnceId | null;
  readonly commands: readonly Arguments[];
  readonly keys: readonly string[];
  readonly isExec: boolean;
  readonly watches: readonly (readonly [key: string, version: number])[];
  readonly respVersion: 2 | 3;
  readonly deps: VectorEntries;
  readonly requester: Requester;
  /** How much of its time is left. */
  readonly timeoutMs: number;
}

/** What a leader says to a request. */
export type LeaderAnswer =
  | { readonly kind: 'done'; readonly reply: Uint8Array; readonly versions: readonly number[]; readonly index: number }
  /** It did not happen and will not: the error is for the client. */
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }
  /** It was not taken: another one leads, or this one cannot now. It may be asked again. */
  | { readonly kind: 'refused' }
  /** It was taken, and leadership was lost before it was known what became of it. It may be asked again: it happens once. */
  | { readonly kind: 'lost' };

export interface StrongAnswerFrame {
  readonly type: 'strong-answer';
  readonly serial: number;
  readonly answer: LeaderAnswer;
}

/** A part of one of the frames above. */
export interface PieceFrame extends Piece {
  readonly type: 'piece';
}

/** How much of what came on its lane the sender has taken since the connection began, in bytes (see `Lane`). */
export interface TakenFrame {
  readonly type: 'taken';
  readonly bytes: number;
}

export type StrongFrame = QuorumFrame | StrongRequestFrame | StrongAnswerFrame;

/** What nodes say to each other of strong keys, on the control connection. */
export type LaneFrame = StrongFrame | PieceFrame | TakenFrame;

/** Keys or rows with their values, as they are stored. */
type StoredPairs = readonly (readonly [key: Uint8Array, value: Uint8Array])[];

/** A part of a group's state on its way to a member. */
export type GroupPart =
  | { readonly kind: 'meta'; readonly meta: GroupMeta }
  | { readonly kind: 'keys' | 'rows'; readonly pairs: StoredPairs };

/** Bytes to what groups send and keep, and back. Decoding throws PROTOCOL for whatever is malformed. */
export interface GroupCodec {
  encodeFrame(frame: LaneFrame): Uint8Array;
  decodeFrame(bytes: Uint8Array): LaneFrame;
  encodeEntry(entry: GroupEntry): Uint8Array;
  decodeEntry(bytes: Uint8Array): GroupEntry;
  encodeKeyState(state: GroupKeyState): Uint8Array;
  decodeKeyState(bytes: Uint8Array): GroupKeyState;
  encodeMeta(meta: GroupMeta): Uint8Array;
  decodeMeta(bytes: Uint8Array): GroupMeta;
  /** Under keys of a store that sorts by bytes; null for what is forgotten. */
  encodeRequestRow(row: RequestRow): readonly [key: Uint8Array, row: Uint8Array | null];
  decodeRequestRow(key: Uint8Array, row: Uint8Array): RequestRow;
  encodePart(part: GroupPart): Uint8Array;
  decodePart(bytes: Uint8Array): GroupPart;
  encodeSnapshotMeta(meta: SnapshotMeta): Uint8Array;
  decodeSnapshotMeta(bytes: Uint8Array): SnapshotMeta;
}
