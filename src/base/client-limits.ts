/**
 * What one client may send and what is kept for it. Past a limit the client gets an error that names the limit, or is
 * disconnected where its stream can no longer be followed. Those marked (CONFIG) are defaults that CONFIG SET changes.
 */

/** An inline request, or the line that carries a count or a length, without its end. Past it: error, close. */
export const PROTOCOL_LINE_BYTES_MAX = 65_536;
/** Arguments of one request. Past it: `invalid multibulk length`, close. */
export const ARGUMENTS_MAX = 1_048_576;
/** One argument (CONFIG proto-max-bulk-len). Past it: `invalid bulk length`, close. */
export const BULK_BYTES_DEFAULT: number = 16 * 1024 * 1024;
/** The most that proto-max-bulk-len can be set to: a string of V8 has at most 2^29 − 24 characters. */
export const BULK_BYTES_MAX: number = 512 * 1024 * 1024 - 32;
/** Received and not yet run, of one client, the queue of a MULTI included (CONFIG client-query-buffer-limit). Past it: close. */
export const QUERY_BUFFER_BYTES_DEFAULT: number = 256 * 1024 * 1024;
/** How long a request on strong keys may take (CONFIG strong-timeout). Past it: NOQUORUM or UNCERTAIN. */
export const STRONG_TIMEOUT_MS_DEFAULT = 5_000;
/** Before authentication. Past them: `unauthenticated …`, close. */
export const UNAUTHENTICATED_ARGUMENTS_MAX = 10;
export const UNAUTHENTICATED_BULK_BYTES_MAX = 16_384;
/** Replies that a client which has not authenticated leaves untaken. Past it: close. */
export const UNAUTHENTICATED_OUTPUT_BYTES_MAX = 16_384;
/** How long a client may stay without having authenticated. Past it: close. */
export const UNAUTHENTICATED_MS_MAX = 20_000;
/** Longest password; it has to fit into what a client may send before it has authenticated. */
export const PASSWORD_BYTES_MAX = 512;
/** Wrong passwords from one address until it is refused unheard, the shortest and the longest such time. */
export const AUTHENTICATION_FAILURES_FREE = 10;
export const AUTHENTICATION_BACKOFF_FIRST_MS = 100;
export const AUTHENTICATION_BACKOFF_MAX_MS = 10_000;
/** An address that has not failed for so long begins anew; so many addresses are kept, the latest. */
export const AUTHENTICATION_FAILURES_KEPT_MS = 60_000;
export const AUTHENTICATION_FAILURES_KEPT_MAX = 10_000;

/** Replies that a client has not taken yet: past it no more of its requests are run until it takes some. */
export const OUTPUT_PAUSE_BYTES: number = 1024 * 1024;

/**
 * What is written for one client before any of it is sent, a reply that repeats a long value (MGET of the same key) included.
 * Above every output limit's default and some of the longest arguments, so that of pushes only the client that is too slow for
 * them hears, by being disconnected. Past it: error instead of the reply.
 */
export const REPLY_BYTES_MAX: number = 384 * 1024 * 1024;

/** Connections at a time (CONFIG maxclients). Past it: `ERR max number of clients reached`, close. */
export const CLIENTS_DEFAULT = 10_000;
/** A pattern of KEYS, SCAN, PSUBSCRIBE and the like: matching costs at most pattern × text. Past it: error. */
export const PATTERN_BYTES_MAX = 131_072;
/** Channels and patterns of one client. Past it: error. */
export const SUBSCRIPTIONS_MAX = 1_000_000;
/** Keys that have to be fetched from elsewhere for one request. Past it: error. */
export const FETCH_KEYS_MAX = 1_000;
/** Keys that a node fetches at a time. Past it: error. */
export const FETCHES_MAX = 10_000;
/** Requests behind one that waits whose keys are fetched meanwhile. Those behind them are when their turn is nearer. */
export const FETCH_AHEAD_MAX = 64;
/** Keys that a node fetches at a time, from which on none is fetched before its request's turn. */
export const FETCHES_AHEAD_MAX: number = FETCHES_MAX / 2;
/** Loads of clients that a node knows of at a time, its own and those that it decides about, which may be the same (CW.LEASE). Past it: error. */
export const LEASES_MAX = 10_000;
/** Bytes of these keys together. Past it: error. */
export const LEASES_BYTES_MAX: number = 64 * 1024 * 1024;
/** How long a client may load, and how long one may wait for another's load. Past them: error. */
export const LEASE_MS_MAX = 600_000;
export const LEASE_WAIT_MS_MAX = 10_000;
/** Keys that one client watches. Past it: error. */
export const WATCHED_KEYS_MAX = 100_000;
/** Bytes of the names that are kept for one client: of keys that it watches, of strong ones, and of channels and patterns, each of these together. Past it: error. */
export const NAMES_BYTES_MAX: number = 64 * 1024 * 1024;
/** Prefixes of one client (CLIENT TRACKING … BCAST), and bytes of one. Past them: error. */
export const TRACKED_PREFIXES_MAX = 128;
export const TRACKED_PREFIX_BYTES_MAX = 256;
/** Keys of which a node knows who has read them (CONFIG tracking-table-max-keys). Past it the oldest are told as changed. */
export const TRACKED_KEYS_DEFAULT = 1_000_000;
/** What a client has not taken yet: past it invalidations are dropped, and it is told that everything has changed when it takes them again. */
export const TRACKING_OUTPUT_BYTES_MAX: number = 4 * 1024 * 1024;
/** Readers of a node's change feed. Past it: error. */
export const FEEDS_MAX = 1_000;
/** What a reader of the change feed has not taken yet: past it nothing is sent to it until it has taken some, and it may lose its place. */
export const FEED_OUTPUT_BYTES_MAX: number = 1024 * 1024;
/** Distinct error codes that INFO errorstats tells apart; the rest are counted together. */
export const ERROR_CODES_MAX = 128;
/** Arguments, and bytes of one argument, that SLOWLOG keeps of a request. */
export const SLOWLOG_ARGUMENTS_MAX = 32;
export const SLOWLOG_ARGUMENT_BYTES_MAX = 128;
