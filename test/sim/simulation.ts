import { createHash } from 'node:crypto';
import { originText } from '../../src/clock/dot.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import type { GroupStatus } from '../../src/commands/strong-view.ts';
import type { BoundSample } from '../../src/verify/bounds.ts';
import { DeliveryOracle } from '../properties/delivery/delivery-oracle.ts';
import { WireTap } from '../properties/delivery/wire-tap.ts';
import { VirtualServer, type VirtualClient } from '../support/virtual-client.ts';
import { VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';
import { takenTooEarly } from './admission-watch.ts';
import { AgeWatch } from './age-watch.ts';
import { REGISTERS } from './causal-works.ts';
import { SimClient } from './client.ts';
import { seenConflicts } from './seen-conflicts.ts';
import { Faults } from './faults.ts';
import { invalidationRun } from './invalidation-works.ts';
import { judgeAudit } from './judge-audit.ts';
import { judgeInvalidations } from './judge-invalidations.ts';
import { judge, judgeGroups, lookAt } from './judge.ts';
import { Ledger } from './ledger.ts';
import { Losses } from './losses.ts';
import { RaftWatch } from './raft-watch.ts';
import { CLOCK_FAULTS, haveMostClocks, type FaultKind, type Scenario } from './scenario.ts';
import { SameView } from './same-view.ts';
import { judgeSources, SimSources } from './sim-sources.ts';
import { StableWatch } from './stable-watch.ts';
import { StampWatch } from './stamp-watch.ts';
import { streamOf } from './streams.ts';
import { STRONG_COUNTERS, STRONG_LOOSE, STRONG_PASSING, STRONG_REGISTERS } from './strong-works.ts';
import { clusterOptions } from './topology.ts';
import { awayFromHome, busyWith, isLedAt } from './unrest.ts';
import { Weather } from './weather.ts';
import { NS_A_MS } from './work.ts';

/** What the work `publish` sends. */
const PUBLISHED = /^p\d+$/;
const STEP_MS = 5;
/** Copies are looked at each so many steps. */
const LOOK_EVERY = 5;
/** Until all is led and ready at the begin. */
const START_MS_MAX = 30_000;
/** What may be under way when the faults are over ends in this time. */
const FINISH_MS_MAX = 40_000;
/** How long it may take until all are equal and have forgotten what they can. */
const QUIET_MS_MAX = 120_000;

/** By how much clocks may be wrong where something is wrong with them, and else. */
const SKEWED_MS = 70_000;
const SKEW_MS = 1_000;
/** A transaction is never split, and may be larger than a chunk. */
const SLACK_BYTES = 16 * 1024;

/** What a run did, and what was wrong with it. */
export interface RunResult {
  readonly wrong: readonly string[];
  /** Of every frame, request, reply and fault with its time. */
  readonly traceHash: string;
  readonly trace: readonly string[];
  readonly virtualMs: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<FaultKind, number>>;
  readonly errors: ReadonlyMap<string, number>;
  /** Those that clients sent. */
  readonly commands: readonly string[];
  /** Requests for large values that were answered, and control connections that were cut for what waited on them. */
  readonly freight: { readonly answers: number; readonly controlCuts: number };
}

/** One run of a whole cluster by a scenario: clients and faults, then peace, then the checks. */
export class Simulation {
  readonly #scenario: Scenario;
  readonly #cluster: VirtualCluster;
  readonly #weather: Weather;
  readonly #faults: Faults;
  readonly #ledger: Ledger = new Ledger();
  readonly #losses: Losses;
  readonly #sources: SimSources;
  readonly #raft: RaftWatch;
  #clients: readonly SimClient[] = [];
  readonly #servers: Map<VirtualNode, VirtualServer> = new Map();
  readonly #hash = createHash('sha256');
  readonly #trace: string[] = [];
  readonly #isTraced: boolean;
  /** For the trace: what each node was shown to have. */
  readonly #shown: Map<VirtualNode, VersionVector> = new Map();
  /** Looks after each turn of a node that it shows nothing before its causes; throws. */
  readonly #oracle: DeliveryOracle = new DeliveryOracle();
  readonly #stableWatch: StableWatch = new StableWatch(this.#oracle);
  readonly #stampWatch: StampWatch = new StampWatch(this.#oracle, (number) => this.#nameOf(number));
  readonly #tap: WireTap = new WireTap();
  readonly #heard: Set<string> = new Set();
  readonly #sameView: SameView = new SameView();
  readonly #ageWatch: AgeWatch = new AgeWatch();
  #beganMs = 0;
  #auditRecords = 0;
  readonly #most: Map<string, BoundSample> = new Map();
  /** How much each checker judged. */
  readonly #checked: Record<string, number> = {};
  /** That nodes reported and that were looked at. */
  #conflicts = 0;
  readonly #counts = { snapshots: 0, heldBack: 0, restarts: 0, heard: 0, logsPassed: 0, evicted: 0, refilled: 0 };

  constructor(scenario: Scenario, options: { readonly isTraced?: boolean } = {}) {
    this.#scenario = scenario;
    this.#isTraced = options.isTraced ?? false;
    const { seed } = scenario;
    let nowMs = (): number => 0;
    this.#weather = new Weather(seed, scenario.options.jitter, () => nowMs());
    this.#cluster = new VirtualCluster({
      ...clusterOptions(scenario),
      delayMs: (from, to, kind) => this.#weather.delayMs(from, to, kind),
      loses: (from, to, kind) => this.#weather.loses(from, to, kind),
      bandwidth: (from, to, kind) => this.#weather.bandwidth(from, to, kind),
    });
    nowMs = () => this.#cluster.timeMs;
    for (const node of this.#cluster.nodes)
      node.clockErrorMs = Math.floor(streamOf(seed, 'clock', node.id).unit() * scenario.options.clockSpreadMs);
    this.#losses = new Losses(this.#cluster);
    this.#sources = new SimSources(seed, this.#cluster, haveMostClocks(scenario, this.#cluster.nodes.length));
    for (const node of this.#cluster.nodes) this.#sources.attach(node);
    this.#oracle.hasTallies = false;
    this.#oracle.isMember = (node) => this.#losses.hasStayed(node);
    this.#tap.onFrame = (from, to, frame) => {
      // its disk is whole, so it lacks what is gone from all logs
      if (frame.type === 'truncated' && !this.#losses.hasLostDisk(to)) this.#counts.logsPassed++;
      if (frame.type === 'snapshot-begin')
        this.#oracle.checkStable(this.#cluster, `a snapshot of ${from.id}`, new VersionVector(frame.stable));
      if (frame.type === 'transactions') this.#stampWatch.carried(frame);
      if (frame.type !== 'rows') return;
      const own = frame.rows.find((row) => row.node === from.member.nodeNumber);
      if (own !== undefined) this.#oracle.checkDurable(from, own.durable);
    };
    this.#raft = new RaftWatch(
      (what) => this.#isWrong(what),
      () => this.#faults.hasLostDisks,
    );
    const world = { cluster: this.#cluster, weather: this.#weather, losses: this.#losses, said: this.#say.bind(this) };
    this.#faults = new Faults(world, scenario.faults);
    this.#watch();
  }

  #newClient(index: number): SimClient {
    const actions = this.#scenario.actions
      .filter(({ client }) => client === index)
      .map((action) => ({ ...action, atMs: action.atMs + this.#beganMs }));
    const world = {
      seed: this.#scenario.seed,
      cluster: this.#cluster,
      ledger: this.#ledger,
      losses: this.#losses,
      source: this.#sources.source,
      connect: (node: VirtualNode) => this.#connect(node),
      saw: (node: VirtualNode, what: string) => this.#say(`${node.id}: ${what}`),
    };
    return new SimClient(world, index, actions);
  }

  #connect(node: VirtualNode): VirtualClient {
    let server = this.#servers.get(node);
    if (server === undefined || server.life !== node.life) {
      server = new VirtualServer(this.#cluster, node);
      this.#servers.set(node, server);
      this.#sources.serve(server);
    }
    return server.connect();
  }

  #isWrong(what: string): void {
    this.#ledger.wrong.push(`at ${Math.round(this.#cluster.timeMs - this.#beganMs)} ms: ${what}`);
    this.#say(`WRONG: ${what}`);
  }

  #sinceText(): string {
    return (this.#cluster.timeMs - this.#beganMs).toFixed(3);
  }

  #say(what: string): void {
    const line = `${this.#sinceText()} ${what}`;
    this.#hash.update(line);
    if (this.#isTraced) this.#trace.push(line);
  }

  /** In a trace: what a node has from now on. */
  #showChange(node: VirtualNode): void {
    const vector = node.vector();
    const known = this.#shown.get(node);
    const news = [...vector.entries()].filter(([origin, seq]) => known?.get(origin) !== seq);
    if (news.length === 0) return;
    this.#shown.set(node, vector);
    const names = (number: number): string | undefined => this.#nameOf(number);
    const text = news.map(([origin, seq]) => `${originText(origin, names)}:${seq}`).join(' ');
    this.#trace.push(`${this.#sinceText()} ${node.id}: has ${text}`);
  }

  #watch(): void {
    this.#cluster.observer = {
      settled: (node) => {
        const vector = node.vector();
        this.#oracle.settled(node, vector);
        for (const what of this.#stampWatch.settled()) this.#isWrong(what);
        for (const what of this.#stableWatch.settled(node, vector)) if (this.#isAllKept) this.#isWrong(what);
        if (this.#isTraced) this.#showChange(node);
      },
      committed: (node, batch) => this.#oracle.committed(this.#cluster, node, batch),
      carried: (from, to, kind, frame) => {
        this.#tap.carried(from, to, frame);
        this.#hash.update(`${this.#cluster.timeMs} ${from.id}>${to.id} ${kind}`);
        this.#hash.update(frame);
        this.#faults.carried(from, to, kind, frame);
      },
      storing: (node, tookMs) => this.#faults.storing(node, tookMs),
      quorumCommitted: (node, batch) => {
        this.#raft.committed(node, batch, this.#cluster.nodes);
        if (this.#losses.count === 0) for (const what of takenTooEarly(node, batch)) this.#isWrong(what);
      },
      dying: (node) => {
        this.#losses.dying(node);
        this.#countLife(node);
      },
      diskFailed: (node) => this.#faults.diskFailed(node),
      restarted: (node) => {
        this.#counts.restarts++;
        this.#sources.attach(node);
      },
      heard: (node, message) => {
        // what clients publish is different each time; that a key was invalidated may be told again
        if (!PUBLISHED.test(message)) return;
        this.#counts.heard++;
        const name = `${node.id} ${node.life} ${message}`;
        if (this.#heard.has(name)) this.#isWrong(`${node.id} heard ${message} twice`);
        this.#heard.add(name);
      },
    };
  }

  /** Nothing that was promised is lost with a disk, or may be: then less is asked of all. */
  get #isAllKept(): boolean {
    return this.#losses.count === 0 && !this.#faults.hasLostDisks;
  }

  /** What a node counts is gone with its life. */
  #countLife(node: VirtualNode): void {
    if (!node.isRunning) return;
    this.#counts.snapshots += node.core.telemetry(0).snapshotsReceivedTotal;
    this.#counts.evicted += node.core.memory.evicted;
    this.#counts.refilled += node.core.memory.refilled;
  }

  #isLed(): boolean {
    return this.#cluster.areReady() && this.#cluster.running().every((node) => isLedAt(node));
  }

  run(): RunResult {
    try {
      this.#run();
    } catch (error) {
      // what breaks the run itself is wrong with it as well
      this.#isWrong(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    return this.#result();
  }

  #begin(): void {
    const { clients } = this.#scenario.options;
    if (!this.#cluster.runUntil(() => this.#isLed(), START_MS_MAX)) throw new Error('the cluster does not begin');
    this.#beganMs = this.#cluster.timeMs;
    this.#faults.start();
    this.#clients = Array.from({ length: clients }, (_unused, index) => this.#newClient(index));
  }

  #run(): void {
    this.#begin();
    const untilMs = this.#beganMs + this.#scenario.options.durationMs;
    for (let steps = 0; this.#cluster.timeMs < untilMs; steps++) this.#step(steps);
    this.#say('peace');
    this.#faults.peace();
    if (this.#finish()) {
      for (const what of judgeGroups(this.#cluster)) this.#isWrong(what);
      const audit = judgeAudit(this.#cluster, this.#losses);
      for (const what of audit.wrong) this.#isWrong(what);
      this.#auditRecords = audit.records;
      this.#readAll();
      // that took time, in which a strong value's may have come: its group removes it then, node after node (SPEC D9)
      this.#comeToRest();
      this.#judge();
      this.#judgeConflicts();
      this.#judgeSources();
      this.#judgeInvalidations();
    }
    for (const node of this.#cluster.nodes) this.#countLife(node);
  }

  #judge(): void {
    const { once } = this.#ledger;
    const names = (number: number): string | undefined => this.#nameOf(number);
    const history = this.#ledger.history(this.#losses, names);
    const { withFlush, clockSpreadMs } = this.#scenario.options;
    const isSkewed = this.#scenario.faults.some(({ kind }) => CLOCK_FAULTS.has(kind));
    const [skewMs, apartMs] = isSkewed ? [SKEWED_MS, SKEWED_MS] : [SKEW_MS, clockSpreadMs];
    const samples = [...this.#most.values()];
    const run = { cluster: this.#cluster, history, once, withFlush, skewMs, apartMs, samples };
    for (const { promise, violations, undecided, checked } of judge(run)) {
      for (const { pattern, text } of violations) this.#isWrong(`${promise}: ${pattern}: ${text}`);
      // what decides nothing shows nothing
      for (const text of undecided) this.#isWrong(`${promise}: ${text}`);
      this.#checked[promise] = checked;
    }
  }

  #judgeSources(): void {
    const { withFlush } = this.#scenario.options;
    // FLUSHALL drops what waits
    if (withFlush) return;
    const isSkewed = this.#scenario.faults.some(({ kind }) => CLOCK_FAULTS.has(kind));
    const order = { ofWrites: this.#isAllKept && !isSkewed, ofFills: this.#sources.source.hasClocks };
    for (const what of judgeSources(this.#sources.run(this.#losses), order)) this.#isWrong(what);
  }

  #judgeInvalidations(): void {
    // FLUSHALL drops links
    if (this.#scenario.options.withFlush) return;
    const log = this.#ledger.invalidations;
    const run = invalidationRun(log, this.#cluster, this.#losses, this.#oracle, this.#stampWatch);
    const merged = this.#cluster.running().map(({ core }) => core.telemetry(0).snapshotsReceivedTotal);
    const hasMerged = this.#counts.snapshots + Math.max(...merged) > 0;
    const { wrong, counts } = judgeInvalidations({ ...run, hasMerged });
    for (const what of wrong) this.#isWrong(what);
    Object.assign(this.#checked, counts);
  }

  #judgeConflicts(): void {
    for (const node of this.#cluster.nodes) {
      const { checked, wrong } = seenConflicts(node, this.#oracle);
      this.#conflicts += checked;
      for (const what of wrong) this.#isWrong(what);
    }
  }

  #nameOf(number: number): string | undefined {
    return this.#cluster.members.find(({ nodeNumber }) => nodeNumber === number)?.id;
  }

  #step(steps: number): void {
    this.#cluster.run(STEP_MS);
    for (const server of this.#servers.values())
      if (server.life === server.node.life && server.node.isRunning && !server.node.isPaused) server.turn();
    this.#sources.step();
    for (const client of this.#clients) client.step();
    this.#faults.step();
    if (steps % LOOK_EVERY === 0) this.#lookAround();
  }

  #lookAround(): void {
    const awake = this.#cluster.running().filter(({ isPaused }) => !isPaused);
    const copies = awake.flatMap((node) => this.#look(node).map((group) => ({ id: node.id, group })));
    for (const what of this.#ageWatch.look(copies, this.#cluster.timeMs)) this.#isWrong(what);
    // what a removed node has beyond the cut counts as had by all, and shows nowhere else (SPEC D7)
    const members = this.#cluster.running().filter((node) => this.#losses.hasStayed(node));
    for (const what of this.#sameView.look(members)) this.#isWrong(what);
  }

  /** Gives what it says of its groups, which takes some time to be put together. */
  #look(node: VirtualNode): readonly GroupStatus[] {
    const { groups, holdBackTransactions, holdBackBytes, logBytes } = node.core.telemetry(0);
    const hasAllCauses = this.#losses.count === 0 && !this.#scenario.options.withFlush;
    for (const what of lookAt(node, hasAllCauses)) this.#isWrong(what);
    this.#raft.look(node, groups);
    this.#lookAtClock(node);
    if (holdBackTransactions > 0) this.#counts.heldBack++;
    const { chunkBytesMax, holdBackBytesMax, logBytesMax } = this.#scenario.options;
    const origins = this.#cluster.nodes.length * 2;
    // what was asked for passes the bound, and the next chunk of an origin of which nothing is held (SPEC D2)
    const passing = origins * (this.#cluster.limits.askedBytesMax + 2 * chunkBytesMax);
    const heldMax = holdBackBytesMax + passing + SLACK_BYTES;
    this.#measure(node, 'held bytes', holdBackBytes, heldMax);
    this.#measure(node, 'log bytes', logBytes, (logBytesMax + SLACK_BYTES) * origins);
    return groups;
  }

  /** Of a node whose own clock nothing is wrong with: nobody drags it along further than the limit (SPEC D3). */
  #lookAtClock(node: VirtualNode): void {
    const isWrong = this.#scenario.faults.some(
      (fault) => CLOCK_FAULTS.has(fault.kind) && this.#cluster.node(fault.node % this.#cluster.nodes.length) === node,
    );
    if (isWrong) return;
    const { wallMs } = node.now();
    const aheadMs = node.core.nowMs(wallMs) - wallMs;
    if (aheadMs > this.#cluster.limits.skewMsMax) this.#isWrong(`D3: ${node.id} is ${aheadMs} ms ahead of its clock`);
  }

  #measure({ id }: VirtualNode, what: string, value: number, limit: number): void {
    const name = `${id} ${what}`;
    if (value > (this.#most.get(name)?.value ?? -1)) this.#most.set(name, { node: id, what, value, limit });
  }

  // ── the end ──

  /** What is under way ends; then all is equal, and forgotten what can be. */
  #finish(): boolean {
    const finishMs = this.#cluster.timeMs + FINISH_MS_MAX;
    for (let steps = 0; !this.#areClientsDone() && this.#cluster.timeMs < finishMs; steps++) this.#step(steps);
    if (!this.#areClientsDone()) this.#isWrong('a request is never answered');
    return this.#comeToRest();
  }

  #comeToRest(): boolean {
    const quietMs = this.#cluster.timeMs + QUIET_MS_MAX;
    for (let steps = 0; steps % 20 !== 0 || this.#unrest() !== ''; steps++) {
      if (this.#cluster.timeMs > quietMs) {
        this.#isWrong(`no rest: ${this.#unrest()}`);
        return false;
      }
      this.#step(steps);
    }
    return true;
  }

  #areClientsDone(): boolean {
    return this.#clients.every((client) => client.isIdle);
  }

  /** Why it is not at rest yet; empty when it is. */
  #unrest(): string {
    const { nodes } = this.#cluster;
    if (!this.#faults.areMembersWhole) return 'a change of the members goes on';
    const down = nodes.find((node) => !node.isRunning);
    if (down !== undefined) return `${down.id} is down`;
    const busy = nodes.flatMap((node) => busyWith(node, nodes.length));
    if (busy.length > 0) return busy.join('\n');
    for (const { name } of nodes[0]?.core.strong.groups() ?? []) {
      const all = nodes.flatMap((node) => node.core.strong.groups().filter((group) => group.name === name));
      const last = Math.max(...all.map(({ lastIndex }) => lastIndex));
      if (all.some(({ applied, visible }) => applied < last || visible < last))
        return `${name} is not everywhere at ${last}`;
    }
    const away = this.#faults.hasLostDisks ? undefined : nodes.flatMap(awayFromHome)[0];
    if (away !== undefined) return away;
    if (nodes.some((node) => node.quorumInFlight.length > 0 || node.batchInFlight !== null)) return 'disks are busy';
    return this.#cluster.areEqual() ? this.#sources.unrest() : 'not all are equal';
  }

  /** The last word of each key, at each node, is part of the history. */
  #readAll(): void {
    for (const [at, node] of this.#cluster.nodes.entries()) {
      const read = (key: string, level: string): string | null => {
        const connection = this.#connect(node);
        connection.run(`CW.LEVEL ${level}`);
        const reply = connection.run(`GET ${key}`);
        return reply === 'nil' ? null : reply.replaceAll('"', '');
      };
      const note = (key: string, isStrong: boolean): void => {
        const start = this.#cluster.timeMs * NS_A_MS;
        const value = read(key, isStrong ? 'strong' : 'causal');
        const { region } = node.member;
        const client = isStrong && at > 0 ? `last.${node.id}.strong` : `last.${node.id}`;
        const end = this.#cluster.timeMs * NS_A_MS;
        const level = isStrong ? 'strong' : 'causal';
        this.#ledger.note({ client, region, op: 'read', key, value, start, end, level, ok: true }, null);
      };
      for (const key of [...REGISTERS, ...STRONG_REGISTERS]) note(key, false);
      if (at === 0)
        for (const key of [...STRONG_REGISTERS, ...STRONG_LOOSE, ...STRONG_PASSING, ...STRONG_COUNTERS])
          note(key, true);
    }
  }

  #result(): RunResult {
    const { requests, actions, moves, retries, newSessions, operations } = this.#ledger;
    const { entries, commits, elections, snapshots, truncations } = this.#raft.counts;
    return {
      wrong: this.#ledger.wrong,
      traceHash: this.#hash.digest('hex'),
      trace: this.#trace,
      virtualMs: this.#cluster.timeMs,
      faults: this.#faults.counts,
      errors: this.#ledger.errors,
      commands: [...this.#ledger.commands],
      freight: { answers: this.#ledger.freight.answers, controlCuts: this.#cluster.controlCuts },
      counts: {
        ...{ requests, actions, moves, retries, newSessions, operations },
        ...{ entries, commits, elections, groupSnapshots: snapshots, truncations },
        ...this.#counts,
        ...this.#sources.source.counts,
        ...this.#tap.counts,
        turnsChecked: this.#oracle.checks,
        equals: this.#sameView.checks,
        ages: this.#ageWatch.checks,
        arrivals: this.#stableWatch.checks,
        stamps: this.#stampWatch.checks,
        conflicts: this.#conflicts,
        losses: this.#losses.count,
        auditRecords: this.#auditRecords,
        ...this.#checked,
      },
    };
  }
}
