import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import type { CausewayError } from '../../src/errors.ts';
import type { NodeConfig } from '../../src/server/node-config.ts';
import { startServer } from '../../src/server/server.ts';
import type { RunningServer } from '../../src/server/server-types.ts';

/** A whole node in this process. */
export class ServerRig {
  readonly config: NodeConfig;
  readonly server: RunningServer;
  readonly failures: readonly CausewayError[];

  private constructor(config: NodeConfig, server: RunningServer, failures: readonly CausewayError[]) {
    this.config = config;
    this.server = server;
    this.failures = failures;
    onTestFinished(() => server.close());
  }

  static async start(config: NodeConfig): Promise<ServerRig> {
    const failures: CausewayError[] = [];
    const server = await startServer(config, { onFatal: (error) => failures.push(error) });
    return new ServerRig(config, server, failures);
  }

  client(): Redis {
    return clientOf(this.server.ports.resp);
  }

  http(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.server.ports.http}${path}`);
  }
}

/** A client of a port, closed with the test. */
export function clientOf(port: number): Redis {
  const client = new Redis({
    host: '127.0.0.1',
    port,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    // It would wait by itself until a starting node serves.
    enableReadyCheck: false,
  });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

/** Tells every node where the others are, and waits until all are ready. */
export async function introduceServers(rigs: readonly Pick<ServerRig, 'config' | 'server'>[]): Promise<void> {
  const addresses = rigs.map(({ config, server }) => ({
    id: config.nodeId,
    url: `ws://127.0.0.1:${server.ports.peer}`,
  }));
  for (const { config, server } of rigs) server.setPeers(addresses.filter(({ id }) => id !== config.nodeId));
  await Promise.all(rigs.map(({ server }) => server.ready));
}
