import { CausewayError } from '../../src/errors.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import type { VirtualCluster, VirtualNode } from '../support/virtual-cluster.ts';
import type { Losses } from './losses.ts';
import { MemberChange } from './member-change.ts';
import { CLOCK_FAULTS, FAULT_KINDS, type Fault, type FaultKind } from './scenario.ts';
import type { Trouble, Weather } from './weather.ts';

/** Frames kept of each way, to be sent once more. */
const KEPT_FRAMES = 40;
/** A crash waits so long for a batch to die in. */
const ARMED_MS = 2_000;
/** What may come twice, whatever the network does. All else, requests among it, is sent once a connection and comes at most once. */
function mayRepeat(bytes: Uint8Array): boolean {
  const frame = peerCodec.decodeFrame(bytes);
  if (frame.type === 'strong') return groupCodec.decodeFrame(frame.bytes).type === 'quorum';
  return frame.type === 'transactions' || frame.type === 'rows';
}

type Way = readonly [from: VirtualNode, to: VirtualNode];

interface KeptFrame {
  readonly kind: 'bulk' | 'control';
  /** Of both ends: no connection carries what another life said. */
  readonly lives: readonly [number, number];
  readonly frame: Uint8Array;
}

/** What a fault needs of the run around it. */
export interface FaultWorld {
  readonly cluster: VirtualCluster;
  readonly weather: Weather;
  readonly losses: Losses;
  readonly said: (what: string) => void;
}

/** Lets the faults of a scenario happen and end, and counts those that found something to hit. */
export class Faults {
  readonly counts: Record<FaultKind, number>;
  readonly #world: FaultWorld;
  readonly #planned: readonly Fault[];
  readonly #cuts: Map<Fault, readonly Way[]> = new Map();
  /** Which fault a node is down or paused by. */
  readonly #downBy: Map<VirtualNode, Fault> = new Map();
  readonly #pausedBy: Map<VirtualNode, Fault> = new Map();
  readonly #badDisks: Map<VirtualNode, Fault> = new Map();
  readonly #armed: Map<VirtualNode, { readonly fault: Fault; readonly untilMs: number }> = new Map();
  readonly #kept: Map<string, KeptFrame[]> = new Map();
  readonly #keepsFrames: boolean;
  readonly #removals: MemberChange[] = [];
  #isOver = false;
  /** Whether a disk was lost, or found damaged: what it promised is not known any more. */
  hasLostDisks = false;

  constructor(world: FaultWorld, faults: readonly Fault[]) {
    this.#world = world;
    this.counts = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0])) as Record<FaultKind, number>;
    this.#keepsFrames = faults.some(({ kind }) => kind === 'replay');
    this.#planned = faults;
  }

  /** From here on the times of the faults count. */
  start(): void {
    const world = this.#world;
    const beganMs = world.cluster.timeMs;
    for (const planned of this.#planned) {
      const fault = { ...planned, atMs: planned.atMs + beganMs };
      world.cluster.at(fault.atMs - world.cluster.timeMs, () => this.#begin(fault));
      world.cluster.at(fault.atMs + fault.forMs - world.cluster.timeMs, () => this.#end(fault));
    }
  }

  #node(index: number): VirtualNode {
    const { nodes } = this.#world.cluster;
    return nodes[index % nodes.length] as VirtualNode;
  }

  /** Another node than the first. */
  #pair({ node, other }: Fault): Way {
    const { nodes } = this.#world.cluster;
    const first = node % nodes.length;
    return [this.#node(first), this.#node(first + 1 + (other % (nodes.length - 1)))];
  }

  #hit(fault: Fault, what: string): void {
    this.counts[fault.kind]++;
    this.#world.said(`fault ${fault.id} ${fault.kind}: ${what}`);
  }

  // ── what the cluster tells ──

  carried(from: VirtualNode, to: VirtualNode, kind: 'bulk' | 'control', frame: Uint8Array): void {
    if (!this.#keepsFrames) return;
    const way = `${from.id}>${to.id}`;
    let kept = this.#kept.get(way);
    if (kept === undefined) this.#kept.set(way, (kept = []));
    kept.push({ kind, lives: [from.life, to.life], frame });
    if (kept.length > KEPT_FRAMES) kept.shift();
  }

  storing(node: VirtualNode, tookMs: number): void {
    const armed = this.#armed.get(node);
    if (armed === undefined) return;
    this.#armed.delete(node);
    const { fault, untilMs } = armed;
    const { cluster } = this.#world;
    if (cluster.timeMs > untilMs) return;
    const { life } = node;
    cluster.at(tookMs * fault.amount * 0.999, () => {
      if (node.life === life && node.isRunning) this.#kill(fault, node);
    });
  }

  diskFailed(node: VirtualNode): void {
    const fault = this.#badDisks.get(node);
    if (fault === undefined) throw new Error(`the disk of ${node.id} fails and nobody wanted it`);
    this.#hit(fault, `${node.id} stops`);
    this.#downBy.set(node, fault);
    this.#starts(node);
  }

  // ── begin ──

  #begin(fault: Fault): void {
    if (this.#isOver) return;
    const { cluster } = this.#world;
    const node = this.#node(fault.node);
    const pair = this.#pair(fault);
    switch (fault.kind) {
      case 'cut':
        return this.#cut(fault, this.#betweenRegions(pair));
      case 'cut-nodes':
        return this.#cut(fault, bothWays(pair));
      case 'one-way':
        return this.#cut(fault, [pair]);
      case 'bridge':
        return this.#cut(fault, this.#bridge(node));
      case 'isolate':
        return this.#cut(
          fault,
          cluster.nodes.flatMap((other) => (other.member.region === node.member.region ? [] : bothWays([node, other]))),
        );
      case 'loss':
        return this.#trouble(fault, pair, { lossRate: 0.002 + fault.amount * 0.03 });
      case 'slow-link':
        return this.#trouble(fault, pair, { slowMs: 50 + fault.amount * 700 });
      case 'narrow-link':
        return this.#trouble(fault, pair, { bytesPerMs: 4 + fault.amount * 60 });
      case 'clog':
        return this.#trouble(fault, pair, { isClogged: true });
      case 'lag':
        return this.#trouble(fault, pair, {
          slowMs: 30 + fault.amount * 500,
          isClogged: fault.amount > 0.7,
          kind: fault.node % 2 === 0 ? 'bulk' : 'control',
        });
      case 'reset':
        return this.#reset(fault, pair);
      case 'reopen':
        this.#hit(fault, pair.map(({ id }) => id).join(' '));
        return cluster.reopen(...pair, fault.amount < 0.5 ? 'bulk' : 'control');
      case 'replay':
        return this.#reset(fault, pair);
      case 'crash':
      case 'absence':
      case 'amnesia':
      case 'damage':
        return this.#kill(fault, node);
      case 'crash-in-batch':
        this.#armed.set(node, { fault, untilMs: cluster.timeMs + ARMED_MS });
        return;
      case 'remove':
        return this.#remove(fault, node);
      case 'remove-live':
        return this.#removeLive(fault, node);
      default:
        return this.#beginAt(fault, node);
    }
  }

  /** What happens to a node that runs. */
  #beginAt(fault: Fault, node: VirtualNode): void {
    const { cluster } = this.#world;
    if (!node.isRunning || node.isPaused) return;
    const { amount } = fault;
    switch (fault.kind) {
      case 'pause':
        this.#hit(fault, node.id);
        this.#pausedBy.set(node, fault);
        return cluster.pause(node);
      case 'drift':
        this.#hit(fault, node.id);
        return node.drift(1 + (amount - 0.5) * 0.1);
      case 'step':
        this.#hit(fault, node.id);
        node.clockOffsetMs = Math.floor((amount - 0.5) * 1_600);
        return;
      case 'minute-ahead':
        this.#hit(fault, node.id);
        node.clockOffsetMs = 60_000;
        return;
      case 'backwards':
        this.#hit(fault, node.id);
        node.clockOffsetMs = -1_000 - Math.floor(amount * 3_600_000);
        return;
      case 'slow-disk':
        this.#hit(fault, node.id);
        node.slowDiskMs = 20 + amount * 400;
        return;
      case 'full-disk':
        this.#badDisks.set(node, fault);
        node.diskFault = { keepsBatch: false };
        return;
      case 'failed-sync':
        this.#badDisks.set(node, fault);
        node.diskFault = { keepsBatch: amount < 0.5 };
        return;
      default:
    }
  }

  #cut(fault: Fault, ways: readonly Way[]): void {
    this.#hit(fault, ways.map(([from, to]) => `${from.id}>${to.id}`).join(' '));
    this.#cuts.set(fault, ways);
    this.#cutAgain();
  }

  /** All cuts of faults that go on. A way that is cut in one direction alone looks well to both ends. */
  #cutAgain(): void {
    const { cluster } = this.#world;
    cluster.healAll();
    const ways = [...this.#cuts.values()].flat();
    const cut = new Set(ways.map(([from, to]) => `${from.id}>${to.id}`));
    for (const [from, to] of ways) {
      if (cut.has(`${to.id}>${from.id}`)) cluster.cut(from.id, to.id);
      else cluster.deafen(from, to);
    }
  }

  #betweenRegions([left, right]: Way): Way[] {
    const { nodes } = this.#world.cluster;
    const of = (region: string): VirtualNode[] => nodes.filter(({ member }) => member.region === region);
    if (left.member.region === right.member.region) return bothWays([left, right]);
    return of(left.member.region).flatMap((from) => of(right.member.region).flatMap((to) => bothWays([from, to])));
  }

  /** Two sides that only one node hears both of. */
  #bridge(middle: VirtualNode): Way[] {
    const others = this.#world.cluster.nodes.filter((node) => node !== middle);
    const isLeft = (at: number): boolean => at % 2 === 0;
    return others.flatMap((from, at) =>
      others.flatMap((to, place) => (isLeft(at) && !isLeft(place) ? bothWays([from, to]) : [])),
    );
  }

  #trouble(fault: Fault, [from, to]: Way, trouble: Partial<Trouble>): void {
    this.#hit(fault, `${from.id}>${to.id}`);
    this.#world.weather.add({
      from: from.id,
      to: to.id,
      kind: null,
      untilMs: fault.atMs + fault.forMs,
      slowMs: 0,
      isClogged: false,
      bytesPerMs: Infinity,
      lossRate: 0,
      ...trouble,
    });
  }

  #reset(fault: Fault, [left, right]: Way): void {
    if (fault.kind === 'reset') this.#hit(fault, `${left.id} ${right.id}`);
    this.#world.cluster.reset(
      left,
      right,
      fault.amount < 0.3 ? ['bulk'] : fault.amount < 0.6 ? ['control'] : ['bulk', 'control'],
    );
  }

  /** Frames of a connection that is gone come once more on the one after it. */
  #replay(fault: Fault, [from, to]: Way): void {
    const { cluster } = this.#world;
    if (!from.isRunning || !to.isRunning) return;
    let count = 0;
    for (const { kind, lives, frame } of this.#kept.get(`${from.id}>${to.id}`) ?? []) {
      const connection = [...to.links.values()].find((each) => each.kind === kind && each.ends.includes(from));
      const isOfNow = lives[0] === from.life && lives[1] === to.life;
      if (connection === undefined || !isOfNow || !mayRepeat(frame)) continue;
      cluster.arrive(connection, to, to.life, frame);
      count++;
    }
    if (count > 0) this.#hit(fault, `${count} frames ${from.id}>${to.id}`);
  }

  #kill(fault: Fault, node: VirtualNode): void {
    if (!node.isRunning || this.#isOver) return;
    this.#hit(fault, node.id);
    this.#downBy.set(node, fault);
    this.#world.cluster.kill(node, { keepBatch: fault.amount < 0.5 });
    this.#starts(node);
  }

  /** A node that went down after its fault was over is started all the same. */
  #starts(node: VirtualNode): void {
    const fault = this.#downBy.get(node);
    const { cluster } = this.#world;
    if (fault === undefined) return;
    const endMs = fault.atMs + fault.forMs;
    if (cluster.timeMs >= endMs) cluster.at(100 + fault.amount * 400, () => this.#restart(fault, node));
  }

  #remove(fault: Fault, node: VirtualNode): void {
    if (this.#downBy.has(node)) return;
    this.#hit(fault, node.id);
    this.#downBy.set(node, fault);
    if (node.isRunning) this.#world.cluster.kill(node, { keepBatch: fault.amount < 0.5 });
    this.#removals.push(new MemberChange(this.#world, node));
  }

  /** By mistake, or because it is reached by nobody but its clients: it runs on, and takes writes until it is told. */
  #removeLive(fault: Fault, node: VirtualNode): void {
    if (!node.isRunning) return;
    this.#hit(fault, node.id);
    this.#removals.push(new MemberChange(this.#world, node));
  }

  // ── end ──

  #end(fault: Fault): void {
    const node = this.#node(fault.node);
    if (this.#cuts.delete(fault)) {
      const pair = this.#pair(fault);
      this.#cutAgain();
      // who was not heard does not know it
      if (fault.kind === 'one-way') this.#world.cluster.reset(...pair);
    }
    if (this.#pausedBy.get(node) === fault) {
      this.#pausedBy.delete(node);
      this.#world.cluster.resume(node);
    }
    if (fault.kind === 'replay') this.#replay(fault, this.#pair(fault));
    if (CLOCK_FAULTS.has(fault.kind)) node.setClockRight();
    if (fault.kind === 'slow-disk') node.slowDiskMs = 0;
    if (fault.kind === 'full-disk' || fault.kind === 'failed-sync') node.diskFault = null;
    if (fault.kind === 'remove' || fault.kind === 'remove-live')
      for (const removal of this.#removals) if (removal.node === node) removal.takeBackIn();
    this.#restart(fault, node);
  }

  #restart(fault: Fault, node: VirtualNode): void {
    if (this.#downBy.get(node) !== fault || fault.kind === 'remove') return;
    this.#downBy.delete(node);
    if (node.isRunning) return;
    const { cluster, losses, said } = this.#world;
    let isLost = fault.kind === 'amnesia';
    if (fault.kind === 'damage' && node.disk.damage(Math.floor(fault.amount * 1_000_003))) {
      try {
        cluster.restart(node);
        throw new Error(`${node.id} starts on a damaged disk`);
      } catch (error) {
        if (!(error instanceof CausewayError) || error.code !== 'STORE') throw error;
      }
      said(`${node.id} refuses its damaged disk`);
      isLost = true;
    }
    if (isLost) {
      losses.withoutDisk(node);
      this.hasLostDisks = true;
    }
    said(`${node.id} starts${isLost ? ' on an empty disk' : ''}`);
    cluster.restart(node, { emptyDisk: isLost });
  }

  /** What goes on by itself: operators who ask again, nodes that have to start anew. */
  step(): void {
    for (const removal of this.#removals) removal.step();
  }

  /** All that is wrong ends; what is left is that changes of the members come to their end. */
  peace(): void {
    this.#isOver = true;
    const { cluster, weather } = this.#world;
    weather.clear();
    const deaf = [...this.#cuts].flatMap(([fault]) => (fault.kind === 'one-way' ? [this.#pair(fault)] : []));
    this.#cuts.clear();
    cluster.healAll();
    for (const pair of deaf) cluster.reset(...pair);
    this.#armed.clear();
    for (const node of cluster.nodes) {
      node.setClockRight();
      node.slowDiskMs = 0;
      node.diskFault = null;
      if (node.isPaused) cluster.resume(node);
    }
    this.#pausedBy.clear();
    for (const [node, fault] of this.#downBy) this.#restart(fault, node);
    for (const removal of this.#removals) removal.takeBackIn();
  }

  get areMembersWhole(): boolean {
    return this.#removals.every(({ isDone }) => isDone);
  }
}

function bothWays([left, right]: Way): Way[] {
  return [
    [left, right],
    [right, left],
  ];
}
