import { CausalOrder } from './causal-order.ts';
import { dotOrder } from './dot-order.ts';
import type { Operation } from './history.ts';
import { Observations } from './observations.ts';
import { effect, named, quoted, shown, who } from './told.ts';
import { Findings, type Verdict } from './verdict.ts';

/** A write that a session has read, and the read that showed it. */
interface Heard {
  readonly write: number;
  readonly by: number;
}

/** What a session had read of a key at a place of the history: the newest writes, more than one where they are concurrent. */
interface Newest {
  readonly at: number;
  readonly heard: readonly Heard[];
}

/** What one session did to one key, in its order. */
interface KeyInSession {
  /** Done for certain. */
  readonly writes: number[];
  readonly newest: Newest[];
}

type Guarantee = 'read-your-writes' | 'monotonic-reads' | 'monotonic-writes' | 'writes-follow-reads';

/** What is counted as checked: reads for which there is something that they must not be older than. */
const UNITS: Readonly<Record<Guarantee, string>> = {
  'read-your-writes': 'reads of what the session had written',
  'monotonic-reads': 'reads of what the session had read before',
  'monotonic-writes': 'reads after a later write of the same writer was read',
  'writes-follow-reads': 'reads of what the writer of something read before had read',
};

const PROMISES: Readonly<Record<Guarantee, string>> = {
  'read-your-writes': 'read your writes',
  'monotonic-reads': 'monotonic reads',
  'monotonic-writes': 'monotonic writes',
  'writes-follow-reads': 'writes follow reads',
};

/**
 * The four session guarantees, a verdict each. Source: Terry, Demers, Petersen, Spreitzer, Theimer, Welch, "Session Guarantees for Weakly
 * Consistent Replicated Data", PDIS 1994, as a client can see them: a read must not show what is known to be older than
 *
 * - what its session wrote (read your writes), or read (monotonic reads);
 * - what a session had written before it wrote something that the reader has read (monotonic writes);
 * - what a session had read before it wrote something that the reader has read (writes follow reads).
 *
 * Known to be older is what is before in the causal order, and what came earlier from the same origin, by its dot. Costs reads × sessions.
 * What expires may be gone from then on, and before that by as many nanoseconds as clocks differ: at any time where that is not said.
 * Throws HISTORY where a value is written twice to a key.
 */
export function checkSessions(history: readonly Operation[], clockSkew: number = Infinity): Verdict[] {
  const seen = new Observations(history);
  const order = new CausalOrder(seen);
  const undecided = order.tooLarge === null ? [] : [order.tooLarge];
  const check = new Check(order, clockSkew);
  if (order.tooLarge === null) check.run();
  return (Object.keys(PROMISES) as Guarantee[]).map((guarantee) =>
    check.findings[guarantee].verdict(PROMISES[guarantee], check.checked[guarantee], UNITS[guarantee], undecided),
  );
}

class Check {
  readonly findings: Readonly<Record<Guarantee, Findings>> = {
    'read-your-writes': new Findings(),
    'monotonic-reads': new Findings(),
    'monotonic-writes': new Findings(),
    'writes-follow-reads': new Findings(),
  };
  readonly checked: Record<Guarantee, number> = {
    'read-your-writes': 0,
    'monotonic-reads': 0,
    'monotonic-writes': 0,
    'writes-follow-reads': 0,
  };
  readonly #order: CausalOrder;
  readonly #seen: Observations;
  /** By session and key. */
  readonly #sessions: Map<string, Map<number, KeyInSession>> = new Map();
  /** Of each session, of each other the last write that it has read by now. */
  readonly #heard: Map<string, Map<string, Heard>> = new Map();

  readonly #clockSkew: number;

  constructor(order: CausalOrder, clockSkew: number) {
    this.#clockSkew = clockSkew;
    this.#order = order;
    this.#seen = order.seen;
  }

  run(): void {
    const tells = (at: number): boolean => this.#seen.takesPart(at) && !this.#seen.key(at).isCounted;
    const taken = [...this.#seen.history.keys()].filter(tells);
    for (const at of taken) this.#note(at);
    for (const at of taken) {
      if (this.#seen.operation(at).ok !== true) continue;
      if (this.#seen.isRead(at)) this.#judge(at);
      this.#hear(at);
    }
  }

  #keyIn(client: string, key: number): KeyInSession {
    let keys = this.#sessions.get(client);
    if (keys === undefined) this.#sessions.set(client, (keys = new Map()));
    let found = keys.get(key);
    if (found === undefined) keys.set(key, (found = { writes: [], newest: [] }));
    return found;
  }

  #note(at: number): void {
    const { client, ok } = this.#seen.operation(at);
    if (ok !== true) return;
    const { writes, newest } = this.#keyIn(client, this.#seen.keyOf[at] as number);
    if (this.#seen.isWrite(at)) writes.push(at);
    const source = this.#order.source(at);
    if (source < 0) return;
    const before = newest.at(-1)?.heard ?? [];
    if (before.some(({ write }) => write === source || this.#order.isBefore(source, write))) return;
    const heard = before.filter(({ write }) => !this.#order.isBefore(write, source));
    newest.push({ at, heard: [...heard, { write: source, by: at }] });
  }

  #hear(at: number): void {
    const source = this.#order.source(at);
    if (source < 0) return;
    const { client } = this.#seen.operation(at);
    const writer = this.#seen.operation(source).client;
    let heard = this.#heard.get(client);
    if (heard === undefined) this.#heard.set(client, (heard = new Map()));
    if ((heard.get(writer)?.write ?? -1) < source) heard.set(writer, { write: source, by: at });
  }

  #judge(at: number): void {
    const { client } = this.#seen.operation(at);
    const key = this.#seen.keyOf[at] as number;
    const own = this.#keyIn(client, key);
    const written = lastBefore(own.writes, at);
    this.#compare('read-your-writes', at, written === undefined ? [] : [written], (write) => ({
      text: `it had itself ${this.#done(write)} (${named(write)})`,
      operations: [write, at],
    }));
    const read = newestBefore(own.newest, at);
    this.#compare(
      'monotonic-reads',
      at,
      read.map(({ write }) => write),
      (write) => {
        const by = read.find((each) => each.write === write)?.by ?? write;
        return {
          text: `it had read the newer ${effect(this.#seen.operation(write))} before (${named(by)})`,
          operations: [write, by, at],
        };
      },
    );
    for (const [writer, last] of this.#heard.get(client) ?? []) {
      const keys = writer === client ? undefined : this.#sessions.get(writer)?.get(key);
      if (keys !== undefined) this.#judgeOther(at, keys, last);
    }
  }

  /** What another session had written and read before it wrote `last`, which the reader has read. */
  #judgeOther(at: number, { writes, newest }: KeyInSession, last: Heard): void {
    const { client, value, key } = this.#seen.operation(last.write);
    const had = `it had read ${shown(value)} from ${quoted(key)} (${named(last.by)}), which ${who(client)} wrote`;
    const written = lastBefore(writes, last.write);
    this.#compare('monotonic-writes', at, written === undefined ? [] : [written], (write) => ({
      text: `${had} after it had ${this.#done(write)} (${named(write)})`,
      operations: [write, last.write, last.by, at],
    }));
    const read = newestBefore(newest, last.write);
    this.#compare(
      'writes-follow-reads',
      at,
      read.map(({ write }) => write),
      (write) => {
        const by = read.find((each) => each.write === write)?.by ?? write;
        const what = effect(this.#seen.operation(write));
        return {
          text: `${had} after it had read the newer ${what} (${named(by)})`,
          operations: [write, by, last.write, last.by, at],
        };
      },
    );
  }

  /** A read and the writes than which it must not be older. */
  #compare(
    guarantee: Guarantee,
    at: number,
    writes: readonly number[],
    told: (write: number) => { readonly text: string; readonly operations: readonly number[] },
  ): void {
    if (writes.length === 0) return;
    this.checked[guarantee]++;
    const newer = writes.find((write) => this.#isOlder(at, write));
    if (newer === undefined) return;
    const { client, op, key, value, expected } = this.#seen.operation(at);
    const { text, operations } = told(newer);
    this.findings[guarantee].add({
      pattern: guarantee,
      text: `${who(client)} read ${shown(op === 'read' ? value : (expected ?? null))} from ${quoted(key)} (${named(at)}), although ${text}`,
      operations,
    });
  }

  /** Whether what was read is older than a write. */
  #isOlder(read: number, write: number): boolean {
    const source = this.#order.source(read);
    if (source >= 0) return this.#isBefore(source, write);
    if (!this.#seen.sawNothing(read)) return false;
    if (this.#seen.mayHaveVanished(read, this.#clockSkew)) return false;
    return this.#seen.key(read).deletions.every((del) => this.#isBefore(del, write));
  }

  #isBefore(older: number, newer: number): boolean {
    return this.#order.isBefore(older, newer) || dotOrder(this.#seen.operation(older), this.#seen.operation(newer)) < 0;
  }

  #done(write: number): string {
    const operation = this.#seen.operation(write);
    return operation.op === 'del' ? 'deleted it' : `written the newer ${effect(operation)}`;
  }
}

/** The last of ascending places before one. */
function lastBefore(places: readonly number[], at: number): number | undefined {
  return places[countBefore(places.length, (index) => (places[index] as number) < at) - 1];
}

function newestBefore(newest: readonly Newest[], at: number): readonly Heard[] {
  return newest[countBefore(newest.length, (index) => (newest[index] as Newest).at < at) - 1]?.heard ?? [];
}

/** How many of the first are so, of which none is behind one that is not. */
function countBefore(length: number, isSo: (index: number) => boolean): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isSo(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
