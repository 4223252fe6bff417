import type { Operation } from '../../src/verify/history.ts';

/** Slow and plain: each that nothing unfinished was over before may come next; of those of unknown end any may never come. */
export function triesEveryOrder(history: readonly Operation[], value: string | null = null): boolean {
  const left = history.filter(({ ok, op, error }) => ok !== false || (op === 'cas' && error === undefined));
  if (left.every(({ ok }) => ok === null)) return true;
  return left.some((next) => {
    if (left.some((other) => other.ok !== null && other.end < next.start)) return false;
    const after = plainStep(value, next);
    return (
      after !== 'wrong' &&
      triesEveryOrder(
        left.filter((other) => other !== next),
        after.value,
      )
    );
  });
}

/** With an operation of unknown end for each value that may expire: it swaps that for nothing. */
export function withExpiries(history: readonly Operation[], clockSkew: number): Operation[] {
  const writerOf = (value: string | null | undefined): Operation | undefined =>
    history.find((each) => (each.op === 'write' || each.op === 'cas') && each.value === value);
  const expiryOf = (of: Operation | undefined, depth = 0): number | undefined =>
    of?.op === 'cas' && depth < history.length ? expiryOf(writerOf(of.expected), depth + 1) : of?.expires;
  const expiries = history.flatMap((written): Operation[] => {
    const expires = expiryOf(writerOf(written.value));
    if (expires === undefined || written !== writerOf(written.value)) return [];
    const { value, start } = written;
    const expiry = { op: 'cas', expected: value, value: null, ok: null, start: Math.max(start, expires - clockSkew) };
    return [{ ...written, ...expiry } as Operation];
  });
  return [...history, ...expiries];
}

function plainStep(
  value: string | null,
  { op, value: to, expected, result, ok }: Operation,
): 'wrong' | { value: string | null } {
  if (op === 'read') return to === value ? { value } : 'wrong';
  if (op === 'write') return { value: to };
  if (op === 'del') return { value: null };
  if (op === 'incr') {
    const sum = Number(value ?? '0') + Number(to);
    // what is not a number cannot be added to: nobody was told of a sum
    if (Number.isNaN(sum)) return ok === null ? { value } : 'wrong';
    return result === undefined || Number(result) === sum ? { value: String(sum) } : 'wrong';
  }
  const did = (expected ?? null) === value;
  if (ok !== null && ok !== did) return 'wrong';
  return { value: did ? to : value };
}
