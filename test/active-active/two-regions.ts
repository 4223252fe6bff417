import { sha256Digests } from '../../src/adapters/sha256-digests.ts';
import { latin1Bytes } from '../../src/base/bytes.ts';
import { CommandIndex } from '../../src/commands/command-index.ts';
import type { Args } from '../../src/commands/context.ts';
import { Dispatcher, Outcome } from '../../src/commands/dispatch.ts';
import { ServerState } from '../../src/commands/server-state.ts';
import { Session, type ClientConnection } from '../../src/commands/session.ts';
import { commandTable } from '../../src/commands/table.ts';
import { ByteRange } from '../../src/base/bytes.ts';
import { RecordingReply } from '../commands-data/recording-reply.ts';
import { fakeFacts } from '../commands-server/rig.ts';
import { readWords, type ReplyValue } from '../conformance/reply-value.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';
import type { VirtualNode } from '../support/virtual-node.ts';

/** A reply that the dispatcher may take back as a whole, as it does for a command that fails. */
class WholeReply extends RecordingReply {
  override mark(): number {
    return 0;
  }

  override truncate(): void {}
}

class WordArgs implements Args {
  readonly #ranges: readonly ByteRange[];

  constructor(words: readonly string[]) {
    this.#ranges = words.map((word) => new ByteRange(latin1Bytes(word)));
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

/** Requests of one client after the other on a node in virtual time, through the whole command table. */
class RegionClient {
  readonly #node: VirtualNode;
  readonly #state: ServerState;
  readonly #dispatcher: Dispatcher;

  constructor(node: VirtualNode) {
    this.#node = node;
    const time = { wallMs: () => node.now().wallMs, monotonicMs: () => node.now().monotonicMs };
    const commands = new CommandIndex(commandTable);
    this.#state = new ServerState({ commands, engine: node.core, time, facts: fakeFacts(), digests: sha256Digests });
    this.#dispatcher = new Dispatcher(this.#state, () => 0.5);
  }

  isOffered(command: string): boolean {
    return this.#state.commands.findFullName(command.toLowerCase()) !== undefined;
  }

  run(line: string): ReplyValue {
    const reply = new WholeReply(3);
    this.#dispatcher.beginTurn();
    const outcome = this.#dispatcher.execute(
      new Session(1, connectionOf(reply), this.#node.now().wallMs),
      new WordArgs(readWords(line)),
    );
    if (outcome !== Outcome.Done) throw new Error(`${line} is not answered at once`);
    this.#node.settle();
    return reply.take();
  }
}

function connectionOf(reply: RecordingReply): ClientConnection {
  const never = (): never => {
    throw new Error('no case does this');
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

/** Two regions that hear of each other only while they are told to. */
export class TwoRegions {
  readonly #cluster: VirtualCluster = new VirtualCluster({ regions: ['one', 'two'] });
  readonly #clients: readonly RegionClient[];

  constructor() {
    const isReady = (): boolean => this.#cluster.nodes.every((node) => node.isWritable);
    if (!this.#cluster.runUntil(isReady, 10_000)) throw new Error('the regions are not ready');
    this.#clients = this.#cluster.nodes.map((node) => new RegionClient(node));
    this.#cluster.cut('one', 'two');
  }

  /** Runs a command in region 1 or 2, a moment after the one before. */
  run(region: number, line: string): ReplyValue {
    const client = this.#clients[region - 1];
    if (client === undefined) throw new Error(`no region ${region}`);
    this.#cluster.run(2);
    return client.run(line);
  }

  /** Delivers everything both ways. */
  sync(): void {
    this.#cluster.heal('one', 'two');
    if (!this.#cluster.runUntil(() => this.#cluster.areEqual(), 10_000))
      throw new Error('the regions do not become equal');
    this.#cluster.cut('one', 'two');
  }

  readonly isOffered = (command: string): boolean => this.#clients.every((client) => client.isOffered(command));
}
