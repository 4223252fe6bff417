import { setTimeout as delay } from 'node:timers/promises';
import type { NodesOptions } from './cluster-nodes.ts';
import type { FaultKind, Steering, VerifyCluster, VerifyNode, WanLink } from './verify-cluster.ts';
import { Deck, type Draws } from './verify-draws.ts';
import { answersSoon, fillDisk, isClockAhead, leadersOf, unsavedMs, untilServes } from './verify-probes.ts';
import type { Recorder } from './verify-recorder.ts';

export interface NemesisOptions {
  readonly cluster: VerifyCluster;
  readonly kinds: readonly FaultKind[];
  readonly draws: Draws;
  readonly recorder: Recorder;
  readonly nodesOptions: NodesOptions;
  /** How long most faults stay, at most. */
  readonly holdMsMax: number;
  /** Keys that may be written to fill a disk; null where causal keys cannot be written. */
  readonly fillKey: ((count: number) => string) | null;
  /** A strong key of each group: whose leader is worth more than another node. */
  readonly strongKeys: readonly string[];
  readonly tell: (text: string) => void;
}

/** A fault that was there, on the clock of the history. */
export interface FaultSpan {
  readonly fault: FaultKind;
  /** The node; of links the region that they come from, and those that they go to. */
  readonly on: readonly string[];
  /** What was done, in plain words. */
  readonly about: string;
  /** Nanoseconds: from when it was in force, and until it began to be undone. */
  readonly start: number;
  readonly end: number;
  /** Whether what it does was seen. */
  readonly hadEffect: boolean;
}

/** What goes on beside each other: the links, and the nodes. */
const HANDS: readonly (readonly FaultKind[])[] = [
  ['cut', 'slow'],
  ['kill', 'pause', 'clock', 'disk'],
];
/** Of two regions, or of one and all others; both ways and noticed, or silent in one direction. */
const CUTS = ['pair', 'pair one way', 'alone', 'deaf', 'mute'] as const;
type Cut = (typeof CUTS)[number];
const HOLD_MS_MIN = 500;
/** How much longer than others a region stays alone, every other time: past what requests of strong keys wait for a quorum. */
const LONG_HOLD = 1.4;
const SLOW_MS_MAX = 1_500;
/**
 * Ahead of all others a node is ready, and refuses writes beyond half a second; behind by seconds its stamps must go on from what it knew. Where it
 * writes more is to be seen.
 */
export const CLOCK_AHEAD_MS: readonly number[] = [350, -350, -5_000, 350, -5_000, 5_000];
/** What a disk has left when it is said to be full soon. */
const DISK_LEFT_BYTES = 96 * 1024;
/** Its start included, which may have to wait for others. */
const FILL_MS_MIN = 25_000;
const STATE_EVERY_MS = 50;
/** How old what is not on disk may be where a node does not say it. */
const UNSAVED_MS = 100;
const HEAL_WITHIN_MS = 120_000;

/** Does faults to a cluster, each kind by turns, and undoes them. */
export class Nemesis {
  readonly #options: NemesisOptions;
  readonly #spans: FaultSpan[] = [];
  /** Links that were cut or slowed. */
  readonly #steered: Set<WanLink> = new Set();
  readonly #cuts: Deck<Cut>;
  readonly #clocks: Deck<number>;
  readonly #links: Deck<WanLink>;
  /** Up to when what a node has answered is on its disk, by node, as it said last. */
  readonly #savedNs: Map<VerifyNode, number> = new Map();
  #filled = 0;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: NemesisOptions) {
    this.#options = options;
    this.#cuts = new Deck(CUTS, options.draws.branch());
    this.#clocks = new Deck(CLOCK_AHEAD_MS, options.draws.branch());
    this.#links = new Deck(options.cluster.links, options.draws.branch());
  }

  /** What there was so far, sorted by its begin. */
  get spans(): readonly FaultSpan[] {
    return this.#spans.toSorted((left, right) => left.start - right.start);
  }

  /** Until it is told to stop; what is there then stays until `heal`. */
  async run(stop: AbortSignal): Promise<void> {
    const { draws, kinds } = this.#options;
    const hands = HANDS.map((hand) => hand.filter((kind) => kinds.includes(kind))).filter((hand) => hand.length > 0);
    this.#running = Promise.all(hands.map(async (hand) => this.#hand(hand, draws.branch(), stop)));
    await this.#running;
  }

  /**
   * Every link that was touched as it was measured, every node running under its own conditions. `run` must have been told to stop. Throws where
   * that is not so in time.
   */
  async heal(): Promise<void> {
    const { cluster } = this.#options;
    await this.#running;
    const end = performance.now() + HEAL_WITHIN_MS;
    await Promise.all([this.#healLinks(), ...(this.#actsOnNodes ? cluster.nodes : []).map((node) => untilRuns(node))]);

    async function untilRuns(node: VerifyNode): Promise<void> {
      for (;;) {
        const state = await cluster.state(node);
        if (state === 'running') return;
        if (performance.now() > end) throw new Error(`${node.id} is ${state} and does not run again`);
        // One that was started while another thing was done to it may fail: the next time round tells.
        await cluster.act(node, state === 'paused' ? 'resume' : 'start').catch(() => delay(STATE_EVERY_MS));
      }
    }
  }

  async #healLinks(): Promise<void> {
    for (const { from, to } of this.#steered) await this.#options.cluster.healLink({ from, to, oneDirection: false });
  }

  get #actsOnNodes(): boolean {
    return this.#options.kinds.some((kind) => kind !== 'cut' && kind !== 'slow');
  }

  /** One fault after the other. */
  async #hand(kinds: readonly FaultKind[], draws: Draws, stop: AbortSignal): Promise<void> {
    const { holdMsMax, tell } = this.#options;
    const turns = new Deck(kinds, draws);
    while (!stop.aborted) {
      const kind = turns.next();
      await pause(draws.between(HOLD_MS_MIN / 2, Math.max(HOLD_MS_MIN, holdMsMax / 4)), stop);
      if (stop.aborted) return;
      try {
        await this.#do(kind, draws, stop);
      } catch (error) {
        tell(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  async #do(kind: FaultKind, draws: Draws, stop: AbortSignal): Promise<void> {
    const holdMs = draws.between(HOLD_MS_MIN, this.#options.holdMsMax);
    switch (kind) {
      case 'kill':
        return this.#kill(await this.#node(draws), holdMs, stop);
      case 'pause':
        return this.#pauseNode(await this.#node(draws), holdMs, stop);
      case 'cut':
        return this.#cut(draws, holdMs, stop);
      case 'slow':
        return this.#slow(draws, holdMs, stop);
      case 'clock':
        return this.#shiftClock(draws, holdMs, stop);
      case 'disk':
        return this.#fillDisk(draws.pick(this.#options.cluster.nodes), holdMs, stop);
    }
  }

  /** Any, but every other time one that leads a group. */
  async #node(draws: Draws): Promise<VerifyNode> {
    const { cluster, nodesOptions, strongKeys } = this.#options;
    const drawn = draws.pick(cluster.nodes);
    const leaders = draws.isOneIn(2) ? await leadersOf(cluster, strongKeys, nodesOptions) : [];
    return leaders.length === 0 ? drawn : draws.pick(leaders);
  }

  /** Stays for a while, which is noted with whether what it does was seen. */
  async #hold(
    { about, fault, on }: Pick<FaultSpan, 'fault' | 'on' | 'about'>,
    holdMs: number,
    stop: AbortSignal,
    sees: Promise<boolean>,
  ): Promise<void> {
    const { recorder, tell } = this.#options;
    const start = recorder.nowNs();
    const seen = sees.catch(() => false);
    await pause(holdMs, stop);
    const end = recorder.nowNs();
    const hadEffect = await seen;
    this.#spans.push({ fault, on, about, start, end, hadEffect });
    if (!hadEffect) tell(`no effect was seen of this: ${about}`);
  }

  async #kill(node: VerifyNode, holdMs: number, stop: AbortSignal): Promise<void> {
    const { cluster, tell } = this.#options;
    const about = `kill -9 ${node.id}`;
    tell(about);
    await this.#end(node);
    await this.#hold({ fault: 'kill', on: [node.id], about }, holdMs, stop, this.#isSilent(node));
    await cluster.act(node, 'start');
    tell(`${node.id} is back`);
  }

  async #pauseNode(node: VerifyNode, holdMs: number, stop: AbortSignal): Promise<void> {
    const { cluster, tell } = this.#options;
    const about = `${node.id} stands still`;
    tell(about);
    await cluster.act(node, 'pause');
    await this.#hold({ fault: 'pause', on: [node.id], about }, holdMs, stop, this.#isSilent(node));
    await cluster.act(node, 'resume');
    tell(`${node.id} goes on`);
  }

  async #cut(draws: Draws, holdMs: number, stop: AbortSignal): Promise<void> {
    const { cluster, holdMsMax, tell } = this.#options;
    const cut = this.#cuts.next();
    const isPair = cut === 'pair' || cut === 'pair one way';
    const drawn = this.#links.next();
    const region = isPair ? drawn.from : (await this.#node(draws)).region;
    const links = isPair ? [drawn] : cluster.links.filter(({ from, to }) => (cut === 'deaf' ? to : from) === region);
    const steerings = links.map(({ from, to }): Steering => ({
      from,
      to,
      oneDirection: cut !== 'pair' && cut !== 'alone',
    }));
    const about = {
      pair: `${drawn.from} and ${drawn.to} are cut apart`,
      'pair one way': `nothing gets from ${drawn.from} to ${drawn.to}`,
      alone: `${region} is cut off`,
      deaf: `nothing gets to ${region}`,
      mute: `nothing gets away from ${region}`,
    }[cut];
    for (const link of links) this.#steered.add(link);
    tell(about);
    for (const steering of steerings) await cluster.cut(steering);
    const isLong = !isPair && draws.isOneIn(2);
    const on = [...new Set(links.flatMap(({ from, to }) => [from, to]))];
    await this.#hold(
      { fault: 'cut', on, about },
      isLong ? holdMsMax * LONG_HOLD : holdMs,
      stop,
      this.#areLinks(links, 'cut'),
    );
    for (const steering of steerings) await cluster.healLink(steering);
    tell(isPair ? `${drawn.from} and ${drawn.to} are healed` : `${region} is healed`);
  }

  async #slow(draws: Draws, holdMs: number, stop: AbortSignal): Promise<void> {
    const { cluster, tell } = this.#options;
    const link = this.#links.next();
    const { from, measuredOneWayMs, to } = link;
    const steering: Steering = { from, to, oneDirection: draws.isOneIn(2) };
    const oneWayMs = Math.round(measuredOneWayMs + draws.between(SLOW_MS_MAX / 5, SLOW_MS_MAX));
    const about = `${from} to ${to} takes ${oneWayMs} ms${steering.oneDirection ? '' : ', and back'}`;
    this.#steered.add(link);
    tell(about);
    await cluster.slow(steering, oneWayMs);
    await this.#hold({ fault: 'slow', on: [from, to], about }, holdMs, stop, this.#areLinks([link], 'slow'));
    await cluster.healLink(steering);
    tell(`${from} and ${to} are as fast as measured`);
  }

  async #shiftClock(draws: Draws, holdMs: number, stop: AbortSignal): Promise<void> {
    const { cluster, nodesOptions, tell } = this.#options;
    const node = draws.pick(cluster.nodes);
    const clockAheadMs = this.#clocks.next();
    const about = `${node.id} has a clock that is ${Math.abs(clockAheadMs)} ms ${clockAheadMs > 0 ? 'ahead' : 'behind'}`;
    tell(`${node.id} is killed, and comes back: ${about}`);
    await this.#end(node);
    await cluster.act(node, 'start', { clockAheadMs });
    await untilServes(node, nodesOptions, stop);
    await this.#hold(
      { fault: 'clock', on: [node.id], about },
      holdMs,
      stop,
      isClockAhead(node, clockAheadMs, nodesOptions),
    );
    await this.#end(node);
    await cluster.act(node, 'start');
    tell(`${node.id} is back with the right clock`);
  }

  /** Until its disk takes no more, which ends the node, or the time is over. */
  async #fillDisk(node: VerifyNode, holdMs: number, stop: AbortSignal): Promise<void> {
    const { cluster, fillKey, nodesOptions, recorder, tell } = this.#options;
    await this.#end(node);
    const longestBytes = cluster.longestFileBytes(node);
    const about = `${node.id} has a disk that is nearly full`;
    tell(`${node.id} is killed, and comes back: ${about}`);
    await cluster.act(node, 'start', { fileBytesMax: longestBytes + DISK_LEFT_BYTES });
    const start = recorder.nowNs();
    const over = new AbortController();
    // What is free within a file is used before it grows.
    const bytes = longestBytes + 2 * DISK_LEFT_BYTES;
    const nextKey = fillKey === null ? null : (): string => fillKey(++this.#filled);
    const fill = fillDisk({ node, bytes, nextKey, nodesOptions, over: over.signal });
    const deadline = performance.now() + Math.max(holdMs, FILL_MS_MIN);
    // It serves no more from when its disk failed, and its process ends a while after that: what counts is when it answered last.
    let state = '';
    while (!stop.aborted && performance.now() < deadline) {
      await this.#askSaved(node);
      state = await cluster.state(node);
      if (state === 'stopped') break;
      await pause(STATE_EVERY_MS, stop);
    }
    over.abort();
    await fill;
    const isFull = state === 'stopped';
    const end = recorder.nowNs();
    if (isFull) await this.#noteEnd(node);
    else await this.#end(node);
    if (isFull || !stop.aborted)
      this.#spans.push({ fault: 'disk', on: [node.id], about, start, end, hadEffect: isFull });
    await cluster.act(node, 'start');
    const how = isFull ? 'ended by itself, its disk full, and' : 'did not end by itself; it was killed and';
    tell(`${node.id} ${how} is back with room on its disk`);
  }

  async #isSilent(node: VerifyNode): Promise<boolean> {
    return !(await answersSoon(node, this.#options.nodesOptions));
  }

  async #areLinks(links: readonly WanLink[], state: string): Promise<boolean> {
    const states = await this.#options.cluster.linkStates();
    return links.every(({ from, to }) => states.get(`${from}>${to}`) === state);
  }

  async #end(node: VerifyNode): Promise<void> {
    await this.#askSaved(node);
    try {
      await this.#options.cluster.act(node, 'kill');
    } finally {
      await this.#noteEnd(node);
    }
  }

  /** A node that does not answer may lose all that it answered since it said it last. */
  async #askSaved(node: VerifyNode): Promise<void> {
    const { nodesOptions, recorder } = this.#options;
    const askedNs = recorder.nowNs();
    const ageMs = await unsavedMs(node, nodesOptions);
    if (ageMs !== undefined) this.#savedNs.set(node, askedNs - (ageMs ?? UNSAVED_MS) * 1e6);
  }

  async #noteEnd(node: VerifyNode): Promise<void> {
    const { recorder } = this.#options;
    // what it has answered and is here already is recorded before that
    await new Promise((resolve) => setImmediate(resolve));
    const toNs = recorder.nowNs();
    recorder.noteEnd({ node: node.id, savedNs: this.#savedNs.get(node) ?? 0, toNs });
    this.#savedNs.set(node, toNs);
  }
}

/** Fulfilled when the time is over, or it is told to stop. */
async function pause(ms: number, stop: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal: stop }).catch(() => undefined);
}
