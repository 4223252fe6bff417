import { CausalOrder } from './causal-order.ts';
import { dotOrder } from './dot-order.ts';
import type { FinalState } from './final-states.ts';
import type { Operation } from './history.ts';
import { Observations } from './observations.ts';
import { named, quoted, shown, who } from './told.ts';
import { Findings, type Verdict } from './verdict.ts';

/** What a check of removed values may take for granted. */
export interface ResurrectionOptions {
  /** What nodes show in the end; empty where what was acknowledged may be lost with its node, dels too. */
  readonly finals: readonly FinalState[];
  /** When, on the clock of the history: what expires before is gone from `finals`. */
  readonly finalsAt?: number;
  /** By how much a node's clock may be behind that of the history: an expired value may be seen for so long. Nanoseconds. */
  readonly clockSkew: number;
}

/**
 * What was deleted or expired does not come back, on either tier. Each value is written once, so that whoever sees it again sees what was
 * removed:
 *
 * - DeletedButRead: a read, or what a node shows in the end, of a value with a del after it that the reader knew of, or that was acknowledged;
 * - CameBack: a session saw a value that does not expire, then nothing, then the value again;
 * - ExpiredButRead: a value is read later than it expires, by more than clocks may differ. It must have its expiry with its write, and
 *   nothing may have changed that since.
 *
 * A del is after a write where it is in the causal order (session order and reads), or by dots of one origin. Source: the zombies of
 * tombstones that go early, as in Cassandra's `gc_grace_seconds`; and SPEC D5, D9.
 */
export function checkResurrection(history: readonly Operation[], options: ResurrectionOptions): Verdict {
  const seen = new Observations(history);
  const order = new CausalOrder(seen);
  const findings = new Findings();
  if (order.tooLarge !== null) return findings.verdict('removals', 0, 'reads', [order.tooLarge]);
  const check = new Check(order, options, findings);
  check.reads();
  check.finals();
  return findings.verdict(
    'removals',
    check.checked,
    `sightings of ${check.removedKeys} keys from which something was removed`,
  );
}

class Check {
  checked = 0;
  readonly #order: CausalOrder;
  readonly #seen: Observations;
  readonly #options: ResurrectionOptions;
  readonly #findings: Findings;
  readonly #removed: ReadonlySet<number>;

  constructor(order: CausalOrder, options: ResurrectionOptions, findings: Findings) {
    this.#order = order;
    this.#seen = order.seen;
    this.#options = options;
    this.#findings = findings;
    const removed = new Set<number>();
    for (const [at, { op, ok, expires }] of this.#seen.history.entries())
      if ((op === 'del' && ok !== false) || expires !== undefined) removed.add(this.#seen.keyOf[at] as number);
    this.#removed = removed;
  }

  get removedKeys(): number {
    return this.#removed.size;
  }

  reads(): void {
    /** By session and key: what was seen last, and what was seen before nothing was. */
    const last = new Map<string, { seen: number; gone: Map<number, number> }>();
    for (const [at, { client, ok }] of this.#seen.history.entries()) {
      const key = this.#seen.keyOf[at] as number;
      if (!this.#removed.has(key) || ok !== true || !this.#seen.takesPart(at) || !this.#seen.isRead(at)) continue;
      this.checked++;
      const name = JSON.stringify([client, key]);
      const before = last.get(name) ?? { seen: -1, gone: new Map<number, number>() };
      last.set(name, before);
      const source = this.#order.source(at);
      if (source < 0) {
        if (this.#seen.sawNothing(at) && before.seen >= 0) before.gone.set(before.seen, at);
        continue;
      }
      before.seen = source;
      const gone = before.gone.get(source);
      // clocks differ: what has expired at one node may be there at the next for a while
      if (gone !== undefined && this.#seen.operation(source).expires === undefined) this.#cameBack(at, gone);
      this.#deleted(at, source);
      this.#expired(this.#saw(at), this.#seen.operation(at).start, source, [at]);
    }
  }

  finals(): void {
    const { finals, finalsAt } = this.#options;
    for (const key of this.#removed) {
      const { key: name, writes, deletions } = this.#seen.keys[key] as Observations['keys'][number];
      for (const { node, values } of finals) {
        const value = values.get(name) ?? null;
        const source = value === null ? undefined : writes.get(value);
        this.checked++;
        if (source === undefined) continue;
        const saw = `${who(node)} shows ${shown(value)} at ${quoted(name)} in the end`;
        const del = deletions.find((each) => this.#isAfter(each, source));
        if (del !== undefined)
          this.#add('DeletedButRead', `${saw}, although it was deleted (${named(del)})`, [source, del]);
        if (finalsAt !== undefined) this.#expired(saw, finalsAt, source, []);
      }
    }
  }

  #cameBack(at: number, gone: number): void {
    const { value, expected, op } = this.#seen.operation(at);
    const what = shown(op === 'read' ? value : (expected ?? null));
    const text = `${this.#saw(at)} again, although it had seen ${what} gone before (${named(gone)})`;
    this.#add('CameBack', text, [this.#order.source(at), gone, at]);
  }

  /** The reader knew of a del that came after what it reads. */
  #deleted(at: number, source: number): void {
    const { deletions } = this.#seen.key(at);
    const known = deletions.find((del) => this.#isAfter(del, source) && this.#order.isBefore(del, at));
    if (known === undefined) return;
    const text = `${this.#saw(at)}, although it knew that this was deleted (${named(known)})`;
    this.#add('DeletedButRead', text, [source, known, at]);
  }

  #expired(saw: string, time: number, source: number, operations: readonly number[]): void {
    const { expires } = this.#seen.operation(source);
    if (expires === undefined || time <= expires + this.#options.clockSkew) return;
    const lateMs = Math.round((time - expires) / 1e6);
    this.#add('ExpiredButRead', `${saw}, ${lateMs} ms after it had expired (${named(source)})`, [
      source,
      ...operations,
    ]);
  }

  /** Whether a del certainly came after a write. */
  #isAfter(del: number, write: number): boolean {
    if (this.#seen.takesPart(write) && this.#seen.takesPart(del) && this.#order.isBefore(write, del)) return true;
    return dotOrder(this.#seen.operation(write), this.#seen.operation(del)) < 0;
  }

  #saw(at: number): string {
    const { client, op, key, value, expected } = this.#seen.operation(at);
    return `${who(client)} read ${shown(op === 'read' ? value : (expected ?? null))} from ${quoted(key)} (${named(at)})`;
  }

  #add(pattern: string, text: string, operations: readonly number[]): void {
    this.#findings.add({ pattern, text, operations });
  }
}
