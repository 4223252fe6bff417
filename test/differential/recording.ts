import { replyText, type ReplyValue } from '../conformance/reply-value.ts';
import type { Words } from './comparison.ts';
import type { RandomSession } from './random-commands.ts';
import type { Target } from './targets.ts';

/** What a real Redis replied in one session, the requests that the comparison itself makes included. */
export interface RecordedSession {
  readonly session: RandomSession;
  readonly recordedAtMs: number;
  readonly exchanges: (readonly [words: Words, reply: ReplyValue])[];
}

export interface Recording {
  readonly redisVersion: string;
  readonly seed: number;
  readonly sessions: readonly RecordedSession[];
}

/** A target that notes everything that passes. Compares as a recording does, so that playing it back asks the same. */
export class NotingTarget implements Target {
  readonly recordedAtMs: number = Date.now();
  readonly exchanges: [words: Words, reply: ReplyValue][] = [];
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  async reset(respVersion: 2 | 3): Promise<void> {
    await this.#target.reset(respVersion);
  }

  async run(requests: readonly Words[]): Promise<ReplyValue[]> {
    const replies = await this.#target.run(requests);
    for (const [index, words] of requests.entries()) this.exchanges.push([words, replies[index] ?? { kind: 'null' }]);
    return replies;
  }

  close(): void {
    this.#target.close();
  }
}

/** A Redis that is not there: says again what it once said. */
export class RecordedTarget implements Target {
  readonly recordedAtMs: number;
  readonly #exchanges: RecordedSession['exchanges'];
  #at = 0;

  constructor(recorded: RecordedSession) {
    this.recordedAtMs = recorded.recordedAtMs;
    this.#exchanges = recorded.exchanges;
  }

  async reset(): Promise<void> {
    this.#at = 0;
  }

  async run(requests: readonly Words[]): Promise<ReplyValue[]> {
    return requests.map((words) => {
      const exchange = this.#exchanges[this.#at++];
      if (exchange === undefined || exchange[0].join(' ') !== words.join(' ')) {
        throw new Error(
          `the recording does not know what Redis replies to ${words.join(' ')}; the last was ${this.#last()}`,
        );
      }
      return exchange[1];
    });
  }

  #last(): string {
    const exchange = this.#exchanges[this.#at - 2];
    return exchange === undefined ? 'none' : `${exchange[0].join(' ')} → ${replyText(exchange[1])}`;
  }

  close(): void {
    // nothing is open
  }
}
