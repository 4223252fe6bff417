import type { VectorEntries } from '../../src/causal/peer-frames.ts';
import type { Origin } from '../../src/clock/origin.ts';
import type { VirtualCluster, VirtualNode } from '../support/virtual-cluster.ts';
import { ChangeSteps } from './change-steps.ts';

/** The steps of `causeway member remove` at the nodes of a virtual cluster, one by one. */
export class Removal extends ChangeSteps {
  constructor(cluster: VirtualCluster, of: VirtualNode, survivors: readonly VirtualNode[], operation = 1) {
    super(cluster, of, survivors, operation);
  }

  fence(node: VirtualNode): void {
    node.core.membership.fence(this.of.id, this.epoch - 1, this.operation, false);
    node.settle();
  }

  areAllFenced(): boolean {
    return this.progress().every(({ state, isDurable }) => state === 'fenced' && isDurable);
  }

  /** What any survivor has; good once all are fenced. */
  cut(): VectorEntries {
    const cut = new Map<Origin, number>();
    for (const { has } of this.progress())
      for (const [origin, seq] of has) cut.set(origin, Math.max(seq, cut.get(origin) ?? 0));
    return [...cut];
  }

  haveAll(cut: VectorEntries): boolean {
    return this.progress().every(({ has, isDurable }) => {
      const had = new Map(has);
      return isDurable && cut.every(([origin, seq]) => (had.get(origin) ?? 0) >= seq);
    });
  }

  remove(node: VirtualNode, cut: VectorEntries): void {
    const incarnation = Math.max(...this.progress().map((progress) => progress.incarnation));
    node.core.membership.remove(this.of.id, this.epoch, incarnation, this.operation, cut);
    node.settle();
  }

  /** All steps, as fast as the survivors allow. False when they could not agree in time. */
  run(): boolean {
    for (const node of this.at) this.fence(node);
    if (!this.cluster.runUntil(() => this.areAllFenced())) return false;
    const cut = this.cut();
    if (!this.cluster.runUntil(() => this.haveAll(cut))) return false;
    for (const node of this.at) this.remove(node, cut);
    return this.cluster.runUntil(() => this.progress().every((each) => each.state === 'removed' && each.isDurable));
  }
}
