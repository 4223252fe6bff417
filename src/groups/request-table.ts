import { incarnationOf, nodeOf, type NodeNumber } from '../clock/origin.ts';
import type { OnceId, RequestId } from './group-entry.ts';

/** How long a client's own request id is remembered, in milliseconds of the log's time. */
export const ONCE_KEPT_MS = 600_000;
/** How far a client's clock may be ahead of the log's time. */
export const ONCE_AHEAD_MS = 60_000;
/** Bytes of replies that are kept for clients' own ids; past them new ids are refused. */
export const ONCE_BYTES_MAX: number = 64 * 1024 * 1024;
const ONCE_OVERHEAD_BYTES = 100;

/** What a retry gets. */
export interface KeptAnswer {
  readonly index: number;
  readonly reply: Uint8Array;
}

/** What becomes of a request: it runs, it ran and this was its answer, or nobody waits for it any more. */
export type Verdict = 'run' | 'forget' | KeptAnswer;

/** Why a client's own id is refused. */
export type OnceRefusal = 'too-old' | 'too-new' | 'too-many';

interface Forwarder {
  incarnation: number;
  floor: number;
  readonly answers: Map<number, KeptAnswer>;
}

interface KeptOnce extends KeptAnswer {
  readonly issuedMs: number;
}

/** Plain form, for the store and snapshots. */
export interface RequestTableState {
  readonly forwarders: readonly (readonly [
    node: number,
    incarnation: number,
    floor: number,
    answers: readonly (readonly [serial: number, index: number, reply: Uint8Array])[],
  ])[];
  readonly once: readonly (readonly [id: string, issuedMs: number, index: number, reply: Uint8Array])[];
}

/**
 * What was asked and answered, so that a retry happens once (RULES T5). It is part of the state machine: every replica has the same,
 * and forgets by what is in the log alone. A node's requests are known by its life and a count: what its client has been answered
 * is forgotten with the next request, all of an older life with the first of a newer one. A client's own id is kept for ten minutes of
 * the log's time after it was issued; an older one is refused, so that what was forgotten is never run a second time.
 */
export class RequestTable {
  readonly #forwarders: Map<NodeNumber, Forwarder> = new Map();
  readonly #once: Map<string, KeptOnce> = new Map();
  #onceBytes = 0;

  /** What becomes of a node's request. */
  judge({ origin, serial, floor }: RequestId): Verdict {
    const forwarder = this.#forwarder(nodeOf(origin), incarnationOf(origin));
    if (forwarder === null || serial < forwarder.floor) return 'forget';
    if (floor > forwarder.floor) {
      forwarder.floor = floor;
      for (const known of forwarder.answers.keys()) if (known < floor) forwarder.answers.delete(known);
    }
    return forwarder.answers.get(serial) ?? 'run';
  }

  answered({ origin, serial }: RequestId, answer: KeptAnswer): void {
    this.#forwarder(nodeOf(origin), incarnationOf(origin))?.answers.set(serial, answer);
  }

  #forwarder(node: NodeNumber, incarnation: number): Forwarder | null {
    const known = this.#forwarders.get(node);
    if (known !== undefined && known.incarnation > incarnation) return null;
    if (known !== undefined && known.incarnation === incarnation) return known;
    const begun = { incarnation, floor: 0, answers: new Map<number, KeptAnswer>() };
    this.#forwarders.set(node, begun);
    return begun;
  }

  /** What a client's own id says of a request at a time of the log. */
  judgeOnce({ id, issuedMs }: OnceId, logMs: number): 'run' | KeptAnswer | OnceRefusal {
    this.#forgetOld(logMs);
    const known = this.#once.get(id);
    if (known !== undefined) return known;
    if (issuedMs < logMs - ONCE_KEPT_MS) return 'too-old';
    if (issuedMs > logMs + ONCE_AHEAD_MS) return 'too-new';
    return this.#onceBytes >= ONCE_BYTES_MAX ? 'too-many' : 'run';
  }

  answeredOnce({ id, issuedMs }: OnceId, answer: KeptAnswer): void {
    this.#once.set(id, { ...answer, issuedMs });
    this.#onceBytes += bytesOf(id, answer.reply);
  }

  /** Ids come about in the order in which they were issued: the first that is kept stands for those behind it. */
  #forgetOld(logMs: number): void {
    for (const [id, { issuedMs, reply }] of this.#once) {
      if (issuedMs >= logMs - ONCE_KEPT_MS) return;
      this.#once.delete(id);
      this.#onceBytes -= bytesOf(id, reply);
    }
  }

  toState(): RequestTableState {
    return {
      forwarders: [...this.#forwarders].map(([node, { incarnation, floor, answers }]) => [
        node,
        incarnation,
        floor,
        [...answers].map(([serial, { index, reply }]) => [serial, index, reply] as const),
      ]),
      once: [...this.#once].map(([id, { issuedMs, index, reply }]) => [id, issuedMs, index, reply] as const),
    };
  }

  restore({ forwarders, once }: RequestTableState): void {
    this.#forwarders.clear();
    this.#once.clear();
    this.#onceBytes = 0;
    for (const [node, incarnation, floor, answers] of forwarders) {
      const kept = new Map(answers.map(([serial, index, reply]) => [serial, { index, reply }] as const));
      this.#forwarders.set(node as NodeNumber, { incarnation, floor, answers: kept });
    }
    for (const [id, issuedMs, index, reply] of once) {
      this.#once.set(id, { issuedMs, index, reply });
      this.#onceBytes += bytesOf(id, reply);
    }
  }
}

function bytesOf(id: string, reply: Uint8Array): number {
  return id.length + reply.length + ONCE_OVERHEAD_BYTES;
}
