import { sha256Digests } from '../../src/adapters/sha256-digests.ts';
import { present } from '../../src/base/assert.ts';
import { ByteRange, latin1Bytes } from '../../src/base/bytes.ts';
import { CommandIndex } from '../../src/commands/command-index.ts';
import type { Args } from '../../src/commands/context.ts';
import { Dispatcher, Outcome } from '../../src/commands/dispatch.ts';
import { ServerState } from '../../src/commands/server-state.ts';
import { Session, type ClientConnection } from '../../src/commands/session.ts';
import { commandTable } from '../../src/commands/table.ts';
import { utf8Bytes } from '../../src/crdt/document-json.ts';
import { ContentType, type Entry } from '../../src/crdt/entry.ts';
import type { MapKeyspace } from '../../src/keyspace/map-keyspace.ts';
import { RecordingReply } from '../commands-data/recording-reply.ts';
import { fakeFacts } from '../commands-server/rig.ts';
import { replyText, type ReplyValue } from '../conformance/reply-value.ts';
import { VirtualCluster, type VirtualOptions } from '../support/virtual-cluster.ts';
import type { VirtualNode } from '../support/virtual-node.ts';

class WholeReply extends RecordingReply {
  override mark(): number {
    return 0;
  }

  override truncate(): void {}
}

class WordArgs implements Args {
  readonly #ranges: readonly ByteRange[];

  constructor(words: readonly string[]) {
    this.#ranges = words.map((word) => new ByteRange(latin1Bytes(utf8Bytes(word))));
  }

  get count(): number {
    return this.#ranges.length;
  }

  range(index: number): ByteRange {
    const range = this.#ranges[index];
    if (range === undefined) throw new Error(`argument ${index} does not exist`);
    return range;
  }

  text(index: number): string {
    return this.range(index).toLatin1();
  }

  word(index: number): string {
    return this.text(index).toUpperCase();
  }
}

/** Requests on a node in virtual time, through the whole command table. */
class NodeClient {
  readonly #node: VirtualNode;
  readonly #dispatcher: Dispatcher;

  constructor(node: VirtualNode) {
    this.#node = node;
    const time = { wallMs: () => node.now().wallMs, monotonicMs: () => node.now().monotonicMs };
    const commands = new CommandIndex(commandTable);
    const state = new ServerState({ commands, engine: node.core, time, facts: fakeFacts(), digests: sha256Digests });
    this.#dispatcher = new Dispatcher(state, () => 0.5);
  }

  run(words: readonly string[]): ReplyValue {
    const reply = new WholeReply(3);
    this.#dispatcher.beginTurn();
    const session = new Session(1, connectionOf(reply), this.#node.now().wallMs);
    const outcome = this.#dispatcher.execute(session, new WordArgs(words));
    if (outcome !== Outcome.Done) throw new Error(`${words.join(' ')} is not answered at once`);
    this.#node.settle();
    return reply.take();
  }
}

function connectionOf(reply: RecordingReply): ClientConnection {
  const never = (): never => {
    throw new Error('no test does this');
  };
  return {
    address: '127.0.0.1:1',
    localAddress: '127.0.0.1:2',
    descriptor: -1,
    reply,
    beginPush: never,
    endPush: never,
    setRespVersion: never,
    resume: never,
    closeAfterReply: never,
    close: never,
    queryBytes: 0,
    queryFreeBytes: 0,
    outputBytes: 0,
  };
}

/** Nodes in virtual time with clients at each, for commands on documents. */
export class DocumentRegions {
  readonly cluster: VirtualCluster;
  readonly #clients: Map<VirtualNode, { readonly core: unknown; readonly client: NodeClient }> = new Map();

  constructor(regions: readonly string[], options: Partial<VirtualOptions> = {}) {
    this.cluster = new VirtualCluster({ regions, ...options });
    const isReady = (): boolean => this.cluster.nodes.every((node) => node.isWritable);
    if (!this.cluster.runUntil(isReady, 10_000)) throw new Error('the regions are not ready');
  }

  /** Runs a command at a node, and shows the reply as the conformance scripts write it. */
  run(index: number, ...words: string[]): string {
    const node = this.cluster.node(index);
    let known = this.#clients.get(node);
    if (known === undefined || known.core !== node.core) {
      known = { core: node.core, client: new NodeClient(node) };
      this.#clients.set(node, known);
    }
    return replyText(known.client.run(words));
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
export function plain(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, member]) => [name, plain(member)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

/** What a node keeps of a key, visible or not. */
export function entryOf(regions: DocumentRegions, index: number, key: string): Entry {
  const keyspace = regions.cluster.node(index).core.keys as MapKeyspace;
  return present(keyspace.entryOf(keyOf(key)), `${key} is kept`);
}
