/** Limits of a classes file; past one it is refused with its name. */

/** Characters of the file. */
export const CLASSES_FILE_CHARS_MAX: number = 256 * 1024;

/** Patterns of all classes together: each key that is looked up may be compared with all of them. */
export const CLASS_PATTERNS_MAX = 256;

/** Bytes of one pattern. */
export const CLASS_PATTERN_BYTES_MAX = 128;

/** Bytes of all patterns together: each is compared with all before it when a file is read. */
export const CLASS_PATTERNS_BYTES_MAX = 4_096;

/** Longest time that a hook of `compensate` may take to answer. */
export const COMPENSATE_WITHIN_MS_MAX = 60_000;

/** Longest `ttl`: ten years. */
export const CLASS_TTL_MS_MAX: number = 3_650 * 86_400_000;

/** The longest that a source may take for an answer. */
export const SOURCE_TIMEOUT_MS_MAX = 60_000;

/** Source modules and addresses that a classes file may name: each module is a thread. */
export const SOURCES_MAX = 16;

/** The most that a class may say of failures in a row, and of the time that a source is left alone then. */
export const SOURCE_FAILURES_MAX = 1_000;
export const SOURCE_PAUSE_MS_MAX = 600_000;

/** The longest that a write may wait for later ones of its key before it is stored in the source. */
export const SOURCE_DELAY_MS_MAX = 3_600_000;

/** The most keys of a class that may wait for their source at a node. */
export const SOURCE_UNSTORED_MAX = 1_000_000;

/** The longest that a class may let its requests wait for keys that are not here. */
export const MISSING_WITHIN_MS_MAX = 60_000;

/** Bytes of all siblings of a key together that a resolver is given; past it the key shows the latest. */
export const RESOLVER_INPUT_CHARS_MAX: number = 1024 * 1024;

/** Bytes that a resolver module may give. */
export const RESOLVER_RESULT_CHARS_MAX: number = 1024 * 1024;

/** How deep JSON that is merged by field or as a set may be nested. */
export const JSON_DEPTH_MAX = 128;

/** Resolver modules that a classes file may name: each has 16 MiB of its own. */
export const RESOLVER_MODULES_MAX = 8;

/** Bytes of a resolver module. */
export const RESOLVER_CODE_BYTES_MAX: number = 256 * 1024;
