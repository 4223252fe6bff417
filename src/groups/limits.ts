import type { RaftLimits, RaftTiming } from '../quorum/options.ts';

/**
 * Times of a group that spans regions up to about 300 ms apart. A leader that is gone is replaced after 1 to 1.5 s and two round trips.
 * A lease ends 20 % before anybody can be elected: it is sound while no clock runs more than 20 % faster than another.
 */
export const GROUP_TIMING: RaftTiming = {
  electionMs: 1_000,
  electionSpreadMs: 500,
  heartbeatMs: 150,
  commitNoteMs: 2,
  gatherMs: 1,
  spareMs: 20,
  leaseMs: 800,
  pauseMs: 400,
};

/** Times of the members' group: who is a member is seldom decided, and idle nodes are to be idle. */
export const MEMBERS_TIMING: RaftTiming = {
  electionMs: 2_000,
  electionSpreadMs: 1_000,
  heartbeatMs: 500,
  commitNoteMs: 0,
  gatherMs: 0,
  spareMs: 0,
  leaseMs: 1_600,
  pauseMs: 800,
};

const MEBIBYTE = 1024 * 1024;

/**
 * What one request is replied, all of an EXEC together: the reply goes over the control connection, which is cut when much lies unread on it,
 * and of what writes it is kept for a retry.
 */
export const STRONG_REPLY_BYTES_MAX: number = 8 * MEBIBYTE;

/** Bounds of a group's memory and messages. */
export const GROUP_LIMITS: RaftLimits = {
  appendBytesMax: MEBIBYTE,
  inflightMax: 256,
  // well below what may lie unread on a control connection before it is cut
  inflightBytesMax: 4 * MEBIBYTE,
  entryBytesMax: 8 * MEBIBYTE,
  unappliedBytesMax: 256 * MEBIBYTE,
  snapshotChunkBytes: MEBIBYTE / 8,
  snapshotTurnBytes: MEBIBYTE / 8,
  snapshotBytesMax: 4096 * MEBIBYTE,
  slackBytesMax: 16 * MEBIBYTE,
  readsMax: 100_000,
};
