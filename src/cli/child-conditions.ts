import { extname } from 'node:path';

/** What a node of `up` may be started under, so that it meets what goes wrong elsewhere: for `causeway verify` and tests. */
export interface ChildConditions {
  /** How far its wall clock is ahead of the machine's, in milliseconds; behind where negative. */
  readonly clockAheadMs?: number | undefined;
  /** No file that it writes may grow beyond: a full disk. */
  readonly fileBytesMax?: number | undefined;
}

const BLOCK_BYTES = 512;

/** How Node is to be started for a child under these conditions, for `fork`. */
export function startUnder({ clockAheadMs = 0, fileBytesMax }: ChildConditions): {
  readonly execPath: string;
  readonly execArgv: readonly string[];
} {
  const clock = new URL(`shifted-clock${extname(import.meta.filename)}?ahead-ms=${clockAheadMs}`, import.meta.url);
  const nodeArgs = [...process.execArgv, ...(clockAheadMs === 0 ? [] : ['--import', clock.href])];
  if (fileBytesMax === undefined) return { execPath: process.execPath, execArgv: nodeArgs };
  // The shell puts the limit on itself and becomes the child: the same process number, and the channel stays open.
  const script = `ulimit -f ${Math.floor(fileBytesMax / BLOCK_BYTES)} && exec "$0" "$@"`;
  return { execPath: '/bin/sh', execArgv: ['-c', script, process.execPath, ...nodeArgs] };
}
