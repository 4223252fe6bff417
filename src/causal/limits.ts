/** Limits of replication, each with what happens past it. */
export interface ReplicationLimits {
  /** Bytes held back for missing causes; past it the newest is dropped and sent again later. */
  readonly holdBackBytesMax: number;
  /** Bytes of log an origin kept for members that lack them; past it the oldest go and such a member gets a snapshot. */
  readonly logBytesMax: number;
  /** The same by age. */
  readonly logAgeMsMax: number;
  /** How far a stamp may be ahead of the local clock; past it its origin is paused, and the node that is ahead refuses writes. */
  readonly skewMsMax: number;
  /** How long what a peer said of its clock holds after it was heard last; past it the peer says nothing of ours. */
  readonly clockHeardMs: number;
  /** Bytes sent to a peer and not yet taken by it; past it the peer's cursor waits. */
  readonly windowBytes: number;
  /** Bytes of updates of one chunk and of one frame of a snapshot; past it there are several. One transaction or entry is never split. */
  readonly chunkBytesMax: number;
  /** Bytes of an answer to who asks for causes, about; past it the rest is asked for again, or comes with the stream. */
  readonly askedBytesMax: number;
  /** How long a head is held back before its causes are asked of whoever sent it. */
  readonly askAfterMs: number;
  /** How long an origin may lag behind what another peer has before it is taken from there. */
  readonly rerouteAfterMs: number;
  /** Rows are sent at most this often while something changes, … */
  readonly rowsEveryMs: number;
  /** … and at least this often. */
  readonly heartbeatMs: number;
  /** A peer that is silent longer is taken for gone: its connections are closed. */
  readonly silentMsMax: number;
  /** A node whose rows are older is not live for WAIT. */
  readonly liveMs: number;
  /** How long a starting node waits for peers that it cannot reach before it serves without them. */
  readonly startGraceMs: number;
  /** Entries of one frame of a snapshot. */
  readonly snapshotEntriesPerFrame: number;
  /** Bytes that are sent to a peer in a turn, about; past it the rest waits for the next turn. */
  readonly sentPerTurnBytes: number;
  /** Bytes of small chunks that are made one for a peer that is behind. */
  readonly joinedBytesMax: number;
  /** Memory of the log is taken, and used again, in pieces of so many bytes. */
  readonly logPieceBytes: number;
  /** Changed keys that are encoded for the store in a turn; past it the rest of the batch waits for the next turns. */
  readonly storedPerTurn: number;
  /** Updates of peers that are applied in a turn, about; past it the rest waits for the next turn, and requests go before it. */
  readonly appliedPerTurn: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const REPLICATION_LIMITS: ReplicationLimits = {
  holdBackBytesMax: 64 * MIB,
  logBytesMax: 256 * MIB,
  logAgeMsMax: 3_600_000,
  skewMsMax: 500,
  clockHeardMs: 60_000,
  windowBytes: 8 * MIB,
  chunkBytesMax: 256 * KIB,
  askedBytesMax: MIB,
  askAfterMs: 25,
  rerouteAfterMs: 200,
  rowsEveryMs: 20,
  heartbeatMs: 250,
  silentMsMax: 15_000,
  liveMs: 5_000,
  startGraceMs: 3_000,
  snapshotEntriesPerFrame: 512,
  sentPerTurnBytes: 128 * KIB,
  joinedBytesMax: 64 * KIB,
  logPieceBytes: MIB,
  storedPerTurn: 1_000,
  appliedPerTurn: 2_000,
};
