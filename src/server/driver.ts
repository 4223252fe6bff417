import type { Log } from '../adapters/pino-log.ts';
import type { Now } from '../causal/replica.ts';
import { toCausewayError, type CausewayError } from '../errors.ts';
import type { RegionNode } from '../node/region-node.ts';
import type { Clock, PeerConnection, QuorumBatch, QuorumStore, Store, TransportEvents } from '../ports.ts';
import { DriverLog } from './driver-log.ts';
import { TurnPace } from './turn-pace.ts';

/** What the driver drives: the pure node, as it sees it. */
export type DrivenNode = Pick<
  RegionNode,
  | 'start'
  | 'linkOpened'
  | 'linkFrame'
  | 'linkClosed'
  | 'flush'
  | 'settle'
  | 'tick'
  | 'nextTickMs'
  | 'isBehind'
  | 'takeOutputs'
  | 'takeStoreBatch'
  | 'isStoreBatchDue'
  | 'storeCommitted'
  | 'takeStampBound'
  | 'stampBoundRaised'
  | 'takeQuorumBatch'
  | 'quorumCommitted'
  | 'peers'
>;

export interface DriverOptions {
  readonly node: DrivenNode;
  /** Null when nothing is kept over a restart. */
  readonly store: Store | null;
  /** What quorum groups promise is there before it is sent; null when nothing is kept or there are none. */
  readonly quorumStore: QuorumStore | null;
  readonly clock: Clock;
  /** Processor time of the loop, in milliseconds. */
  readonly cpuMs: () => number;
  readonly log: Log;
  /** An accepted connection has shown who it is. */
  readonly proved: (linkId: number) => void;
  /** A turn is over: peers may have acknowledged what somebody waits for. */
  readonly turnEnded: () => void;
  /** The node cannot go on. Called at most once; after it the driver does nothing more. */
  readonly failed: (error: CausewayError) => void;
}

/** Batches are written behind at most this often. */
const STORE_EVERY_MS = 40;
/** A timer that is found to be early is set anew, but not where the last tick was so long ago. */
const EARLY_MS_MAX = 10;
/** How often a stop looks whether the peers have everything. */
const DRAIN_LOOK_MS = 10;

/**
 * Runs a `RegionNode` on real sockets, a real store and real time. A turn is what happens in one round of the event loop:
 * however many requests and frames came in, the node is flushed once, right after them (`setImmediate`, never a timer), so
 * that nothing waits and many small writes leave as one frame. Timers only acknowledge, expire and write behind; they are
 * as slow as the node allows.
 */
export class NodeDriver implements TransportEvents {
  readonly #node: DrivenNode;
  readonly #clock: Clock;
  readonly #log: DriverLog;
  readonly #options: DriverOptions;
  readonly #links: Map<number, PeerConnection> = new Map();
  /** Accepted connections that have sent nothing that the node took. */
  readonly #strangers: Set<number> = new Set();
  #isTurnOpen = false;
  /** Whether the end of the round of the event loop is waited for: one end for all turns that are opened in it, also where some end before. */
  #isEndDue = false;
  readonly #pace: TurnPace = new TurnPace();
  /** Whether the turn before left something to this one. */
  #isBehind = false;
  /** What this turn took so far, if it is so. */
  #turnCpuMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #timerDueMs = Infinity;
  /** When the node wants time to pass, as far as it said at the end of the last turn: later than the timer, where that was set before. */
  #dueMs = Infinity;
  #tickedAtMs = -Infinity;
  #storedAtMs = -Infinity;
  /** Whether a part of a batch is to be gathered in the next turn. */
  #isGathering = false;
  #isCommitting = false;
  #whenCommitted: (() => void) | null = null;
  #isOver = false;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#node = options.node;
    this.#clock = options.clock;
    this.#log = new DriverLog(options.log, options.clock);
  }

  /** The share of its limits that a turn has at the moment. */
  get share(): number {
    return this.#isBehind ? this.#pace.share : 1;
  }

  /** Lets time begin. */
  start(): void {
    this.#guarded(() => this.#node.start(this.#now()));
    this.#arm();
  }

  /** Something happened in this turn: requests were run. The node is flushed at its end. */
  touch(): void {
    if (this.#isTurnOpen || this.#isOver) return;
    this.#isTurnOpen = true;
    if (this.#isEndDue) return;
    this.#isEndDue = true;
    setImmediate(() => this.#endOpenTurn());
  }

  /** The node cannot go on: its store failed, or it threw, which is a bug of ours. Nothing is done after it. */
  fail(thrown: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#options.failed(toCausewayError(thrown));
  }

  opened(connection: PeerConnection): void {
    this.#links.set(connection.id, connection);
    if (connection.dialledNode === null) this.#strangers.add(connection.id);
    this.#guarded(() => this.#node.linkOpened(connection.id, connection.kind, this.#now()));
    this.touch();
  }

  frame(connection: PeerConnection, frame: Uint8Array): void {
    this.#timed(() => this.#node.linkFrame(connection.id, frame, this.#now()));
    if (this.#strangers.size > 0 && this.#strangers.has(connection.id)) this.#judge(connection);
    this.touch();
  }

  closed(connection: PeerConnection, reason: string): void {
    this.#links.delete(connection.id);
    this.#log.closed(connection, reason, this.#strangers.delete(connection.id));
    this.#guarded(() => this.#node.linkClosed(connection.id, this.#now()));
    this.touch();
  }

  /** Fulfilled when every connected peer has said that it has all that is here, or after the time. */
  async drain(withinMs: number): Promise<void> {
    const untilMs = this.#clock.monotonicMs() + withinMs;
    for (;;) {
      this.#endTurn();
      const isDrained = this.#node
        .peers(this.#clock.wallMs())
        .every((peer) => !peer.connected || peer.lagTransactions === 0);
      if (this.#isOver || isDrained || this.#clock.monotonicMs() >= untilMs) return;
      await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
    }
  }

  /** Stops the timers and writes what was not written yet. Fulfilled when it is on disk, or cannot be. */
  async stop(): Promise<void> {
    this.#endTurn();
    if (this.#timer !== null) clearTimeout(this.#timer);
    while (!this.#isOver) {
      this.#commitIfDue(-Infinity);
      if (!this.#isCommitting) break;
      await new Promise<void>((resolve) => (this.#whenCommitted = resolve));
    }
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #now(): Now {
    return { wallMs: this.#clock.wallMs(), monotonicMs: this.#clock.monotonicMs() };
  }

  /** Unless it was ended since by what came before this. */
  #endOpenTurn(): void {
    this.#isEndDue = false;
    if (this.#isTurnOpen) this.#endTurn();
  }

  #endTurn(): void {
    this.#isTurnOpen = false;
    if (this.#isOver) return;
    this.#timed(() => this.#node.flush(this.#now(), this.#pace.share));
    this.#handOut();
    this.#commitQuorum();
    this.#settle();
    this.#guarded(() => this.#options.turnEnded());
    this.#timed(() => this.#commitIfDue(STORE_EVERY_MS));
    this.#raiseStampBound();
    this.#arm();
    if (this.#isBehind) this.#pace.took(this.#turnCpuMs);
    this.#turnCpuMs = 0;
    this.#isBehind = this.#node.isBehind;
    if (this.#isBehind) this.touch();
    if (this.#isGathering) this.#isBehind = true;
  }

  #tick(): void {
    this.#timer = null;
    this.#timerDueMs = Infinity;
    if (this.#isOver) return;
    const now = this.#now();
    if (now.monotonicMs + 1 < this.#dueMs && now.monotonicMs - this.#tickedAtMs < EARLY_MS_MAX)
      return this.#setTimer(this.#dueMs, now.monotonicMs);
    this.#tickedAtMs = now.monotonicMs;
    this.#timed(() => this.#node.tick(now));
    this.touch();
  }

  /** Sends what the node wants sent and closes what it wants closed. Returns the connections that it closed. */
  #handOut(): number[] {
    if (this.#isOver) return [];
    const { sends, closes } = this.#node.takeOutputs();
    for (const { link, frame } of sends) this.#links.get(link)?.send(frame);
    // before this node's own work on what it has said
    for (const { link } of sends) this.#links.get(link)?.flush();
    for (const { link, reason } of closes) this.#close(link, reason);
    return closes.map(({ link }) => link);
  }

  /** What others wait for has left. */
  #settle(): void {
    let isBusy = false;
    this.#guarded(() => (isBusy = this.#node.settle(this.#now())));
    if (isBusy) this.#handOut();
  }

  #close(link: number, reason: string): void {
    const connection = this.#links.get(link);
    if (connection === undefined) return;
    this.#log.refused(connection, reason);
    connection.close(reason);
  }

  /** A first frame that the node did not answer by closing the connection was a good hello. */
  #judge(connection: PeerConnection): void {
    if (this.#handOut().includes(connection.id) || this.#isOver) return;
    this.#strangers.delete(connection.id);
    this.#options.proved(connection.id);
  }

  /** At once, after what this turn sends: somebody waits for it. */
  #commitQuorum(): void {
    const { quorumStore } = this.#options;
    if (quorumStore === null || this.#isOver) return;
    this.#guarded(() => {
      for (let batch = this.#node.takeQuorumBatch(); batch !== null; batch = this.#node.takeQuorumBatch()) {
        const taken = batch;
        quorumStore.commit(taken, (error) => this.#quorumCommitted(taken, error));
      }
    });
  }

  #quorumCommitted(batch: QuorumBatch, error: CausewayError | null): void {
    if (error !== null) return this.#storeFailed(error);
    // at once: somebody waits for what could not be said before
    let isBusy = false;
    this.#guarded(() => (isBusy = this.#node.quorumCommitted(batch, this.#now())));
    if (isBusy) this.#endTurn();
  }

  #commitIfDue(everyMs: number): void {
    const store = this.#options.store;
    if (this.#isOver || store === null || this.#isCommitting) return;
    // at a stop what could wait does not
    if (everyMs > -Infinity && !this.#node.isStoreBatchDue) return;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#storedAtMs < everyMs) return;
    this.#guarded(() => {
      const batch = this.#node.takeStoreBatch(everyMs === -Infinity);
      // the rest of it is gathered in the next turns: requests go between
      this.#isGathering = batch === null && this.#node.isStoreBatchDue;
      if (this.#isGathering) this.touch();
      if (batch === null) return;
      this.#storedAtMs = nowMs;
      this.#isCommitting = true;
      store.commit(batch, (error) => this.#committed(error));
    });
  }

  /** In time, while a batch takes long: else a stamp would wait for the disk, and the loop with it. */
  #raiseStampBound(): void {
    const { store } = this.#options;
    if (store === null || this.#isOver) return;
    this.#guarded(() => {
      const bound = this.#node.takeStampBound();
      if (bound === null) return;
      store.raiseStampBoundSoon(bound, (error) => {
        if (error === null) this.#guarded(() => this.#node.stampBoundRaised());
        else this.#storeFailed(error);
      });
    });
  }

  #committed(error: CausewayError | null): void {
    this.#isCommitting = false;
    if (error === null) this.#guarded(() => this.#node.storeCommitted());
    else this.#storeFailed(error);
    this.touch();
    this.#whenCommitted?.();
  }

  /** What clients wrote in this turn leaves first: it may be answered already, and no disk has it. */
  #storeFailed(error: CausewayError): void {
    this.#guarded(() => this.#node.flush(this.#now()));
    this.#handOut();
    this.fail(error);
  }

  /** Sets the timer for when the node wants time to pass, or a batch may be written. */
  #arm(): void {
    if (this.#isOver) return;
    const nowMs = this.#clock.monotonicMs();
    const isBatchWaiting = this.#options.store !== null && !this.#isCommitting && this.#node.isStoreBatchDue;
    const batchDueMs = isBatchWaiting ? this.#storedAtMs + STORE_EVERY_MS : Infinity;
    const dueMs = Math.max(nowMs + 1, Math.min(nowMs + this.#node.nextTickMs(), batchDueMs));
    this.#dueMs = dueMs;
    // A timer that is nearly right is left alone: this runs at the end of every turn.
    if (this.#timer !== null && this.#timerDueMs <= dueMs + 1) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#setTimer(dueMs, nowMs);
  }

  #setTimer(dueMs: number, nowMs: number): void {
    this.#timerDueMs = dueMs;
    this.#timer = setTimeout(() => this.#tick(), dueMs - nowMs);
  }

  /** As `guarded`, for what may be much where the turn before left something. Asking for the time is dear beside a turn that has little to do. */
  #timed(run: () => void): void {
    if (!this.#isBehind) return this.#guarded(run);
    const fromMs = this.#options.cpuMs();
    this.#guarded(run);
    this.#turnCpuMs += this.#options.cpuMs() - fromMs;
  }

  #guarded(run: () => void): void {
    if (this.#isOver) return;
    try {
      run();
    } catch (error) {
      this.fail(error);
    }
  }
}
