import { latin1Range, type ByteRange } from '../../../src/base/bytes.ts';
import type { ReplicationLimits } from '../../../src/causal/limits.ts';
import { VersionVector } from '../../../src/clock/version-vector.ts';
import { ContentType, type TransactionWriter } from '../../../src/keyspace/keyspace.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import { classesOf, siblingClass } from '../../support/sibling-classes.ts';
import { VirtualCluster, type VirtualNode } from '../../support/virtual-cluster.ts';
import { DeliveryOracle, tallyKey, Violation } from './delivery-oracle.ts';
import { WireTap } from './wire-tap.ts';

const SIBLINGS = 'siblings:*';
const SIBLINGS_KEY = 'siblings:1';

/** A random network: everything about a run but its steps. */
export interface Network {
  readonly seed: number;
  readonly regions: number;
  readonly nodesPerRegion: number;
  /** One-way delays are between these, each message anew; some pairs are slower by `slowMs`. */
  readonly delayMs: readonly [number, number];
  readonly slowMs: number;
  readonly diskMs: number;
  readonly limits: Partial<ReplicationLimits>;
  /** FLUSHALL is among the writes, which takes the tallies with it. */
  readonly withFlush?: boolean;
  /** All disks but the first node's are lost and put back whatever else is wrong: what was written may be lost for good. */
  readonly losesMore?: boolean;
}

/** One step. `node`, `other` and `value` are taken modulo what there is. */
export interface Step {
  readonly kind:
    | 'write'
    | 'burst'
    | 'run'
    | 'cut'
    | 'cutNodes'
    | 'heal'
    | 'reset'
    | 'reopen'
    | 'kill'
    | 'restart'
    | 'restartEmpty'
    | 'backup'
    | 'restartBackup'
    | 'clock'
    | 'pause'
    | 'resume'
    | 'slow';
  readonly node: number;
  readonly other: number;
  readonly value: number;
}

/** A step or state that went wrong, with the run that led to it. */
export class RandomRun {
  readonly cluster: VirtualCluster;
  readonly oracle: DeliveryOracle = new DeliveryOracle();
  readonly tap: WireTap = new WireTap();
  readonly #random: SeededRandom;
  readonly #network: Network;
  readonly #slow: Map<string, number> = new Map();
  readonly #backups: Map<VirtualNode, VirtualNode['disk']> = new Map();
  #written = 0;
  kills = 0;
  amnesias = 0;
  backups = 0;
  refusals = 0;
  flushes = 0;
  /** The most that a node had of one key. */
  siblings = 0;

  constructor(network: Network) {
    this.#network = network;
    this.#random = new SeededRandom(network.seed);
    this.oracle.hasTallies = network.withFlush !== true;
    const [least, most] = network.delayMs;
    this.cluster = new VirtualCluster({
      regions: ['us', 'eu', 'ap', 'sa', 'af'].slice(0, network.regions),
      nodesPerRegion: network.nodesPerRegion,
      classes: classesOf(siblingClass(SIBLINGS)),
      limits: network.limits,
      diskMs: network.diskMs,
      delayMs: (from, to) =>
        least + this.#random.unit() * (most - least) + (this.#slow.get(`${from.region}>${to.region}`) ?? 0),
    });
    this.cluster.observer = {
      settled: (node) => this.oracle.settled(node),
      carried: (from, to, _kind, frame) => this.tap.carried(from, to, frame),
      heard: (node, message) => this.oracle.heard(node, message),
      committed: (node, batch) => this.oracle.committed(this.cluster, node, batch),
    };
    this.tap.onFrame = (from, _to, frame) => {
      if (frame.type === 'snapshot-begin') {
        this.oracle.checkStable(this.cluster, `a snapshot of ${from.id}`, new VersionVector(frame.stable));
      } else if (frame.type === 'transactions') {
        this.oracle.checkDeltas(frame);
      } else if (frame.type === 'rows') {
        const own = frame.rows.find((row) => row.node === from.member.nodeNumber);
        if (own !== undefined) this.oracle.checkDurable(from, own.durable);
      }
    };
  }

  #nodeOf(index: number): VirtualNode {
    return this.cluster.node(index % this.cluster.nodes.length);
  }

  do(step: Step): void {
    const { cluster } = this;
    const node = this.#nodeOf(step.node);
    const other = this.#nodeOf(step.other);
    switch (step.kind) {
      case 'write':
        this.#write(node, step.value);
        break;
      case 'burst':
        for (let count = 0; count < 5 + (step.value % 20); count++) this.#write(node, step.value + count * 7);
        break;
      case 'run':
        cluster.run(step.value % 400);
        break;
      case 'cut':
        if (node.member.region !== other.member.region) cluster.cut(node.member.region, other.member.region);
        break;
      case 'cutNodes':
        if (node !== other) cluster.cut(node.id, other.id);
        break;
      case 'heal':
        cluster.heal(node.member.region, other.member.region);
        cluster.heal(node.id, other.id);
        break;
      case 'reset':
        cluster.reset(
          node,
          other,
          step.value % 3 === 0 ? ['bulk'] : step.value % 3 === 1 ? ['control'] : ['bulk', 'control'],
        );
        break;
      case 'reopen':
        if (node !== other) cluster.reopen(node, other, step.value % 2 === 0 ? 'bulk' : 'control');
        break;
      case 'kill':
        this.#kill(node, step.value);
        break;
      case 'restart':
        if (!node.isRunning) cluster.restart(node);
        break;
      case 'restartEmpty':
        this.#restartEmpty(node);
        break;
      case 'backup':
        this.#backups.set(node, node.disk.copy());
        break;
      case 'restartBackup':
        this.#restartBackup(node);
        break;
      case 'clock':
        node.clockOffsetMs = ((step.value % 9) - 4) * (step.value % 5 === 0 ? 400 : 60);
        break;
      case 'pause':
        cluster.pause(node);
        break;
      case 'resume':
        cluster.resume(node);
        break;
      case 'slow':
        if (this.#network.slowMs > 0)
          this.#slow.set(`${node.member.region}>${other.member.region}`, step.value % this.#network.slowMs);
        break;
    }
  }

  #kill(node: VirtualNode, value: number): void {
    if (!node.isRunning) return;
    this.kills++;
    this.cluster.kill(node, { keepBatch: value % 2 === 0 });
  }

  /** A node dies and its disk is lost. What only it had is gone with it, so not while another is down that may have had it too, or still lacks it. */
  #restartEmpty(node: VirtualNode): void {
    if (!this.#diesAlone(node)) return;
    this.amnesias++;
    this.cluster.restart(node, { emptyDisk: true });
  }

  /** A node dies and an old copy of its disk is put back. */
  #restartBackup(node: VirtualNode): void {
    const backup = this.#backups.get(node);
    if (backup === undefined || !this.#diesAlone(node)) return;
    this.backups++;
    this.cluster.restart(node, { backup });
  }

  #diesAlone(node: VirtualNode): boolean {
    const hasAll = (other: VirtualNode): boolean => other.isRunning && other.core.unreadyReasons(0).length === 0;
    if (this.#network.losesMore === true) {
      if (node === this.cluster.nodes[0]) return false;
    } else if (this.cluster.nodes.some((other) => other !== node && !hasAll(other))) {
      return false;
    }
    if (node.isRunning) this.#kill(node, 1);
    return true;
  }

  #write(node: VirtualNode, value: number): void {
    if (!node.isWritable) {
      this.refusals++;
      return;
    }
    const { origin } = node.core;
    this.oracle.makes(node, 1, () => {
      const seq = node.write((tx) => {
        tx.increment(latin1Range(tallyKey(origin)), 0, 1n);
        if (this.#network.withFlush === true && value % 40 === 0) {
          this.flushes++;
          tx.flushAll();
        }
        this.#change(tx, node, value);
      });
      if (seq === 0) throw new Violation('a write gave no sequence');
    });
  }

  #change(tx: TransactionWriter, node: VirtualNode, value: number): unknown {
    const key = latin1Range(`k${value % 4}`);
    const text = latin1Range(`v${this.#written++}`);
    const part = latin1Range(`f${(value >> 3) % 3}`);
    switch ((value >> 5) % 16) {
      case 0:
      case 1:
        return tx.set(key, 0, text, Infinity);
      case 2:
        return tx.delete(key, 0);
      case 3:
        return tx.hashSet(latin1Range(`h${value % 3}`), 0, part, text);
      case 4:
        return tx.hashDelete(latin1Range(`h${value % 3}`), 0, part);
      case 5:
        return tx.setAdd(latin1Range(`s${value % 3}`), 0, part);
      case 6:
        return tx.setRemove(latin1Range(`s${value % 3}`), 0, part);
      case 7:
        return tx.hashIncrement(latin1Range(`h${value % 3}`), 0, part, 2n);
      case 8:
        return tx.set(latin1Range(`e${value % 3}`), 0, text, node.now().wallMs + 50 + (value % 300));
      case 9:
        return tx.publish(key, text);
      default:
        return this.#changeSiblings(tx, node, value, text);
    }
  }

  #changeSiblings(tx: TransactionWriter, node: VirtualNode, value: number, text: ByteRange): void {
    const name = SIBLINGS_KEY;
    const key = latin1Range(name);
    const isThere = node.get(name) !== null;
    this.#noteSiblings(node);
    switch ((value >> 1) % 12) {
      case 0:
      case 1:
        return tx.increment(key, 0, 3n);
      case 2:
        return isThere ? tx.delete(key, 0) : undefined;
      case 3:
        return isThere ? tx.expire(key, 0, node.now().wallMs + 50 + (value % 300)) : undefined;
      default:
        return tx.set(key, 0, text, Infinity);
    }
  }

  #noteSiblings(node: VirtualNode): void {
    this.siblings = Math.max(this.siblings, siblingsAt(node, SIBLINGS_KEY));
  }

  /** Ends all faults and lets the cluster come to rest; throws where it does not. */
  end(): void {
    const { cluster } = this;
    cluster.healAll();
    this.#slow.clear();
    for (const node of cluster.nodes) {
      node.clockOffsetMs = 0;
      if (node.isPaused) cluster.resume(node);
      if (!node.isRunning) cluster.restart(node);
    }
    if (!cluster.runUntil(() => cluster.areReady() && cluster.areEqual(), 60_000)) this.#unrest('did not converge');
    for (const node of cluster.nodes) this.oracle.settled(node);
    if (!cluster.runUntil(() => cluster.nodes.every(isDrained), 60_000)) this.#unrest('kept what it could forget');
    const vectorEntriesMax = cluster.nodes.length * 2;
    if (!cluster.runUntil(() => cluster.nodes.every((node) => node.vector().size <= vectorEntriesMax), 10_000)) {
      this.#unrest('did not retire old incarnations');
    }
    if (!cluster.areEqual()) this.#unrest('diverged at rest');
    this.#noteSiblings(cluster.node(0));
  }

  #unrest(what: string): never {
    const states = this.cluster.nodes.map((node) => {
      const { holdBackTransactions, logBytes, tombstones, pausedOrigins } = node.core.telemetry(0);
      const vector = [...node.vector().entries()].map(
        ([origin, seq]) => `${Math.floor(origin / 2 ** 32)}#${origin % 2 ** 32}:${seq}`,
      );
      const reasons = node.core.unreadyReasons(0);
      return `${node.id} ${vector.join(' ')} ${JSON.stringify({ holdBackTransactions, logBytes, tombstones, pausedOrigins, reasons })} ${node.digest()}`;
    });
    throw new Violation(`the cluster ${what}:\n${states.join('\n')}`);
  }
}

function siblingsAt(node: VirtualNode, key: string): number {
  const { keys } = node.core;
  const slot = keys.find(latin1Range(key), 0, node.core.nowMs(node.now().wallMs));
  return slot < 0 || keys.typeOf(slot) !== ContentType.String ? 0 : keys.siblingsAt(slot).siblings.length;
}

function isDrained(node: VirtualNode): boolean {
  const { holdBackBytes, logBytes, tombstones } = node.core.telemetry(0);
  return holdBackBytes === 0 && logBytes === 0 && tombstones === 0;
}
