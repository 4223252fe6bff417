import { latin1Range, ByteRange } from '../../src/base/bytes.ts';
import { ColumnsBuilder } from '../../src/causal/columns.ts';
import { REPLICATION_LIMITS, type ReplicationLimits } from '../../src/causal/limits.ts';
import type { Row } from '../../src/causal/members.ts';
import {
  PEER_PROTOCOL,
  type PeerFrame,
  type TransactionsFrame,
  type VectorEntries,
} from '../../src/causal/peer-frames.ts';
import { nodeNumber, originOf, type NodeNumber, type Origin } from '../../src/clock/origin.ts';
import { stampOfMs, type Stamp } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { Update, UpdateKind } from '../../src/crdt/update.ts';
import { RegionNode } from '../../src/node/region-node.ts';
import type { StoreBatch } from '../../src/ports.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { VIRTUAL_START_MS } from './virtual-cluster.ts';

/** The members of every scripted run; the node under test is R, the others are played by the test. */
export const NAMES = ['A', 'B', 'C', 'R'] as const;
export type Name = (typeof NAMES)[number];

export const numberOf = (name: Name): NodeNumber => nodeNumber((NAMES.indexOf(name) + 1) * 64);
export const originFor = (name: Name, incarnation = 1): Origin => originOf(numberOf(name), incarnation);

const MEMBERS = NAMES.map((name) => ({ nodeNumber: numberOf(name), id: `${name}/a`, region: name }));

const EFFECTS = {
  set: UpdateKind.Set,
  del: UpdateKind.DeleteString,
  sadd: UpdateKind.SetAdd,
  srem: UpdateKind.SetRemove,
  incr: UpdateKind.Increment,
  close: UpdateKind.CloseIncarnations,
} as const;

/** What a played transaction does: `['sadd', 'key', 'member']`. */
export type Effect = readonly [kind: keyof typeof EFFECTS, key: string, text?: string];

/** The stream of a played origin: knows its running deps, and writes frames as a real origin would. */
export class PlayedStream {
  readonly origin: Origin;
  readonly #running: VersionVector = new VersionVector();
  #seq = 0;
  #stampMs = 0;

  constructor(name: Name, incarnation = 1) {
    this.origin = originFor(name, incarnation);
  }

  /** The frame of the next transactions, one for each effect, the first made after having seen `seen`. */
  next(effects: readonly Effect[], seen: VectorEntries = [], stampMs: number = ++this.#stampMs): TransactionsFrame {
    const builder = new ColumnsBuilder();
    const update = new Update();
    const changes = new VersionVector(seen).changesSince(this.#running);
    for (const [origin, seq] of changes) this.#running.raise(origin, seq);
    const first = this.#seq + 1;
    for (const [index, [kind, key, text = '1']] of effects.entries()) {
      builder.begin((stampOfMs(VIRTUAL_START_MS + stampMs) + index + 1) as Stamp, index === 0 ? changes : []);
      update.kind = EFFECTS[kind];
      update.key.setFrom(latin1Range(key));
      update.field.setFrom(latin1Range(text));
      update.value.setFrom(latin1Range(text));
      update.atMs = kind === 'close' ? Number(text) : Infinity;
      builder.add(update);
    }
    this.#seq += effects.length;
    return {
      type: 'transactions',
      origin: this.origin,
      first,
      last: this.#seq,
      asked: false,
      bytes: builder.take(),
    };
  }

  /** The dot of the transaction made last, as an entry of a vector. */
  get dot(): readonly [Origin, number] {
    return [this.origin, this.#seq];
  }
}

/** What a played peer says of itself. */
export interface HelloOptions {
  readonly incarnation?: number;
  readonly applied?: VectorEntries;
  readonly startId?: string;
  readonly beganAtEpoch?: number;
}

interface Peer {
  readonly bulk: number;
  readonly control: number;
}

export interface ScriptedOptions {
  readonly limits?: Partial<ReplicationLimits>;
  readonly hasStore?: boolean;
  readonly incarnation?: number;
}

/** The node R under test, with peers that the test plays frame by frame. */
export class ScriptedNode {
  readonly core: RegionNode;
  readonly peers: Map<Name, Peer> = new Map();
  /** Everything that R sent since it was looked at last. */
  sent: { to: Name; frame: PeerFrame }[] = [];
  closed: string[] = [];
  stampBounds: number[] = [];
  timeMs = 1_000;
  /** Added to the wall clock of R. */
  clockOffsetMs = 0;
  #link = 0;

  constructor(options: ScriptedOptions = {}) {
    this.core = new RegionNode({
      identity: {
        clusterId: 'scripted',
        nodeId: 'R/a',
        region: 'R',
        nodeNumber: numberOf('R'),
        incarnation: options.incarnation ?? 1,
        startId: 'R',
        rules: '',
      },
      members: MEMBERS,
      limits: { ...REPLICATION_LIMITS, startGraceMs: 0, ...options.limits },
      codec: peerCodec,
      stampBound: 0,
      raiseStampBound: (bound) => void this.stampBounds.push(bound),
      hasStore: options.hasStore ?? false,
    });
    this.core.start(this.now());
  }

  now(): { wallMs: number; monotonicMs: number } {
    return { wallMs: VIRTUAL_START_MS + this.timeMs + this.clockOffsetMs, monotonicMs: this.timeMs };
  }

  /** Opens both links of peers and says hello for them. */
  connect(...names: Name[]): this {
    for (const name of names) this.connectAs(name);
    return this;
  }

  connectAs(name: Name, hello: HelloOptions = {}): void {
    const peer = { bulk: ++this.#link, control: ++this.#link };
    this.peers.set(name, peer);
    for (const kind of ['bulk', 'control'] as const) {
      if (this.peers.get(name) !== peer) return;
      this.core.linkOpened(peer[kind], kind, this.now());
      this.give(name, this.#hello(name, kind, hello), kind);
    }
  }

  /** Loses a peer's bulk connection and opens another, on which the peer says hello only after what happens in between. */
  reopenBulk(name: Name, between: () => void): void {
    const before = this.peers.get(name);
    if (before === undefined) throw new Error(`${name} is not connected`);
    this.core.linkClosed(before.bulk, this.now());
    const peer = { bulk: ++this.#link, control: before.control };
    this.peers.set(name, peer);
    this.core.linkOpened(peer.bulk, 'bulk', this.now());
    between();
    this.give(name, this.#hello(name, 'bulk'), 'bulk');
  }

  #hello(name: Name, kind: 'bulk' | 'control', hello: HelloOptions = {}): PeerFrame {
    return {
      type: 'hello',
      protocol: PEER_PROTOCOL,
      clusterId: 'scripted',
      kind,
      nodeId: `${name}/a`,
      nodeNumber: numberOf(name),
      incarnation: hello.incarnation ?? 1,
      startId: hello.startId ?? name,
      rules: '',
      applied: hello.applied ?? [],
      beganAtEpoch: hello.beganAtEpoch ?? 0,
      takesMessages: false,
    };
  }

  disconnect(name: Name): void {
    const peer = this.peers.get(name);
    this.peers.delete(name);
    if (peer === undefined) return;
    this.core.linkClosed(peer.bulk, this.now());
    this.core.linkClosed(peer.control, this.now());
    this.#settle();
  }

  /** Hands R a frame from a peer, by the connection that such frames take, and ends the turn. */
  give(from: Name, frame: PeerFrame, by?: 'bulk' | 'control'): void {
    const peer = this.peers.get(from);
    if (peer === undefined) throw new Error(`${from} is not connected`);
    const isBulk = frame.type === 'transactions' || frame.type.startsWith('snapshot-');
    const link = by === undefined ? peer[isBulk ? 'bulk' : 'control'] : peer[by];
    this.core.linkFrame(link, peerCodec.encodeFrame(frame), this.now());
    this.#settle();
  }

  /** A row that a peer says of itself, or of another (`of`), with the round trip that R measures by it. */
  giveRow(
    from: Name,
    row: Partial<Omit<Row, 'applied' | 'durable'>> & {
      of?: Name;
      applied?: VectorEntries;
      durable?: VectorEntries;
      rttMs?: number;
    },
  ): void {
    const of = row.of ?? from;
    const applied = new VersionVector(row.applied ?? []);
    this.give(from, {
      type: 'rows',
      rows: [
        {
          node: numberOf(of),
          incarnation: row.incarnation ?? 1,
          stamp: row.stamp ?? stampOfMs(this.now().wallMs),
          wallMs: row.wallMs ?? VIRTUAL_START_MS + this.timeMs,
          applied,
          durable: row.durable === undefined ? applied : new VersionVector(row.durable),
          incarnations: row.incarnations ?? NAMES.flatMap((name) => [numberOf(name), 1]),
          heard: row.heard ?? [],
          closedBelow: row.closedBelow ?? 0,
          epoch: row.epoch ?? this.core.membership.epoch,
        },
      ],
      sentMs: this.timeMs,
      echoMs: this.timeMs - (row.rttMs ?? 0),
      echoHeldMs: 0,
      receivedBytes: 2 ** 40,
    });
  }

  /** One more turn, in which nothing comes in. */
  turn(): void {
    this.#settle();
  }

  /** Lets time pass, with a tick every 20 ms. */
  run(ms: number): this {
    for (const until = this.timeMs + ms; this.timeMs < until;) {
      this.timeMs += 20;
      this.core.tick(this.now());
      this.#settle();
    }
    return this;
  }

  #settle(): void {
    this.core.flush(this.now());
    const { sends, closes } = this.core.takeOutputs();
    const nameOf = (link: number): Name | undefined =>
      [...this.peers].find(([, peer]) => peer.bulk === link || peer.control === link)?.[0];
    for (const { link, frame } of sends) {
      const to = nameOf(link);
      if (to !== undefined) this.sent.push({ to, frame: peerCodec.decodeFrame(frame.slice()) });
    }
    for (const { link, reason } of closes) {
      this.closed.push(reason);
      const name = nameOf(link);
      if (name !== undefined) this.disconnect(name);
    }
  }

  /** Frames of a type that R sent since the last call, to anybody. */
  take<T extends PeerFrame['type']>(type: T): { to: Name; frame: Extract<PeerFrame, { type: T }> }[] {
    const taken = this.sent.filter((each) => each.frame.type === type);
    this.sent = this.sent.filter((each) => each.frame.type !== type);
    return taken as { to: Name; frame: Extract<PeerFrame, { type: T }> }[];
  }

  get(key: string): string | null {
    const slot = this.core.keys.find(latin1Range(key), 0, this.core.nowMs(this.now().wallMs));
    if (slot < 0) return null;
    const value = new ByteRange();
    this.core.keys.stringInto(slot, value);
    return value.toLatin1();
  }

  members(key: string): string[] {
    const slot = this.core.keys.find(latin1Range(key), 0, this.core.nowMs(this.now().wallMs));
    if (slot < 0) return [];
    const reader = this.core.keys.setAt(slot);
    const member = new ByteRange();
    return Array.from({ length: reader.size }, (_unused, at) => {
      reader.at(at, member);
      return member.toLatin1();
    }).toSorted();
  }

  has(origin: Origin): number {
    return this.core.vector().get(origin);
  }

  batch(): StoreBatch | null {
    return this.core.takeStoreBatch();
  }
}

/** Every order of the items. */
export function* ordersOf<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (const [at, item] of items.entries()) {
    for (const rest of ordersOf([...items.slice(0, at), ...items.slice(at + 1)])) yield [item, ...rest];
  }
}
