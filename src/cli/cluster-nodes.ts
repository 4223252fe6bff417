import { addressOf, type Address } from '../server/address.ts';
import { readReadyFile } from './ready-file.ts';
import { RespClient } from './resp-client.ts';
import { UsageError } from './usage.ts';

/** A node that a command speaks to over RESP. */
export interface ClusterNode {
  /** Its name from the ready file, or its address. */
  readonly id: string;
  readonly region: string;
  readonly resp: Address;
  readonly isRunning: boolean;
}

export interface NodesOptions {
  /** What the nodes ask of their clients; CAUSEWAY_PASSWORD unless given. */
  readonly password?: string;
  readonly readyFile?: string;
  readonly nodes?: readonly string[];
}

/** The nodes that `--ready-file` or `--nodes` names. Throws a usage error when none does, or both. */
export function clusterNodesOf(options: NodesOptions): ClusterNode[] {
  const { readyFile, nodes } = options;
  if ((readyFile === undefined) === (nodes === undefined)) {
    throw new UsageError('say which cluster: --ready-file FILE (what `causeway up` wrote) or --nodes host:port,…');
  }
  if (readyFile !== undefined) {
    return readReadyFile(readyFile).nodes.map((node) => ({
      id: node.id,
      region: node.region,
      resp: addressOf(node.resp, readyFile),
      isRunning: node.pid !== null,
    }));
  }
  return (nodes ?? []).map((text) => {
    return { id: text, region: text, resp: addressOf(text, '--nodes'), isRunning: true };
  });
}

/** How long connecting and each reply may take: longer than a node waits for a quorum group. */
const CONNECT_MS = 8_000;

/** A connection that has said the password, where there is one. Throws as `RespClient.connect`. */
export function connectTo(
  address: Address,
  options: NodesOptions,
  timeoutMs: number = CONNECT_MS,
): Promise<RespClient> {
  const given = options.password ?? process.env['CAUSEWAY_PASSWORD'];
  return RespClient.connect(address, timeoutMs, given === '' ? undefined : given);
}

/** Runs `use` with a connection, and closes it in the end. */
export async function withClient<T>(
  address: Address,
  use: (client: RespClient) => Promise<T>,
  options: NodesOptions = {},
): Promise<T> {
  const client = await connectTo(address, options);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}
