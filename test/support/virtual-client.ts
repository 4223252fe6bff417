import { sha256Digests } from '../../src/adapters/sha256-digests.ts';
import type { Dot } from '../../src/clock/dot.ts';
import { CommandIndex } from '../../src/commands/command-index.ts';
import { Dispatcher, Outcome } from '../../src/commands/dispatch.ts';
import { ServerState } from '../../src/commands/server-state.ts';
import type { ClientConnection, Session } from '../../src/commands/session.ts';
import { commandTable } from '../../src/commands/table.ts';
import { RecordingReply } from '../commands-data/recording-reply.ts';
import { fakeFacts } from '../commands-server/rig.ts';
import { readWords, replyText, type ReplyValue } from '../conformance/reply-value.ts';
import type { VirtualCluster, VirtualNode } from './virtual-cluster.ts';
import { WordArgs } from './word-args.ts';

/** How often waits are looked at, as the end of a turn does. */
const TURN_MS = 5;

/** A reply that the dispatcher may take back as a whole, as it does for a command that fails. */
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

  isOffered(command: string): boolean {
    return this.state.commands.findFullName(command.toLowerCase()) !== undefined;
  }

  /** What the end of a turn does for those who wait. */
  turn(): void {
    if (this.state.leases.isDue) {
      this.state.leases.flush();
      this.node.settle();
    }
    this.state.waiting.progress();
    this.state.tracking.flush();
    if (this.state.feed.isDue) this.state.feed.flush();
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
  #words: readonly string[] = [];
  #push = new OneReply(3);
  readonly #pushes: string[] = [];
  /** What the client has not taken, as its node sees it. */
  untakenBytes = 0;
  /** What the session had written last when the request had run: of one that goes on in later turns its first transaction. */
  begun: Dot | null = null;
  #isAnswered = true;
  #isDeferred = false;
  /** Called when what waited is answered; what comes next is not to be asked in the same turn. */
  onAnswer: () => void = () => {};

  constructor(server: VirtualServer) {
    this.server = server;
    const replyOf = (): OneReply => this.#reply;
    const untakenBytes = (): number => this.untakenBytes;
    const connection: ClientConnection = {
      address: '127.0.0.1:1',
      localAddress: '127.0.0.1:2',
      descriptor: -1,
      get reply() {
        return replyOf();
      },
      beginPush: () => (this.#push = new OneReply(3)),
      endPush: () => this.#pushes.push(replyText(this.#push.take())),
      setRespVersion: () => undefined,
      resume: () => this.#resume(),
      closeAfterReply: never,
      close: never,
      queryBytes: 0,
      queryFreeBytes: 0,
      get outputBytes() {
        return untakenBytes();
      },
    };
    this.session = server.state.clients.open(connection, server.node.now().wallMs);
  }

  #resume(): void {
    if (this.#isDeferred) this.#execute();
    else this.#isAnswered = true;
    if (this.#isAnswered) this.onAnswer();
  }

  #execute(): void {
    const { dispatcher, node } = this.server;
    dispatcher.beginTurn();
    const args = new WordArgs(this.#words);
    const outcome = dispatcher.execute(this.session, args);
    dispatcher.endTurn();
    args.spoil();
    this.#isAnswered = outcome === Outcome.Done;
    this.#isDeferred = outcome === Outcome.Deferred;
    const { lastWriteOrigin: origin, lastWriteSeq: seq } = this.session;
    this.begun = origin === null ? null : { origin, seq };
    node.settle();
  }

  get #line(): string {
    return this.#words.join(' ');
  }

  /** Asks, and does not wait. */
  begin(line: string | readonly string[]): this {
    return this.#begin(typeof line === 'string' ? readWords(line) : line);
  }

  #begin(words: readonly string[]): this {
    if (!this.#isAnswered) throw new Error(`${this.#line} is not answered yet`);
    this.#words = words;
    this.#reply = new OneReply(3);
    this.#execute();
    return this;
  }

  /** Asks with words, one char a byte, what is answered at once. */
  call(...words: string[]): ReplyValue {
    if (!this.#begin(words).#isAnswered) throw new Error(`${this.#line} is not answered at once`);
    return this.#reply.take();
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

  /** What was pushed since the last call. */
  takePushes(): string[] {
    return this.#pushes.splice(0);
  }

  /** The token of this connection. */
  token(): string {
    const text = this.run('CW.TOKEN');
    return text.replace(/^"(.*)"$/, '$1');
  }
}
