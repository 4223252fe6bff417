import { checkAcknowledged } from '../verify/acknowledged.ts';
import { checkCausalConvergence } from '../verify/causal-convergence.ts';
import { checkConvergence } from '../verify/convergence.ts';
import { checkCounters } from '../verify/counters.ts';
import type { Operation } from '../verify/history.ts';
import { checkLinearizability } from '../verify/linearizability.ts';
import { checkResurrection } from '../verify/resurrection.ts';
import { checkSessions } from '../verify/sessions.ts';
import type { Verdict } from '../verify/verdict.ts';
import type { ChapterResult } from './verify-chapter.ts';
import { CLOCK_AHEAD_MS, type FaultSpan } from './verify-nemesis.ts';
import type { Settled } from './verify-settle.ts';

/** By how much the clocks of nodes may differ that nobody has shifted: twice what keeps them from serving writes (SPEC D3). */
const CLOCK_SKEW_MS = 1_000;

/** What the checkers say of a chapter: a verdict a promise. */
export function judge({ faults, operations, settled }: ChapterResult): Verdict[] {
  const { finals, finalsAt } = settled;
  const clockSkew = clockSkewMs(faults) * 1e6;
  return [
    checkCausalConvergence(operations, clockSkew),
    checkLinearizability(operations, clockSkew),
    ...checkSessions(operations, clockSkew),
    checkAcknowledged(operations, finals),
    checkCounters(operations, finals),
    checkResurrection(operations, { finals, finalsAt, clockSkew }),
    checkSettled(operations, settled),
  ];
}

/** Nodes that were left alone show the same, and all of it, in time. */
function checkSettled(operations: readonly Operation[], { failures, finals, unchecked }: Settled): Verdict {
  const verdict = checkConvergence(operations, finals);
  const late = failures.map((text) => ({ pattern: 'NotSettled', text, operations: [] }));
  const found = verdict.found + late.length;
  const undecided = [...verdict.undecided, ...unchecked];
  return { ...verdict, holds: found === 0, found, undecided, violations: [...late, ...verdict.violations] };
}

function clockSkewMs(faults: readonly FaultSpan[]): number {
  const hasShifted = faults.some(({ fault }) => fault === 'clock');
  return CLOCK_SKEW_MS + (hasShifted ? Math.max(...CLOCK_AHEAD_MS.map(Math.abs)) : 0);
}
