import { setTimeout as delay } from 'node:timers/promises';
import { connectTo, type NodesOptions } from './cluster-nodes.ts';
import type { FaultKind, Steering, VerifyCluster, VerifyNode, WanLink } from './verify-cluster.ts';
import type { Draws } from './verify-draws.ts';
import type { Recorder } from './verify-recorder.ts';

export interface NemesisOptions {
  readonly cluster: VerifyCluster;
  readonly kinds: readonly FaultKind[];
  readonly draws: Draws;
  readonly recorder: Recorder;
  readonly nodesOptions: NodesOptions;
  /** How long a fault stays, at most. */
  readonly holdMsMax: number;
  /** Keys that may be written to fill a disk; null where causal keys cannot be written. */
  readonly fillKey: ((count: number) => string) | null;
  readonly tell: (text: string) => void;
}

const HOLD_MS_MIN = 500;
const SLOW_MS_MAX = 1_500;
/** Ahead of all others a node is ready, and refuses writes beyond half a second; behind by seconds its stamps must go on from what it knew. */
export const CLOCK_AHEAD_MS: readonly number[] = [350, 5_000, -350, -5_000];
/** What a disk has left when it is said to be full soon. */
const DISK_LEFT_BYTES = 96 * 1024;
const FILL_VALUES = 64;
const FILL_MS_MIN = 10_000;
const FILL_VALUE_BYTES = 16 * 1024;
const STATE_EVERY_MS = 50;
const HEAL_WITHIN_MS = 120_000;

/** Does one fault after the other to a cluster, each kind by turns, and undoes it. */
export class Nemesis {
  readonly #options: NemesisOptions;
  readonly #counts: Map<FaultKind, number> = new Map();
  /** Links that were cut or slowed. */
  readonly #steered: Set<WanLink> = new Set();
  #filled = 0;

  constructor(options: NemesisOptions) {
    this.#options = options;
  }

  /** How often each fault was there. */
  get counts(): ReadonlyMap<FaultKind, number> {
    return this.#counts;
  }

  /** Until it is told to stop; what is there then stays until `heal`. */
  async run(stop: AbortSignal): Promise<void> {
    const { draws, holdMsMax, kinds, tell } = this.#options;
    for (let turn: FaultKind[] = []; !stop.aborted;) {
      if (turn.length === 0) turn = draws.shuffled(kinds);
      const kind = turn.pop();
      if (kind === undefined) return;
      await pause(draws.between(HOLD_MS_MIN, Math.max(HOLD_MS_MIN, holdMsMax / 2)), stop);
      if (stop.aborted) return;
      this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
      try {
        await this.#do(kind, draws.between(HOLD_MS_MIN, holdMsMax), stop);
      } catch (error) {
        tell(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  /** Every link that was touched as it was measured, every node running under its own conditions. Throws where that is not so in time. */
  async heal(): Promise<void> {
    const { cluster } = this.#options;
    for (const { from, to } of this.#steered) await cluster.healLink({ from, to, oneDirection: false });
    if (!this.#actsOnNodes) return;
    const end = performance.now() + HEAL_WITHIN_MS;
    await Promise.all(
      cluster.nodes.map(async (node) => {
        for (;;) {
          const state = await cluster.state(node);
          if (state === 'running') return;
          if (performance.now() > end) throw new Error(`${node.id} is ${state} and does not run again`);
          // One that was started while another thing was done to it may fail: the next time round tells.
          await cluster.act(node, state === 'paused' ? 'resume' : 'start').catch(() => delay(STATE_EVERY_MS));
        }
      }),
    );
  }

  get #actsOnNodes(): boolean {
    return this.#options.kinds.some((kind) => kind !== 'cut' && kind !== 'slow');
  }

  async #do(kind: FaultKind, holdMs: number, stop: AbortSignal): Promise<void> {
    const { cluster, draws } = this.#options;
    const node = draws.pick(cluster.nodes);
    switch (kind) {
      case 'kill':
        return this.#kill(node, holdMs, stop);
      case 'pause':
        return this.#pauseNode(node, holdMs, stop);
      case 'cut':
        return this.#cut(this.#link(), holdMs, stop);
      case 'slow':
        return this.#slow(this.#link(), holdMs, stop);
      case 'clock':
        return this.#shiftClock(node, draws.pick(CLOCK_AHEAD_MS), holdMs, stop);
      case 'disk':
        return this.#fillDisk(node, holdMs, stop);
    }
  }

  #link(): WanLink {
    const { cluster, draws } = this.#options;
    const link = draws.pick(cluster.links);
    this.#steered.add(link);
    return link;
  }

  async #kill(node: VerifyNode, holdMs: number, stop: AbortSignal): Promise<void> {
    this.#options.tell(`kill -9 ${node.id}`);
    await this.#end(node);
    await pause(holdMs, stop);
    await this.#options.cluster.act(node, 'start');
    this.#options.tell(`${node.id} is back`);
  }

  async #pauseNode(node: VerifyNode, holdMs: number, stop: AbortSignal): Promise<void> {
    const { cluster, tell } = this.#options;
    tell(`${node.id} stands still`);
    await cluster.act(node, 'pause');
    await pause(holdMs, stop);
    await cluster.act(node, 'resume');
    tell(`${node.id} goes on`);
  }

  async #cut({ from, to }: WanLink, holdMs: number, stop: AbortSignal): Promise<void> {
    const { cluster, draws, tell } = this.#options;
    const steering: Steering = { from, to, oneDirection: draws.isOneIn(2) };
    tell(steering.oneDirection ? `nothing gets from ${from} to ${to}` : `${from} and ${to} are cut apart`);
    await cluster.cut(steering);
    await pause(holdMs, stop);
    await cluster.healLink(steering);
    tell(`${from} and ${to} are healed`);
  }

  async #slow({ from, measuredOneWayMs, to }: WanLink, holdMs: number, stop: AbortSignal): Promise<void> {
    const { cluster, draws, tell } = this.#options;
    const steering: Steering = { from, to, oneDirection: draws.isOneIn(2) };
    const oneWayMs = Math.round(measuredOneWayMs + draws.between(SLOW_MS_MAX / 5, SLOW_MS_MAX));
    tell(`${from} to ${to} takes ${oneWayMs} ms${steering.oneDirection ? '' : ', and back'}`);
    await cluster.slow(steering, oneWayMs);
    await pause(holdMs, stop);
    await cluster.healLink(steering);
    tell(`${from} and ${to} are as fast as measured`);
  }

  async #shiftClock(node: VerifyNode, clockAheadMs: number, holdMs: number, stop: AbortSignal): Promise<void> {
    const { cluster, tell } = this.#options;
    tell(
      `${node.id} is killed and comes back with a clock ${Math.abs(clockAheadMs)} ms ${clockAheadMs > 0 ? 'ahead' : 'behind'}`,
    );
    await this.#end(node);
    await cluster.act(node, 'start', { clockAheadMs });
    await pause(holdMs, stop);
    await this.#end(node);
    await cluster.act(node, 'start');
    tell(`${node.id} is back with the right clock`);
  }

  /** Until its disk takes no more, which ends the node, or the time is over. */
  async #fillDisk(node: VerifyNode, holdMs: number, stop: AbortSignal): Promise<void> {
    const { cluster, recorder, tell } = this.#options;
    await this.#end(node);
    const fileBytesMax = cluster.longestFileBytes(node) + DISK_LEFT_BYTES;
    tell(`${node.id} is killed and comes back with a disk that is nearly full`);
    await cluster.act(node, 'start', { fileBytesMax });
    const over = new AbortController();
    const fill = this.#fill(node, over.signal);
    const deadline = performance.now() + Math.max(holdMs, FILL_MS_MIN);
    let ranNs = recorder.nowNs();
    let state = '';
    while (!stop.aborted && performance.now() < deadline) {
      const askedNs = recorder.nowNs();
      state = await cluster.state(node);
      if (state === 'stopped') break;
      ranNs = askedNs;
      await pause(STATE_EVERY_MS, stop);
    }
    over.abort();
    await fill;
    if (state === 'stopped') recorder.noteEnd({ node: node.id, fromNs: ranNs, toNs: recorder.nowNs() });
    else await this.#end(node);
    await cluster.act(node, 'start');
    tell(
      `${node.id} ${state === 'stopped' ? 'ended by itself, its disk full, and' : 'was killed and'} is back with room on its disk`,
    );
  }

  /** Writes what fills the disk of the node, again while it does not take it yet. */
  async #fill(node: VerifyNode, over: AbortSignal): Promise<void> {
    const { fillKey, nodesOptions } = this.#options;
    if (fillKey === null) return;
    for (let count = 0; count < FILL_VALUES && !over.aborted;) {
      try {
        const client = await connectTo(node.address, nodesOptions);
        try {
          for (; count < FILL_VALUES && !over.aborted; count++) {
            await client.send('SET', fillKey(++this.#filled), 'x'.repeat(FILL_VALUE_BYTES));
          }
        } finally {
          client.close();
        }
      } catch {
        // It is not ready yet, or has ended already.
        await pause(STATE_EVERY_MS, over);
      }
    }
  }

  async #end(node: VerifyNode): Promise<void> {
    const { cluster, recorder } = this.#options;
    const fromNs = recorder.nowNs();
    try {
      await cluster.act(node, 'kill');
    } finally {
      recorder.noteEnd({ node: node.id, fromNs, toNs: recorder.nowNs() });
    }
  }
}

/** Fulfilled when the time is over, or it is told to stop. */
async function pause(ms: number, stop: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal: stop }).catch(() => undefined);
}
