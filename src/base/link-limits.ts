/** What clients may link together. Past a limit: error, and nothing is done. What two regions add at the same time may go a little beyond. */

export const TAG_BYTES_MAX = 512;
export const KEY_TAGS_MAX = 128;
export const TAG_KEYS_MAX = 1_000_000;
/** What one key depends on, and what depends on one key. */
export const DEPENDENCIES_MAX = 128;
export const DEPENDENTS_MAX = 10_000;
/** Names of one CW.INVALIDATE; patterns of one, and of a transaction as a whole, each of which may look at all keys; and bytes of a pattern. */
export const INVALIDATED_NAMES_MAX = 10_000;
export const INVALIDATED_PATTERNS_MAX = 256;
export const INVALIDATED_PATTERN_BYTES_MAX = 1_024;
/** How long what is invalidated may be shown on, and how late an invalidation may begin. */
export const LAZY_MS_MAX = 86_400_000;
export const DELAY_MS_MAX = 2_592_000_000;
