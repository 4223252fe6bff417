/** What the mirror of a node keeps and does at a time; `limits` of a region's file changes them by name. */
export interface MirrorLimits {
  /** Keys that changed and are not mirrored yet. Past it they are forgotten, and a full pass finds them. */
  readonly mirrorChangedKeysMax: number;
  /** Bytes of their names. */
  readonly mirrorChangedBytesMax: number;
  /** Keys, and bytes of values, that are written at a time. A longer value goes alone. */
  readonly mirrorBatchKeysMax: number;
  readonly mirrorBatchBytesMax: number;
  /** A longer value is not mirrored: its key is gone there. */
  readonly mirrorValueBytesMax: number;
  /** Keys that a full pass looks at in a second, on either side. */
  readonly mirrorPassKeysPerSecond: number;
  /** Keys of which an invalidation is to be published. Past it one message says that any may have changed. */
  readonly mirrorInvalidationsMax: number;
}

export const MIRROR_LIMITS: MirrorLimits = {
  mirrorChangedKeysMax: 100_000,
  mirrorChangedBytesMax: 16 * 1024 * 1024,
  mirrorBatchKeysMax: 256,
  mirrorBatchBytesMax: 1024 * 1024,
  mirrorValueBytesMax: 4 * 1024 * 1024,
  mirrorPassKeysPerSecond: 20_000,
  mirrorInvalidationsMax: 10_000,
};

/** A lease is renewed so often, in milliseconds; the adapter gives it for several times as long. */
export const LEASE_RENEWED_EVERY_MS = 2_000;
/** After a failure nothing is tried for so long: at first, and at most. */
export const RETRY_FIRST_MS = 100;
export const RETRY_MAX_MS = 2_000;
/** Keys of one message of invalidations. */
export const INVALIDATIONS_PER_MESSAGE = 500;
/** Values that a warm start asks for at a time, and failures in a row after which it ends: about half a minute. */
export const WARM_KEYS_PER_STEP = 100;
export const WARM_FAILURES_MAX = 15;
