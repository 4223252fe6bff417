/** What keys are compared with. */
export const COMPARED_WITH = ['regions', 'redis', 'source'] as const;
export type ComparedWith = (typeof COMPARED_WITH)[number];

/** Of how many comparisons the means are, about. */
const MEAN_OF = 32;

/** What the monitor found of a class since the start (SPEC S10). */
export class ComparisonFigures {
  readonly compared: Record<ComparedWith, number> = { regions: 0, redis: 0, source: 0 };
  readonly different: Record<ComparedWith, number> = { regions: 0, redis: 0, source: 0 };
  readonly repaired: Record<ComparedWith, number> = { regions: 0, redis: 0, source: 0 };
  /** How old the values are of the plain strings that were looked at last, a mean in milliseconds; null before the first. */
  ageMs: number | null = null;
  /** How long ago those were written that are not known to be at every member; 0 for those that are. */
  lagMs: number | null = null;

  looked(ageMs: number, isSettled: boolean): void {
    this.ageMs = meanOf(this.ageMs, ageMs);
    this.lagMs = meanOf(this.lagMs, isSettled ? 0 : ageMs);
  }
}

function meanOf(before: number | null, next: number): number {
  return before === null ? next : before + (next - before) / MEAN_OF;
}
