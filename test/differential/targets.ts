import { Harness } from '../commands-data/harness.ts';
import type { ReplyValue } from '../conformance/reply-value.ts';
import { RespConnection } from '../conformance/resp-connection.ts';

/** Something that answers requests as Redis does. */
export interface Target {
  /** Unix milliseconds at which its replies were recorded; null where they are made now. */
  readonly recordedAtMs: number | null;
  /** Begins anew: no keys, and replies of this version. */
  reset(respVersion: 2 | 3): Promise<void>;
  /** Replies in the order of the requests. */
  run(requests: readonly (readonly string[])[]): Promise<ReplyValue[]>;
  close(): void;
}

/** A server on a port. */
export class RespTarget implements Target {
  readonly recordedAtMs = null;
  readonly #connection: RespConnection;

  private constructor(connection: RespConnection) {
    this.#connection = connection;
  }

  static async open(port: number): Promise<RespTarget> {
    return new RespTarget(await RespConnection.open(port));
  }

  async reset(respVersion: 2 | 3): Promise<void> {
    await this.run([['DISCARD'], ['UNWATCH'], ['HELLO', String(respVersion)], ['FLUSHALL']]);
  }

  async run(requests: readonly (readonly string[])[]): Promise<ReplyValue[]> {
    return await this.#connection.pipeline(requests);
  }

  close(): void {
    this.#connection.close();
  }
}

/** The commands in this process, without a server around them. */
export class InProcessTarget implements Target {
  readonly recordedAtMs = null;
  #node: Harness = new Harness();
  #seed = 1;

  async reset(respVersion: 2 | 3): Promise<void> {
    this.#node = new Harness(this.#seed++);
    this.#node.respVersion = respVersion;
  }

  async run(requests: readonly (readonly string[])[]): Promise<ReplyValue[]> {
    return requests.map((words) => {
      this.#node.nowMs = Math.max(this.#node.nowMs, Date.now());
      return this.#node.reply(...words);
    });
  }

  close(): void {
    // nothing is open
  }
}
