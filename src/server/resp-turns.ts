/** What a connection has put off to the end of the turn. */
export interface TurnParticipant {
  /** Runs requests that waited. */
  continueRequests(): void;
  /** Sends what is to be sent. */
  flush(): void;
}

/** Connections whose replies wait to be sent together: each keeps an output buffer meanwhile. */
const REPLIES_TOGETHER_MAX = 64;

/** Runs what it received, that many bytes at the start of the shared buffer. */
export interface Receiver {
  receive(bytes: number): void;
}

/**
 * Requests of different connections never run inside each other: what one causes at another (a message to send, a wait that
 * is over) is done at the end of the turn, once for each connection however much it was.
 */
export class RespTurns {
  readonly #toFlush: Set<TurnParticipant> = new Set();
  readonly #toContinue: Set<TurnParticipant> = new Set();
  readonly #toReply: (TurnParticipant | null)[] = new Array<TurnParticipant | null>(REPLIES_TOGETHER_MAX).fill(null);
  #replyCount = 0;
  readonly #failed: (error: unknown) => void;
  #isOpen = false;
  #isScheduled = false;

  /** `failed` is told what is thrown by work that was put off: nobody else is there to catch it. */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  /** Does `work` as a turn, and then what it caused. */
  run(work: () => void): void {
    if (this.#isOpen) {
      work();
      return;
    }
    this.#isOpen = true;
    try {
      work();
      this.#finish();
    } finally {
      this.#isOpen = false;
    }
  }

  /** As `run`, for what is called by a timer or an event. */
  guarded(work: () => void): void {
    try {
      this.run(work);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** As `guarded`, for bytes that a connection has received: nothing is made for the most frequent of all events. */
  received(connection: Receiver, bytes: number): void {
    const isInner = this.#isOpen;
    this.#isOpen = true;
    try {
      connection.receive(bytes);
      if (!isInner) this.#finish();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isOpen = isInner;
    }
  }

  #finish(): void {
    while (this.#toContinue.size > 0) {
      const [next] = this.#toContinue;
      if (next === undefined) break;
      this.#toContinue.delete(next);
      next.continueRequests();
    }
    if (this.#toFlush.size === 0) return;
    for (const participant of this.#toFlush) participant.flush();
    this.#toFlush.clear();
  }

  /**
   * Sends a connection's replies when all that can be read now has been read, and before the node's turn where that is asked for after
   * this. A reply wakes its client, on another core or here: sent together they leave that to happen once, and not in the middle of the next
   * request.
   */
  replyLater(participant: TurnParticipant): void {
    this.#toReply[this.#replyCount] = participant;
    const waiting = ++this.#replyCount;
    if (waiting === 1) setImmediate(this.#sendReplies);
    else if (waiting === REPLIES_TOGETHER_MAX) this.#flushReplies();
  }

  readonly #sendReplies = (): void => this.guarded(this.#flushReplies);

  readonly #flushReplies = (): void => {
    const waiting = this.#toReply;
    try {
      for (let at = 0; at < this.#replyCount; at++) {
        const participant = waiting[at];
        waiting[at] = null;
        participant?.flush();
      }
    } finally {
      this.#replyCount = 0;
    }
  };

  /** Whether a turn is under way: what is to run now waits for its end. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether anything was put off. */
  get isWaitedFor(): boolean {
    return this.#toContinue.size > 0 || this.#toFlush.size > 0;
  }

  flushLater(participant: TurnParticipant): void {
    this.#toFlush.add(participant);
    this.#schedule();
  }

  continueLater(participant: TurnParticipant): void {
    this.#toContinue.add(participant);
    this.#schedule();
  }

  /** A closed connection does nothing more. */
  drop(participant: TurnParticipant): void {
    this.#toFlush.delete(participant);
    this.#toContinue.delete(participant);
  }

  #schedule(): void {
    if (this.#isOpen || this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.guarded(() => undefined);
    });
  }
}
