/**
 * Limits of what data commands take and make. Past one a request is refused with an error that names the limit and its value,
 * before anything is changed; nothing is cut short silently. Strings, fields, values and members are as long as one argument
 * may be (`client-limits.ts`, CONFIG proto-max-bulk-len), also where APPEND or SETRANGE make them.
 */

/** Longest key. */
export const KEY_BYTES_MAX: number = 512 * 1024;

/** Cells of the table that LCS fills (one a pair of bytes of the two strings): bounds its memory, four bytes a cell, and its time. */
export const LCS_CELLS_MAX: number = 16 * 1024 * 1024;

/** Elements that one SRANDMEMBER or HRANDFIELD with a negative count (so with repetition) gives. */
export const RANDOM_SAMPLES_MAX: number = 1024 * 1024;

/** Characters of a decimal number's text, what INCRBYFLOAT makes included: beyond it a number counts as infinite. */
export const DECIMAL_CHARS_MAX = 400;

/** Keys that one SCAN is to give, and a tenth of the places that it looks at: a larger COUNT is taken as this, so that no call is a pause. */
export const SCAN_COUNT_MAX: number = 32 * 1024;

/** A content type that came by HTTP, and the versions of one condition there. */
export const HTTP_TYPE_CHARS_MAX = 256;
export const HTTP_VERSIONS_CHARS_MAX = 4_096;
