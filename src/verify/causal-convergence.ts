import { CausalOrder } from './causal-order.ts';
import { findConflictCycles } from './conflict-cycles.ts';
import type { Operation } from './history.ts';
import { NOBODY, Observations } from './observations.ts';
import { effect, named, quoted, shown, who } from './told.ts';
import { Findings, type Verdict } from './verdict.ts';

/** Violations whose shortest explanation is looked for: of more the clearest of the first are told, the others counted. */
const EXPLAINED_MAX = 64;

/**
 * Causal convergence (CCv) of reads, writes, cas and del over both tiers, by its bad patterns: a history is causally convergent if and only
 * if there is none. Source: Bouajjani, Enea, Guerraoui, Hamza, "On Verifying Causal Consistency", POPL 2017, sections 4 and 5: CyclicCO,
 * ThinAirRead, WriteCOInitRead, WriteCORead and CyclicCF, with
 *
 * - a cas as a read of what it expected and a write at once;
 * - a del as a write that nobody can be told to have read: who finds nothing where anything was deleted that is not older than what it knew
 *   of, or may have expired, tells nothing;
 * - a write of unknown end as one that nothing follows but who read it.
 *
 * What expires may be gone from then on, and before that by as many nanoseconds as clocks differ: at any time where that is not said.
 * Costs operations × writers of a key. Throws HISTORY where a value is written twice to a key.
 */
export function checkCausalConvergence(history: readonly Operation[], clockSkew: number = Infinity): Verdict {
  const seen = new Observations(history);
  const order = new CausalOrder(seen);
  if (order.tooLarge !== null) return new Findings().verdict('causal', 0, 'operations', [order.tooLarge]);
  const check = new Check(order, clockSkew);
  check.reads();
  check.cycles();
  return check.findings.verdict('causal', seen.count, `operations of ${seen.sessions} sessions`);
}

class Check {
  readonly findings: Findings = new Findings();
  readonly #order: CausalOrder;
  readonly #seen: Observations;
  readonly #explained: Map<string, number> = new Map();
  /** Writes that were read after they had been replaced: cycles through them tell nothing more. */
  readonly #readLate: Set<number> = new Set();
  readonly #clockSkew: number;

  constructor(order: CausalOrder, clockSkew: number) {
    this.#clockSkew = clockSkew;
    this.#order = order;
    this.#seen = order.seen;
  }

  reads(): void {
    for (const at of this.#seen.history.keys()) {
      if (!this.#seen.takesPart(at) || !this.#seen.isRead(at)) continue;
      const source = this.#order.source(at);
      if (source === NOBODY) this.#thinAir(at);
      else if (source >= 0) this.#replaced(at, source);
      else if (this.#seen.sawNothing(at)) this.#missed(at);
    }
  }

  cycles(): void {
    for (const cycle of this.#order.cycles) {
      if (!this.#isToBeTold('CyclicCO')) continue;
      const steps = cycle.map((at) => this.#what(at)).join('; ');
      this.findings.add({
        pattern: 'CyclicCO',
        text: `what was read is of the future: each of these comes before itself: ${steps}`,
        operations: cycle,
      });
    }
    for (const violation of findConflictCycles(this.#order, this.#readLate)) this.findings.add(violation);
  }

  #thinAir(at: number): void {
    if (!this.#isToBeTold('ThinAirRead')) return;
    const read = this.#what(at);
    const { op, value, expected } = this.#seen.operation(at);
    const refused = this.#seen.key(at).writes.get((op === 'read' ? value : expected) ?? '');
    const why =
      refused === undefined ? 'which nobody wrote' : `whose writer was told that it was not done (${named(refused)})`;
    this.findings.add({
      pattern: 'ThinAirRead',
      text: `${read}, ${why}`,
      operations: refused === undefined ? [at] : [refused, at],
    });
  }

  /** WriteCORead: a write that the reader knew of replaced what it read. */
  #replaced(at: number, source: number): void {
    for (const write of this.#order.lastWrites(at)) {
      if (!this.#order.isBefore(source, write)) continue;
      this.#readLate.add(source);
      if (!this.#isToBeTold('WriteCORead')) return;
      const operations = [...this.#order.path(source, write), ...this.#order.path(write, at).slice(1)];
      const writer = this.#seen.operation(write);
      const replaced = writer.op === 'del' ? `deleted by ${who(writer.client)}` : `replaced by ${effect(writer)}`;
      this.findings.add({
        pattern: 'WriteCORead',
        text: `${this.#what(at)}, although that was ${replaced} (${named(write)}), which ${this.#known(write, at)}`,
        operations,
      });
      return;
    }
  }

  /** WriteCOInitRead: the reader knew of a write, and nothing can have removed it. */
  #missed(at: number): void {
    const { deletions } = this.#seen.key(at);
    if (this.#seen.mayHaveVanished(at, this.#clockSkew)) return;
    for (const write of this.#order.lastWrites(at)) {
      // of a del too: it is not before itself
      if (!deletions.every((del) => this.#order.isBefore(del, write))) continue;
      if (!this.#isToBeTold('WriteCOInitRead')) return;
      this.findings.add({
        pattern: 'WriteCOInitRead',
        text: `${this.#what(at)}, although ${effect(this.#seen.operation(write))} had been written (${named(write)}), which ${this.#known(write, at)}, and nothing deleted it since`,
        operations: this.#order.path(write, at),
      });
      return;
    }
  }

  /** Counts a violation; returns whether it is to be explained too. */
  #isToBeTold(pattern: string): boolean {
    const explained = this.#explained.get(pattern) ?? 0;
    this.#explained.set(pattern, explained + 1);
    if (explained < EXPLAINED_MAX) return true;
    this.findings.count();
    return false;
  }

  #known(write: number, at: number): string {
    const { client } = this.#seen.operation(at);
    if (this.#seen.operation(write).client === client) return `${who(client)} itself had done`;
    const isRead = this.#order.path(write, at).length <= 3;
    return isRead ? `${who(client)} had read` : `${who(client)} had seen the effects of`;
  }

  #what(at: number): string {
    const { client, op, key, value, expected } = this.#seen.operation(at);
    const where = `${quoted(key)} (${named(at)})`;
    if (op === 'read') return `${who(client)} read ${shown(value)} from ${where}`;
    if (op === 'cas') return `${who(client)} swapped ${shown(expected ?? null)} for ${shown(value)} at ${where}`;
    return op === 'del' ? `${who(client)} deleted ${where}` : `${who(client)} wrote ${shown(value)} to ${where}`;
  }
}
