import type { NodeConfig } from '../server/node-config.ts';
import { startServer } from '../server/server.ts';
import type { RunningServer, StartServerOptions } from '../server/server-types.ts';
import { Client } from './client.ts';
import { settingsOf, type ConnectOptions } from './client-options.ts';
import { LocalTransport } from './local-transport.ts';

export type CreateNodeOptions = StartServerOptions & Pick<ConnectOptions, 'codec' | 'deadlineMs' | 'queue'>;

/** A replica in the process: the client's calls, answered without a socket, and the node itself. */
export interface EmbeddedNode {
  /** Its `close` stops the node too. */
  readonly cache: Client;
  readonly server: RunningServer;
}

/** See `createNode`. */
export async function startEmbedded(config: NodeConfig, options: CreateNodeOptions): Promise<EmbeddedNode> {
  const { codec, deadlineMs, queue, ...serverOptions } = options;
  const { nodeId, region } = config;
  const settings = settingsOf({
    regions: [{ name: region, nodes: ['127.0.0.1:1'] }],
    ...(codec === undefined ? {} : { codec }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(queue === undefined ? {} : { queue }),
  });
  const server = await startServer(config, serverOptions);
  try {
    await server.ready;
    const transport = await LocalTransport.open(server, { ...settings, nodeId, region });
    return { cache: new Client(transport, settings), server };
  } catch (error) {
    await server.close();
    throw error;
  }
}
