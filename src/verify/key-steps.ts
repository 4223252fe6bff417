import type { Operation } from './history.ts';
import type { Step } from './linearization-search.ts';
import { needOf } from './pending-needs.ts';

/** The strong operations on each key, as places in the history: all that changes a key with strong operations, and its strong reads. */
export function strongOperations(history: readonly Operation[]): Map<string, number[]> {
  const strong = new Set<string>();
  for (const { key, level } of history) if (level === 'strong') strong.add(key);
  const found = new Map<string, number[]>();
  for (const [at, { key, op, level }] of history.entries()) {
    if (!strong.has(key) || (op === 'read' && level !== 'strong')) continue;
    const places = found.get(key);
    if (places === undefined) found.set(key, [at]);
    else places.push(at);
  }
  return found;
}

/** The operations as steps, without those that tell nothing: what was refused, and reads that were not answered. */
export function stepsOf(history: readonly Operation[], places: readonly number[]): Step[] {
  return places.flatMap((at): Step[] => {
    const { op, value, expected, result, start, end, ok, error } = history[at] as Operation;
    if (op === 'read' && ok === null) return [];
    if (ok === false && (op !== 'cas' || error !== undefined)) return [];
    return [
      {
        at,
        op,
        value,
        expected: expected ?? null,
        did: op === 'cas' ? ok : null,
        result: result ?? null,
        start,
        end: ok === null ? Infinity : end,
      },
    ];
  });
}

/** Whether values alone say who wrote them, and a write that nobody saw can be left out. */
function isPlain(steps: readonly Step[]): boolean {
  return steps.every(({ op, did }) => op !== 'incr' && did !== false);
}

/**
 * The same question with less to try. Values are unique, so a step of unknown end whose value somebody saw did happen, before who saw it
 * ended; and one that nobody saw can be left out, where nothing is counted and no cas has failed for want of another value.
 */
export function withoutDoubt(steps: readonly Step[]): readonly Step[] {
  if (steps.some(({ op }) => op === 'incr')) return steps;
  const writers = new Map<string | null, number>();
  for (const [index, { op, value }] of steps.entries()) if (op === 'write' || op === 'cas') writers.set(value, index);
  const settled = [...steps];
  const waiting = settled.filter((step) => needOf(step) !== undefined);
  for (let step = waiting.pop(); step !== undefined; step = waiting.pop()) {
    const index = writers.get(needOf(step) ?? null);
    const writer = index === undefined ? undefined : settled[index];
    if (index === undefined || writer === undefined || (steps[index] as Step).end < Infinity) continue;
    if (step.end >= writer.end) continue;
    const happened: Step = { ...writer, end: step.end, did: writer.op === 'cas' ? true : null };
    settled[index] = happened;
    if (needOf(happened) !== undefined) waiting.push(happened);
  }
  return isPlain(settled) ? settled.filter(({ op, end }) => end < Infinity || op === 'del') : settled;
}

/**
 * Steps that can be left out, all together, of what is to be shown as broken: if there is an order with them there is one without. Reads
 * and swaps that failed always; writes that nobody saw and dels where nobody saw nothing, if nothing is counted and no swap failed.
 */
export function removable(steps: readonly Step[]): { readonly looks: Step[]; readonly effects: Step[] } {
  const looks = steps.filter(({ op, did }) => op === 'read' || did === false);
  if (!isPlain(steps)) return { looks, effects: [] };
  const seen = new Set(steps.map(needOf));
  const effects = steps.filter((step) => step.op !== 'read' && !seen.has(step.op === 'del' ? null : step.value));
  return { looks, effects };
}
