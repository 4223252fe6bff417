import type { InvalidationTarget } from '../commands/invalidation-view.ts';
import { LatencyHistogram } from '../commands/latency-histogram.ts';
import type { InvalidationWalk } from './invalidation-walk.ts';

type CountsByKind = Record<InvalidationTarget['kind'], number>;

/** What a node counts of invalidations since its start. */
export class InvalidationFigures {
  /** Begun here: asked by clients, due by now, or for what their maker had not seen. */
  readonly made: CountsByKind = { key: 0, tag: 0, pattern: 0 };
  readonly heard: CountsByKind = { key: 0, tag: 0, pattern: 0 };
  /** Keys that this node took away, or gave their last time. */
  keys = 0;
  /** Keys that those which were begun here reached by dependencies, and the most by one. */
  dependents = 0;
  dependentsMost = 0;
  /** Of those, the ones that did not reach all that depends: too deep, or too many. */
  cut = 0;
  /** From its stamp until it was applied, of those that were heard. */
  readonly lag: LatencyHistogram = new LatencyHistogram();

  heardOf(kind: InvalidationTarget['kind'], lagMs: number): void {
    this.heard[kind]++;
    this.lag.add(Math.max(0, lagMs) * 1000);
  }

  ended({ count, dependents, isMaker, unreached }: InvalidationWalk): void {
    this.keys += count;
    if (!isMaker) return;
    this.dependents += dependents;
    this.dependentsMost = Math.max(this.dependentsMost, dependents);
    if (unreached.length > 0) this.cut++;
  }
}
