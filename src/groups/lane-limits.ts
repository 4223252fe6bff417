/*
 * Bounds of what nodes say to each other of strong keys (see ARCHITECTURE, "What is under way between two nodes"). A control connection is
 * cut when 16 MiB lie on it unread (`adapters/ws-connection.ts`): what is counted here must stay far below.
 */
const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;

/** Payload of one piece: a frame that is larger is sent in pieces, between which others are sent. */
export const PIECE_BYTES: number = 64 * KIBIBYTE;

/** A piece or a whole frame with what is around it has at most so many. */
export const UNIT_BYTES_MAX: number = PIECE_BYTES + KIBIBYTE;

/**
 * Under way to one peer and not said to be taken: at first, at least and at most (see `LaneWindow`). The most is half of what a control
 * connection bears; the first leaves in less than a second at 10 Mbit/s.
 */
export const LANE_WINDOW_BYTES_FIRST: number = MEBIBYTE;
export const LANE_WINDOW_BYTES_MIN: number = 512 * KIBIBYTE;
export const LANE_WINDOW_BYTES_MAX: number = 8 * MEBIBYTE;

/**
 * From sending until it is said to be taken, while a window is full: below the first it grows, above the second it shrinks. Half of a
 * shortest election, for regions up to 300 ms apart (`groups/limits.ts`).
 */
export const LANE_DELAY_MS_GOOD = 350;
export const LANE_DELAY_MS_MAX = 500;

/** The receiver says what it has taken after so many bytes. */
export const TAKEN_EVERY_BYTES: number = 128 * KIBIBYTE;

/** The largest frame that is put together of pieces: requests and replies have 8 MiB, and at most as much around many short words. */
export const FRAME_BYTES_MAX: number = 32 * MEBIBYTE;

/** Of one group, waiting for one peer; more is lost, as on any network, and Raft finds out. Above what its own windows allow. */
export const QUORUM_WAITING_BYTES_MAX: number = 32 * MEBIBYTE;

/** Requests up to so many bytes do not wait behind larger ones. */
export const SMALL_REQUEST_BYTES: number = 32 * KIBIBYTE;

/**
 * Requests that one node has asked of another and that are not answered; the next wait with the asker. Of large ones two of the largest: one is
 * on its way while the other is replicated, and what is small waits for no more of them in the log.
 */
export const ASKED_SMALL_BYTES_MAX: number = 32 * MEBIBYTE;
export const ASKED_LARGE_BYTES_MAX: number = 17 * MEBIBYTE;

/** What a request costs beside its words, in all that counts requests. */
export const REQUEST_OVERHEAD_BYTES = 512;

/** Answers that wait for room at a leader: with more for one peer its reads are not run yet. */
export const ANSWERS_WAITING_BYTES: number = 16 * MEBIBYTE;

/** With more, what was written is answered `lost`: it is in the request table, and asked for again. */
export const ANSWERS_WAITING_BYTES_MAX: number = 64 * MEBIBYTE;

/** Answers that wait for one peer, by count, above what a node asks at a time: more are for a peer that asks and does not read. */
export const ANSWERS_WAITING_MAX = 200_000;
