import type { ByteRange } from '../../src/base/bytes.ts';
import { ConsistencyMonitor } from '../../src/commands/consistency-monitor.ts';
import { UpdateKind } from '../../src/crdt/update.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import { VirtualServer, type VirtualClient } from '../support/virtual-client.ts';
import { VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';

const STEP_MS = 50;

/** A node of a cluster in virtual time that compares its keys with the others. */
class MonitoredNode {
  readonly node: VirtualNode;
  readonly monitor: ConsistencyMonitor;
  readonly told: string[] = [];
  readonly heard: string[] = [];
  readonly looked: string[] = [];
  readonly server: VirtualServer;
  readonly client: VirtualClient;

  constructor(cluster: VirtualCluster, node: VirtualNode, keysPerSecond: number) {
    this.node = node;
    this.server = new VirtualServer(cluster, node);
    this.client = this.server.connect();
    this.monitor = new ConsistencyMonitor({
      engine: node.core,
      states: node.core.states,
      messages: node.core.messages,
      keysPerSecond,
      wallMs: () => node.now().wallMs,
      monotonicMs: () => node.now().monotonicMs,
      touched: () => node.settle(),
      told: (what, key, about) => this.told.push(`${what} ${key}: ${about}`),
      publish: (channel, key) => this.heard.push(`${channel} ${key}`),
      looked: (keys) => this.looked.push(...keys),
    });
    this.server.state.monitor = this.monitor;
    const heard = (channel: ByteRange, text: ByteRange): void => this.monitor.heard(channel, text);
    this.server.state.systemMessages.push(heard);
    node.core.messages.onMessage = heard;
  }

  run(command: string): string {
    return this.client.run(command);
  }
}

/** A cluster whose nodes compare keys, and one of which loses updates as if it had applied them. */
export class MonitoredCluster {
  readonly cluster: VirtualCluster;
  readonly nodes: readonly MonitoredNode[];

  constructor(of: number | VirtualCluster, keysPerSecond = 50) {
    const names = ['us-east-1', 'eu-west-1', 'ap-southeast-1', 'sa-east-1'];
    this.cluster = typeof of === 'number' ? new VirtualCluster({ regions: names.slice(0, of) }) : of;
    if (!this.cluster.runUntil(() => this.cluster.areReady())) throw new Error('the cluster is not ready');
    this.nodes = this.cluster.nodes.map((node) => new MonitoredNode(this.cluster, node, keysPerSecond));
  }

  at(index: number): MonitoredNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`no node ${index}`);
    return node;
  }

  run(ms: number): void {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.cluster.run(STEP_MS);
      for (const { monitor } of this.nodes) monitor.step();
    }
  }

  /** What a command answers at each node. */
  answers(command: string): string[] {
    return this.nodes.map((node) => node.run(command));
  }
}

/**
 * Plants a fault: of what comes from now on, updates of keys for which it is asked are not applied at a node, which counts them as applied.
 * Returns what ends it.
 */
export function losing(node: VirtualNode, isLost: (key: string) => boolean): () => void {
  const keyspace = keyspaceOf(node);
  const apply = keyspace.apply.bind(keyspace);
  keyspace.apply = (update, context) => {
    const isKey = update.kind !== UpdateKind.Publish && update.kind !== UpdateKind.CloseIncarnations;
    return isKey && isLost(update.key.toLatin1()) ? false : apply(update, context);
  };
  return () => {
    keyspace.apply = apply;
  };
}

function keyspaceOf(node: VirtualNode): SlabKeyspace {
  const { keys } = node.core;
  if (!(keys instanceof SlabKeyspace)) throw new Error(`no keyspace of ${node.id}`);
  return keys;
}
