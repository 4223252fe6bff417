import { isGroupOrigin } from '../../src/groups/group-plan.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { dotText } from '../../src/clock/dot.ts';
import type { Origin } from '../../src/clock/origin.ts';
import type { DeliveryOracle } from '../properties/delivery/delivery-oracle.ts';
import type { VirtualNode } from '../support/virtual-cluster.ts';

interface Known {
  readonly life: number;
  readonly vector: VersionVector;
  readonly stable: VersionVector;
}

/**
 * Whatever comes to a node has seen all that is stable there: that is what lets the node forget (SPEC D5). A transaction of a group is no
 * such one: nobody else writes its keys.
 */
export class StableWatch {
  readonly #oracle: DeliveryOracle;
  readonly #known: Map<VirtualNode, Known> = new Map();
  /** Transactions that were looked at. */
  checks = 0;

  constructor(oracle: DeliveryOracle) {
    this.#oracle = oracle;
  }

  /** A turn of a node ended. */
  settled(node: VirtualNode, vector: VersionVector): string[] {
    const before = this.#known.get(node);
    const known = before?.life === node.life ? before : undefined;
    const wrong = known === undefined ? [] : this.#comings(node, known, vector);
    this.#known.set(node, { life: node.life, vector, stable: stableAt(node, vector, known?.stable) });
    return wrong;
  }

  #comings(node: VirtualNode, known: Known, vector: VersionVector): string[] {
    const wrong: string[] = [];
    for (const [origin, last] of vector.dots()) {
      if (isGroupOrigin(origin) || origin === node.core.origin) continue;
      for (let seq = known.vector.get(origin) + 1; seq <= last; seq++) {
        const deps = this.#oracle.depsOf(origin, seq);
        if (deps === undefined) continue;
        this.checks++;
        const unseen = [...known.stable.dots()].find(([of, upTo]) => of !== origin && !deps.contains(of, upTo));
        if (unseen !== undefined)
          wrong.push(
            `D5: ${node.id} held ${dotText(...unseen, node.core.names)} for stable before ${dotText(origin, seq, node.core.names)} came, which had not seen it`,
          );
      }
    }
    return wrong;
  }
}

/** What is stable is what a token leaves out (SPEC S1). */
function stableAt({ core }: VirtualNode, vector: VersionVector, before: VersionVector | undefined): VersionVector {
  const stable = new VersionVector();
  for (const [origin, last] of vector.dots()) {
    let seq = before?.get(origin) ?? 0;
    while (seq < last && isStable(core, origin, seq + 1)) seq++;
    if (seq > 0) stable.raise(origin, seq);
  }
  return stable;
}

const isStable = (core: VirtualNode['core'], origin: Origin, seq: number): boolean =>
  core.sessions.needed([[origin, seq]]).length === 0;
