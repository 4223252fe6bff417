import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createLog, type Log } from '../../src/adapters/pino-log.ts';
import { ByteRange, latin1Range } from '../../src/base/bytes.ts';
import { nodeNumber } from '../../src/clock/origin.ts';
import type { CausewayError } from '../../src/errors.ts';
import { NO_SLOT } from '../../src/keyspace/keyspace.ts';
import type { MemberConfig, NodeConfig } from '../../src/server/node-config.ts';
import { PeerServer } from '../../src/server/peer-server.ts';

const REGIONS = ['us-east-1', 'eu-west-1', 'ap-southeast-1'] as const;
const MEMBERS: readonly MemberConfig[] = REGIONS.map((region, index) => ({
  id: `${region}/a`,
  region,
  nodeNumber: nodeNumber((index + 1) * 64),
  url: null,
}));

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-server-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The configuration of the node of a region, of a cluster of so many regions, on free ports. */
export function configOf(index: number, size: number, changes: Partial<NodeConfig> = {}): NodeConfig {
  const self = MEMBERS[index];
  if (self === undefined) throw new Error(`there is no region ${index}`);
  const anyPort = { host: '127.0.0.1', port: 0 };
  return {
    clusterId: 'test',
    region: self.region,
    nodeId: self.id,
    nodeNumber: self.nodeNumber,
    resp: anyPort,
    http: anyPort,
    peer: anyPort,
    dataDir: null,
    members: MEMBERS.slice(0, size).filter((member) => member !== self),
    limits: {},
    doors: { requirepass: null, protectedMode: true, peerSecret: null, isPeerPortOpen: false },
    log: { level: 'silent', format: 'json' },
    ...changes,
  };
}

/** A node with peers and no clients, on a free port. */
export class PeerRig {
  readonly config: NodeConfig;
  readonly server: PeerServer;
  readonly failures: readonly CausewayError[];
  readonly port: number;
  #isClosed = false;

  private constructor(config: NodeConfig, server: PeerServer, port: number, failures: readonly CausewayError[]) {
    this.config = config;
    this.server = server;
    this.port = port;
    this.failures = failures;
    onTestFinished(() => this.close(0));
  }

  static async start(
    config: NodeConfig,
    log: Log = createLog({ ...config.log, fields: { node: config.nodeId } }),
  ): Promise<PeerRig> {
    const failures: CausewayError[] = [];
    const server = await PeerServer.open(config, {
      log,
      turnEnded: () => undefined,
      failed: (error) => failures.push(error),
    });
    return new PeerRig(config, server, await server.start(), failures);
  }

  async close(drainMs = 2000): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.server.close(drainMs);
  }

  get isReady(): boolean {
    return this.server.node.unreadyReasons(Date.now()).length === 0;
  }

  get connectedPeers(): number {
    return this.server.node.peers(Date.now()).filter((peer) => peer.connected).length;
  }

  set(key: string, value: string): void {
    const { node, driver } = this.server;
    const range = latin1Range(key);
    node.transact(node.nowMs(Date.now()), (tx) => tx.set(range, node.keys.hashOf(range), latin1Range(value), Infinity));
    driver.touch();
  }

  get(key: string): string | null {
    const { node } = this.server;
    const range = latin1Range(key);
    const slot = node.keys.find(range, node.keys.hashOf(range), node.nowMs(Date.now()));
    if (slot === NO_SLOT) return null;
    const value = new ByteRange();
    node.keys.stringInto(slot, value);
    return value.toLatin1();
  }

  digest(): string {
    return this.server.node.digest(Date.now());
  }
}

/** Tells every node where the others are. */
export function introduce(rigs: readonly PeerRig[]): void {
  const addresses = rigs.map((rig) => ({ id: rig.config.nodeId, url: `ws://127.0.0.1:${rig.port}` }));
  for (const rig of rigs) rig.server.setPeers(addresses.filter(({ id }) => id !== rig.config.nodeId));
}
