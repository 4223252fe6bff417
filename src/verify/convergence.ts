import { CausalOrder } from './causal-order.ts';
import type { FinalState } from './final-states.ts';
import type { Operation } from './history.ts';
import { Observations } from './observations.ts';
import { effect, named, quoted, shown, who } from './told.ts';
import { Findings, type Verdict } from './verdict.ts';

/**
 * Convergence: when nobody writes any more and everything has arrived, all nodes show the same (Differ), and of registers something that
 * was written (ThinAir) and not refused (Refused), nothing only where nothing was acknowledged or something may have removed it (Vanished), and
 * nothing that an acknowledged write has seen and replaced (Replaced). `counters.ts`, `acknowledged.ts` and `resurrection.ts` say more of whether it
 * is the right thing that nodes agree on. Source: Shapiro, Preguiça, Baquero, Zawirski, "Conflict-free Replicated Data
 * Types", SSS 2011 (strong eventual consistency).
 *
 * `finals` may show keys that the history does not name: those are compared, too. Keys that never leave their node are left out.
 */
export function checkConvergence(history: readonly Operation[], finals: readonly FinalState[]): Verdict {
  const findings = new Findings();
  const written = new Written(history);
  const keys = new Set(finals.flatMap(({ values }) => [...values.keys()]));
  let checked = 0;
  for (const key of keys) {
    if (written.isWeak(key)) continue;
    checked++;
    const shownBy = new Map<string | null, string[]>();
    for (const { node, values } of finals) {
      const value = values.get(key) ?? null;
      const nodes = shownBy.get(value);
      if (nodes === undefined) shownBy.set(value, [node]);
      else nodes.push(node);
    }
    if (shownBy.size > 1) {
      const parts = [...shownBy].map(([value, nodes]) => `${nodes.map(who).join(', ')}: ${shown(value)}`);
      const writes = [...shownBy.keys()].flatMap((value) => written.writeOf(key, value) ?? []);
      findings.add({
        pattern: 'Differ',
        text: `nodes differ at ${quoted(key)}: ${parts.join('; ')}`,
        operations: writes,
      });
    }
    for (const [value, nodes] of shownBy) {
      const isAgreed = shownBy.size === 1;
      const wrong = written.problemWith(key, value) ?? (isAgreed ? written.lossOf(key, value) : null);
      if (wrong === null) continue;
      const text = `${nodes.map(who).join(', ')} shows ${shown(value)} at ${quoted(key)} in the end, ${wrong.text}`;
      findings.add({ pattern: wrong.pattern, text, operations: wrong.operations });
    }
  }
  const nodes = `${finals.length} nodes`;
  return findings.verdict('convergence', finals.length < 2 ? 0 : checked, `keys on ${nodes}`);
}

/** What a history wrote to its keys. */
class Written {
  /** By key the last operation that wrote the value. */
  readonly #writes: Map<string, Map<string, number>> = new Map();
  readonly #counted: Set<string> = new Set();
  readonly #weak: Set<string> = new Set();
  /** By key the acknowledged writes. */
  readonly #acknowledged: Map<string, number[]> = new Map();
  /** Keys that something may have been removed from. */
  readonly #removed: Set<string> = new Set();
  readonly #history: readonly Operation[];
  readonly #order: CausalOrder;

  constructor(history: readonly Operation[]) {
    this.#history = history;
    this.#order = new CausalOrder(new Observations(history));
    for (const [at, { expires, key, op, value, ok, level }] of history.entries()) {
      let writes = this.#writes.get(key);
      if (writes === undefined) this.#writes.set(key, (writes = new Map<string, number>()));
      if (op === 'incr') this.#counted.add(key);
      if (op !== 'read' && level === 'weak') this.#weak.add(key);
      if (ok !== false && (op === 'del' || expires !== undefined)) this.#removed.add(key);
      if ((op !== 'write' && op !== 'cas') || value === null) continue;
      if (ok !== false || !writes.has(value)) writes.set(value, at);
      if (ok === true) this.#acknowledged.set(key, [...(this.#acknowledged.get(key) ?? []), at]);
    }
  }

  isWeak(key: string): boolean {
    return this.#weak.has(key);
  }

  writeOf(key: string, value: string | null): number | undefined {
    return value === null ? undefined : this.#writes.get(key)?.get(value);
  }

  /** Null where there is none, or where the history does not tell. */
  problemWith(key: string, value: string | null): { pattern: string; text: string; operations: number[] } | null {
    const writes = this.#writes.get(key);
    if (value === null || writes === undefined || this.#counted.has(key)) return null;
    const write = writes.get(value);
    if (write === undefined) return { pattern: 'ThinAir', text: 'which nobody wrote', operations: [] };
    if (this.#history[write]?.ok !== false) return null;
    const text = `whose writer was told that it was not done (${named(write)})`;
    return { pattern: 'Refused', text, operations: [write] };
  }
  /** What was acknowledged and is gone; null where there is none, or where the history does not tell. */
  lossOf(key: string, value: string | null): ReturnType<Written['problemWith']> {
    const acknowledged = this.#acknowledged.get(key) ?? [];
    const [first] = acknowledged;
    if (first === undefined || this.#counted.has(key)) return null;
    if (value === null) {
      if (this.#removed.has(key)) return null;
      const what = effect(this.#operation(first));
      const text = `although ${what} was written and acknowledged (${named(first)}), and nothing removed it`;
      return { pattern: 'Vanished', text, operations: [first] };
    }
    const write = this.writeOf(key, value);
    if (write === undefined || this.#order.tooLarge !== null || !this.#order.seen.takesPart(write)) return null;
    const newer = acknowledged.find((other) => other !== write && this.#order.isBefore(write, other));
    if (newer === undefined) return null;
    const { client } = this.#operation(newer);
    const text = `although ${who(client)}, which knew of that, replaced it by ${effect(this.#operation(newer))} (${named(newer)})`;
    return { pattern: 'Replaced', text, operations: [write, newer] };
  }

  #operation(at: number): Operation {
    return this.#history[at] as Operation;
  }
}
