import type { AgreementView } from '../../src/commands/membership-view.ts';
import type { VirtualCluster, VirtualNode } from '../support/virtual-cluster.ts';
import type { Losses } from './losses.ts';

const ASK_EVERY_MS = 700;
const REQUESTER = { user: 'operator', address: '', region: '' };

/** What a change needs of the run around it. */
interface ChangeWorld {
  readonly cluster: VirtualCluster;
  readonly losses: Losses;
  readonly said: (what: string) => void;
}

/** The operators of a region that was lost, or that they take for lost: they have the members remove its node, and take it in again later. */
export class MemberChange {
  readonly node: VirtualNode;
  readonly #cluster: VirtualCluster;
  readonly #losses: Losses;
  readonly #said: (what: string) => void;
  /** It ran when it was removed: whatever else happens to it, it is started again by that. */
  readonly #isLive: boolean;
  #phase: 'removing' | 'removed' | 'joining' | 'starting' | 'done' = 'removing';
  #isWanted = false;
  #askedMs = -Infinity;
  #asked = 0;

  constructor({ cluster, losses, said }: ChangeWorld, node: VirtualNode) {
    this.#cluster = cluster;
    this.#losses = losses;
    this.node = node;
    this.#isLive = node.isRunning;
    this.#said = said;
    losses.removed(node);
  }

  get isDone(): boolean {
    return this.#phase === 'done';
  }

  /** The region is there again: it is to be a member once more. */
  takeBackIn(): void {
    this.#isWanted = true;
  }

  #others(): VirtualNode[] {
    return this.#cluster.nodes.filter((node) => node !== this.node);
  }

  #is(state: 'removed' | 'joined'): boolean {
    return this.#others().every((other) => {
      if (!other.isRunning) return false;
      const { isDurable, state: its } = other.core.membership.progress(this.node.id);
      return isDurable && (state === 'removed' ? its === 'removed' : its !== 'removed' && its !== 'held');
    });
  }

  step(): void {
    const { node } = this;
    if (this.#phase === 'removing') {
      if (this.#is('removed')) {
        const [other] = this.#others();
        if (other !== undefined) this.#losses.cutAt(node, other.core.membership.progress(node.id));
        this.#enter('removed');
      } else this.#ask('remove');
    }
    if (this.#phase === 'removed' && this.#isWanted) this.#enter('joining');
    if (this.#phase === 'joining') {
      if (this.#is('joined')) {
        this.#enter('starting');
        this.#losses.withoutDisk(node);
        this.#losses.joined(node);
        if (!this.#isLive) this.#cluster.restart(node);
      } else this.#ask('join');
    }
    if (this.#phase === 'starting') this.#startAgain();
  }

  #enter(phase: 'removed' | 'joining' | 'starting' | 'done'): void {
    this.#phase = phase;
    this.#said(`${this.node.id} ${phase}`);
  }

  /** As the server does: a node whose keyspace is from before its removal starts once more. It may hear late of that, and be ready until then. */
  #startAgain(): void {
    const { node } = this;
    if (!node.isRunning) return;
    const hasHeard = this.#others().every((other) => other.core.membership.epoch <= node.core.membership.epoch);
    if (node.core.membership.mustStartAgain) {
      this.#cluster.kill(node);
      this.#cluster.restart(node);
    } else if (hasHeard && node.core.unreadyReasons(0).length === 0) this.#enter('done');
  }

  /** Asks any that runs, and another one where that did not help. */
  #ask(change: 'remove' | 'join'): void {
    const { timeMs } = this.#cluster;
    if (timeMs < this.#askedMs + ASK_EVERY_MS) return;
    const up = this.#others().filter((node) => node.isRunning && !node.isPaused);
    const at = up[this.#asked++ % Math.max(1, up.length)];
    if (at === undefined) return;
    this.#askedMs = timeMs;
    const { agreement, epoch } = at.core.membership;
    if (agreement === null) throw new Error('the members agree');
    this.#begin(agreement, change, epoch);
    at.settle();
  }

  #begin(agreement: AgreementView, change: 'remove' | 'join', epoch: number): void {
    const asked = { requester: REQUESTER, timeoutMs: 3_000, answered: () => {} };
    agreement.begin(change, [this.node.id], epoch, asked);
  }
}
