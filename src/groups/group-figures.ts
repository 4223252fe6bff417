import { LatencyHistogram } from '../commands/latency-histogram.ts';

/** What a node counts of a group since its start. */
export class GroupFigures {
  /** Requests that this node, leading, put into the log. */
  proposalsTotal = 0;
  /** Requests of this node's clients that ended in an error of the group, by its code. */
  readonly refusals: Map<string, number> = new Map();
  /** From the proposal until it was committed and applied, at the leader. */
  readonly quorumLatency: LatencyHistogram = new LatencyHistogram();
  /** From handing a batch with something of the group to the store until it was on disk. */
  readonly syncLatency: LatencyHistogram = new LatencyHistogram();

  countRefusal(code: string): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }
}
