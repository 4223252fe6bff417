import type { Now } from '../causal/replica.ts';
import { incarnationOf, type Origin } from '../clock/origin.ts';
import type { StrongAnswer, StrongRequest } from '../commands/strong-view.ts';
import { CausewayError } from '../errors.ts';
import type { LeaderAnswer, StrongRequestFrame } from './strong-frames.ts';

/** What the forwarder asks of its node. */
export interface ForwarderHost {
  /** Identifies this life of the node. */
  readonly origin: Origin;
  /** The node that leads a group as far as is known here, 0 for none; this node itself too. */
  leaderOf(group: string): number;
  originOf(group: string): Origin;
  nodeId(node: number): string;
  /** Whether a request can be sent to a node now. */
  isUp(node: number): boolean;
  /** Hands a request to the leader, this node itself too. The answer comes by `answered`, perhaps before this returns. */
  ask(node: number, frame: StrongRequestFrame): void;
}

interface Pending {
  readonly serial: number;
  readonly request: StrongRequest;
  readonly answered: (answer: StrongAnswer) => void;
  readonly deadlineMs: number;
  /** Who was asked and has not answered yet, 0 for nobody. */
  target: number;
  /** Not to be asked again before. */
  notBeforeMs: number;
  /** Leaders that may have appended it and have not said that they did not. */
  openAttempts: number;
}

/**
 * Requests are counted on over the lives of a node: an answer that the life before had asked for may still come, and must not be taken for
 * one of this life. So many are left to each incarnation, which rises by one a second at least.
 */
const SERIALS_AN_INCARNATION = 2 ** 20;

/** After a refusal, in milliseconds: long enough for a new leader to make itself known. */
const AGAIN_AFTER_MS = 25;

/**
 * The requests of this node's clients on their way to the leaders of their groups. Each is asked of the leader that is known, and
 * again, under the same number, of the next one where leadership changes: the state machine runs it once (RULES T5). At its
 * deadline it ends in NOQUORUM, where nobody can have appended it, or in UNCERTAIN.
 */
export class Forwarder {
  readonly #host: ForwarderHost;
  readonly #pending: Map<number, Pending> = new Map();
  #serial: number;

  constructor(host: ForwarderHost) {
    this.#host = host;
    this.#serial = incarnationOf(host.origin) * SERIALS_AN_INCARNATION;
  }

  get size(): number {
    return this.#pending.size;
  }

  submit(request: StrongRequest, answered: (answer: StrongAnswer) => void, now: Now): number {
    const serial = ++this.#serial;
    const deadlineMs = now.monotonicMs + request.timeoutMs;
    const pending: Pending = {
      serial,
      request,
      answered,
      deadlineMs,
      target: 0,
      notBeforeMs: 0,
      openAttempts: 0,
    };
    this.#pending.set(serial, pending);
    this.#route(pending, now);
    return serial;
  }

  cancel(serial: number): void {
    this.#pending.delete(serial);
  }

  /** Asks again what nobody works on, and gives up what is out of time. */
  tick(now: Now): void {
    for (const pending of [...this.#pending.values()]) {
      if (now.monotonicMs >= pending.deadlineMs) this.#giveUp(pending);
      else this.#route(pending, now);
    }
  }

  /** When `tick` is wanted next on the monotonic clock, Infinity for never. */
  nextTickMs(): number {
    let nextMs = Infinity;
    for (const { deadlineMs, target, notBeforeMs } of this.#pending.values()) {
      nextMs = Math.min(nextMs, deadlineMs, target === 0 && notBeforeMs > 0 ? notBeforeMs : Infinity);
    }
    return nextMs;
  }

  #route(pending: Pending, now: Now): void {
    const { request, target } = pending;
    const leader = this.#host.leaderOf(request.group);
    // who was asked is gone or leads no more: its answer may never come
    if (target !== 0 && (target !== leader || !this.#host.isUp(target))) pending.target = 0;
    if (pending.target !== 0 || leader === 0 || now.monotonicMs < pending.notBeforeMs) return;
    if (!this.#host.isUp(leader)) return;
    pending.target = leader;
    if (request.kind === 'write' || request.kind === 'operate') pending.openAttempts++;
    this.#host.ask(leader, this.#frameOf(pending, now));
  }

  #frameOf({ serial, request, deadlineMs }: Pending, now: Now): StrongRequestFrame {
    const { group, kind, once, commands, keys, isExec, watches, respVersion, deps, requester } = request;
    const [floor] = this.#pending.keys();
    return {
      type: 'strong-request',
      group,
      kind,
      request: { origin: this.#host.origin, serial, floor: floor ?? serial },
      once,
      commands,
      keys,
      isExec,
      watches,
      respVersion,
      deps,
      requester,
      timeoutMs: Math.max(1, Math.ceil(deadlineMs - now.monotonicMs)),
    };
  }

  /** A leader has answered. What comes from another than who was asked last is heard too: it is about the same request. */
  answered(from: number, serial: number, answer: LeaderAnswer, now: Now): void {
    const pending = this.#pending.get(serial);
    if (pending === undefined) return;
    if (answer.kind === 'done') {
      const { reply, versions, index } = answer;
      const dot = { origin: this.#host.originOf(pending.request.group), seq: index };
      this.#end(pending, { reply, versions, dot, by: this.#host.nodeId(from) });
      return;
    }
    // it was not appended there: each attempt is answered once
    if (answer.kind !== 'lost' && pending.openAttempts > 0) pending.openAttempts--;
    if (from !== pending.target) return;
    if (answer.kind === 'failed') {
      const { code, message } = answer;
      const isCertain = pending.openAttempts === 0;
      this.#end(pending, { error: isCertain ? new CausewayError(code, message) : uncertain(`${code} ${message}`) });
    } else {
      pending.target = 0;
      pending.notBeforeMs = now.monotonicMs + AGAIN_AFTER_MS;
    }
  }

  #giveUp(pending: Pending): void {
    const { group, kind, timeoutMs } = pending.request;
    const within = `no quorum of group ${group} answered within ${timeoutMs} ms`;
    if (kind === 'operate') {
      const message = `${within}: the change may have happened, or still happen; look, or ask for it again`;
      return this.#end(pending, { error: new CausewayError('UNCERTAIN', message, { retry: 'later' }) });
    }
    const nothing = kind === 'write' ? 'the write did not happen' : 'nothing was read';
    const error =
      pending.openAttempts > 0
        ? uncertain(within)
        : new CausewayError('NOQUORUM', `${within}: ${nothing}`, { retry: 'later' });
    this.#end(pending, { error });
  }

  #end(pending: Pending, answer: StrongAnswer): void {
    if (!this.#pending.delete(pending.serial)) return;
    pending.answered(answer);
  }
}

function uncertain(why: string): CausewayError {
  const advice = 'the write may have happened: look, or ask again under the same request id';
  return new CausewayError('UNCERTAIN', `${why}; ${advice}`, { retry: 'later' });
}
