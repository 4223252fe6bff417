import { nodeOf } from '../../src/clock/origin.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import type { VirtualCluster, VirtualNode } from './virtual-cluster.ts';

const CAUSAL: ReadonlySet<string> = new Set(['transactions', 'snapshot-begin', 'snapshot-entries', 'snapshot-end']);

const isCausal = (frame: Uint8Array): boolean => CAUSAL.has(peerCodec.decodeFrame(frame).type);

function isOf(frame: Uint8Array, node: VirtualNode): boolean {
  const decoded = peerCodec.decodeFrame(frame);
  return decoded.type !== 'transactions' || nodeOf(decoded.origin) === node.member.nodeNumber;
}

/** Holds the transactions that one node sends another, the causal stream, and all behind them, while the control connection goes on. */
export class Stall {
  readonly #cluster: VirtualCluster;
  readonly #held: (() => void)[] = [];
  readonly #carry: VirtualCluster['carry'];

  /** With `only` the transactions of that node alone are held, whoever sends them, and what comes behind is not. */
  constructor(cluster: VirtualCluster, from: VirtualNode, to: VirtualNode, only: VirtualNode | null = null) {
    this.#cluster = cluster;
    const carry = cluster.carry.bind(cluster);
    this.#carry = carry;
    cluster.carry = (sender, link, frame) => {
      const connection = sender.links.get(link);
      const isBetween = sender === from && connection?.kind === 'bulk' && connection.ends.includes(to);
      const isStalled =
        isBetween && (only === null ? this.#held.length > 0 || isCausal(frame) : isCausal(frame) && isOf(frame, only));
      if (isStalled) this.#held.push(() => carry(sender, link, frame));
      else carry(sender, link, frame);
    };
  }

  /** All that was held goes on its way, and so does what follows. */
  end(): void {
    this.#cluster.carry = this.#carry;
    for (const send of this.#held.splice(0)) send();
  }
}
