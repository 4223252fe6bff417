/** A version of a string that shows one write: that write's place among all writes. Equal and ordered alike at every node. */
export interface WriteVersion {
  readonly stamp: number;
  readonly origin: number;
  readonly seq: number;
}

/** A version of anything else: equal at nodes that show the same, another one where something else shows. It has no order. */
export interface StateVersion {
  /** 16 hex digits. */
  readonly state: string;
}

/** Which state of a key somebody has seen (SPEC S5). Its expiry is no part of it. */
export type KeyVersion = WriteVersion | StateVersion;

/** The version of every key that shows nothing. */
export const NO_VERSION_TEXT = '0';

const WRITE_SHAPE = /^\d{1,16}-\d{1,16}-\d{1,16}$/;
const STATE_SHAPE = /^x[0-9a-f]{16}$/;

/** `stamp-origin-seq` in decimal, or `x` and 16 hex digits: as it stands between the quotes of an ETag. */
export function versionText(version: KeyVersion): string {
  return 'state' in version ? `x${version.state}` : `${version.stamp}-${version.origin}-${version.seq}`;
}

/** The version of a text that `versionText` made; null for any other. */
export function parseVersion(text: string): KeyVersion | null {
  if (STATE_SHAPE.test(text)) return { state: text.slice(1) };
  if (!WRITE_SHAPE.test(text)) return null;
  const [stamp = 0, origin = 0, seq = 0] = text.split('-').map(Number);
  return { stamp, origin, seq };
}

/** Positive where left is the later, 0 where they are the same, null where neither can be told to be the later. */
export function compareVersions(left: KeyVersion, right: KeyVersion): number | null {
  if ('state' in left) return 'state' in right && left.state === right.state ? 0 : null;
  if ('state' in right) return null;
  return left.stamp - right.stamp || left.origin - right.origin || left.seq - right.seq;
}
