import { CausewayError } from '../errors.ts';
import type { OpenFeed } from './change-watch.ts';
import type { ClientFigures } from './client-events.ts';
import type { Candidate, ClientSettings } from './client-options.ts';
import { unavailable } from './connection.ts';
import { openFeedAt } from './feed-connection.ts';
import { NearCache } from './near-cache.ts';
import type { NodeLink, LinkContext } from './node-link.ts';
import { chooseNode, type Chosen } from './node-choice.ts';
import type { Reply } from './replies.ts';
import { consistencyLost, Request, type Call, type RequestOwner } from './request.ts';
import { SessionTokens } from './session-tokens.ts';
import type { OwnConnection, Transport } from './transport.ts';

const AGAIN_FIRST_MS = 25;
const AGAIN_MAX_MS = 1_000;
/** A node that failed is tried after the others for so long. */
const FAILED_MS = 2_000;
/** How long what is on its way may take before a return to a nearer node is put off, and how long that node may take to have the very last of the session. */
const DRAIN_MS = 250;
const LAST_ATTACH_MS = 500;
const POLL_MS = 5;

/**
 * Where requests go: to the node in use, else they wait until one is. Which one it is follows from the order of the candidates: the next where one fails, the
 * nearest again when it is back, and always one that has what the session saw.
 */
export class Router implements Transport, RequestOwner, LinkContext {
  readonly settings: ClientSettings;
  readonly near: NearCache | null;
  readonly tokens: SessionTokens = new SessionTokens();
  readonly #candidates: readonly Candidate[];
  /** Until when a candidate is tried after the others. */
  readonly #failedUntilMs: Map<Candidate, number> = new Map();
  readonly #abort: AbortController = new AbortController();
  #link: NodeLink | null = null;
  /** Whether requests wait although a node is in use: a nearer one is about to be. */
  #isMoving = false;
  #isChoosing = false;
  /** Why calls are refused: no node that answers has what the session saw. */
  #lost: CausewayError | null = null;
  /** Why no node is in use. */
  #reason: CausewayError = unavailable('not connected yet');
  #waiting: Request[] = [];
  #pending = 0;
  #pendingBytes = 0;
  #requests = 0;
  #retries = 0;
  #connects = 0;
  #returnTimer: NodeJS.Timeout | null = null;
  /** Wakes who waits for the next try. */
  #wake: (() => void) | null = null;
  #closing: CausewayError | null = null;

  constructor(settings: ClientSettings, candidates: readonly Candidate[]) {
    this.settings = settings;
    this.#candidates = candidates;
    this.near =
      settings.near === null ? null : new NearCache(settings.near, settings.codecs, settings.session === 'all');
    void this.#choose();
  }

  /** Fulfilled once a node is in use. Rejects with UNAVAILABLE after `ms`. */
  async connected(ms: number): Promise<void> {
    await this.send({ args: ['PING'], kind: 'read', keys: [], isKeyless: true, deadlineMs: ms });
  }

  /** The reply to a request. Rejects with the server's error, or one that says what became of the request. */
  async send(call: Call): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const { signal, deadlineMs = this.settings.deadlineMs } = call;
      if (signal?.aborted === true) return reject(signal.reason as Error);
      const request = new Request(call, deadlineMs, this, resolve, reject);
      const refusal = this.#closing ?? this.#lost ?? this.#refusal(request.countedBytes);
      // behind a turn of the event loop: a program that asks again at once would let nothing else happen in it, no answer either
      if (refusal !== null) return void setImmediate(reject, refusal);
      this.#pending++;
      this.#pendingBytes += request.countedBytes;
      this.#requests++;
      request.start();
      this.#route(request);
    });
  }

  /** See `Transport`. */
  async withOwn<T>(deadlineMs: number, run: (connection: OwnConnection) => Promise<T>): Promise<T> {
    // whoever waits for a node does it as a request, with its deadline
    if (this.#link === null || this.#isMoving) await this.connected(deadlineMs);
    if (this.#closing !== null) throw this.#closing;
    if (this.#lost !== null) throw this.#lost;
    const link = this.#link;
    if (link === null) throw this.#reason;
    return link.lanes.use(deadlineMs, async (lane) =>
      run({
        ask: async (args) => lane.ask(args),
        bulkBytesMax: link.bulkBytesMax,
        isStrong: (keys) => link.isStrong(keys),
      }),
    );
  }

  /** See `Transport`. */
  readonly openFeed: OpenFeed = async (prefixes, from, reader, signal) => {
    if (this.#link === null) await this.connected(this.settings.deadlineMs);
    if (this.#closing !== null) throw this.#closing;
    const { candidate } = this.#link ?? {};
    if (candidate === undefined) throw this.#reason;
    const either = AbortSignal.any([signal, this.#abort.signal]);
    return openFeedAt(candidate, this.settings, prefixes, from, reader, either);
  };

  /** Gives up what the session saw: it begins anew with the next call. */
  startSession(): void {
    this.tokens.clear();
    this.near?.wroteAnything();
    if (this.#lost === null) return;
    this.#lost = null;
    this.#wake?.();
  }

  /** Ends all of it: what has no reply ends with Closed, or UNCERTAIN. Fulfilled once nothing is left behind. */
  async close(): Promise<void> {
    if (this.#closing !== null) return;
    this.#closing = new CausewayError('Closed', 'the client is closed');
    this.#abort.abort();
    if (this.#returnTimer !== null) clearInterval(this.#returnTimer);
    this.#wake?.();
    this.#link?.close(this.#closing);
    this.#failWaiting(this.#closing);
    await new Promise((resolve) => setImmediate(resolve));
  }

  get figures(): ClientFigures {
    return {
      region: this.#link?.candidate.region ?? null,
      node: this.#link?.name ?? null,
      requests: this.#requests,
      retries: this.#retries,
      connects: this.#connects,
      pending: this.#pending,
      pendingBytes: this.#pendingBytes,
      near: this.near?.figures ?? null,
    };
  }

  // ── of requests ──

  settled(request: Request): void {
    this.#pending--;
    this.#pendingBytes -= request.countedBytes;
  }

  again(request: Request, reason: CausewayError): void {
    if (this.#closing !== null) return request.fail(this.#closing);
    this.#retries++;
    // the same node may say the same at once
    if (reason.code === 'UNCERTAIN') {
      const timer = setTimeout(() => this.#reroute(request), AGAIN_FIRST_MS);
      timer.unref();
      return;
    }
    if (reason.code !== 'UNAVAILABLE') this.#link?.close(reason);
    this.#route(request);
  }

  #reroute(request: Request): void {
    if (!request.isSettled) this.#route(request);
  }

  #route(request: Request): void {
    if (this.#link !== null && !this.#isMoving) return this.#link.send(request);
    if (this.#lost !== null) return request.fail(this.#lost);
    request.hold(this.#reason);
    this.#waiting.push(request);
    // those that ended while they waited are let go when they are many
    if (this.#waiting.length > 2 * this.#pending) this.#waiting = this.#waiting.filter(({ isSettled }) => !isSettled);
  }

  #refusal(bytes: number): CausewayError | null {
    const { queueEntriesMax, queueBytesMax } = this.settings;
    const why =
      this.#pending >= queueEntriesMax
        ? `queue.entriesMax, ${queueEntriesMax}`
        : this.#pendingBytes + bytes > queueBytesMax
          ? `queue.bytesMax, ${queueBytesMax}`
          : null;
    if (why === null) return null;
    return new CausewayError('QueueFull', `too many requests wait or are on their way (${why})`, { retry: 'later' });
  }

  #failWaiting(error: CausewayError): void {
    for (const request of this.#waiting.splice(0)) request.fail(error);
  }

  // ── of nodes ──

  closed(link: NodeLink, error: CausewayError): void {
    if (link !== this.#link) return;
    this.#link = null;
    this.#isMoving = false;
    this.#reason = error;
    this.near?.lost();
    const { region } = link.candidate;
    this.settings.onEvent({ type: 'disconnected', region, node: link.name, reason: error.message });
    if (this.#closing !== null) return;
    this.#failedUntilMs.set(link.candidate, performance.now() + FAILED_MS);
    void this.#choose();
  }

  /** Tries until a node is in use, or the client closed. */
  async #choose(): Promise<void> {
    if (this.#isChoosing) return;
    this.#isChoosing = true;
    for (let againMs = AGAIN_FIRST_MS; this.#closing === null; againMs = Math.min(againMs * 2, AGAIN_MAX_MS)) {
      const chosen = await chooseNode(this.#ordered(), this, this.#abort.signal);
      if (this.#use(chosen)) break;
      await this.#sleep(againMs * (0.5 + Math.random()));
    }
    this.#isChoosing = false;
    // it may have failed again already
    if (this.#link === null && this.#closing === null) void this.#choose();
  }

  #use(chosen: Chosen): boolean {
    const { link, reason, isBehind } = chosen;
    if (this.#closing !== null) {
      link?.close(this.#closing);
      return true;
    }
    if (link !== null) {
      this.#enter(link);
      return true;
    }
    this.#reason = reason;
    for (const request of this.#waiting) request.hold(reason);
    if (!isBehind || this.tokens.all.length === 0) return false;
    if (this.#lost === null) this.settings.onEvent({ type: 'consistency-lost', reason: reason.message });
    this.#lost = consistencyLost(reason.message, reason);
    this.#failWaiting(this.#lost);
    return false;
  }

  #enter(link: NodeLink): void {
    this.#link = link;
    link.isInUse = true;
    this.#lost = null;
    this.#isMoving = false;
    this.#connects++;
    this.near?.connected();
    const { region } = link.candidate;
    this.settings.onEvent({ type: 'connected', region, node: link.name });
    this.#lookForNearer();
    for (const request of this.#waiting.splice(0)) if (!request.isSettled) this.#route(request);
  }

  /** The candidates, those that have just failed at the end. */
  #ordered(): readonly Candidate[] {
    const nowMs = performance.now();
    const failed = (candidate: Candidate): number => ((this.#failedUntilMs.get(candidate) ?? 0) > nowMs ? 1 : 0);
    return this.#candidates.toSorted((a, b) => failed(a) - failed(b));
  }

  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }

  // ── back to the nearest ──

  #lookForNearer(): void {
    if (this.#returnTimer !== null) clearInterval(this.#returnTimer);
    this.#returnTimer = null;
    const candidate = this.#link?.candidate;
    const nearer = candidate === undefined ? [] : this.#candidates.slice(0, this.#candidates.indexOf(candidate));
    if (nearer.length === 0) return;
    let isTrying = false;
    this.#returnTimer = setInterval(() => {
      if (isTrying) return;
      isTrying = true;
      void this.#tryReturn(nearer).finally(() => (isTrying = false));
    }, this.settings.returnMs);
    this.#returnTimer.unref();
  }

  async #tryReturn(nearer: readonly Candidate[]): Promise<void> {
    const old = this.#link;
    if (old === null) return;
    const { link } = await chooseNode(nearer, this, this.#abort.signal);
    if (link === null) return;
    const isMoved = this.#link === old && (await this.#moveTo(link, old));
    const done = new CausewayError('Closed', 'another node is used');
    if (!isMoved) return link.close(done);
    old.close(done);
    this.settings.onEvent({ type: 'returned', region: link.candidate.region, node: link.name });
  }

  /** Nothing leaves while what is on its way comes back; then the nearer node has to have the last of the session too. */
  async #moveTo(link: NodeLink, old: NodeLink): Promise<boolean> {
    this.#isMoving = true;
    this.#reason = unavailable('a nearer node is gone over to');
    const isQuiet = await this.#drained(old);
    const hasAll = isQuiet && (await link.attach(this.tokens.all, LAST_ATTACH_MS).catch(String)) === true;
    if (this.#link !== old) return false;
    if (hasAll && this.#closing === null) {
      old.isInUse = false;
      this.#enter(link);
      return true;
    }
    this.#isMoving = false;
    for (const request of this.#waiting.splice(0)) if (!request.isSettled) this.#route(request);
    return false;
  }

  async #drained(link: NodeLink): Promise<boolean> {
    const endMs = performance.now() + DRAIN_MS;
    while (link.pending > 0 && this.#link === link && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return link.pending === 0 && this.#link === link;
  }
}
