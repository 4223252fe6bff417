import { plainSha256 } from '../../src/groups/audit-text.ts';
import { ByteRange, latin1Range } from '../../src/base/bytes.ts';
import type { ActiveClasses } from '../../src/classes/active-classes.ts';
import { MemoryQuorumDisk, MemoryQuorumStore } from '../../src/adapters/memory-quorum-store.ts';
import { CommandIndex } from '../../src/commands/command-index.ts';
import { commandTable } from '../../src/commands/table.ts';
import type { GroupPlan } from '../../src/groups/group-plan.ts';
import { CausewayError } from '../../src/errors.ts';
import { MEMBERS_TIMING } from '../../src/groups/limits.ts';
import type { ReplicationLimits } from '../../src/causal/limits.ts';
import type { Member } from '../../src/causal/members.ts';
import type { Now } from '../../src/causal/replica.ts';
import type { VersionVector } from '../../src/clock/version-vector.ts';
import type { TransactionWriter } from '../../src/keyspace/keyspace.ts';
import { RegionNode } from '../../src/node/region-node.ts';
import type { StrongOptions } from '../../src/node/strong-side.ts';
import type { QuorumBatch, StoreBatch, StoredImage } from '../../src/ports.ts';
import type { RaftLimits, RaftTiming } from '../../src/quorum/options.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';
import { membersCodec } from '../../src/wire/members-codec.ts';
import { keptReplies } from '../../src/wire/resp/kept-reply.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';

const COMMANDS = new CommandIndex(commandTable);

/** A limit that is not reached, and so near that values are evicted. */
const JUST_OVER = 1.05;

/** Unix milliseconds at which every virtual run begins. */
export const VIRTUAL_START_MS = 1_800_000_000_000;

/** A connection between two nodes, as both ends share it. */
export interface Connection {
  readonly kind: 'bulk' | 'control';
  readonly ends: readonly [VirtualNode, VirtualNode];
  readonly links: readonly [number, number];
  /** Messages keep their order a direction: the earliest time at which the next may arrive. */
  readonly freeAtMs: [number, number];
  /** When all that was sent has left, on lines of limited bandwidth. */
  readonly leftAtMs: [number, number];
  open: boolean;
  readonly path: string;
}

/** Quorum groups of a virtual cluster. */
export interface VirtualStrong {
  readonly plans: readonly GroupPlan[];
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  /** [0, 1), for all nodes: what is drawn by chance follows from the run. */
  readonly random: () => number;
  /** Whether the members agree on who is one. */
  readonly agrees?: boolean;
}

/** What a node asks of the network and the clock around it. */
export interface VirtualWorld {
  readonly timeMs: number;
  readonly members: readonly Member[];
  readonly limits: ReplicationLimits;
  /** The classes of every node; without it there is only the default one. */
  readonly classes: ActiveClasses | null;
  /** The quorum groups of every node; null for none. */
  readonly strong: VirtualStrong | null;
  /** Whether nodes evict what is on disk, whenever there is some. */
  readonly evicts: boolean;
  carry(from: VirtualNode, link: number, frame: Uint8Array): void;
  disconnect(connection: Connection): void;
  /** Stores a quorum batch: calls back when it is on disk, unless the node has died since. */
  storeQuorum(node: VirtualNode, batch: QuorumBatch): void;
  everyNode(): readonly VirtualNode[];
  /** A turn of the node ended. */
  settled(node: VirtualNode): void;
  at(delayMs: number, run: () => void): void;
  /** A PUBLISH was applied at the node. */
  heard(node: VirtualNode, message: string): void;
}

/** How the next batch fails: with it on disk all the same, as after a failed fsync, or not, as on a full disk. */
export interface DiskFault {
  readonly keepsBatch: boolean;
}

/** A sum over bytes, as records on a real disk have: what was damaged is not taken for good. */
function sumOf(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  return sum;
}

/** What a node of the virtual cluster keeps over a restart. */
export class Disk {
  readonly entries: Map<string, Uint8Array> = new Map();
  readonly #sums: Map<string, number> = new Map();
  meta: Uint8Array | null = null;
  aside: Uint8Array | null = null;
  stampBound = 0;
  incarnation = 0;
  /** The first incarnation on it, while there may have been one before on another. */
  votesSince: number | null = null;
  quorum: MemoryQuorumStore = new MemoryQuorumStore(new MemoryQuorumDisk(), { defer: (run) => run() });

  commit(batch: StoreBatch): void {
    if (batch.clear) this.entries.clear();
    for (const [key, state] of batch.entries) {
      const text = Buffer.from(key).toString('latin1');
      if (state === null) this.entries.delete(text);
      else this.#put(text, state);
    }
    this.meta = batch.meta;
    if (batch.aside !== undefined) this.aside = batch.aside;
    this.raiseStampBound(batch.stampBound);
  }

  raiseStampBound(stampBound: number): void {
    this.stampBound = Math.max(this.stampBound, stampBound);
  }

  #put(key: string, state: Uint8Array): void {
    this.entries.set(key, state);
    this.#sums.set(key, sumOf(state));
  }

  /** Flips a bit of what is kept under a key, if there is anything: the `at`-th of all. */
  damage(at: number): boolean {
    const [key, state] = [...this.entries][at % Math.max(1, this.entries.size)] ?? [];
    if (key === undefined || state === undefined || state.length === 0) return false;
    const damaged = state.slice();
    const byte = at % damaged.length;
    damaged[byte] = (damaged[byte] as number) ^ (1 << (at % 8));
    this.entries.set(key, damaged);
    return true;
  }

  /** Throws STORE where a record is damaged, as the real store does. */
  image(): StoredImage {
    for (const [key, state] of this.entries)
      if (sumOf(state) !== this.#sums.get(key)) throw new CausewayError('STORE', `the entry ${key} is damaged`);
    return {
      meta: this.meta,
      stampBound: this.stampBound,
      entries: [...this.entries].map(([key, state]) => [new Uint8Array(Buffer.from(key, 'latin1')), state] as const),
      ...(this.aside === null ? {} : { aside: this.aside }),
    };
  }

  /** What is kept under a key, null for nothing. Throws as `image`. */
  read(key: string): Uint8Array | null {
    const state = this.entries.get(key);
    if (state === undefined) return null;
    if (sumOf(state) !== this.#sums.get(key)) throw new CausewayError('STORE', `the entry ${key} is damaged`);
    return state;
  }

  /** A copy as a backup would be. */
  copy(): Disk {
    const copy = new Disk();
    for (const [key, state] of this.entries) copy.#put(key, state);
    copy.meta = this.meta;
    copy.aside = this.aside;
    copy.stampBound = this.stampBound;
    copy.incarnation = this.incarnation;
    copy.votesSince = this.votesSince;
    return copy;
  }
}

/** One node with its clock, its disk and its connections. */
export class VirtualNode {
  readonly member: Member;
  readonly world: VirtualWorld;
  #isSettling = false;
  disk: Disk = new Disk();
  /** Its own classes file; without it that of the cluster. */
  classes: ActiveClasses | null = null;
  /** Added to the virtual wall clock. */
  clockOffsetMs = 0;
  /** By how much its wall clock is ahead at its best. */
  clockErrorMs = 0;
  /** How fast its clocks run: milliseconds of theirs in one of virtual time. */
  #clockRate = 1;
  #rateSince = { virtualMs: 0, monotonicMs: 0 };
  core: RegionNode;
  isRunning = true;
  /** SIGSTOP: nothing is done, what comes in waits. */
  isPaused = false;
  readonly waiting: (() => void)[] = [];
  links: Map<number, Connection> = new Map();
  /** Counts the lives of the node, so that events of an earlier life do nothing. */
  life = 0;
  /** A batch handed to the disk and not yet acknowledged. */
  batchInFlight: StoreBatch | null = null;
  /** Quorum batches handed to the disk and not yet on it, the oldest first. */
  readonly quorumInFlight: QuorumBatch[] = [];
  /** What a batch takes beside the usual, in milliseconds; batches stay in their order. */
  slowDiskMs = 0;
  /** What becomes of the next batch. */
  diskFault: DiskFault | null = null;
  diskFreeAtMs: Record<'promises' | 'states', number> = { promises: 0, states: 0 };

  constructor(world: VirtualWorld, member: Member) {
    this.world = world;
    this.member = member;
    this.core = this.boot();
  }

  get id(): string {
    return this.member.id;
  }

  boot(): RegionNode {
    const { world, member } = this;
    const classes = this.classes ?? world.classes;
    this.disk.incarnation++;
    this.disk.votesSince ??= this.disk.incarnation;
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
      members: world.members,
      limits: world.limits,
      ...(classes === null ? {} : { classes }),
      ...(world.strong === null ? {} : { strong: this.#strongOptions(world.strong) }),
      codec: peerCodec,
      stampBound: this.disk.stampBound,
      raiseStampBound: (bound) => this.disk.raiseStampBound(bound),
      hasStore: true,
      readStored: (key) => this.disk.read(Buffer.from(key).toString('latin1')),
    });
    core.listen({
      keyChanged: () => {},
      flushed: () => {},
      message: (_channel, message) => world.heard(this, message.toLatin1()),
    });
    core.restore(this.disk.image());
    core.start(this.now());
    return core;
  }

  #strongOptions({ plans, timing, limits, random, agrees = false }: VirtualStrong): StrongOptions {
    return {
      ...(agrees ? { members: { codec: membersCodec, timing: MEMBERS_TIMING } } : {}),
      plans,
      timing,
      limits,
      random,
      now: () => this.now(),
      commands: COMMANDS,
      newReply: keptReplies(),
      sha256: plainSha256,
      codec: groupCodec,
      votesSince: this.disk.votesSince ?? 0,
      settleVotes: () => {
        this.disk.votesSince = 0;
      },
      load: (group) => this.disk.quorum.load(group),
      readAudit: (group, fromIndex) => this.disk.quorum.audit(group, fromIndex),
    };
  }

  /** From now on its clocks run as fast as that. */
  drift(rate: number): void {
    this.#rateSince = { virtualMs: this.world.timeMs, monotonicMs: this.now().monotonicMs };
    this.#clockRate = rate;
  }

  /** Its wall clock shows the time again as well as it can, however its clocks ran before; they run right from now on. */
  setClockRight(): void {
    this.drift(1);
    this.clockOffsetMs = this.world.timeMs - this.now().monotonicMs;
  }

  now(): Now {
    const { virtualMs, monotonicMs: sinceMs } = this.#rateSince;
    const monotonicMs = sinceMs + (this.world.timeMs - virtualMs) * this.#clockRate;
    const wallMs = Math.floor(VIRTUAL_START_MS + monotonicMs + this.clockOffsetMs + this.clockErrorMs);
    return { wallMs, monotonicMs };
  }

  /** Whether commands that write would be taken now. */
  get isWritable(): boolean {
    return this.isRunning && !this.isPaused && this.core.refusal(true, false) === null;
  }

  /** Runs commands' writes as one transaction and ends the turn. */
  write(run: (tx: TransactionWriter) => void): number {
    const seq = this.core.transact(this.core.nowMs(this.now().wallMs), run);
    this.settle();
    return seq;
  }

  set(key: string, value: string, expireAtMs = Infinity): number {
    return this.write((tx) => tx.set(latin1Range(key), 0, latin1Range(value), expireAtMs));
  }

  increment(key: string, by = 1n): number {
    return this.write((tx) => tx.increment(latin1Range(key), 0, by));
  }

  delete(key: string): number {
    return this.write((tx) => tx.delete(latin1Range(key), 0));
  }

  setAdd(key: string, member: string): number {
    return this.write((tx) => tx.setAdd(latin1Range(key), 0, latin1Range(member)));
  }

  setRemove(key: string, member: string): number {
    return this.write((tx) => tx.setRemove(latin1Range(key), 0, latin1Range(member)));
  }

  get(key: string, nowMs: number = this.core.nowMs(this.now().wallMs)): string | null {
    const slot = this.core.keys.find(latin1Range(key), 0, nowMs);
    if (slot < 0) return null;
    const value = new ByteRange();
    this.core.keys.stringInto(slot, value);
    return value.toLatin1();
  }

  /** The members of a set, sorted. */
  members(key: string): string[] {
    const slot = this.core.keys.find(latin1Range(key), 0, this.core.nowMs(this.now().wallMs));
    if (slot < 0) return [];
    const reader = this.core.keys.setAt(slot);
    const member = new ByteRange();
    const members: string[] = [];
    for (let at = 0; at < reader.size; at++) {
      reader.at(at, member);
      members.push(member.toLatin1());
    }
    return members.toSorted();
  }

  digest(): string {
    return this.core.digest(this.core.nowMs(this.now().wallMs));
  }

  vector(): VersionVector {
    return this.core.vector();
  }

  /** Ends a turn: what the node wants sent goes on its way. */
  settle(): void {
    if (!this.isRunning) return;
    const { memory } = this.core;
    if (this.world.evicts) memory.limit.bytes = Math.ceil(memory.usedBytes * JUST_OVER);
    this.core.flush(this.now());
    // what is read between two turns finds room
    if (this.world.evicts) memory.limit.bytes = Number.MAX_SAFE_INTEGER;
    for (let batch = this.core.takeQuorumBatch(); batch !== null; batch = this.core.takeQuorumBatch())
      this.world.storeQuorum(this, batch);
    this.#handOut();
    if (this.core.settle(this.now())) this.#handOut();
    this.world.settled(this);
    if (this.core.isBehind) this.#settleSoon();
  }

  #handOut(): void {
    const { sends, closes } = this.core.takeOutputs();
    // its memory is used again while the copy is on its way
    for (const { link, frame } of sends) this.world.carry(this, link, frame.slice());
    for (const { link } of closes) {
      const connection = this.links.get(link);
      if (connection !== undefined) this.world.disconnect(connection);
    }
  }

  /** As the driver: what is left for another turn goes on after what else is due now. */
  #settleSoon(): void {
    if (this.#isSettling) return;
    this.#isSettling = true;
    const { life } = this;
    this.world.at(0, () => {
      this.#isSettling = false;
      if (this.life !== life) return;
      if (this.isPaused) this.waiting.push(() => this.settle());
      else this.settle();
    });
  }
}
