import { Redis } from 'ioredis';
import type { RedisOptionsOfNode } from '../../src/adapters/ioredis-second-level.ts';
import { nodeNumber } from '../../src/clock/origin.ts';
import type { NodeConfig } from '../../src/server/node-config.ts';
import type { RedisConfig } from '../../src/server/redis-config.ts';
import { startServer } from '../../src/server/server.ts';
import type { RunningServer } from '../../src/server/server-types.ts';

const ANY = { host: '127.0.0.1', port: 0 };
const CLASSES = `classes:
  - match: ['m:*']
    mirror: behind
  - match: ['t:*']
    mirror: through
`;

const NODES = [
  { id: 'us-east-1/a', nodeNumber: nodeNumber(64), region: 'us-east-1', url: null },
  { id: 'us-east-1/b', nodeNumber: nodeNumber(65), region: 'us-east-1', url: null },
] as const;

function configOf(
  redis: RedisOptionsOfNode & Partial<RedisConfig>,
  node: (typeof NODES)[number],
  members: NodeConfig['members'],
  limits: NodeConfig['limits'] = {},
): NodeConfig {
  return {
    clusterId: 'regional-redis',
    region: node.region,
    nodeId: node.id,
    nodeNumber: node.nodeNumber,
    resp: ANY,
    http: ANY,
    peer: ANY,
    dataDir: null,
    members,
    limits,
    doors: { requirepass: null, protectedMode: true, peerSecret: null, isPeerPortOpen: false },
    log: { level: 'silent', format: 'json' },
    classes: { file: 'classes.yaml', text: CLASSES },
    redis: { url: 'redis://127.0.0.1', channel: null, warm: 'no', ...redis },
  };
}

/** A node of its own in this process, with a regional Redis and the classes `m:*` and `t:*` mirrored. */
export class RedisNode {
  readonly client: Redis;
  readonly #server: RunningServer;

  private constructor(server: RunningServer) {
    this.#server = server;
    this.client = new Redis({ ...ANY, port: server.ports.resp, maxRetriesPerRequest: 0 });
    this.client.on('error', () => undefined);
  }

  static async start(
    redis: RedisOptionsOfNode,
    more: Partial<RedisConfig> = {},
    limits: NodeConfig['limits'] = {},
  ): Promise<RedisNode> {
    const server = await startServer(configOf({ ...redis, ...more }, NODES[0], [], limits));
    await server.ready;
    return new RedisNode(server);
  }

  /** Two nodes of one region, connected, at one Redis. */
  static async startTwo(redis: RedisOptionsOfNode): Promise<readonly [RedisNode, RedisNode]> {
    const [a, b] = NODES;
    const first = await startServer(configOf(redis, a, [b]));
    const second = await startServer(configOf(redis, b, [a]));
    first.setPeers([{ id: b.id, url: `ws://127.0.0.1:${second.ports.peer}` }]);
    second.setPeers([{ id: a.id, url: `ws://127.0.0.1:${first.ports.peer}` }]);
    await Promise.all([first.ready, second.ready]);
    return [new RedisNode(first), new RedisNode(second)];
  }

  /** A field of INFO redis. */
  async info(name: string): Promise<string> {
    const info = await this.client.info('redis');
    return new RegExp(`^${name}:(.*)\r$`, 'm').exec(info)?.[1] ?? '';
  }

  async http(path: string): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.#server.ports.http}${path}`)).text();
  }

  async close(): Promise<void> {
    this.client.disconnect();
    await this.#server.close();
  }
}
