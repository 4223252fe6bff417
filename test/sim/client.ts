import type { Dot } from '../../src/clock/dot.ts';
import type { Origin } from '../../src/clock/origin.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { streamOf } from './streams.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { VIRTUAL_START_MS, type VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';
import type { Ledger } from './ledger.ts';
import type { Losses } from './losses.ts';
import type { Action } from './scenario.ts';
import type { SimSource } from './sim-sources.ts';
import { isError, NS_A_MS, type Desk, type Reply, type Script } from './work.ts';
import { WORKS } from './works.ts';

/** What clients are given. */
export interface ClientWorld {
  readonly seed: number;
  readonly cluster: VirtualCluster;
  readonly ledger: Ledger;
  readonly losses: Losses;
  readonly source: SimSource;
  connect(node: VirtualNode): VirtualClient;
  /** For the trace. */
  readonly saw: (node: VirtualNode, what: string) => void;
}

/** Of a request or reply as much is in the trace. */
const LINE_CHARS = 2_000;
const ATTACH_MS = 1_500;
/** What could not be begun for so long nobody wants any more. */
const LATE_MS = 2_500;
/** Works that are no requests but change where the client is. */
const MOVE = 'move';
const FORGET = 'forget';
/** What a work is told after a rest. */
const RESTED = '';

interface Running {
  readonly script: Script;
  readonly isPersistent: boolean;
}

/** One client: does one thing after the other, reconnects where its connection is lost, and carries its session along. */
export class SimClient {
  readonly #world: ClientWorld;
  readonly #index: number;
  readonly #actions: readonly Action[];
  #next = 0;
  #connection: VirtualClient | null = null;
  #running: Running | null = null;
  #isAsking = false;
  /** Null where its work does not rest. */
  #restsUntilMs: number | null = null;
  #sessions = 0;
  #connects = 0;
  #token: string | null = null;
  #isAttached = false;
  #hasSeenMore = false;
  readonly #seenCounts: Map<string, number> = new Map();
  #dots: readonly (readonly [Origin, number])[] = [];
  #home: number;
  #waitUntilMs = 0;
  /** What it asks next is there as soon as it is answered, as where requests are sent without waiting for replies. */
  readonly #isEager: boolean;

  constructor(world: ClientWorld, index: number, actions: readonly Action[]) {
    this.#world = world;
    this.#index = index;
    this.#actions = actions;
    this.#home = index;
    this.#isEager = streamOf(world.seed, 'eager', index).unit() < 0.5;
  }

  get name(): string {
    return `c${this.#index}.${this.#sessions}`;
  }

  get isIdle(): boolean {
    return this.#running === null && this.#next >= this.#actions.length;
  }

  get #nowMs(): number {
    return this.#world.cluster.timeMs;
  }

  step(): void {
    const connection = this.#connection;
    if (connection !== null && isLost(connection)) {
      this.#drop();
      this.#world.ledger.retries++;
      if (this.#isAsking || this.#restsUntilMs !== null) this.#answered(null);
      return;
    }
    if (connection !== null && connection.server.node.isPaused) return;
    if (this.#isAsking) {
      const answer = connection?.answer ?? null;
      if (answer !== null) this.#answered(answer);
      return;
    }
    if (this.#restsUntilMs !== null) {
      if (this.#nowMs >= this.#restsUntilMs) this.#answered(RESTED);
      return;
    }
    if (this.#nowMs < this.#waitUntilMs) return;
    const action = this.#actions[this.#next];
    if (this.#running !== null || action === undefined || action.atMs > this.#nowMs) return;
    this.#next++;
    if (this.#nowMs - action.atMs < LATE_MS) this.#begin(action);
  }

  #begin(action: Action): void {
    if (action.work === MOVE || action.work === FORGET) {
      this.#home = action.choice;
      this.#drop();
      this.#world.ledger.moves++;
      if (action.work === FORGET) this.#newSession();
      return;
    }
    if (!this.#connected()) return;
    const work = WORKS[action.work];
    if (work === undefined) throw new Error(`no work ${action.work}`);
    this.#world.ledger.actions++;
    const script = this.#inSession(work.script(this.#desk(action)));
    this.#running = { script, isPersistent: work.isPersistent === true };
    this.#go(null, true);
  }

  /** Goes on with the session at another node; without it, it is another session. */
  *#inSession(script: Script): Script {
    if (this.#token !== null && !this.#isAttached) {
      const reply = yield `CW.ATTACH ${this.#token} TIMEOUT ${ATTACH_MS}`;
      if (reply === null || reply.startsWith('-LOADING')) return;
      const { losses } = this.#world;
      if (reply !== '+OK' || this.#dots.some(([origin, seq]) => losses.isLost(origin, seq))) this.#newSession();
    }
    this.#isAttached = true;
    yield* script;
  }

  /** The connection ends. What the session saw on it since its token was taken is not in the token. */
  #drop(): void {
    this.#connection = null;
    if (this.#hasSeenMore) this.#newSession();
  }

  #newSession(): void {
    this.#hasSeenMore = false;
    this.#sessions++;
    this.#seenCounts.clear();
    this.#token = null;
    this.#dots = [];
    this.#world.ledger.newSessions++;
  }

  #connected(): boolean {
    if (this.#connection !== null) return true;
    const { cluster, seed } = this.#world;
    const up = cluster.nodes.filter((node) => node.isRunning && !node.isPaused);
    if (up.length === 0) return false;
    const home = cluster.node(this.#home % cluster.nodes.length);
    const random = streamOf(seed, 'connect', this.#index, this.#connects++);
    const node = up.includes(home) ? home : random.pick(up);
    const connection = this.#world.connect(node);
    this.#connection = connection;
    if (this.#isEager) connection.onAnswer = () => cluster.at(0, () => this.#hear(connection));
    this.#isAttached = false;
    return true;
  }

  #hear(connection: VirtualClient): void {
    if (connection !== this.#connection || !this.#isAsking || isLost(connection) || connection.server.node.isPaused)
      return;
    const { answer } = connection;
    if (answer !== null) this.#answered(answer);
  }

  #answered(reply: Reply): void {
    this.#isAsking = false;
    this.#restsUntilMs = null;
    this.#go(reply, false);
  }

  #go(reply: Reply, isFirst: boolean): void {
    for (let given = reply, begins = isFirst; ; begins = false) {
      const running = this.#running;
      if (running === null) return;
      if (!begins) this.#tell(given);
      const next = begins ? running.script.next() : running.script.next(given);
      if (next.done === true || (given === null && !begins && !running.isPersistent)) {
        running.script.return();
        this.#end();
        return;
      }
      if (typeof next.value !== 'string') {
        this.#restsUntilMs = this.#nowMs + next.value.restMs;
        return;
      }
      if (!this.#connected() || this.#connection === null || this.#connection.server.node.isPaused) {
        this.#drop();
        given = null;
        continue;
      }
      this.#world.ledger.noteRequest(next.value);
      this.#world.saw(this.#connection.server.node, `${this.name} asks ${next.value.slice(0, LINE_CHARS)}`);
      this.#connection.begin(next.value);
      const answer = this.#connection.answer;
      if (answer === null) {
        this.#isAsking = true;
        return;
      }
      given = answer;
    }
  }

  #tell(reply: Reply): void {
    const { ledger, saw } = this.#world;
    const node = this.#connection?.server.node;
    if (node !== undefined && reply !== null && reply !== RESTED)
      saw(node, `${this.name} is told ${reply.slice(0, LINE_CHARS)}`);
    if (reply === null || !isError(reply)) return;
    ledger.noteError(reply);
    if (reply.startsWith('-LOADING')) {
      // as an application that goes elsewhere
      this.#home++;
      this.#waitUntilMs = this.#nowMs + 50;
    }
  }

  #end(): void {
    this.#running = null;
    const connection = this.#connection;
    if (this.#nowMs < this.#waitUntilMs) this.#drop();
    else if (connection !== null && this.#isAttached && !isLost(connection) && !connection.server.node.isPaused)
      this.#remember(connection);
  }

  #remember(connection: VirtualClient): void {
    const { session } = connection;
    if (session.queue !== null) return;
    this.#hasSeenMore = false;
    this.#dots = [...session.dots];
    this.#token = connection.begin('CW.TOKEN').answer?.replace(/^"(.*)"$/, '$1') ?? null;
  }

  #desk(action: Action): Desk {
    const { seed, ledger, cluster } = this.#world;
    const nameOf = (): string => {
      this.#hasSeenMore = true;
      return this.name;
    };
    return {
      id: action.id,
      choice: action.choice,
      random: streamOf(seed, 'work', action.id),
      nowMs: () => cluster.timeMs,
      wallMs: () => VIRTUAL_START_MS + Math.floor(cluster.timeMs),
      nowNs: () => cluster.timeMs * NS_A_MS,
      note: (operation) => {
        const region = this.#connection?.server.node.member.region ?? '';
        const done = { ...operation, client: nameOf(), region, end: cluster.timeMs * NS_A_MS };
        ledger.note(done, done.op === 'read' || done.ok !== true ? null : this.#lastWrite());
      },
      once: ledger.once,
      freight: ledger.freight,
      seenCounts: this.#seenCounts,
      notes: ledger.notes,
      source: this.#world.source,
      invalidations: ledger.invalidations,
      vector: () => this.#connection?.server.node.vector() ?? new VersionVector(),
      lastWrite: () => this.#lastWrite(),
      begunWrite: () => this.#connection?.begun ?? null,
      regionsWithLastWrite: () => this.#regionsWithLastWrite(),
      wrong: (what) => ledger.wrong.push(`at ${Math.round(cluster.timeMs)} ms, ${nameOf()}: ${what}`),
    };
  }

  #regionsWithLastWrite(): number {
    const own = this.#connection?.server.node.member.region;
    const dot = this.#lastWrite();
    const { cluster, losses } = this.#world;
    const having = cluster.nodes.filter((node) => !node.isRunning || dot === null || losses.hasApplied(node, dot));
    return new Set(having.map(({ member }) => member.region).filter((region) => region !== own)).size;
  }

  #lastWrite(): Dot | null {
    const session = this.#connection?.session;
    const origin = session?.lastWriteOrigin ?? null;
    return origin === null || session === undefined ? null : { origin, seq: session.lastWriteSeq };
  }
}

function isLost({ server }: VirtualClient): boolean {
  return !server.node.isRunning || server.life !== server.node.life;
}
