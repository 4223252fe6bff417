import { CONTROL_UNREAD_BYTES_MAX } from '../../src/adapters/ws-connection.ts';
import { REPLICATION_LIMITS, type ReplicationLimits } from '../../src/causal/limits.ts';
import type { ActiveClasses } from '../../src/classes/active-classes.ts';
import type { Member } from '../../src/causal/members.ts';
import { nodeNumber } from '../../src/clock/origin.ts';
import type { QuorumBatch, StoreBatch } from '../../src/ports.ts';
import { EventQueue } from './event-queue.ts';
import {
  Disk,
  VirtualNode,
  type Connection,
  type DiskFault,
  type VirtualStrong,
  type VirtualWorld,
} from './virtual-node.ts';

export { VIRTUAL_START_MS, VirtualNode } from './virtual-node.ts';

/** How long a node waits before it dials again. */
const REDIAL_MS = 50;
/** How many times as long the disk takes for a state as for what a machine promises. */
const STATE_TIMES = 5;

/** What a test may watch of a cluster. */
export interface VirtualObserver {
  /** A turn of a node ended. */
  settled?(node: VirtualNode): void;
  /** A frame went on its way. */
  carried?(from: VirtualNode, to: VirtualNode, kind: 'bulk' | 'control', frame: Uint8Array): void;
  /** A batch is on disk; the node does not know it yet. */
  committed?(node: VirtualNode, batch: StoreBatch): void;
  /** A PUBLISH was applied at a node. */
  heard?(node: VirtualNode, message: string): void;
  /** A node began a new life. */
  restarted?(node: VirtualNode): void;
  /** A batch was handed to a node's disk and is not on it yet. */
  storing?(node: VirtualNode, tookMs: number): void;
  /** A batch of the quorum groups is on disk; the node does not know it yet. */
  quorumCommitted?(node: VirtualNode, batch: QuorumBatch): void;
  /** A node is about to die: what it has in memory is still there to be looked at. */
  dying?(node: VirtualNode): void;
  /** A batch failed: the node stopped, as a node whose store fails does (SPEC R3). */
  diskFailed?(node: VirtualNode): void;
}

export interface VirtualOptions {
  readonly regions: readonly string[];
  readonly nodesPerRegion?: number;
  readonly limits?: Partial<ReplicationLimits>;
  readonly classes?: ActiveClasses;
  readonly strong?: VirtualStrong;
  /** See `VirtualWorld`. */
  readonly evicts?: boolean;
  /** One-way delay in milliseconds, asked for each message, and for the dialling of a connection without its kind. */
  readonly delayMs?: (from: Member, to: Member, kind?: 'bulk' | 'control') => number;
  /** Whether a message is lost, and with it the connection that would have carried it; asked for each message. */
  readonly loses?: (from: Member, to: Member, kind: 'bulk' | 'control') => boolean;
  /** Bandwidth of each connection in each direction; without it there is no bound. */
  readonly bytesPerMs?: number;
  /** Bandwidth of a connection in one direction as it is now, asked for each message; Infinity for no other bound. */
  readonly bandwidth?: (from: Member, to: Member, kind: 'bulk' | 'control') => number;
  /** Milliseconds between a store batch and its being on disk. */
  readonly diskMs?: number;
  readonly observer?: VirtualObserver;
}

/** A whole cluster of real cores in virtual time, in one thread, without sockets: deterministic by what its callbacks return. */
export class VirtualCluster implements VirtualWorld {
  timeMs = 0;
  readonly members: readonly Member[];
  readonly limits: ReplicationLimits;
  readonly classes: ActiveClasses | null;
  readonly strong: VirtualStrong | null;
  readonly evicts: boolean;
  readonly nodes: VirtualNode[] = [];
  observer: VirtualObserver;
  delayMs: NonNullable<VirtualOptions['delayMs']>;
  readonly #loses: VirtualOptions['loses'];
  readonly #bandwidth: VirtualOptions['bandwidth'];
  readonly #diskMs: number;
  readonly #events: EventQueue = new EventQueue();
  /** Regions or nodes that do not reach each other, `from>to`. */
  readonly #cut: Set<string> = new Set();
  /** Paths that have a connection or are dialled: one dialler each, as the real transport has. */
  readonly #dialled: Set<string> = new Set();
  #nextLink = 1;
  framesCarried = 0;
  /** Of each connection, Infinity for no bound. */
  bytesPerMs: number;
  /** The most that waited on a control connection of limited bandwidth, and how many were cut for it. */
  unreadBytesMost = 0;
  controlCuts = 0;

  constructor(options: VirtualOptions) {
    const nodesPerRegion = options.nodesPerRegion ?? 1;
    this.members = options.regions.flatMap((region, index) =>
      Array.from({ length: nodesPerRegion }, (_unused, letter) => ({
        nodeNumber: nodeNumber((index + 1) * 64 + letter),
        id: `${region}/${String.fromCharCode(97 + letter)}`,
        region,
      })),
    );
    this.classes = options.classes ?? null;
    this.strong = options.strong ?? null;
    this.evicts = options.evicts ?? false;
    this.limits = { ...REPLICATION_LIMITS, ...options.limits };
    this.delayMs = options.delayMs ?? (() => 10);
    this.bytesPerMs = options.bytesPerMs ?? Infinity;
    this.#loses = options.loses;
    this.#bandwidth = options.bandwidth;
    this.#diskMs = options.diskMs ?? 5;
    this.observer = options.observer ?? {};
    for (const member of this.members) this.nodes.push(new VirtualNode(this, member));
    for (const node of this.nodes) this.#run(node);
    for (const [index, left] of this.nodes.entries()) {
      for (const right of this.nodes.slice(index + 1)) this.#connectPair(left, right);
    }
  }

  everyNode(): readonly VirtualNode[] {
    return this.nodes;
  }

  node(index: number): VirtualNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`no node ${index}`);
    return node;
  }

  // ── time ──

  at(delayMs: number, run: () => void): void {
    this.#events.push(this.timeMs + delayMs, run);
  }

  /** Lets virtual time pass. */
  run(ms: number): void {
    const until = this.timeMs + ms;
    while (this.#events.nextMs <= until) {
      const event = this.#events.pop();
      if (event === undefined) break;
      this.timeMs = event.atMs;
      event.run();
    }
    this.timeMs = until;
  }

  /** Lets time pass until the condition holds; false when it did not within `limitMs`. */
  runUntil(condition: () => boolean, limitMs = 60_000): boolean {
    const until = this.timeMs + limitMs;
    while (!condition()) {
      if (this.timeMs >= until) return false;
      this.run(5);
    }
    return true;
  }

  #run(node: VirtualNode): void {
    const { life } = node;
    const tick = (): void => {
      if (!node.isRunning || node.life !== life) return;
      if (!node.isPaused) {
        node.core.tick(node.now());
        node.settle();
        this.#storeBehind(node);
      }
      this.at(Math.max(1, Math.min(250, node.core.nextTickMs())), tick);
    };
    this.at(1, tick);
  }

  /** On disk all at once, promises in order and sooner than the states beside them; a node that dies before has lost it. */
  storeQuorum(node: VirtualNode, batch: QuorumBatch): void {
    const { life } = node;
    node.quorumInFlight.push(batch);
    const lane = batch.groups.some(({ state }) => state !== null) ? 'states' : 'promises';
    const tookMs = (this.#diskMs + node.slowDiskMs) * (lane === 'states' ? STATE_TIMES : 1);
    node.diskFreeAtMs[lane] = Math.max(this.timeMs + tookMs, node.diskFreeAtMs[lane]);
    this.observer.storing?.(node, node.diskFreeAtMs[lane] - this.timeMs);
    this.at(node.diskFreeAtMs[lane] - this.timeMs, () => {
      if (node.life !== life || !node.isRunning) return;
      if (node.diskFault !== null) return this.#failDisk(node, node.diskFault);
      this.#commitQuorum(node, batch);
      if (!node.core.quorumCommitted(batch, node.now())) return;
      if (node.isPaused) node.waiting.push(() => node.settle());
      else node.settle();
    });
  }

  #commitQuorum(node: VirtualNode, batch: QuorumBatch): void {
    node.quorumInFlight.splice(node.quorumInFlight.indexOf(batch), 1);
    node.disk.quorum.commit(batch, (error) => {
      if (error !== null) throw error;
    });
    this.observer.quorumCommitted?.(node, batch);
  }

  /** The node goes on with nothing (SPEC R3). Of a failed fsync nobody knows whether the batch is there. */
  #failDisk(node: VirtualNode, { keepsBatch }: DiskFault): void {
    node.diskFault = null;
    this.kill(node, { keepBatch: keepsBatch });
    this.observer.diskFailed?.(node);
  }

  #storeBehind(node: VirtualNode): void {
    this.#raiseStampBound(node);
    const batch = node.core.isStoreBatchDue ? node.core.takeStoreBatch() : null;
    if (batch === null) return;
    const { life } = node;
    node.batchInFlight = batch;
    const tookMs = this.#diskMs + node.slowDiskMs;
    this.observer.storing?.(node, tookMs);
    this.at(tookMs, () => {
      if (node.life !== life || !node.isRunning) return;
      if (node.diskFault !== null) return this.#failDisk(node, node.diskFault);
      this.#commit(node);
      node.core.storeCommitted();
    });
  }

  /** Alone, beside a batch that takes long. */
  #raiseStampBound(node: VirtualNode): void {
    const bound = node.core.takeStampBound();
    if (bound === null) return;
    const { life } = node;
    this.at(this.#diskMs + node.slowDiskMs, () => {
      if (node.life !== life || !node.isRunning || node.diskFault !== null) return;
      node.disk.raiseStampBound(bound);
      node.core.stampBoundRaised();
    });
  }

  #commit(node: VirtualNode): void {
    const batch = node.batchInFlight;
    if (batch === null) return;
    node.batchInFlight = null;
    node.disk.commit(batch);
    this.observer.committed?.(node, batch);
  }

  // ── connections ──

  #connectPair(left: VirtualNode, right: VirtualNode): void {
    for (const kind of ['bulk', 'control'] as const) this.#dial(left, right, kind);
  }

  /** Dials a pair's connection unless there is one or it is dialled already. */
  #dial(left: VirtualNode, right: VirtualNode, kind: 'bulk' | 'control'): void {
    const path = `${left.id}#${left.life} ${right.id}#${right.life} ${kind}`;
    if (this.#dialled.has(path)) return;
    this.#dialled.add(path);
    this.#dialPath(left, right, kind, path, [left.life, right.life]);
  }

  #dialPath(
    left: VirtualNode,
    right: VirtualNode,
    kind: 'bulk' | 'control',
    path: string,
    lives: readonly [number, number],
  ): void {
    const dialMs = this.delayMs(left.member, right.member) + this.delayMs(right.member, left.member);
    this.at(dialMs, () => {
      const sameLives = left.life === lives[0] && right.life === lives[1];
      if (!sameLives || !left.isRunning || !right.isRunning) return;
      if (this.isCut(left, right) || this.isCut(right, left)) {
        this.at(100, () => this.#dialPath(left, right, kind, path, lives));
        return;
      }
      this.#open(left, right, kind, path);
    });
  }

  #open(left: VirtualNode, right: VirtualNode, kind: 'bulk' | 'control', path: string): void {
    const connection: Connection = {
      kind,
      ends: [left, right],
      links: [this.#nextLink++, this.#nextLink++],
      freeAtMs: [0, 0],
      leftAtMs: [0, 0],
      open: true,
      path,
    };
    for (const side of [0, 1] as const) {
      const node = connection.ends[side];
      const link = connection.links[side];
      node.links.set(link, connection);
      this.#whenAwake(node, () => node.core.linkOpened(link, kind, node.now()));
    }
  }

  /** Carries a frame to the other end of a connection, in order. */
  carry(from: VirtualNode, link: number, frame: Uint8Array): void {
    const connection = from.links.get(link);
    if (connection === undefined || !connection.open) return;
    const side = connection.ends[0] === from ? 0 : 1;
    const to = connection.ends[1 - side] as VirtualNode;
    if (this.#loses?.(from.member, to.member, connection.kind) === true) {
      this.at(0, () => this.disconnect(connection));
      return;
    }
    const bound = this.#bandwidth?.(from.member, to.member, connection.kind) ?? Infinity;
    const bytesPerMs = Math.min(this.bytesPerMs, bound);
    const leavesMs = Math.max(this.timeMs, connection.leftAtMs[side]) + frame.length / bytesPerMs;
    connection.leftAtMs[side] = leavesMs;
    if (connection.kind === 'control') this.#noteUnread((leavesMs - this.timeMs) * bytesPerMs, connection);
    const delayMs = this.delayMs(from.member, to.member, connection.kind);
    const arrivesMs = Math.max(Math.ceil(leavesMs) + delayMs, connection.freeAtMs[side]);
    connection.freeAtMs[side] = arrivesMs;
    this.framesCarried++;
    this.observer.carried?.(from, to, connection.kind, frame);
    const { life } = to;
    this.at(arrivesMs - this.timeMs, () => this.arrive(connection, to, life, frame));
  }

  /** As the real transport does, a control connection is cut on which too much waits. */
  #noteUnread(bytes: number, connection: Connection): void {
    if (!Number.isFinite(bytes)) return;
    this.unreadBytesMost = Math.max(this.unreadBytesMost, bytes);
    if (bytes <= CONTROL_UNREAD_BYTES_MAX || !connection.open) return;
    this.controlCuts++;
    this.at(0, () => this.disconnect(connection));
  }

  /** A frame is there that was sent to this life of a node. */
  arrive(connection: Connection, to: VirtualNode, life: number, frame: Uint8Array): void {
    const side = connection.ends[0] === to ? 0 : 1;
    if (!connection.open || to.life !== life || this.isCut(connection.ends[1 - side] as VirtualNode, to)) return;
    this.#whenAwake(to, () => to.core.linkFrame(connection.links[side], frame, to.now()));
  }

  /** Ends both ends of a connection, each as soon as it is awake; it is dialled again. */
  disconnect(connection: Connection): void {
    if (!connection.open) return;
    connection.open = false;
    this.#dialled.delete(connection.path);
    for (const side of [0, 1] as const) {
      const node = connection.ends[side];
      const link = connection.links[side];
      node.links.delete(link);
      this.#whenAwake(node, () => node.core.linkClosed(link, node.now()));
    }
    const [left, right] = connection.ends;
    if (left.isRunning && right.isRunning) this.at(REDIAL_MS, () => this.#dial(left, right, connection.kind));
  }

  #whenAwake(node: VirtualNode, run: () => void): void {
    if (!node.isRunning) return;
    if (node.isPaused) {
      node.waiting.push(run);
      return;
    }
    run();
    node.settle();
  }

  settled(node: VirtualNode): void {
    this.observer.settled?.(node);
  }

  heard(node: VirtualNode, message: string): void {
    this.observer.heard?.(node, message);
  }

  // ── faults ──

  isCut(from: VirtualNode, to: VirtualNode): boolean {
    const byRegion = this.#cut.has(`${from.member.region}>${to.member.region}`);
    return byRegion || this.#cut.has(`${from.id}>${to.id}`);
  }

  /** Cuts two regions, or two nodes by their ids, apart: what is on its way is lost and the connections end. */
  cut(left: string, right: string): void {
    this.#cut.add(`${left}>${right}`).add(`${right}>${left}`);
    for (const node of this.nodes) {
      for (const connection of [...node.links.values()]) {
        const [a, b] = connection.ends;
        if (this.isCut(a, b)) this.disconnect(connection);
      }
    }
  }

  /** What one node sends does not reach another, and neither is told: to be healed, and the connections reset. */
  deafen(from: VirtualNode, to: VirtualNode): void {
    this.#cut.add(`${from.id}>${to.id}`);
  }

  heal(left: string, right: string): void {
    this.#cut.delete(`${left}>${right}`);
    this.#cut.delete(`${right}>${left}`);
  }

  healAll(): void {
    this.#cut.clear();
  }

  /** Resets the connections of one kind between two nodes. */
  reset(left: VirtualNode, right: VirtualNode, kinds: readonly ('bulk' | 'control')[] = ['bulk', 'control']): void {
    for (const connection of [...left.links.values()]) {
      if (connection.ends.includes(right) && kinds.includes(connection.kind)) this.disconnect(connection);
    }
  }

  /** Opens another connection while the one before still looks open, as after a loss that only one end has seen. */
  reopen(left: VirtualNode, right: VirtualNode, kind: 'bulk' | 'control'): void {
    if (!left.isRunning || !right.isRunning || this.isCut(left, right) || this.isCut(right, left)) return;
    const [dialler, other] = left.member.nodeNumber < right.member.nodeNumber ? [left, right] : [right, left];
    this.#open(dialler, other, kind, 'reopened');
  }

  /** kill -9: what was not on disk is gone. A batch on its way may have got there (`keepBatch`). */
  kill(node: VirtualNode, options: { keepBatch?: boolean } = {}): void {
    this.observer.dying?.(node);
    if (options.keepBatch === true) {
      this.#commit(node);
      const [oldest] = node.quorumInFlight;
      if (oldest !== undefined) this.#commitQuorum(node, oldest);
    }
    node.batchInFlight = null;
    node.quorumInFlight.length = 0;
    node.diskFreeAtMs = { promises: 0, states: 0 };
    node.isRunning = false;
    node.isPaused = false;
    node.waiting.length = 0;
    node.life++;
    for (const connection of [...node.links.values()]) this.disconnect(connection);
    node.links = new Map();
  }

  /** Starts a killed node again on its disk, on an empty one, or on a backup of it. Throws STORE where that is damaged. */
  restart(node: VirtualNode, options: { emptyDisk?: boolean; backup?: Disk } = {}): void {
    const { incarnation } = node.disk;
    if (options.emptyDisk === true) node.disk = new Disk();
    if (options.backup !== undefined) node.disk = options.backup.copy();
    // a real node takes seconds since 2020 as the least incarnation, so that another disk never reuses one
    node.disk.incarnation = incarnation;
    node.core = node.boot();
    node.isRunning = true;
    node.life++;
    this.observer.restarted?.(node);
    this.#run(node);
    for (const other of this.nodes) {
      if (other === node || !other.isRunning) continue;
      const [left, right] = other.member.nodeNumber < node.member.nodeNumber ? [other, node] : [node, other];
      this.#connectPair(left, right);
    }
  }

  /** SIGSTOP. */
  pause(node: VirtualNode): void {
    if (node.isRunning) node.isPaused = true;
  }

  /** SIGCONT: what came in meanwhile is there at once. */
  resume(node: VirtualNode): void {
    node.isPaused = false;
    for (const run of node.waiting.splice(0)) this.#whenAwake(node, run);
  }

  // ── questions ──

  running(): VirtualNode[] {
    return this.nodes.filter((node) => node.isRunning);
  }

  areReady(): boolean {
    return this.running().every((node) => node.core.unreadyReasons(0).length === 0);
  }

  areEqual(): boolean {
    const [first, ...rest] = this.running();
    if (first === undefined) return true;
    const vector = first.core.vector();
    return rest.every((node) => node.core.vector().equals(vector) && node.digest() === first.digest());
  }
}
