import type { FinalState } from './final-states.ts';
import type { Operation } from './history.ts';
import { named, quoted, shown, who } from './told.ts';
import { Findings, type Verdict } from './verdict.ts';

/**
 * Convergence: when nobody writes any more and everything has arrived, all nodes show the same (Differ), and of registers something that
 * was written (ThinAir) and not refused (Refused). Agreeing is not enough by itself: `counters.ts`, `acknowledged.ts` and `resurrection.ts`
 * say whether it is the right thing that nodes agree on. Source: Shapiro, Preguiça, Baquero, Zawirski, "Conflict-free Replicated Data
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
      const wrong = written.problemWith(key, value);
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
  readonly #history: readonly Operation[];

  constructor(history: readonly Operation[]) {
    this.#history = history;
    for (const [at, { key, op, value, ok, level }] of history.entries()) {
      let writes = this.#writes.get(key);
      if (writes === undefined) this.#writes.set(key, (writes = new Map<string, number>()));
      if (op === 'incr') this.#counted.add(key);
      if (op !== 'read' && level === 'weak') this.#weak.add(key);
      if ((op === 'write' || op === 'cas') && value !== null && (ok !== false || !writes.has(value)))
        writes.set(value, at);
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
}
