import type { ChangeProgress } from '../../src/commands/membership-view.ts';
import type { VirtualCluster, VirtualNode } from '../support/virtual-cluster.ts';

/** What a removal and a joining have in common, taken step by step at the nodes of a virtual cluster. */
export class ChangeSteps {
  protected readonly cluster: VirtualCluster;
  /** Whom the change is of. */
  protected readonly of: VirtualNode;
  /** The epoch that the change makes. */
  protected readonly epoch: number;
  protected readonly operation: number;
  /** The members at which the steps are taken. */
  protected readonly at: readonly VirtualNode[];

  constructor(cluster: VirtualCluster, of: VirtualNode, at: readonly VirtualNode[], operation: number) {
    this.cluster = cluster;
    this.of = of;
    this.at = at;
    this.operation = operation;
    this.epoch = (at[0]?.core.membership.epoch ?? 0) + 1;
  }

  progress(): ChangeProgress[] {
    return this.at.map((node) => node.core.membership.progress(this.of.id));
  }
}
