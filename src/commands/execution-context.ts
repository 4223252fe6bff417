import { AssertionFailed } from '../base/assert.ts';
import type { ByteRange } from '../base/bytes.ts';
import type { KeyspaceReader, TransactionWriter } from '../keyspace/keyspace.ts';
import type { Args, CommandContext, Reply } from './context.ts';
import type { NodeView } from './node-view.ts';
import type { ServerState } from './server-state.ts';
import type { Session } from './session.ts';

/** The one context of a dispatcher: requests run one after the other, each to its end, so it is filled anew for each. */
export class ExecutionContext implements CommandContext {
  nowMs = 0;
  args: Args = NO_ARGS;
  readonly isInLog = false;
  /** The node's, but for a read that waited for what is not kept there. */
  keys: KeyspaceReader;
  readonly node: NodeView;
  readonly server: ServerState;
  readonly #unit: () => number;
  #session: Session | null = null;
  #reply: Reply | null = null;
  #tx: TransactionWriter | null = null;

  constructor(server: ServerState, unit: () => number) {
    this.server = server;
    this.keys = server.engine.keys;
    this.node = server.engine.node;
    this.#unit = unit;
  }

  get session(): Session {
    if (this.#session === null) throw new AssertionFailed('a command runs for a session');
    return this.#session;
  }

  get reply(): Reply {
    if (this.#reply === null) throw new AssertionFailed('a command runs for a session');
    return this.#reply;
  }

  /** Only a command whose row says that it writes has one. */
  get tx(): TransactionWriter {
    if (this.#tx === null) throw new AssertionFailed('a command that writes says so in its row');
    return this.#tx;
  }

  get bulkBytesMax(): number {
    return this.server.settings.bulkBytesMax;
  }

  setTransaction(tx: TransactionWriter | null): void {
    this.#tx = tx;
  }

  begin(session: Session, nowMs: number): void {
    this.#session = session;
    this.#reply = session.connection.reply;
    this.nowMs = nowMs;
  }

  random(): number {
    return this.#unit();
  }

  countLookup(key: ByteRange, isHit: boolean): void {
    const { stats } = this.server;
    if (isHit) stats.keyspaceHits++;
    else stats.keyspaceMisses++;
    stats.lookups.note(key, isHit, this.server);
  }

  notify(classLetter: string, event: string, key: ByteRange): void {
    if (this.server.settings.notifyClasses !== 0) this.server.notifier.notify(classLetter, event, key);
  }
}

const NO_ARGS: Args = {
  count: 0,
  keyHash: 0,
  range: () => {
    throw new AssertionFailed('a command runs with its arguments');
  },
  text: () => '',
  word: () => '',
};
