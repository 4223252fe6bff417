import { isGroupOrigin } from '../../src/groups/group-plan.ts';
import type { Dot } from '../../src/clock/dot.ts';
import { nodeOf, originOf, type Origin } from '../../src/clock/origin.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import type { ChangeProgress } from '../../src/commands/membership-view.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import type { VirtualCluster, VirtualNode } from '../support/virtual-cluster.ts';

/** What a node's disk holds. */
function onDisk({ disk }: VirtualNode): VersionVector {
  return new VersionVector(disk.meta === null ? [] : peerCodec.decodeMeta(disk.meta).vector);
}

/**
 * What may have been lost, as is promised (SPEC R1, D7): transactions that nobody else had when a node died without them on its disk, when its
 * disk was lost, or when it was removed. It may name more than that, which only means that less is asked of it.
 */
export class Losses {
  readonly #cluster: VirtualCluster;
  /** By origin: from this sequence on. */
  readonly #from: Map<Origin, number> = new Map();
  /** Nodes that are out of the cluster: what they have will not come back. */
  readonly #out: Set<VirtualNode> = new Set();
  readonly #wasOut: Set<VirtualNode> = new Set();
  readonly #withoutDisk: Set<VirtualNode> = new Set();
  /** Where lives of removed nodes were cut. */
  readonly #cuts: Map<Origin, number> = new Map();
  /** What nodes had when they died last. */
  readonly #had: Map<VirtualNode, VersionVector> = new Map();

  constructor(cluster: VirtualCluster) {
    this.#cluster = cluster;
  }

  /** A node is about to die. */
  dying(node: VirtualNode): void {
    if (!node.isRunning) return;
    const vector = node.vector();
    this.#had.set(node, vector);
    this.#note(vector, this.#elsewhere(node, true));
  }

  /** Whether the node has applied a transaction: in this life, or in the one before, whatever became of its memory and its disk. */
  hasApplied(node: VirtualNode, { origin, seq }: Dot): boolean {
    return node.vector().contains(origin, seq) || this.#had.get(node)?.contains(origin, seq) === true;
  }

  /** What is on the node's disk will not come back. */
  withoutDisk(node: VirtualNode): void {
    this.#withoutDisk.add(node);
    const had = this.#had.get(node) ?? new VersionVector();
    this.#note(had, this.#elsewhere(node, false));
    this.#note(onDisk(node), this.#elsewhere(node, false));
  }

  /** The node is removed from the cluster; whatever else it writes is gone with it. */
  removed(node: VirtualNode): void {
    this.#out.add(node);
    this.#wasOut.add(node);
    this.withoutDisk(node);
    if (node.isRunning) this.#note(node.vector(), this.#elsewhere(node, false));
  }

  /** The removal is done: what the node made beyond the cut, also since it was removed, is void, and what is within it is kept. */
  cutAt(node: VirtualNode, { incarnation, has }: Pick<ChangeProgress, 'incarnation' | 'has'>): void {
    if (incarnation > 0) this.#cuts.set(originOf(node.member.nodeNumber, incarnation), 0);
    for (const [origin, seq] of has) this.#cuts.set(origin, seq);
    this.#noteBeyondCuts(node);
  }

  /** What a node that is removed went on to make, until it heard of it: of a life that others forgot they cannot tell how far it came. */
  #noteBeyondCuts(node: VirtualNode): void {
    const vectors = [onDisk(node), this.#had.get(node), node.isRunning ? node.vector() : undefined];
    for (const [origin, cut] of this.#cuts) {
      if (nodeOf(origin) !== node.member.nodeNumber) continue;
      const isBeyond = vectors.some((had) => had !== undefined && !had.isRetired(origin) && had.get(origin) > cut);
      if (isBeyond) this.#from.set(origin, cut + 1);
    }
  }

  joined(node: VirtualNode): void {
    this.#noteBeyondCuts(node);
    this.#out.delete(node);
  }

  /** The vectors of all that may bring something back. */
  #elsewhere(but: VirtualNode, withItsDisk: boolean): readonly VersionVector[] {
    return this.#cluster.nodes.flatMap((node) => {
      if (this.#out.has(node)) return [];
      if (node === but) return withItsDisk ? [onDisk(node)] : [];
      return node.isRunning ? [node.vector()] : [onDisk(node)];
    });
  }

  #note(had: VersionVector, others: readonly VersionVector[]): void {
    for (const [origin, seq] of had.dots()) {
      if (isGroupOrigin(origin)) continue;
      const kept = Math.max(0, ...others.map((vector) => (vector.isRetired(origin) ? 0 : vector.get(origin))));
      if (others.some((vector) => vector.isRetired(origin))) continue;
      if (kept < seq) this.#from.set(origin, Math.min(kept + 1, this.#from.get(origin) ?? Infinity));
    }
  }

  isLost(origin: Origin, seq: number): boolean {
    const isBeyond = seq > (this.#cuts.get(origin) ?? Infinity);
    return isBeyond || seq >= (this.#from.get(origin) ?? Infinity) || this.#isOfOut(origin);
  }

  #isOfOut(origin: Origin): boolean {
    return [...this.#out].some((node) => node.member.nodeNumber === nodeOf(origin));
  }

  /** Whether the node was never removed: one that joined again lacks for a while what became stable without it. */
  hasStayed(node: VirtualNode): boolean {
    return !this.#wasOut.has(node);
  }

  /** Whether the node began again from an empty disk. */
  hasLostDisk(node: VirtualNode): boolean {
    return this.#withoutDisk.has(node);
  }

  get count(): number {
    return this.#from.size;
  }
}
