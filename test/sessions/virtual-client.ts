import { sha256Digests } from '../../src/adapters/sha256-digests.ts';
import { ByteRange, latin1Bytes } from '../../src/base/bytes.ts';
import { CommandIndex } from '../../src/commands/command-index.ts';
import type { Args } from '../../src/commands/context.ts';
import { Dispatcher, Outcome } from '../../src/commands/dispatch.ts';
import { ServerState } from '../../src/commands/server-state.ts';
import type { ClientConnection, Session } from '../../src/commands/session.ts';
import { commandTable } from '../../src/commands/table.ts';
import { RecordingReply } from '../commands-data/recording-reply.ts';
import { fakeFacts } from '../commands-server/rig.ts';
import { readWords, replyText } from '../conformance/reply-value.ts';
import type { VirtualCluster, VirtualNode } from '../support/virtual-cluster.ts';

/** How often waits are looked at, as the end of a turn does. */
const TURN_MS = 5;

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

class OneReply extends RecordingReply {
  override mark(): number {
    return 0;
  }

  override truncate(): void {}
}

const never = (): never => {
  throw new Error('no test here does this');
};

/** The whole command table on one life of a node of a virtual cluster. */
export class VirtualServer {
  readonly cluster: VirtualCluster;
  readonly node: VirtualNode;
  readonly life: number;
  readonly state: ServerState;
  readonly dispatcher: Dispatcher;

  constructor(cluster: VirtualCluster, node: VirtualNode) {
    this.cluster = cluster;
    this.node = node;
    this.life = node.life;
    const time = { wallMs: () => node.now().wallMs, monotonicMs: () => node.now().monotonicMs };
    const commands = new CommandIndex(commandTable);
    this.state = new ServerState({ commands, engine: node.core, time, facts: fakeFacts(), digests: sha256Digests });
    this.dispatcher = new Dispatcher(this.state, () => 0.5);
  }

  connect(): VirtualClient {
    return new VirtualClient(this);
  }

  /** What the end of a turn does for those who wait. */
  turn(): void {
    this.state.waiting.progress();
    for (const session of [...this.state.clients.blocked]) {
      if ((session.blocked?.deadlineMs ?? Infinity) <= this.node.now().monotonicMs) this.state.waiting.expire(session);
    }
  }
}

/** One connection to a node in virtual time: a request after the other, each answered before the next. */
export class VirtualClient {
  readonly server: VirtualServer;
  readonly session: Session;
  #reply = new OneReply(3);
  #line = '';
  #isAnswered = true;
  #isDeferred = false;

  constructor(server: VirtualServer) {
    this.server = server;
    const replyOf = (): OneReply => this.#reply;
    const connection: ClientConnection = {
      address: '127.0.0.1:1',
      localAddress: '127.0.0.1:2',
      descriptor: -1,
      get reply() {
        return replyOf();
      },
      beginPush: never,
      endPush: never,
      setRespVersion: () => undefined,
      resume: () => this.#resume(),
      closeAfterReply: never,
      close: never,
      queryBytes: 0,
      queryFreeBytes: 0,
      outputBytes: 0,
    };
    this.session = server.state.clients.open(connection, server.node.now().wallMs);
  }

  #resume(): void {
    if (this.#isDeferred) this.#execute();
    else this.#isAnswered = true;
  }

  #execute(): void {
    const { dispatcher, node } = this.server;
    dispatcher.beginTurn();
    const outcome = dispatcher.execute(this.session, new WordArgs(readWords(this.#line)));
    this.#isAnswered = outcome === Outcome.Done;
    this.#isDeferred = outcome === Outcome.Deferred;
    node.settle();
  }

  /** Asks, and does not wait. */
  begin(line: string): this {
    if (!this.#isAnswered) throw new Error(`${this.#line} is not answered yet`);
    this.#line = line;
    this.#reply = new OneReply(3);
    this.#execute();
    return this;
  }

  /** The reply to what was begun, null while it waits. */
  get answer(): string | null {
    return this.#isAnswered ? replyText(this.#reply.take()) : null;
  }

  /** Asks, and lets virtual time pass until there is an answer. */
  run(line: string): string {
    return this.begin(line).answered();
  }

  /** Lets virtual time pass until what was begun is answered. */
  answered(): string {
    for (let turns = 0; !this.#isAnswered; turns++) {
      if (turns > 100_000) throw new Error(`${this.#line} is never answered`);
      this.server.cluster.run(TURN_MS);
      this.server.turn();
    }
    return replyText(this.#reply.take());
  }

  /** The token of this connection. */
  token(): string {
    const text = this.run('CW.TOKEN');
    return text.replace(/^"(.*)"$/, '$1');
  }
}
