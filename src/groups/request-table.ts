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

/** An answer to a node's request; null where it is forgotten. */
export interface AnswerRow {
  readonly kind: 'answer';
  readonly node: NodeNumber;
  readonly serial: number;
  readonly kept: KeptAnswer | null;
}

/** What is kept under a client's own id. */
export interface KeptOnce {
  readonly id: string;
  readonly issuedMs: number;
  readonly reply: Uint8Array;
}

/** The same, known by the entry that ran it; null where it is forgotten. */
export interface OnceRow {
  readonly kind: 'once';
  readonly index: number;
  readonly kept: KeptOnce | null;
}

/** What the store and snapshots hold of the table, beside the forwarders. */
export type RequestRow = AnswerRow | OnceRow;

/** Which life of each node was heard last, and up to where its client has been answered. */
export type ForwarderHeads = readonly (readonly [node: NodeNumber, incarnation: number, floor: number])[];

interface Forwarder {
  readonly incarnation: number;
  floor: number;
  readonly answers: Map<number, KeptAnswer>;
}

type KeptOnceRow = OnceRow & { readonly kept: KeptOnce };

/** Old ids that one request forgets: more than come about, and never a pause. */
const FORGOTTEN_MAX = 64;
/** Places of the queue that are empty before it is made anew. */
const EMPTY_PLACES_MAX = 1_024;

/**
 * What was asked and answered, so that a retry happens once (RULES T5). It is part of the state machine: every replica has the same,
 * and forgets by what is in the log alone. A node's requests are known by its life and a count: what its client has been answered
 * is forgotten with the next request, all of an older life with the first of a newer one. A client's own id is kept for ten minutes of
 * the log's time after it was issued; an older one is refused, so that what was forgotten is never run a second time.
 *
 * The store gets what changed, row by row: most answers are forgotten before they were ever stored.
 */
export class RequestTable {
  readonly #forwarders: Map<NodeNumber, Forwarder> = new Map();
  readonly #once: Map<string, KeptOnceRow> = new Map();
  /** Those in the order of the log; before `#onceHead` they are gone. */
  #onceQueue: KeptOnceRow[] = [];
  #onceHead = 0;
  #onceBytes = 0;
  readonly #collects: boolean;
  /** Up to this index the store has been told; so rows of later entries are not in it. */
  #toldUpTo = 0;
  /** What the store has and is to lose. */
  #forgotten: RequestRow[] = [];

  /** `collects`: whether there is a store that takes the changes. */
  constructor(collects: boolean) {
    this.#collects = collects;
  }

  /** What becomes of a node's request. */
  judge({ origin, serial, floor }: RequestId): Verdict {
    const node = nodeOf(origin);
    const forwarder = this.#forwarder(node, incarnationOf(origin));
    if (forwarder === null || serial < forwarder.floor) return 'forget';
    if (floor > forwarder.floor) this.#raiseFloor(node, forwarder, floor);
    return forwarder.answers.get(serial) ?? 'run';
  }

  /** A node counts its requests one by one, so the walk is paid for by them; where it counts otherwise, by the answers. */
  #raiseFloor(node: NodeNumber, forwarder: Forwarder, floor: number): void {
    const { answers } = forwarder;
    const from = forwarder.floor;
    forwarder.floor = floor;
    if (floor - from <= answers.size)
      for (let serial = from; serial < floor; serial++) this.#forget(node, answers, serial);
    else for (const serial of answers.keys()) if (serial < floor) this.#forget(node, answers, serial);
  }

  #forget(node: NodeNumber, answers: Map<number, KeptAnswer>, serial: number): void {
    const known = answers.get(serial);
    if (known === undefined) return;
    answers.delete(serial);
    if (this.#collects && known.index <= this.#toldUpTo)
      this.#forgotten.push({ kind: 'answer', node, serial, kept: null });
  }

  answered({ origin, serial }: RequestId, answer: KeptAnswer): void {
    const node = nodeOf(origin);
    const forwarder = this.#forwarder(node, incarnationOf(origin));
    if (forwarder === null) return;
    forwarder.answers.set(serial, answer);
  }

  #forwarder(node: NodeNumber, incarnation: number): Forwarder | null {
    const known = this.#forwarders.get(node);
    if (known !== undefined && known.incarnation > incarnation) return null;
    if (known !== undefined && known.incarnation === incarnation) return known;
    if (known !== undefined) for (const serial of known.answers.keys()) this.#forget(node, known.answers, serial);
    const begun = { incarnation, floor: 0, answers: new Map<number, KeptAnswer>() };
    this.#forwarders.set(node, begun);
    return begun;
  }

  /** What a client's own id says of a request at a time of the log. */
  judgeOnce({ id, issuedMs }: OnceId, logMs: number): 'run' | KeptAnswer | OnceRefusal {
    this.#forgetOld(logMs);
    const known = this.#once.get(id);
    if (known !== undefined) return { index: known.index, reply: known.kept.reply };
    if (issuedMs < logMs - ONCE_KEPT_MS) return 'too-old';
    if (issuedMs > logMs + ONCE_AHEAD_MS) return 'too-new';
    return this.#onceBytes >= ONCE_BYTES_MAX ? 'too-many' : 'run';
  }

  answeredOnce({ id, issuedMs }: OnceId, { index, reply }: KeptAnswer): void {
    this.#keepOnce({ kind: 'once', index, kept: { id, issuedMs, reply } });
  }

  #keepOnce(row: KeptOnceRow): void {
    this.#once.set(row.kept.id, row);
    this.#onceQueue.push(row);
    this.#onceBytes += bytesOf(row.kept);
  }

  /**
   * Ids come about in the order in which they were issued: the first that is kept stands for those behind it. A queue beside the map, for
   * a map that loses its first again and again is walked from its old beginning each time.
   */
  #forgetOld(logMs: number): void {
    for (let done = 0; done < FORGOTTEN_MAX || this.#onceBytes >= ONCE_BYTES_MAX; done++) {
      const first = this.#onceQueue[this.#onceHead];
      if (first === undefined || first.kept.issuedMs >= logMs - ONCE_KEPT_MS) break;
      this.#onceHead++;
      this.#once.delete(first.kept.id);
      this.#onceBytes -= bytesOf(first.kept);
      if (this.#collects && first.index <= this.#toldUpTo)
        this.#forgotten.push({ kind: 'once', index: first.index, kept: null });
    }
    if (this.#onceHead <= EMPTY_PLACES_MAX || this.#onceHead * 2 <= this.#onceQueue.length) return;
    this.#onceQueue = this.#onceQueue.slice(this.#onceHead);
    this.#onceHead = 0;
  }

  get heads(): ForwarderHeads {
    return [...this.#forwarders].map(([node, { incarnation, floor }]) => [node, incarnation, floor] as const);
  }

  /** All of it as of now: good while it changes. */
  rows(): RequestRow[] {
    const rows: RequestRow[] = this.#onceQueue.slice(this.#onceHead);
    for (const [node, { answers }] of this.#forwarders)
      for (const [serial, kept] of answers) rows.push({ kind: 'answer', node, serial, kept });
    return rows;
  }

  /** What changed since the last call, for the store; `applied`: the last entry that is in it. */
  takeChanges(applied: number): RequestRow[] {
    const rows = this.#forgotten;
    for (const [node, { answers }] of this.#forwarders)
      for (const [serial, kept] of answers)
        if (kept.index > this.#toldUpTo) rows.push({ kind: 'answer', node, serial, kept });
    let first = this.#onceQueue.length;
    while (first > this.#onceHead && (this.#onceQueue[first - 1]?.index ?? 0) > this.#toldUpTo) first--;
    for (const row of this.#onceQueue.slice(first)) rows.push(row);
    this.#forgotten = [];
    this.#toldUpTo = applied;
    return rows;
  }

  /** Begins to put in what the store holds or a snapshot brings; rows of entries after `toldUpTo` are told again. */
  restoreHeads(heads: ForwarderHeads, toldUpTo: number): void {
    this.#toldUpTo = toldUpTo;
    for (const [node, incarnation, floor] of heads)
      this.#forwarders.set(node, { incarnation, floor, answers: new Map() });
  }

  /** Goes on with it, bit by bit. */
  restoreRows(rows: Iterable<RequestRow>): void {
    let isInOrder = true;
    for (const row of rows) {
      if (row.kind === 'answer' && row.kept !== null) this.#restoreAnswer(row, row.kept);
      if (row.kind !== 'once' || row.kept === null) continue;
      isInOrder &&= (this.#onceQueue.at(-1)?.index ?? 0) < row.index;
      this.#keepOnce({ ...row, kept: row.kept });
    }
    if (!isInOrder) this.#onceQueue.sort((left, right) => left.index - right.index);
  }

  #restoreAnswer({ node, serial }: AnswerRow, kept: KeptAnswer): void {
    this.#forwarders.get(node)?.answers.set(serial, kept);
  }
}

function bytesOf({ id, reply }: KeptOnce): number {
  return id.length + reply.length + ONCE_OVERHEAD_BYTES;
}
