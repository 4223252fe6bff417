/** Limits of a classes file; past one it is refused with its name. */

/** Characters of the file. */
export const CLASSES_FILE_CHARS_MAX: number = 256 * 1024;

/** Patterns of all classes together: each key that is looked up may be compared with all of them. */
export const CLASS_PATTERNS_MAX = 256;

/** Bytes of one pattern. */
export const CLASS_PATTERN_BYTES_MAX = 128;

/** Bytes of all patterns together: each is compared with all before it when a file is read. */
export const CLASS_PATTERNS_BYTES_MAX = 4_096;

/** Longest `ttl`: ten years. */
export const CLASS_TTL_MS_MAX: number = 3_650 * 86_400_000;

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
