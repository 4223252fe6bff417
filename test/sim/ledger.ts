import type { Origin } from '../../src/clock/origin.ts';
import type { Operation } from '../../src/verify/history.ts';
import type { Losses } from './losses.ts';

type Dot = readonly [origin: Origin, seq: number];

/** An acknowledged increment of a causal counter. */
interface Counted {
  readonly key: string;
  readonly amount: number;
  readonly dot: Dot;
}

/** All that clients were told, to be judged at the end. */
export class Ledger {
  readonly history: Operation[] = [];
  readonly wrong: string[] = [];
  readonly counted: Counted[] = [];
  /** Keys that are made once, with the dots of their acknowledged removals. */
  readonly once: Map<string, Dot[]> = new Map();
  readonly onceNames: string[] = [];
  readonly notes: number[] = [];
  /** By session and key: `gone` once it saw a key gone that was there. */
  readonly #sawOnce: Map<string, 'there' | 'gone'> = new Map();
  /** By session and counter. */
  readonly #seenCounts: Map<string, number> = new Map();
  readonly errors: Map<string, number> = new Map();
  requests = 0;
  actions = 0;
  moves = 0;
  retries = 0;
  newSessions = 0;

  made(key: string): void {
    this.once.set(key, []);
    this.onceNames.push(key);
  }

  removed(key: string, dot: Dot): void {
    this.once.get(key)?.push(dot);
  }

  sawOnce(session: string, key: string, isThere: boolean): void {
    const name = `${session} ${key}`;
    const before = this.#sawOnce.get(name);
    if (isThere && before === 'gone') this.wrong.push(`${session} sees ${key} again, which it saw gone`);
    if (isThere) this.#sawOnce.set(name, 'there');
    else if (before === 'there') this.#sawOnce.set(name, 'gone');
  }

  seenCount(session: string, key: string, count: number): number {
    const name = `${session} ${key}`;
    const most = Math.max(count, this.#seenCounts.get(name) ?? 0);
    this.#seenCounts.set(name, most);
    return most;
  }

  noteError(reply: string): void {
    const code = /^-(\S+)/.exec(reply)?.[1] ?? '';
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  /** The least and the most that a causal counter may be: what may be lost counts or does not. */
  boundsOf(counter: string, losses: Losses): readonly [least: number, most: number] {
    let [least, most] = [0, 0];
    for (const { key, amount, dot } of this.counted) {
      if (key !== counter) continue;
      most += amount;
      if (!losses.isLost(...dot)) least += amount;
    }
    return [least, most];
  }
}
