import { Numbered } from '../base/numbered.ts';
import type { Now } from '../causal/replica.ts';
import { incarnationOf, type Origin } from '../clock/origin.ts';
import type { StrongAnswer, StrongRequest } from '../commands/strong-view.ts';
import { CausewayError } from '../errors.ts';
import {
  AskedBytes,
  changesSomething,
  newQueue,
  TimeLists,
  wait,
  type GroupQueue,
  type Pending,
  type SizeClass,
} from './pending-requests.ts';
import { requestBytes } from './request-size.ts';
import type { LeaderAnswer, StrongRequestFrame } from './strong-frames.ts';

/** What the forwarder asks of its node. */
export interface ForwarderHost {
  /** Identifies this life of the node. */
  readonly origin: Origin;
  readonly self: number;
  /** The node that leads a group as far as is known here, 0 for none; this node itself too. */
  leaderOf(group: string): number;
  originOf(group: string): Origin;
  nodeId(node: number): string;
  now(): Now;
  /** The connection on which a request can be sent to a node now, 0 for none; some number for this node itself. */
  linkOf(node: number): number;
  /** Hands a request to this node itself. The answer comes by `answered`, perhaps before this returns. */
  askHere(frame: StrongRequestFrame): void;
  /**
   * Hands a request of about so many bytes to a leader elsewhere. `frame` is asked for when it goes, and `left` called when it has
   * gone. The answer comes by `answered`. Returns what takes it back: true where nobody has it.
   */
  ask(node: number, bytes: number, frame: () => StrongRequestFrame, left: () => void): () => boolean;
}

/**
 * Requests are counted on over the lives of a node: an answer that the life before had asked for may still come, and must not be taken for
 * one of this life. So many are left to each incarnation, which rises by one a second at least.
 */
const SERIALS_AN_INCARNATION = 2 ** 20;

/** After a refusal, in milliseconds: long enough for a new leader to make itself known. */
const AGAIN_AFTER_MS = 25;
/** Who answers `lost` again and again lacks room: it is asked less and less often, up to this. */
const AGAIN_AFTER_MS_MAX = 400;
const CLASSES: readonly SizeClass[] = ['small', 'large'];

/**
 * The requests of this node's clients on their way to the leaders of their groups. Each is asked of the leader that is known, and
 * again, under the same number, of the next one where leadership changes: the state machine runs it once (RULES T5). At its
 * deadline it ends in NOQUORUM, where nobody can have appended it, or in UNCERTAIN. Another node is only asked so much at a time;
 * the rest wait here, the oldest first. What a turn costs is in proportion to what changed, not to what waits.
 */
export class Forwarder {
  readonly #host: ForwarderHost;
  /** By their serials. */
  readonly #pending: Numbered<Pending> = new Numbered();
  readonly #deadlines: TimeLists = new TimeLists();
  /** Not to be asked again before a time. */
  readonly #delayed: TimeLists = new TimeLists();
  readonly #queues: Map<string, GroupQueue> = new Map();
  readonly #askedBytes: AskedBytes = new AskedBytes();
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
    const pending: Pending = {
      serial,
      request,
      bytes: requestBytes(request),
      answered,
      deadlineMs: now.monotonicMs + request.timeoutMs,
      places: { deadline: null, state: null },
      target: 0,
      takeBack: null,
      asked: [],
      open: [],
      losses: 0,
    };
    this.#pending.add(serial, pending);
    pending.places.deadline = this.#deadlines.add(pending, request.timeoutMs, now.monotonicMs);
    const queue = this.#queueOf(request.group);
    wait(queue, pending);
    this.#look(queue);
    this.#askAll();
    return serial;
  }

  cancel(serial: number): void {
    const pending = this.#pending.get(serial);
    if (pending !== undefined) this.#remove(pending);
  }

  /** Asks again what nobody works on, asks what waited as far as there is room, and gives up what is out of time. */
  tick({ monotonicMs }: Now): void {
    for (let due = this.#deadlines.due(monotonicMs); due !== null; due = this.#deadlines.due(monotonicMs))
      this.#giveUp(due);
    for (let due = this.#delayed.due(monotonicMs); due !== null; due = this.#delayed.due(monotonicMs)) {
      due.places.state?.leave();
      wait(this.#queueOf(due.request.group), due);
    }
    for (const queue of this.#queues.values()) this.#look(queue);
    this.#askAll();
  }

  /** When `tick` is wanted next on the monotonic clock, Infinity for never. */
  nextTickMs(): number {
    return Math.min(this.#deadlines.nextMs(), this.#delayed.nextMs());
  }

  #queueOf(group: string): GroupQueue {
    let queue = this.#queues.get(group);
    if (queue === undefined) {
      queue = newQueue(group);
      this.#queues.set(group, queue);
    }
    return queue;
  }

  /** Where who was asked is gone or leads no more, its answers may never come. */
  #look(queue: GroupQueue): void {
    const leader = this.#host.leaderOf(queue.group);
    const link = leader === 0 ? 0 : this.#host.linkOf(leader);
    if (leader === queue.leader && link === queue.link) return;
    queue.leader = leader;
    queue.link = link;
    for (let asked = queue.asked.last; asked !== undefined; asked = queue.asked.last) {
      this.#release(asked);
      wait(queue, asked);
    }
  }

  // ── asking ──

  #askAll(): void {
    for (const size of CLASSES) {
      for (let queue = this.#nextQueue(size); queue !== null; queue = this.#nextQueue(size))
        this.#askFirst(queue, size);
    }
  }

  /** A group whose first may be asked now. Of those that wait for one leader only the oldest: else none that is large would ever find room. */
  #nextQueue(size: SizeClass): GroupQueue | null {
    for (const queue of this.#queues.values()) {
      const { first } = queue.waiting[size];
      if (first === undefined || queue.link === 0 || !this.#hasRoom(queue.leader, first)) continue;
      if (this.#isOldest(queue.leader, first, size)) return queue;
    }
    return null;
  }

  #isOldest(leader: number, pending: Pending, size: SizeClass): boolean {
    for (const other of this.#queues.values())
      if (other.leader === leader && (other.waiting[size].first?.serial ?? Infinity) < pending.serial) return false;
    return true;
  }

  #hasRoom(node: number, pending: Pending): boolean {
    return node === this.#host.self || this.#askedBytes.hasRoom(node, pending);
  }

  #askFirst(queue: GroupQueue, size: SizeClass): void {
    const pending = queue.waiting[size].first;
    if (pending === undefined) return;
    const { leader } = queue;
    pending.places.state?.leave();
    pending.places.state = queue.asked.append(pending);
    pending.target = leader;
    if (!pending.asked.includes(leader)) pending.asked.push(leader);
    this.#askedBytes.add(leader, pending);
    const left = (): void => {
      if (changesSomething(pending)) pending.open.push(leader);
    };
    if (leader === this.#host.self) {
      left();
      return this.#host.askHere(this.#frameOf(pending));
    }
    const takeBack = this.#host.ask(leader, pending.bytes, () => this.#frameOf(pending), left);
    // else it was answered before that returned
    if (pending.target === leader) pending.takeBack = takeBack;
  }

  #frameOf({ serial, request, deadlineMs }: Pending): StrongRequestFrame {
    const { group, kind, once, commands, keys, isExec, watches, respVersion, deps, requester } = request;
    return {
      type: 'strong-request',
      group,
      kind,
      request: { origin: this.#host.origin, serial, floor: this.#pending.first ?? serial },
      once,
      commands,
      keys,
      isExec,
      watches,
      respVersion,
      deps,
      requester,
      timeoutMs: Math.max(1, Math.ceil(deadlineMs - this.#host.now().monotonicMs)),
    };
  }

  /** Nobody works on it any more, as far as this node is concerned. */
  #release(pending: Pending): void {
    pending.places.state?.leave();
    if (pending.target === 0) return;
    pending.takeBack?.();
    pending.takeBack = null;
    this.#askedBytes.remove(pending.target, pending);
    pending.target = 0;
  }

  // ── answers ──

  /**
   * A leader has answered. What comes from another than who was asked last is heard too: it is about the same request. Not what comes
   * from somebody who was never asked.
   */
  answered(from: number, serial: number, answer: LeaderAnswer, { monotonicMs }: Now): void {
    const pending = this.#pending.get(serial);
    if (pending === undefined || !pending.asked.includes(from)) return;
    if (answer.kind === 'done') {
      const { reply, versions, index } = answer;
      const dot = { origin: this.#host.originOf(pending.request.group), seq: index };
      this.#end(pending, { reply, versions, dot, by: this.#host.nodeId(from) });
      return;
    }
    // it was not appended there: each attempt is answered once
    const attempt = pending.open.indexOf(from);
    if (answer.kind !== 'lost' && attempt >= 0) pending.open.splice(attempt, 1);
    if (from !== pending.target) return;
    this.#release(pending);
    if (answer.kind === 'failed') {
      const { code, message } = answer;
      const isCertain = pending.open.length === 0;
      this.#end(pending, { error: isCertain ? new CausewayError(code, message) : uncertain(`${code} ${message}`) });
    } else {
      const times = answer.kind === 'lost' ? pending.losses++ : 0;
      const afterMs = Math.min(AGAIN_AFTER_MS * 2 ** times, AGAIN_AFTER_MS_MAX);
      pending.places.state = this.#delayed.add(pending, afterMs, monotonicMs);
    }
  }

  #giveUp(pending: Pending): void {
    const { group, kind, timeoutMs } = pending.request;
    // what has not left yet nobody will have
    this.#release(pending);
    const within = `no quorum of group ${group} answered within ${timeoutMs} ms`;
    if (kind === 'operate') {
      const message = `${within}: the change may have happened, or still happen; look, or ask for it again`;
      return this.#end(pending, { error: new CausewayError('UNCERTAIN', message, { retry: 'later' }) });
    }
    const nothing = kind === 'write' ? 'the write did not happen' : 'nothing was read';
    const error =
      pending.open.length > 0
        ? uncertain(within)
        : new CausewayError('NOQUORUM', `${within}: ${nothing}`, { retry: 'later' });
    this.#end(pending, { error });
  }

  #end(pending: Pending, answer: StrongAnswer): void {
    this.#remove(pending);
    pending.answered(answer);
  }

  #remove(pending: Pending): void {
    this.#release(pending);
    this.#pending.delete(pending.serial);
    pending.places.deadline?.leave();
  }
}

function uncertain(why: string): CausewayError {
  const advice = 'the write may have happened: look, or ask again under the same request id';
  return new CausewayError('UNCERTAIN', `${why}; ${advice}`, { retry: 'later' });
}
