import { connect, type Socket } from 'node:net';
import { CausewayError } from '../errors.ts';
import { formatAddress, type Address } from '../server/address.ts';
import { Push, type Reply } from './replies.ts';
import { NOT_YET, ReplyParser } from './reply-parser.ts';
import { requestBytes } from './request-bytes.ts';
import { lookForLife } from './sign-of-life.ts';

/** Requests of one turn up to so many bytes are put together into one write. */
const JOINED_BYTES_MAX = 262_144;
/** Silence is counted in this many steps, so that a process which was busy itself reads what came meanwhile before it calls a server dead. */
const SILENCE_STEPS = 4;
/** After so many of them, and as many again, it is asked elsewhere. */
const LOOK_STEPS = 2;
/** Longer than any request waits at a node by itself: what is silent for so long has failed, whatever it says elsewhere. */
export const WAITING_SILENT_MS = 30_000;
const PING: Uint8Array = requestBytes(['PING']);

/** A request on its way, and what becomes of it: one of the two is called, once. */
export interface Exchange {
  readonly bytes: Uint8Array;
  /** The reply, in the order of the connection's bytes: whatever came later has not been looked at. */
  done(reply: Reply): void;
  /** The connection ended without a reply. `wasSent`: the server may have the request. */
  lost(error: CausewayError, wasSent: boolean): void;
}

export interface ConnectionOptions {
  readonly connectMs: number;
  /** A server that says nothing for so long, while something is asked of it, is taken for dead, unless it answers on another connection: then it waits for what was asked here. */
  readonly silentMs: number;
  readonly replyBytesMax: number;
}

/** What a connection tells its owner. */
export interface ConnectionOwner {
  push(items: readonly Reply[]): void;
  /** The requests of a turn are about to leave: what is sent now leaves with them. */
  flushing(): void;
  /** Called once. The exchanges are told after it, so that what is sent again does not come here again. */
  closed(error: CausewayError): void;
}

/**
 * One connection to a server that speaks RESP. The requests of a turn leave together; replies and pushes are handed on in the order in which they came,
 * synchronously. While it is open somebody asks the server something all the time, so that one which stopped without a word is found out. One that is silent because the
 * first request waits for something, as for a slow source, says nothing either, but answers who asks on another connection.
 */
export class Connection {
  readonly name: string;
  readonly #address: Address;
  readonly #socket: Socket;
  readonly #parser: ReplyParser;
  readonly #owner: ConnectionOwner;
  readonly #inFlight: Exchange[] = [];
  #firstInFlight = 0;
  #batch: Exchange[] = [];
  #isFlushing = false;
  #failure: CausewayError | null = null;
  #hasHeard = false;
  #silentSteps = 0;
  /** At which step of silence the server is taken for dead. */
  #deadAtStep = SILENCE_STEPS;
  #isPaused = false;
  readonly #silence: NodeJS.Timeout;

  private constructor(socket: Socket, address: Address, options: ConnectionOptions, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#address = address;
    const name = formatAddress(address);
    this.name = name;
    this.#owner = owner;
    this.#parser = new ReplyParser(options.replyBytesMax);
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (cause) => this.#fail(unavailable(`${name}: ${cause.message}`, cause)));
    socket.on('close', () => this.#fail(unavailable(`${name} closed the connection`)));
    this.#silence = setInterval(() => this.#listen(options.silentMs), options.silentMs / SILENCE_STEPS);
    this.#silence.unref();
  }

  /** Connected, and nothing said yet. Throws UNAVAILABLE that names the address. */
  static async open(
    address: Address,
    options: ConnectionOptions,
    owner: ConnectionOwner,
    signal: AbortSignal,
  ): Promise<Connection> {
    const name = formatAddress(address);
    const socket = connect({ ...address, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      const give = (why: string, cause?: unknown): void => {
        end();
        socket.on('error', () => undefined);
        socket.destroy();
        reject(unavailable(`cannot connect to ${name}: ${why}`, cause));
      };
      const abort = (): void => give('no longer wanted');
      const failed = (cause: Error): void => give(cause.message, cause);
      const connected = (): void => {
        end();
        resolve();
      };
      const timer = setTimeout(() => give(`no answer within ${options.connectMs} ms`), options.connectMs);
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        socket.off('error', failed);
        socket.off('connect', connected);
      };
      socket.once('connect', connected);
      socket.once('error', failed);
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort);
    });
    return new Connection(socket, address, options, owner);
  }

  /** Exchanges that wait for their replies, those of this turn too. */
  get pending(): number {
    return this.#inFlight.length - this.#firstInFlight + this.#batch.length;
  }

  get isClosed(): boolean {
    return this.#failure !== null;
  }

  /** Takes an exchange; it leaves with the others of this turn. */
  send(exchange: Exchange): void {
    if (this.#failure !== null) {
      exchange.lost(this.#failure, false);
      return;
    }
    this.#batch.push(exchange);
    if (this.#isFlushing || this.#batch.length > 1) return;
    setImmediate(() => this.#flush());
  }

  /** A request whose reply is all that is wanted. Rejects with UNAVAILABLE where the connection ends before. */
  async ask(args: readonly (string | number)[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.send({ bytes: requestBytes(args), done: resolve, lost: reject });
    });
  }

  /** Reads nothing until `resume`: the server keeps what it sends, or ends the connection where that is too much. */
  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#silentSteps = 0;
    this.#socket.resume();
  }

  /** Ends it at once; what had no reply is lost. */
  close(reason: CausewayError): void {
    this.#fail(reason);
  }

  #flush(): void {
    if (this.#failure !== null) return;
    this.#isFlushing = true;
    this.#owner.flushing();
    this.#isFlushing = false;
    const batch = this.#batch;
    this.#batch = [];
    let total = 0;
    for (const exchange of batch) {
      this.#inFlight.push(exchange);
      total += exchange.bytes.length;
    }
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) this.#socket.write(only.bytes);
    else if (total <= JOINED_BYTES_MAX)
      this.#socket.write(
        Buffer.concat(
          batch.map(({ bytes }) => bytes),
          total,
        ),
      );
    else {
      this.#socket.cork();
      for (const { bytes } of batch) this.#socket.write(bytes);
      this.#socket.uncork();
    }
  }

  #receive(chunk: Buffer): void {
    this.#hasHeard = true;
    try {
      this.#parser.push(chunk);
      while (this.#failure === null) {
        const reply = this.#parser.next();
        if (reply === NOT_YET) return;
        if (reply instanceof Push) this.#owner.push(reply.items);
        else this.#answered(reply);
      }
    } catch (thrown) {
      const cause = thrown instanceof Error ? thrown : new Error(String(thrown));
      const code = thrown instanceof CausewayError ? thrown.code : 'Internal';
      this.#fail(new CausewayError(code, `${this.name}: ${cause.message}`, { cause }));
    }
  }

  #answered(reply: Reply): void {
    const exchange = this.#inFlight[this.#firstInFlight];
    if (exchange === undefined) throw new CausewayError('PROTOCOL', 'a reply came that nobody had asked for');
    this.#firstInFlight++;
    // the array is cut now and then, not shifted each time
    if (this.#firstInFlight === this.#inFlight.length || this.#firstInFlight >= 1024) {
      this.#inFlight.splice(0, this.#firstInFlight);
      this.#firstInFlight = 0;
    }
    exchange.done(reply);
  }

  /** One step of silence: after the first something is asked, after the last the server is dead. Where it has been asked already it may be alive and wait. */
  #listen(silentMs: number): void {
    // nobody listens
    if (this.#isPaused) return;
    this.#silentSteps = this.#hasHeard ? 0 : this.#silentSteps + 1;
    this.#hasHeard = false;
    if (this.#silentSteps === 0) this.#deadAtStep = SILENCE_STEPS;
    else if (this.#silentSteps >= this.#deadAtStep) {
      const silentForMs = Math.round((this.#silentSteps / SILENCE_STEPS) * silentMs);
      this.#fail(unavailable(`${this.name} has said nothing for ${silentForMs} ms`));
    } else if (this.pending === 0) this.send({ bytes: PING, done: () => undefined, lost: () => undefined });
    else if (this.#silentSteps % LOOK_STEPS === 0 && this.#inFlight[this.#firstInFlight]?.bytes !== PING)
      lookForLife(this.#address, silentMs / 2, () => this.#livesElsewhere(silentMs));
  }

  #livesElsewhere(silentMs: number): void {
    const last = Math.max(SILENCE_STEPS, Math.floor((WAITING_SILENT_MS / silentMs) * SILENCE_STEPS));
    this.#deadAtStep = Math.min(this.#silentSteps + SILENCE_STEPS, last);
  }

  #fail(error: CausewayError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    clearInterval(this.#silence);
    this.#socket.destroy();
    const sent = this.#inFlight.splice(0).slice(this.#firstInFlight);
    const unsent = this.#batch.splice(0);
    this.#owner.closed(error);
    for (const exchange of sent) exchange.lost(error, true);
    for (const exchange of unsent) exchange.lost(error, false);
  }
}

export function unavailable(message: string, cause?: unknown): CausewayError {
  return new CausewayError('UNAVAILABLE', message, { retry: 'later', ...(cause === undefined ? {} : { cause }) });
}
