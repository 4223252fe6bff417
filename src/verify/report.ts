import type { Operation } from './history.ts';
import { effect, quoted, shown, who } from './told.ts';
import type { Verdict } from './verdict.ts';

/** Operations of a violation that are written out. */
const OPERATIONS_MAX = 12;

const NS_PER_MS = 1e6;

/** The verdicts as lines of text, one a promise, and below what is broken the operations that show it. */
export function reportLines(verdicts: readonly Verdict[], history: readonly Operation[]): string[] {
  return verdicts.flatMap((verdict) => [
    `${verdict.promise}: ${sentence(verdict)}`,
    ...verdict.violations.flatMap(({ pattern, text, operations }) => [
      `  ${pattern}: ${text}`,
      ...operations.slice(0, OPERATIONS_MAX).flatMap((at) => {
        const operation = history[at];
        return operation === undefined ? [] : [`    operation ${grouped(at + 1)}: ${operationText(operation)}`];
      }),
      ...(operations.length > OPERATIONS_MAX
        ? [`    and ${grouped(operations.length - OPERATIONS_MAX)} operations more`]
        : []),
    ]),
    ...(verdict.found > verdict.violations.length
      ? [`  and ${grouped(verdict.found - verdict.violations.length)} more`]
      : []),
    ...verdict.undecided.map((text) => `  not decided: ${text}`),
  ]);
}

function sentence({ holds, checked, unit, found, undecided }: Verdict): string {
  const size = `${grouped(checked)} ${unit}`;
  if (!holds) return `BROKEN; ${grouped(found)} ${found === 1 ? 'violation' : 'violations'} in ${size}`;
  if (undecided.length > 0) return `nothing wrong found, but not all is decided; ${size}`;
  return checked === 0 ? 'nothing to check' : `holds; ${size}`;
}

/** `c3 in eu-west-1 read "k": "v" (causal, 1.204 to 1.310 ms)` */
function operationText(operation: Operation): string {
  const { client, region, key, level, start, end, error, dot } = operation;
  const outcome =
    operation.ok === null
      ? '; outcome unknown'
      : !operation.ok
        ? `; not done${error === undefined ? '' : `, ${who(error)}`}`
        : '';
  const times = `${(start / NS_PER_MS).toFixed(3)} to ${(end / NS_PER_MS).toFixed(3)} ms`;
  const where = `${level}, at ${times}${dot === undefined ? '' : `, ${quoted(dot)}`}${outcome}`;
  return `${who(client)} in ${who(region)} ${deed(operation, quoted(key))} (${where})`;
}

function deed(operation: Operation, key: string): string {
  const { op, value, expected, result } = operation;
  switch (op) {
    case 'read':
      return `read ${key}: ${shown(value)}`;
    case 'write':
      return `wrote ${key}: ${effect(operation)}`;
    case 'cas':
      return `swapped ${key}: ${shown(expected ?? null)} for ${shown(value)}`;
    case 'incr':
      return `added ${value ?? ''} to ${key}${result === undefined ? '' : `: ${result}`}`;
    case 'del':
      return `deleted ${key}`;
  }
}

/** `12,345` */
function grouped(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}
