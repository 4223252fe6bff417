import { GROUP_LIMITS, MEMBERS_TIMING } from '../../src/groups/limits.ts';
import { SeededRandom } from '../../src/groups/seeded-random.ts';
import type { AgreementStatus, AgreementView, MemberStatus } from '../../src/commands/membership-view.ts';
import type { StrongAnswer } from '../../src/commands/strong-view.ts';
import { VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';
import type { VirtualOptions } from '../support/virtual-cluster.ts';
import type { VirtualStrong } from '../support/virtual-node.ts';

export const REQUESTER = { user: 'operator', address: '', region: '' };

export function agreementOf(node: VirtualNode): AgreementView {
  const { agreement } = node.core.membership;
  if (agreement === null) throw new Error('the members agree');
  return agreement;
}

export const stateAt = (node: VirtualNode, of: VirtualNode): MemberStatus['state'] | undefined =>
  node.core.membership.list().find(({ id }) => id === of.id)?.state;

export const changeAt = (node: VirtualNode): AgreementStatus['change'] => agreementOf(node).status().change;

/** No groups of keys, and the one of the members. */
export function agreeingStrong(seed: number): VirtualStrong {
  const random = new SeededRandom(seed);
  return { plans: [], timing: MEMBERS_TIMING, limits: GROUP_LIMITS, random: () => random.unit(), agrees: true };
}

/** A cluster whose members agree on who is one. */
export class Agreeing {
  readonly cluster: VirtualCluster;

  constructor(options: Partial<VirtualOptions> & { readonly seed?: number } = {}) {
    this.cluster = new VirtualCluster({
      regions: ['a', 'b', 'c', 'd'],
      ...options,
      strong: agreeingStrong(options.seed ?? 1),
    });
    const isLed = (): boolean => this.cluster.nodes.every((node) => agreementOf(node).status().leader !== null);
    if (!this.cluster.runUntil(isLed, 30_000)) throw new Error('nobody leads the members');
  }

  get leader(): VirtualNode {
    const leader = this.cluster
      .running()
      .find((node) => agreementOf(node).status().leader === node.id && !node.isPaused);
    if (leader === undefined) throw new Error('nobody leads the members');
    return leader;
  }

  /** Asks a node for a change, and does not wait. The answer is put into the list when it comes. */
  ask(at: VirtualNode, change: 'remove' | 'join', of: readonly VirtualNode[], epoch?: number): StrongAnswer[] {
    const answers: StrongAnswer[] = [];
    const expected = epoch ?? at.core.membership.epoch;
    agreementOf(at).begin(
      change,
      of.map(({ id }) => id),
      expected,
      { requester: REQUESTER, timeoutMs: 3_000, answered: (answer) => answers.push(answer) },
    );
    at.settle();
    return answers;
  }

  /** Asks, and returns the error's text or null once it is answered. */
  begin(at: VirtualNode, change: 'remove' | 'join', of: readonly VirtualNode[], epoch?: number): string | null {
    return this.outcome(this.ask(at, change, of, epoch));
  }

  takeBack(at: VirtualNode): string | null {
    const answers: StrongAnswer[] = [];
    agreementOf(at).takeBack({ requester: REQUESTER, timeoutMs: 3_000, answered: (answer) => answers.push(answer) });
    at.settle();
    return this.outcome(answers);
  }

  outcome(answers: readonly StrongAnswer[]): string | null {
    if (!this.cluster.runUntil(() => answers.length > 0, 10_000)) throw new Error('it was answered');
    const [answer] = answers;
    return answer !== undefined && 'error' in answer ? `${answer.error.code} ${answer.error.message}` : null;
  }

  /** Lets time pass until all of these are at an epoch, on disk. */
  agreesAt(epoch: number, at: readonly VirtualNode[], limitMs = 30_000): boolean {
    return this.cluster.runUntil(
      () => at.every(({ core }) => core.membership.epoch === epoch && core.membership.progress('a/a').isDurable),
      limitMs,
    );
  }
}
