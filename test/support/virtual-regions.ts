import { VirtualCluster, type VirtualNode, type VirtualOptions } from './virtual-cluster.ts';
import { VirtualServer, type VirtualClient } from './virtual-client.ts';

export const EAST = 'us-east-1';
export const WEST = 'eu-west-1';
export const ASIA = 'ap-southeast-1';

/** Three regions in virtual time (or those of a cluster that there is) with a command table on each node. */
export class VirtualRegions {
  readonly cluster: VirtualCluster;
  readonly #servers: VirtualServer[] = [];

  constructor(options: Partial<VirtualOptions> | VirtualCluster = {}) {
    this.cluster =
      options instanceof VirtualCluster ? options : new VirtualCluster({ regions: [EAST, WEST, ASIA], ...options });
    this.ready();
  }

  ready(): void {
    const { cluster } = this;
    const isReady = (): boolean => cluster.areReady() && cluster.running().every((node) => node.isWritable);
    if (!cluster.runUntil(isReady)) throw new Error('the regions are not ready');
  }

  node(id: string): VirtualNode {
    const node = this.cluster.nodes.find((candidate) => candidate.id === id || candidate.id === `${id}/a`);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** A new connection to a node, named by its region where that has one only. */
  connect(id: string): VirtualClient {
    const node = this.node(id);
    let server = this.#servers.find((known) => known.node === node && known.life === node.life);
    if (server === undefined) {
      server = new VirtualServer(this.cluster, node);
      this.#servers.push(server);
    }
    return server.connect();
  }

  /** Kills a node and starts it again. */
  restart(id: string, options: Parameters<VirtualCluster['restart']>[1] = {}): void {
    const node = this.node(id);
    this.cluster.kill(node);
    this.cluster.restart(node, options);
    if (!this.cluster.runUntil(() => node.isWritable, 10_000)) throw new Error(`${id} does not start again`);
  }

  /** Nobody lacks anything, and all know it. */
  sync(): void {
    this.cluster.healAll();
    if (!this.cluster.runUntil(() => this.cluster.areEqual())) throw new Error('the regions do not become equal');
    this.cluster.run(2_000);
  }

  /** Cuts a region off from all others. */
  isolate(region: string): void {
    for (const other of new Set(this.cluster.members.map((member) => member.region))) {
      if (other !== region) this.cluster.cut(region, other);
    }
  }
}
