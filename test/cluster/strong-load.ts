import { RespError, type RespClient } from '../../src/cli/resp-client.ts';

/** What a writer that names its requests may be told and goes on from: none of it says that the write will not happen. */
const PASSING = /^(NOQUORUM|UNCERTAIN|BEHIND) /;

/** Clients that write strong keys without a pause: each adds one to a counter of all, under a name, and then sets a key of its own. */
export class StrongLoad {
  /** Unique keys whose SET was acknowledged, with their values. */
  readonly written: Map<string, string> = new Map();
  /** Increments that were acknowledged: as many as there were names. */
  increments = 0;
  /** Answers that were errors, as they came. */
  readonly errors: string[] = [];
  #isOver = false;
  readonly #writers: Promise<void>[] = [];

  constructor(clients: readonly RespClient[]) {
    for (const [at, client] of clients.entries()) this.#writers.push(this.#write(client, at));
  }

  async #write(client: RespClient, writer: number): Promise<void> {
    for (let count = 0; !this.#isOver; count++) {
      const name = `${writer}:${count}`;
      await this.#untilDone(() => client.send('CW.ONCE', name, Date.now(), 'INCR', 'position:count'));
      this.increments++;
      const key = `position:${name}`;
      await this.#untilDone(() => client.send('SET', key, name));
      this.written.set(key, name);
    }
  }

  /** Asks again as often as it takes: both kinds of request may be run or asked twice. */
  async #untilDone(ask: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await ask();
        return;
      } catch (error) {
        if (!(error instanceof RespError) || !PASSING.test(error.message)) throw error;
        this.errors.push(error.message);
      }
    }
  }

  /** Fulfilled once every writer's last request is acknowledged. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#writers);
  }

  /** What a node has otherwise than was acknowledged: of the counter, and of the keys. */
  async differences(client: RespClient): Promise<string[]> {
    return differencesOf(client, [['position:count', String(this.increments)], ...this.written]);
  }
}

/** Keys that a node answers otherwise, read linearizably. */
export async function differencesOf(
  client: RespClient,
  expected: Iterable<readonly [key: string, value: string]>,
): Promise<string[]> {
  const found = Array.from(expected, async ([key, value]) => [key, value, await client.send('GET', key)] as const);
  const differing = (await Promise.all(found)).filter(([, value, answer]) => answer !== value);
  return differing.map(([key, value, answer]) => `${key} is ${String(answer)}, acknowledged ${value}`);
}
