import type { Operation } from './history.ts';
import { removes, type Step, valuesThatExpire } from './linearization-search.ts';
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

/**
 * What is written with an expiry may be gone from then on, and before that by as many nanoseconds as clocks differ; so may what was swapped
 * for it, for a swap may leave the expiry as it is. A step of unknown end for each such value. That it does go is for `resurrection.ts` to see.
 */
export function expiriesOf(history: readonly Operation[], places: readonly number[], clockSkew: number): Step[] {
  const writers = new Map<string, number>();
  for (const at of places) {
    const { op, value } = history[at] as Operation;
    if ((op === 'write' || op === 'cas') && value !== null) writers.set(value, at);
  }
  return places.flatMap((at): Step[] => {
    const { value, start } = history[at] as Operation;
    const expires = value === null || writers.get(value) !== at ? undefined : expiryOf(history, writers, at);
    if (expires === undefined) return [];
    const step = { at, op: 'expire', value: null, expected: value, did: null, result: null } as const;
    return [{ ...step, start: Math.max(start, expires - clockSkew), end: Infinity }];
  });
}

/** When what an operation writes may expire; undefined for never. */
function expiryOf(
  history: readonly Operation[],
  writers: ReadonlyMap<string, number>,
  writer: number,
): number | undefined {
  const looked = new Set<number>();
  for (let at: number | undefined = writer; at !== undefined && !looked.has(at);) {
    looked.add(at);
    const { op, expires, expected }: Operation = history[at] as Operation;
    if (op === 'write') return expires;
    at = expected === undefined || expected === null ? undefined : writers.get(expected);
  }
  return undefined;
}

/** Whether values alone say who wrote them, and a write that nobody saw can be left out. */
function isPlain(steps: readonly Step[]): boolean {
  return steps.every(({ op, did }) => op !== 'incr' && did !== false);
}

/**
 * The same question with less to try. Values are unique, so a step of unknown end whose value somebody saw did happen, before who saw it
 * ended; and one that nobody saw can be left out, where nothing is counted and no cas has failed for want of another value, but what expires:
 * it may have taken something with it.
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
  if (!isPlain(settled)) return settled;
  const passing = valuesThatExpire(settled);
  return settled.filter(
    ({ op, value, end }) => end < Infinity || removes(op) || (op === 'write' && passing.has(value)),
  );
}

/**
 * Steps that can be left out, all together, of what is to be shown as broken: if there is an order with them there is one without. Reads
 * and swaps that failed always; writes that nobody saw, nor that they expired, and dels where nobody saw nothing, if nothing is counted and
 * no swap failed.
 */
export function removable(steps: readonly Step[]): { readonly looks: Step[]; readonly effects: Step[] } {
  const looks = steps.filter(({ op, did }) => op === 'read' || did === false);
  if (!isPlain(steps)) return { looks, effects: [] };
  const seen = new Set(steps.map(needOf));
  const passing = valuesThatExpire(steps);
  const isSeen = ({ op, value }: Step): boolean =>
    seen.has(removes(op) ? null : value) || (passing.has(value) && seen.has(null));
  const effects = steps.filter((step) => step.op !== 'read' && !isSeen(step));
  return { looks, effects };
}
