import { readKeyList } from '../adapters/key-list-file.ts';
import { readInRequests, type ReadKeys } from '../server/warm-requests.ts';
import { clusterNodesOf, connectTo, type ClusterNode, type NodesOptions } from './cluster-nodes.ts';
import { listOf, RespError, type RespClient } from './resp-client.ts';
import { EXIT_FAILED, EXIT_OK, UsageError, type Terminal } from './usage.ts';
import { Progress } from './verify-progress.ts';

/** A source may take its time. */
const REPLY_WITHIN_MS = 60_000;

/** What came of the keys at a node. */
interface Warmed {
  readonly id: string;
  looked: number;
  found: number;
  failed: number;
  lastFailure: string;
}

/**
 * Reads the keys of a file, one a line, at every node, so that each has them in memory before it is asked by clients: evicted values come from disk, and what is
 * not there from where its class says. The exit code is 1 where a read failed.
 */
export async function runWarm(file: string, options: NodesOptions, terminal: Terminal): Promise<number> {
  const keys = keysOf(file);
  const nodes = clusterNodesOf(options).filter(({ isRunning }) => isRunning);
  const progress = new Progress(terminal);
  const all = nodes.map(({ id }): Warmed => ({ id, looked: 0, found: 0, failed: 0, lastFailure: '' }));
  const show = (): void => {
    const looked = all.reduce((sum, each) => sum + each.looked, 0);
    const of = keys.length * all.length;
    progress.show(of === 0 ? 1 : looked / of, `${looked} of ${of} keys read`);
  };
  try {
    await Promise.all(
      nodes.map(async (node, at) => {
        const warmed = all[at];
        if (warmed !== undefined) await warm(node, keys, options, warmed, show);
      }),
    );
  } finally {
    progress.clear();
  }
  for (const { id, looked, found, failed, lastFailure } of all) {
    const failure = failed === 0 ? '' : `, ${failed} not read: ${lastFailure}`;
    progress.say(`${id}: ${found} of ${looked} keys have a value${failure}`);
  }
  return all.some(({ failed }) => failed > 0) ? EXIT_FAILED : EXIT_OK;
}

function keysOf(file: string): readonly Uint8Array[] {
  try {
    return readKeyList(file);
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function warm(
  node: ClusterNode,
  keys: readonly Uint8Array[],
  options: NodesOptions,
  warmed: Warmed,
  show: () => void,
): Promise<void> {
  const client = await connectTo(node.resp, options, REPLY_WITHIN_MS);
  const read: ReadKeys = async (some) => {
    await readSome(client, some, warmed);
    show();
  };
  try {
    await readInRequests(keys, () => read);
  } finally {
    client.close();
  }
}

async function readSome(client: RespClient, keys: readonly Uint8Array[], warmed: Warmed): Promise<void> {
  try {
    const values = listOf(await client.send('MGET', ...keys));
    await client.send('TOUCH', ...keys);
    warmed.found += values.filter((value) => value !== null).length;
  } catch (error) {
    if (!(error instanceof RespError)) throw error;
    warmed.failed += keys.length;
    warmed.lastFailure = error.message;
  }
  warmed.looked += keys.length;
}
