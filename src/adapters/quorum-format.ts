import { CausewayError } from '../errors.ts';

/** The layout that this code writes; what it does not know it does not touch. */
export const FORMAT_VERSION = '3';
export const FORMAT: Buffer = Buffer.from('\0format');

interface Reader {
  get(key: Uint8Array): Uint8Array | undefined;
}

/** Throws STORE for a tree that another version wrote, in whatever state it is. */
export function refuseOtherFormat(tree: Reader, folder: string): void {
  const bytes = tree.get(FORMAT);
  const version = bytes === undefined ? FORMAT_VERSION : Buffer.from(bytes).toString();
  if (version === FORMAT_VERSION) return;
  throw new CausewayError(
    'STORE',
    `${folder} has format version ${version.slice(0, 40)} and this program knows ${FORMAT_VERSION} only: use the version that wrote it`,
  );
}
