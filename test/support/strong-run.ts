import { SeededRandom } from '../../src/groups/seeded-random.ts';
import { checkAcknowledged } from '../../src/verify/acknowledged.ts';
import { checkCounters } from '../../src/verify/counters.ts';
import type { Operation } from '../../src/verify/history.ts';
import { checkLinearizability } from '../../src/verify/linearizability.ts';
import { Freight } from './freight.ts';
import { stateOnDisk, textIn } from './strong-disks.ts';
import { regionDelayMs, StrongRegions, type StrongRegionsOptions } from './strong-regions.ts';
import {
  AFTER_NOTE,
  COUNTERS,
  nextWork,
  PAIR,
  REGISTERS,
  type Notebook,
  type Reply,
  type Work,
} from './strong-workers.ts';
import type { VirtualClient } from './virtual-client.ts';
import { VIRTUAL_START_MS, type VirtualNode, type VirtualOptions } from './virtual-cluster.ts';

/** What may go wrong in a run. */
export interface Faults {
  readonly cuts: boolean;
  readonly kills: boolean;
  readonly pauses: boolean;
  readonly clocks: boolean;
  readonly slowDisks: boolean;
}

export const ALL_FAULTS: Faults = { cuts: true, kills: true, pauses: true, clocks: true, slowDisks: true };

export interface StrongRunOptions extends StrongRegionsOptions {
  readonly seed: number;
  readonly faults: Faults;
  readonly clients?: number;
  /** Others write and read values of so many bytes meanwhile. */
  readonly freightBytes?: number;
  /** Of virtual time. */
  readonly ms?: number;
}

const STEP_MS = 5;
const FAULT_EVERY_MS = 300;
const QUIET_MS = 3_000;

interface Client {
  connection: VirtualClient | null;
  number: number;
  work: Work | null;
  isAsking: boolean;
  idleUntilMs: number;
}

/**
 * A run of strong keys by chance that follows from its seed: clients in all regions, faults, then peace; and what must hold of all that was
 * answered and of all that is there in the end.
 */
export class StrongRun {
  readonly regions: StrongRegions;
  readonly wrong: string[] = [];
  readonly histories: Map<string, Operation[]> = new Map();
  readonly #options: StrongRunOptions;
  readonly #random: SeededRandom;
  readonly #clients: Client[] = [];
  readonly freight: Freight | null;
  readonly #notes: string[] = [];
  readonly #seen: Map<string, number> = new Map();
  /** Pairs of which one does not hear the other. */
  readonly #deaf: (readonly [VirtualNode, VirtualNode])[] = [];
  #unique = 1_000;
  #connections = 0;
  #faultAtMs = 0;
  #isOver = false;

  constructor(options: StrongRunOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    const delayMs: VirtualOptions['delayMs'] = (from, to) =>
      regionDelayMs(from.region, to.region) * (1 + this.#random.unit() / 4);
    this.regions = new StrongRegions({ ...options, delayMs });
    const [from, to] = PAIR;
    this.regions.connect(this.#nodes[0]?.id ?? '').run(`MSET ${from} 0 ${to} 0`);
    const { freightBytes } = options;
    this.freight = freightBytes === undefined ? null : new Freight(this.regions, this.#random, freightBytes);
    for (let at = 0; at < (options.clients ?? 6); at++)
      this.#clients.push({ connection: null, number: 0, work: null, isAsking: false, idleUntilMs: 0 });
  }

  get #nodes(): readonly VirtualNode[] {
    return this.regions.cluster.nodes;
  }

  get #nowMs(): number {
    return this.regions.cluster.timeMs;
  }

  run(): this {
    const untilMs = this.#nowMs + (this.#options.ms ?? 20_000);
    while (this.#nowMs < untilMs) {
      this.#step();
      if (this.#nowMs < this.#faultAtMs) continue;
      this.#faultAtMs = this.#nowMs + this.#random.unit() * 2 * FAULT_EVERY_MS;
      this.#fault();
    }
    this.#peace();
    this.#isOver = true;
    this.#finish();
    this.#judge();
    return this;
  }

  // ── clients ──

  #step(): void {
    this.regions.cluster.run(STEP_MS);
    for (const client of this.#clients) this.#serve(client);
    this.freight?.step(this.#isOver);
    this.#look();
  }

  #serve(client: Client): void {
    const { connection } = client;
    if (connection !== null && this.#isLost(connection)) {
      client.connection = null;
      if (client.isAsking) this.#answered(client, null);
      return;
    }
    if (connection !== null && connection.server.node.isPaused) return;
    connection?.server.turn();
    if (client.isAsking) {
      const answer = connection?.answer ?? null;
      if (answer !== null) this.#answered(client, answer);
      return;
    }
    if (this.#nowMs < client.idleUntilMs) return;
    if (this.#random.unit() < 0.05) client.connection = null;
    if (!this.#connected(client)) return;
    client.work = nextWork(this.#notebook(client), this.#notes);
    this.#go(client, null, true);
  }

  #isLost({ server }: VirtualClient): boolean {
    return !server.node.isRunning || server.life !== server.node.life;
  }

  #connected(client: Client): boolean {
    if (client.connection !== null) return true;
    const up = this.#nodes.filter((node) => node.isRunning && !node.isPaused);
    const node = up[Math.floor(this.#random.unit() * up.length)];
    if (node === undefined) return false;
    client.connection = this.regions.connect(node.id);
    client.number = ++this.#connections;
    return true;
  }

  #answered(client: Client, reply: Reply): void {
    client.isAsking = false;
    this.#go(client, reply, false);
  }

  #go(client: Client, reply: Reply, isFirst: boolean): void {
    for (let given = reply, begins = isFirst; ; begins = false) {
      const { work } = client;
      if (work === null) return;
      const next = begins ? work.script.next() : work.script.next(given);
      const isOver = next.done === true || (given === null && !begins && !work.isPersistent);
      if (isOver) {
        work.script.return();
        client.work = null;
        client.idleUntilMs = this.#nowMs + this.#random.unit() * 300;
        return;
      }
      if (!this.#connected(client) || client.connection === null) {
        given = null;
        continue;
      }
      if (client.connection.server.node.isPaused) {
        // nobody is there to take it
        given = null;
        client.connection = null;
        continue;
      }
      client.connection.begin(next.value);
      const answer = client.connection.answer;
      if (answer === null) {
        client.isAsking = true;
        return;
      }
      given = answer;
    }
  }

  #notebook(client: Client): Notebook {
    return {
      random: this.#random,
      nowMs: () => this.#nowMs,
      wallMs: () => VIRTUAL_START_MS + this.#nowMs,
      unique: () => ++this.#unique,
      operation: (key, operation) =>
        this.#note({
          client: `c${client.number}`,
          region: client.connection?.server.node.member.region ?? '',
          key,
          level: 'strong',
          ...operation,
        }),
      wrong: (what) => this.#isWrong(what),
      seen: this.#seen,
      get connection() {
        return client.number;
      },
    };
  }

  #note(operation: Operation): void {
    const history = this.histories.get(operation.key);
    if (history === undefined) this.histories.set(operation.key, [operation]);
    else history.push(operation);
  }

  #isWrong(what: string): void {
    this.wrong.push(`at ${this.#nowMs} ms: ${what}`);
  }

  /** What no copy may ever show (T1). */
  #look(): void {
    for (const node of this.#nodes) {
      if (!node.isRunning || node.isPaused) continue;
      const [from, to] = PAIR.map((key) => node.get(key));
      if (Number(from ?? 0) + Number(to ?? 0) !== 0) this.#isWrong(`${node.id} shows half of an EXEC: ${from} ${to}`);
      const number = node.get(AFTER_NOTE);
      // what a killed node alone had is void
      if (this.#options.faults.kills || number === null) continue;
      if (node.get(`note:${number}`) === null) this.#isWrong(`T1: ${node.id} shows ${number} and not its cause`);
    }
  }

  // ── faults ──

  #any(): VirtualNode {
    return this.#nodes[Math.floor(this.#random.unit() * this.#nodes.length)] as VirtualNode;
  }

  #fault(): void {
    const { faults } = this.#options;
    const { cluster } = this.regions;
    const chosen = this.#random.unit();
    const [node, other] = [this.#any(), this.#any()];
    const byChance = this.#random.unit();
    if (chosen < 0.25) return this.#heal();
    if (chosen < 0.4 && faults.cuts && node.member.region !== other.member.region)
      cluster.cut(node.member.region, other.member.region);
    else if (chosen < 0.5 && faults.cuts && node !== other) this.#deafen(node, other);
    else if (chosen < 0.6 && faults.kills && node.isRunning) cluster.kill(node, { keepBatch: byChance < 0.5 });
    else if (chosen < 0.72 && faults.kills) this.#startAll();
    else if (chosen < 0.78 && faults.pauses) cluster.pause(node);
    else if (chosen < 0.86 && faults.pauses) this.#resumeAll();
    else if (chosen < 0.93 && faults.slowDisks) node.slowDiskMs = byChance < 0.5 ? 0 : byChance * 300;
    else if (faults.clocks) node.clockOffsetMs = byChance < 0.4 ? 0 : Math.floor((byChance - 0.6) * 2_000);
  }

  #deafen(from: VirtualNode, to: VirtualNode): void {
    this.regions.cluster.deafen(from, to);
    this.#deaf.push([from, to]);
  }

  #heal(): void {
    const { cluster } = this.regions;
    cluster.healAll();
    for (const [from, to] of this.#deaf.splice(0)) cluster.reset(from, to);
  }

  #startAll(): void {
    for (const node of this.#nodes) if (!node.isRunning) this.regions.cluster.restart(node);
  }

  #resumeAll(): void {
    for (const node of this.#nodes) if (node.isPaused) this.regions.cluster.resume(node);
  }

  // ── the end ──

  #peace(): void {
    this.#resumeAll();
    this.#startAll();
    this.#heal();
    for (const node of this.#nodes) {
      node.clockOffsetMs = 0;
      node.slowDiskMs = 0;
    }
  }

  /** What is under way ends; then everybody has everything and leads from home. */
  #finish(): void {
    const untilMs = this.#nowMs + 20_000;
    for (const client of this.#clients) client.idleUntilMs = Infinity;
    const isBusy = (): boolean => this.#clients.some(({ work }) => work !== null) || this.freight?.isIdle === false;
    while (isBusy() && this.#nowMs < untilMs) {
      this.#step();
      for (const client of this.#clients) if (client.work === null) client.idleUntilMs = Infinity;
    }
    if (isBusy()) this.#isWrong('a request is never answered');
    this.wrong.push(...(this.freight?.wrong ?? []));
    const { cluster } = this.regions;
    if (!cluster.runUntil(() => this.#isQuiet())) this.#isWrong(`no peace: ${this.#unrest()}`);
    cluster.run(QUIET_MS);
    this.#readAll();
  }

  #isQuiet(): boolean {
    return this.#unrest() === '' && this.regions.cluster.areEqual();
  }

  #unrest(): string {
    const all = this.#nodes.flatMap((node) => node.core.strong.groups().map((group) => ({ node, group })));
    const lastOf = (name: string): number =>
      Math.max(...all.map(({ group }) => (group.name === name ? group.lastIndex : 0)));
    return all
      .filter(({ group }) => {
        const { applied, home, leader, name, visible } = group;
        return leader?.startsWith(`${home}/`) !== true || applied < lastOf(name) || visible < applied;
      })
      .map(({ node, group }) => `${node.id} ${JSON.stringify({ ...group, members: undefined })}`)
      .join('\n');
  }

  /** The last word of each key is part of its history. */
  #readAll(): void {
    for (const key of [...REGISTERS, ...COUNTERS]) {
      const start = this.#nowMs * 1e6;
      const reply = this.regions.connect(this.#nodes.at(-1)?.id ?? '').run(`GET ${key}`);
      const value = reply === 'nil' ? null : reply.replaceAll('"', '');
      const end = this.#nowMs * 1e6;
      this.#note({ client: 'last', region: '', op: 'read', key, value, start, end, ok: true, level: 'strong' });
    }
  }

  #judge(): void {
    const history = [...this.histories.values()].flat();
    const finals = this.#nodes.map((node) => ({
      node: node.id,
      values: new Map([...this.histories.keys()].map((key) => [key, node.get(key)])),
    }));
    const verdicts = [
      checkLinearizability(history),
      checkCounters(history, finals),
      checkAcknowledged(history, finals),
    ];
    // a short run may have acknowledged no change of one kind; one that checked nothing at all shows nothing
    if (verdicts.every(({ checked }) => checked === 0)) this.#isWrong('nothing was checked');
    for (const { promise, violations, undecided } of verdicts) {
      for (const text of [...violations.map((each) => each.text), ...undecided]) this.#isWrong(`${promise}: ${text}`);
    }
    for (const { name } of this.#nodes[0]?.core.strong.groups() ?? []) this.#judgeGroup(name);
  }

  /** Equal logs make equal states, whatever became of the nodes, and what nodes show of them is that. */
  #judgeGroup(name: string): void {
    const states = this.#nodes.map((node) => stateOnDisk(node, name));
    const [first] = states;
    for (const [at, state] of states.entries()) {
      const { id } = this.#nodes[at] as VirtualNode;
      if (first === undefined || state.applied !== first.applied)
        this.#isWrong(`${id} is at ${state.applied} of ${name}`);
      else if (!state.bytes.equals(first.bytes)) this.#isWrong(`${id} has another state of ${name}`);
    }
    for (const node of this.#nodes)
      for (const key of first?.keys ?? []) {
        const shown = node.get(key);
        const held = first === undefined ? null : textIn(first.state, key);
        if (shown !== held) this.#isWrong(`${node.id} shows ${String(shown)} as ${key}, which is ${String(held)}`);
      }
  }
}
