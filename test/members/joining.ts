import type { VirtualCluster, VirtualNode } from '../support/virtual-cluster.ts';
import { ChangeSteps } from './change-steps.ts';

/** The steps of `causeway member join` at the nodes of a virtual cluster, one by one. */
export class Joining extends ChangeSteps {
  constructor(cluster: VirtualCluster, of: VirtualNode, others: readonly VirtualNode[], operation = 2) {
    super(cluster, of, others, operation);
  }

  areAllSettled(): boolean {
    return this.progress().every(({ isSettled, isDurable }) => isSettled && isDurable);
  }

  hold(node: VirtualNode): void {
    node.core.membership.hold(this.of.id, this.epoch - 1, this.operation);
    node.settle();
  }

  areAllHeld(): boolean {
    return this.progress().every(({ state, isDurable }) => state === 'held' && isDurable);
  }

  /** The lowest incarnation that may come in. */
  incarnation(): number {
    return Math.max(...this.progress().map((progress) => progress.incarnation)) + 1;
  }

  join(node: VirtualNode, incarnation: number): void {
    node.core.membership.join(this.of.id, this.epoch, incarnation, this.operation);
    node.settle();
  }

  /** All steps, as fast as the others allow. False when they could not in time. */
  run(): boolean {
    if (!this.cluster.runUntil(() => this.areAllSettled())) return false;
    for (const node of this.at) this.hold(node);
    if (!this.cluster.runUntil(() => this.areAllHeld())) return false;
    const incarnation = this.incarnation();
    for (const node of this.at) this.join(node, incarnation);
    return this.cluster.runUntil(() => this.progress().every((each) => each.joinedAtEpoch > 0 && each.isDurable));
  }

  /** As the server does: a node whose keyspace is from before starts again. */
  startAgain(): void {
    if (!this.of.isRunning || !this.of.core.membership.mustStartAgain) return;
    this.cluster.kill(this.of);
    this.cluster.restart(this.of);
  }

  /** Lets time pass until all are equal and ready, the joined node among them. */
  isWhole(limitMs = 60_000): boolean {
    return this.cluster.runUntil(() => {
      this.startAgain();
      return this.of.isRunning && this.cluster.areReady() && this.cluster.areEqual();
    }, limitMs);
  }
}
