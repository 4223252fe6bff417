import { REPLICATION_LIMITS, type ReplicationLimits } from '../../src/causal/limits.ts';
import type { Member } from '../../src/causal/members.ts';
import type { Now } from '../../src/causal/replica.ts';
import { ByteRange, latin1Range } from '../../src/base/bytes.ts';
import { nodeNumber, type NodeNumber } from '../../src/clock/origin.ts';
import type { TransactionWriter } from '../../src/keyspace/keyspace.ts';
import { RegionNode } from '../../src/node/region-node.ts';
import type { StoreBatch, StoredImage } from '../../src/ports.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';

/** Unix milliseconds at which every virtual run begins. */
export const VIRTUAL_START_MS = 1_800_000_000_000;

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

interface Connection {
  readonly kind: 'bulk' | 'control';
  readonly ends: readonly [VirtualNode, VirtualNode];
  readonly links: readonly [number, number];
  /** Messages keep their order a direction: the earliest time at which the next may arrive. */
  readonly freeAtMs: [number, number];
  open: boolean;
}

/** What a node of the virtual cluster keeps over a restart. */
class Disk {
  readonly entries: Map<string, Uint8Array> = new Map();
  meta: Uint8Array | null = null;
  stampBound = 0;
  incarnation = 0;

  commit(batch: StoreBatch): void {
    if (batch.clear) this.entries.clear();
    for (const [key, state] of batch.entries) {
      const text = Buffer.from(key).toString('latin1');
      if (state === null) this.entries.delete(text);
      else this.entries.set(text, state);
    }
    this.meta = batch.meta;
    this.stampBound = Math.max(this.stampBound, batch.stampBound);
  }

  image(): StoredImage {
    return {
      meta: this.meta,
      stampBound: this.stampBound,
      entries: [...this.entries].map(([key, state]) => [new Uint8Array(Buffer.from(key, 'latin1')), state] as const),
    };
  }
}

/** One node with its clock, its disk and its connections. */
export class VirtualNode {
  readonly member: Member;
  readonly cluster: VirtualCluster;
  disk: Disk = new Disk();
  /** Added to the virtual wall clock. */
  clockOffsetMs = 0;
  core: RegionNode;
  isRunning = true;
  links: Map<number, Connection> = new Map();
  /** Counts the lives of the node, so that events of an earlier life do nothing. */
  life = 0;

  constructor(cluster: VirtualCluster, member: Member) {
    this.cluster = cluster;
    this.member = member;
    this.core = this.boot();
  }

  boot(): RegionNode {
    const { cluster, member } = this;
    this.disk.incarnation++;
    const core = new RegionNode({
      identity: {
        clusterId: 'virtual',
        nodeId: member.id,
        region: member.region,
        nodeNumber: member.nodeNumber,
        incarnation: this.disk.incarnation,
        startId: `${member.id}#${this.disk.incarnation}`,
        rules: '',
      },
      members: cluster.members,
      limits: cluster.limits,
      codec: peerCodec,
      stampBound: this.disk.stampBound,
      raiseStampBound: (bound) => {
        this.disk.stampBound = bound;
      },
      hasStore: true,
    });
    core.restore(this.disk.image());
    core.start(this.now());
    return core;
  }

  now(): Now {
    return { wallMs: Math.floor(VIRTUAL_START_MS + this.cluster.timeMs + this.clockOffsetMs), monotonicMs: this.cluster.timeMs };
  }

  /** Runs commands' writes as one transaction and ends the turn. */
  write(run: (tx: TransactionWriter) => void): number {
    const seq = this.core.transact(this.core.nowMs(this.now().wallMs), run);
    this.settle();
    return seq;
  }

  set(key: string, value: string, expireAtMs = Infinity): void {
    this.write((tx) => tx.set(latin1Range(key), 0, latin1Range(value), expireAtMs));
  }

  get(key: string): string | null {
    const slot = this.core.keys.find(latin1Range(key), 0, this.core.nowMs(this.now().wallMs));
    if (slot < 0) return null;
    const value = new ByteRange();
    this.core.keys.stringInto(slot, value);
    return value.toLatin1();
  }

  digest(): string {
    return this.core.digest(this.core.nowMs(this.now().wallMs));
  }

  /** Ends a turn: what the node wants sent goes on its way. */
  settle(): void {
    if (!this.isRunning) return;
    this.core.flush(this.now());
    const { sends, closes } = this.core.takeOutputs();
    for (const { link, frame } of sends) this.cluster.carry(this, link, frame);
    for (const { link } of closes) {
      const connection = this.links.get(link);
      if (connection !== undefined) this.cluster.disconnect(connection);
    }
  }
}

export interface VirtualOptions {
  readonly regions: readonly string[];
  readonly nodesPerRegion?: number;
  readonly limits?: Partial<ReplicationLimits>;
  /** One-way delay in milliseconds for each message. */
  readonly delayMs?: (from: Member, to: Member) => number;
  /** Milliseconds between a store batch and its being on disk. */
  readonly diskMs?: number;
}

/** A whole cluster of real cores in virtual time, in one thread, without sockets: deterministic by what its callbacks return. */
export class VirtualCluster {
  timeMs = 0;
  readonly members: readonly Member[];
  readonly limits: ReplicationLimits;
  readonly nodes: VirtualNode[] = [];
  delayMs: (from: Member, to: Member) => number;
  readonly #diskMs: number;
  readonly #events: Event[] = [];
  readonly #cut: Set<string> = new Set();
  #order = 0;
  #nextLink = 1;
  framesCarried = 0;

  constructor(options: VirtualOptions) {
    const nodesPerRegion = options.nodesPerRegion ?? 1;
    this.members = options.regions.flatMap((region, index) =>
      Array.from({ length: nodesPerRegion }, (_unused, letter) => ({
        nodeNumber: nodeNumber((index + 1) * 64 + letter) as NodeNumber,
        id: `${region}/${String.fromCharCode(97 + letter)}`,
        region,
      })),
    );
    this.limits = { ...REPLICATION_LIMITS, ...options.limits };
    this.delayMs = options.delayMs ?? (() => 10);
    this.#diskMs = options.diskMs ?? 5;
    for (const member of this.members) this.nodes.push(new VirtualNode(this, member));
    for (const node of this.nodes) this.#run(node);
    this.#connectAll();
  }

  node(index: number): VirtualNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`no node ${index}`);
    return node;
  }

  at(delayMs: number, run: () => void): void {
    const event = { atMs: this.timeMs + delayMs, order: this.#order++, run };
    let at = this.#events.length;
    this.#events.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#events[parent] as Event;
      if (above.atMs < event.atMs || (above.atMs === event.atMs && above.order < event.order)) break;
      this.#events[at] = above;
      at = parent;
    }
    this.#events[at] = event;
  }

  #pop(): Event | undefined {
    const top = this.#events[0];
    const last = this.#events.pop();
    if (top === undefined || last === undefined || this.#events.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= this.#events.length) break;
      const isLess = (left: Event, right: Event): boolean => left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
      if (child + 1 < this.#events.length && isLess(this.#events[child + 1] as Event, this.#events[child] as Event)) child++;
      if (!isLess(this.#events[child] as Event, last)) break;
      this.#events[at] = this.#events[child] as Event;
      at = child;
    }
    this.#events[at] = last;
    return top;
  }

  /** Lets virtual time pass. */
  run(ms: number): void {
    const until = this.timeMs + ms;
    while ((this.#events[0]?.atMs ?? Infinity) <= until) {
      const event = this.#pop();
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
      node.core.tick(node.now());
      node.settle();
      this.#storeBehind(node);
      this.at(Math.max(1, Math.min(250, node.core.nextTickMs())), tick);
    };
    this.at(1, tick);
  }

  #storeBehind(node: VirtualNode): void {
    const batch = node.core.takeStoreBatch();
    if (batch === null) return;
    const { life } = node;
    this.at(this.#diskMs, () => {
      if (node.life !== life || !node.isRunning) return;
      node.disk.commit(batch);
      node.core.storeCommitted();
    });
  }

  // ── connections ──

  #connectAll(): void {
    for (const [index, left] of this.nodes.entries()) {
      for (const right of this.nodes.slice(index + 1)) this.#connectPair(left, right);
    }
  }

  #connectPair(left: VirtualNode, right: VirtualNode): void {
    for (const kind of ['bulk', 'control'] as const) this.#dial(left, right, kind);
  }

  #dial(left: VirtualNode, right: VirtualNode, kind: 'bulk' | 'control'): void {
    const lives = [left.life, right.life];
    this.at(this.delayMs(left.member, right.member) * 2, () => {
      const sameLives = left.life === lives[0] && right.life === lives[1];
      if (!sameLives || !left.isRunning || !right.isRunning) return;
      if (this.isCut(left, right) || this.isCut(right, left)) {
        this.at(100, () => this.#dial(left, right, kind));
        return;
      }
      const connection: Connection = { kind, ends: [left, right], links: [this.#nextLink++, this.#nextLink++], freeAtMs: [0, 0], open: true };
      left.links.set(connection.links[0], connection);
      right.links.set(connection.links[1], connection);
      left.core.linkOpened(connection.links[0], kind, left.now());
      right.core.linkOpened(connection.links[1], kind, right.now());
      left.settle();
      right.settle();
    });
  }

  /** Carries a frame to the other end of a connection, in order. */
  carry(from: VirtualNode, link: number, frame: Uint8Array): void {
    const connection = from.links.get(link);
    if (connection === undefined || !connection.open) return;
    const side = connection.ends[0] === from ? 0 : 1;
    const to = connection.ends[1 - side] as VirtualNode;
    const arrivesMs = Math.max(this.timeMs + this.delayMs(from.member, to.member), connection.freeAtMs[side] as number);
    connection.freeAtMs[side] = arrivesMs;
    this.framesCarried++;
    this.at(arrivesMs - this.timeMs, () => {
      if (!connection.open || !to.isRunning || this.isCut(from, to)) return;
      to.core.linkFrame(connection.links[1 - side] as number, frame, to.now());
      to.settle();
    });
  }

  disconnect(connection: Connection): void {
    if (!connection.open) return;
    connection.open = false;
    for (const side of [0, 1] as const) {
      const node = connection.ends[side];
      const link = connection.links[side];
      node.links.delete(link);
      if (!node.isRunning) continue;
      node.core.linkClosed(link, node.now());
      node.settle();
    }
    const [left, right] = connection.ends;
    if (left.isRunning && right.isRunning) this.at(50, () => this.#dial(left, right, connection.kind));
  }

  // ── faults ──

  isCut(from: VirtualNode, to: VirtualNode): boolean {
    return this.#cut.has(`${from.member.region}>${to.member.region}`);
  }

  /** Cuts two regions apart: what is on its way is lost and the connections end. */
  cut(left: string, right: string): void {
    this.#cut.add(`${left}>${right}`).add(`${right}>${left}`);
    for (const node of this.nodes) {
      for (const connection of [...node.links.values()]) {
        const [a, b] = connection.ends;
        if (this.isCut(a, b)) this.disconnect(connection);
      }
    }
  }

  heal(left: string, right: string): void {
    this.#cut.delete(`${left}>${right}`);
    this.#cut.delete(`${right}>${left}`);
  }

  /** kill -9: what was not on disk is gone. */
  kill(node: VirtualNode): void {
    node.isRunning = false;
    node.life++;
    for (const connection of [...node.links.values()]) this.disconnect(connection);
    node.links = new Map();
  }

  /** Starts a killed node again on its disk, or on an empty one. */
  restart(node: VirtualNode, options: { emptyDisk?: boolean } = {}): void {
    if (options.emptyDisk === true) {
      const { incarnation } = node.disk;
      node.disk = new Disk();
      // a real node takes seconds since 2020 as the least incarnation, so that an empty disk never reuses one
      node.disk.incarnation = incarnation;
    }
    node.isRunning = true;
    node.life++;
    node.core = node.boot();
    this.#run(node);
    for (const other of this.nodes) {
      if (other === node || !other.isRunning) continue;
      const [left, right] = other.member.nodeNumber < node.member.nodeNumber ? [other, node] : [node, other];
      this.#connectPair(left, right);
    }
  }

  // ── questions ──

  areEqual(): boolean {
    const [first, ...rest] = this.nodes.filter((node) => node.isRunning);
    if (first === undefined) return true;
    const vector = first.core.vector();
    return rest.every((node) => node.core.vector().equals(vector) && node.digest() === first.digest());
  }
}
