import type { Dot } from '../../../src/clock/dot.ts';
import type { Origin } from '../../../src/clock/origin.ts';
import { nodeOf } from '../../../src/clock/origin.ts';
import { VersionVector } from '../../../src/clock/version-vector.ts';
import type { TransactionsFrame } from '../../../src/causal/peer-frames.ts';
import { ColumnsReader } from '../../../src/causal/columns-reader.ts';
import { Update } from '../../../src/crdt/update.ts';
import { isGroupOrigin } from '../../../src/groups/group-plan.ts';
import type { StoreBatch } from '../../../src/ports.ts';
import { peerCodec } from '../../../src/wire/peer-codec.ts';
import type { VirtualCluster, VirtualNode } from '../../support/virtual-cluster.ts';

const SCRATCH = new Update();

interface Made {
  /** The vector of the maker just before. */
  readonly deps: VersionVector;
  /** How much it added to its origin's tally. */
  readonly tally: number;
}

/** The key that every transaction of an origin adds 1 to: its sum at a node is how often that origin was applied there. */
export const tallyKey = (origin: Origin): string => `tally:${origin}`;

/** What a broken run says. */
export class Violation extends Error {}

/**
 * Knows every transaction that was made and what its maker had seen, and looks after each turn of a node that this node shows
 * each exactly once, none before its causes, and loses none. It uses nothing of the code under test but the vectors it reads.
 */
export class DeliveryOracle {
  readonly #made: Map<Origin, Made[]> = new Map();
  readonly #last: Map<VirtualNode, { readonly life: number; readonly vector: VersionVector }> = new Map();
  /** The tally that retired origins were closed with. */
  readonly #cuts: Map<Origin, number> = new Map();
  /** What a node ever had on disk: stability may count on it even after the disk is lost, until it comes back. */
  readonly #everDurable: Map<number, VersionVector> = new Map();
  /** What is written beside a batch, read. */
  readonly #vectorsOf: WeakMap<Uint8Array, VersionVector> = new WeakMap();
  readonly #heard: Set<string> = new Set();
  readonly #deltas: Map<Origin, { seq: number; readonly running: VersionVector }> = new Map();
  /** Whether every transaction adds to its origin's tally and nothing takes it away. */
  hasTallies = true;
  /** Who counts for what is stable: not who was removed. */
  isMember: (node: VirtualNode) => boolean = () => true;
  checks = 0;
  deltasChecked = 0;

  /** Notes a transaction that `node` makes; call it before, with what it adds to the tally. */
  makes(node: VirtualNode, tally: number, make: () => void): void {
    const deps = node.vector();
    this.#catchUp(node, deps);
    const made = this.#of(node.core.origin);
    made.push({ deps, tally });
    make();
    if (node.core.lastDot()?.seq !== made.length) throw new Violation(`${node.id} gave out a sequence out of order`);
  }

  #of(origin: Origin): Made[] {
    let made = this.#made.get(origin);
    if (made === undefined) {
      made = [];
      this.#made.set(origin, made);
    }
    return made;
  }

  /** Transactions that a node made by itself (closing its incarnations) add nothing to the tally. */
  #catchUp(node: VirtualNode, vector: VersionVector): void {
    const { origin } = node.core;
    const made = this.#of(origin);
    const upTo = vector.get(origin);
    while (made.length < upTo) made.push({ deps: this.#last.get(node)?.vector ?? new VersionVector(), tally: 0 });
  }

  /** A turn of the node ended. */
  settled(node: VirtualNode, vector: VersionVector = node.vector()): void {
    const before = this.#last.get(node);
    const isSameLife = before !== undefined && before.life === node.life;
    if (isSameLife && sameEntries(before.vector, vector)) return;
    this.checks++;
    this.#catchUp(node, vector);
    if (isSameLife && !vector.covers(before.vector)) {
      throw new Violation(`${node.id} went back from ${said(before.vector)} to ${said(vector)}`);
    }
    this.#checkCauses(node, vector, isSameLife ? before.vector : new VersionVector());
    if (this.hasTallies) this.#checkTallies(node, vector);
    this.#last.set(node, { life: node.life, vector });
  }

  #checkCauses(node: VirtualNode, vector: VersionVector, before: VersionVector): void {
    for (const [origin, made] of this.#made) {
      // what was lost with a retired origin is covered and shows nothing; its tally says what of it is here
      if (vector.isRetired(origin)) continue;
      const upTo = Math.min(made.length, vector.get(origin));
      for (let seq = Math.min(made.length, before.get(origin)) + 1; seq <= upTo; seq++) {
        const deps = made[seq - 1]?.deps;
        if (deps === undefined || vector.covers(deps) || vector.covers(this.#withoutVoid(node, deps))) continue;
        throw new Violation(`${node.id} shows ${origin}:${seq} without its causes ${said(deps)}, has ${said(vector)}`);
      }
    }
    for (const [origin, seq] of vector.dots()) {
      if (isGroupOrigin(origin)) continue;
      const made = this.#made.get(origin)?.length ?? 0;
      if (seq > made) throw new Violation(`${node.id} has ${origin}:${seq}, of which ${made} were made`);
    }
  }

  /** Deps without what is lost: made by an earlier life, and nobody that runs has it. */
  #withoutVoid(node: VirtualNode, deps: VersionVector): VersionVector {
    const others = node.world.everyNode().filter((each) => each.isRunning);
    const isVoid = (origin: Origin, seq: number): boolean =>
      others.every(
        (other) =>
          other.core.origin !== origin && !(other.vector().get(origin) >= seq && !other.vector().isRetired(origin)),
      );
    return new VersionVector([...deps.entries()].filter(([origin, seq]) => !isVoid(origin, seq)));
  }

  #checkTallies(node: VirtualNode, vector: VersionVector): void {
    for (const [origin, made] of this.#made) {
      const shown = Number(node.get(tallyKey(origin)) ?? '0');
      const seq = vector.get(origin);
      if (seq === Infinity) {
        const cut = this.#cuts.get(origin) ?? shown;
        this.#cuts.set(origin, cut);
        if (shown !== cut) throw new Violation(`${node.id} closed ${origin} with ${shown}, another node with ${cut}`);
        continue;
      }
      let wanted = 0;
      for (let at = 0; at < seq; at++) wanted += made[at]?.tally ?? 0;
      if (shown !== wanted) {
        throw new Violation(`${node.id} shows ${shown} of ${wanted} transactions of ${origin} at ${said(vector)}`);
      }
    }
  }

  /** A message is heard at most once in a life of a node. */
  heard(node: VirtualNode, message: string): void {
    const name = `${node.id} ${node.life} ${message}`;
    if (this.#heard.has(name)) throw new Violation(`${node.id} heard ${message} twice`);
    this.#heard.add(name);
  }

  /** The deltas on the wire, from the first of a stream on, add up to just what its maker had seen (RULES D1). */
  checkDeltas(frame: TransactionsFrame): void {
    const made = this.#made.get(frame.origin) ?? [];
    let known = this.#deltas.get(frame.origin);
    if (known === undefined) {
      known = { seq: 0, running: new VersionVector() };
      this.#deltas.set(frame.origin, known);
    }
    if (frame.first !== known.seq + 1) return;
    const reader = new ColumnsReader(peerCodec.decodeColumns(frame.bytes, frame.last - frame.first + 1));
    for (let seq = frame.first; seq <= frame.last; seq++) {
      reader.raiseDeps(known.running);
      reader.next(SCRATCH, () => {});
      const deps = made[seq - 1];
      if (deps !== undefined && deps.tally > 0) this.#compareDeps(frame.origin, seq, known.running, deps.deps);
    }
    known.seq = frame.last;
    this.deltasChecked++;
  }

  #compareDeps(origin: Origin, seq: number, sent: VersionVector, had: VersionVector): void {
    const others = (vector: VersionVector): [Origin, number][] =>
      [...vector.dots()].filter(([other]) => other !== origin);
    const isSame =
      others(had).every(([other, upTo]) => sent.contains(other, upTo)) &&
      others(sent).every(([other, upTo]) => had.contains(other, upTo));
    if (!isSame) throw new Violation(`${origin}:${seq} was sent as having seen ${said(sent)}, had seen ${said(had)}`);
  }

  /** A batch is on disk: what it says to be stable must be durable everywhere. */
  committed(cluster: VirtualCluster, node: VirtualNode, batch: StoreBatch): void {
    const meta = peerCodec.decodeMeta(batch.meta);
    const own = this.#everDurable.get(node.member.nodeNumber) ?? new VersionVector();
    own.merge(new VersionVector(meta.vector));
    this.#everDurable.set(node.member.nodeNumber, own);
    this.checkStable(cluster, `${node.id}'s store`, new VersionVector(meta.stable));
  }

  checkStable(cluster: VirtualCluster, who: string, stable: VersionVector): void {
    for (const member of cluster.nodes.filter(this.isMember)) {
      const durable = this.#everDurable.get(member.member.nodeNumber) ?? new VersionVector();
      if (!durable.covers(stable)) {
        throw new Violation(`${who} holds ${said(stable)} for stable; ${member.id} has only ${said(durable)} on disk`);
      }
    }
  }

  /** What a member says to be durable must be on its disk. */
  checkDurable(node: VirtualNode, durable: VersionVector): void {
    const onDisk = this.#onDisk(node);
    if (!onDisk.covers(durable)) {
      throw new Violation(`${node.id} says that ${said(durable)} is durable; on disk is ${said(onDisk)}`);
    }
  }

  /** It is asked for with each frame that says what is durable, and changes with a batch. */
  #onDisk({ disk: { meta } }: VirtualNode): VersionVector {
    if (meta === null) return new VersionVector();
    const known = this.#vectorsOf.get(meta) ?? new VersionVector(peerCodec.decodeMeta(meta).vector);
    this.#vectorsOf.set(meta, known);
    return known;
  }

  /** What the maker of a transaction had at the least; undefined where that is not known. */
  depsOf(origin: Origin, seq: number): VersionVector | undefined {
    return this.#made.get(origin)?.[seq - 1]?.deps;
  }

  /** Whether the maker of the one had certainly applied the other. */
  hasSeen(by: Dot, what: Dot): boolean {
    if (by.origin === what.origin) return what.seq < by.seq;
    return this.depsOf(by.origin, by.seq)?.contains(what.origin, what.seq) === true;
  }

  /** Transactions of a node in all its lives. */
  madeBy(node: VirtualNode): number {
    let count = 0;
    for (const [origin, made] of this.#made) if (nodeOf(origin) === node.member.nodeNumber) count += made.length;
    return count;
  }
}

function sameEntries(left: VersionVector, right: VersionVector): boolean {
  return left.size === right.size && [...left.entries()].every(([origin, seq]) => right.get(origin) === seq);
}

const said = (vector: VersionVector): string =>
  `{${[...vector.entries()].map(([origin, seq]) => `${Math.floor(origin / 2 ** 32)}#${origin % 2 ** 32}:${seq}`).join(' ')}}`;
