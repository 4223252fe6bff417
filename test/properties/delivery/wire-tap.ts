import type { PeerFrame, WantFrame } from '../../../src/causal/peer-frames.ts';
import { peerCodec } from '../../../src/wire/peer-codec.ts';
import type { VirtualNode } from '../../support/virtual-cluster.ts';

/** What happened between nodes in a run, so that it can show that it was not vacuous. */
export interface WireCounts {
  frames: number;
  fetches: number;
  truncated: number;
  snapshotsBegun: number;
  snapshotsEnded: number;
  /** Chunks that were sent by another node than their origin's. */
  relayed: number;
  asked: number;
  /** The same want again on connections that stayed up: a stream that is rewound. */
  rewinds: number;
  /** Another want on connections that stayed up: a stream that is taken another way. */
  reroutes: number;
  /** Rows of nodes that hold back what an older life of some node made. */
  heldOfOlderLives: number;
}

export const noCounts = (): WireCounts => ({
  frames: 0,
  fetches: 0,
  truncated: 0,
  snapshotsBegun: 0,
  snapshotsEnded: 0,
  relayed: 0,
  asked: 0,
  rewinds: 0,
  reroutes: 0,
  heldOfOlderLives: 0,
});

/** Reads every frame on its way. */
export class WireTap {
  readonly counts: WireCounts = noCounts();
  readonly #lastWants: Map<string, string> = new Map();
  /** A snapshot resets every want of who got it. */
  readonly #gotSnapshot: Set<string> = new Set();
  onFrame: (from: VirtualNode, to: VirtualNode, frame: PeerFrame) => void = () => {};

  carried(from: VirtualNode, to: VirtualNode, bytes: Uint8Array): void {
    const frame = peerCodec.decodeFrame(bytes);
    const pair = `${from.id}>${to.id}`;
    const { counts } = this;
    counts.frames++;
    switch (frame.type) {
      case 'hello':
        this.#lastWants.delete(pair);
        break;
      case 'want':
        this.#want(pair, frame, from);
        break;
      case 'fetch':
        counts.fetches++;
        break;
      case 'truncated':
        counts.truncated++;
        break;
      case 'snapshot-begin':
        counts.snapshotsBegun++;
        break;
      case 'snapshot-end':
        counts.snapshotsEnded++;
        this.#gotSnapshot.add(to.id);
        break;
      case 'transactions':
        if (Math.floor(frame.origin / 2 ** 32) !== from.member.nodeNumber) counts.relayed++;
        if (frame.asked) counts.asked++;
        break;
      case 'rows':
        if (frame.rows.some(({ heard }) => heard.length > 0)) counts.heldOfOlderLives++;
        break;
      default:
        break;
    }
    this.onFrame(from, to, frame);
  }

  #want(pair: string, frame: WantFrame, from: VirtualNode): void {
    const nodes = frame.nodes.join(' ');
    const last = this.#lastWants.get(pair);
    this.#lastWants.set(pair, nodes);
    if (last === undefined) return;
    if (last !== nodes) this.counts.reroutes++;
    else if (!this.#gotSnapshot.has(from.id)) this.counts.rewinds++;
  }
}
