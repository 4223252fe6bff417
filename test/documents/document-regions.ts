import { present } from '../../src/base/assert.ts';
import { ByteRange, latin1Bytes } from '../../src/base/bytes.ts';
import { utf8Bytes } from '../../src/crdt/document-json.ts';
import { ContentType, type Entry } from '../../src/crdt/entry.ts';
import type { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import { replyText } from '../conformance/reply-value.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { VirtualCluster, type VirtualOptions } from '../support/virtual-cluster.ts';
import type { VirtualNode } from '../support/virtual-node.ts';
import { VirtualRegions } from '../support/virtual-regions.ts';

/** Regions in virtual time with a client at each node, for commands on documents. */
export class DocumentRegions {
  readonly #regions: VirtualRegions;
  readonly #clients: Map<VirtualNode, VirtualClient> = new Map();

  constructor(regions: readonly string[] | VirtualCluster, options: Partial<VirtualOptions> = {}) {
    this.#regions = new VirtualRegions(regions instanceof VirtualCluster ? regions : { regions, ...options });
  }

  get cluster(): VirtualCluster {
    return this.#regions.cluster;
  }

  /** Runs a command at a node, and shows the reply as the conformance scripts write it. */
  run(index: number, ...words: string[]): string {
    const node = this.cluster.node(index);
    let client = this.#clients.get(node);
    if (client === undefined || client.server.life !== node.life) {
      client = this.#regions.connect(node.id);
      this.#clients.set(node, client);
    }
    return replyText(client.call(...words.map(utf8Bytes)));
  }

  /** The JSON of a document at a node; undefined for none. */
  json(index: number, key: string): unknown {
    const node = this.cluster.node(index);
    const slot = node.core.keys.find(keyOf(key), 0, node.core.nowMs(node.now().wallMs));
    if (slot < 0) return undefined;
    const type = node.core.keys.typeOf(slot);
    return type === ContentType.Document ? plain(node.core.keys.documentAt(slot).toJson()) : `a value of type ${type}`;
  }

  /** Waits until all nodes have and show the same, and returns the document that they show. */
  settled(key: string): unknown {
    if (!this.cluster.runUntil(() => this.cluster.areEqual(), 60_000)) throw new Error('the nodes do not become equal');
    const shown = this.cluster.nodes.map((_node, index) => JSON.stringify(this.json(index, key)));
    if (new Set(shown).size !== 1) throw new Error(`the nodes show ${shown.join(' and ')}`);
    return this.json(0, key);
  }
}

export function keyOf(key: string): ByteRange {
  return new ByteRange(latin1Bytes(key));
}

/** Objects as plain ones. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, member]) => [name, plain(member)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

/** What a node keeps of a key, visible or not. */
export function entryOf(regions: DocumentRegions, index: number, key: string): Entry {
  const keyspace = regions.cluster.node(index).core.keys as SlabKeyspace;
  return present(keyspace.entryOf(keyOf(key)), `${key} is kept`);
}
