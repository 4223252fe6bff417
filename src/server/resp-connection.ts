import type { Socket } from 'node:net';
import { writeNow } from '../adapters/socket-write.ts';
import { OUTPUT_PAUSE_BYTES, UNAUTHENTICATED_OUTPUT_BYTES_MAX } from '../base/client-limits.ts';
import { Outcome } from '../commands/dispatch.ts';
import type { Args, Reply } from '../commands/context.ts';
import type { RequestsBehind } from '../commands/fetch-ahead.ts';
import type { ClientConnection, Session } from '../commands/session.ts';
import { ReplyWriter } from '../wire/resp/reply-writer.ts';
import { Parsed, RequestParser } from '../wire/resp/request-parser.ts';
import { OutputGuard } from './output-guard.ts';
import type { AdoptedSocket } from './resp-socket.ts';
import type { RespServices } from './resp-services.ts';
import type { TurnParticipant } from './resp-turns.ts';
import { WaitTimer } from './wait-timer.ts';

/** How long a connection that we end may take to take what it was sent. */
const LINGER_MS = 1000;
/** Replies that are sent at once where they are more: a client with much to take begins to take it. */
const REPLY_BYTES_TOGETHER_MAX = 16_384;

/** One client connection: bytes to requests, replies to bytes, and the rules of when to read, to wait and to give up. */
export class RespConnection implements ClientConnection, RequestsBehind, TurnParticipant {
  readonly address: string;
  readonly localAddress: string;
  readonly descriptor: number;
  readonly reply: ReplyWriter;
  readonly session: Session;
  readonly #services: RespServices;
  readonly #adopted: AdoptedSocket;
  readonly #socket: Socket;
  readonly #parser: RequestParser;
  readonly #guard: OutputGuard = new OutputGuard();
  /** Pushes that came while a request was running. */
  #pushes: ReplyWriter | null = null;
  /** Requests wait: for CLIENT PAUSE, or for the client to take its output. */
  #isPaused = false;
  #isDraining = false;
  #isClosing = false;
  #isClosed = false;
  readonly #wait: WaitTimer;

  constructor(services: RespServices, adopted: AdoptedSocket) {
    this.#services = services;
    const { socket, descriptor } = adopted;
    this.#adopted = adopted;
    this.#socket = socket;
    this.descriptor = descriptor;
    this.address = addressText(socket.remoteAddress, socket.remotePort);
    this.localAddress = addressText(socket.localAddress, socket.localPort);
    this.reply = new ReplyWriter(services.chunks);
    const { settings } = services.state;
    const limits = {
      get bulkBytesMax() {
        return settings.bulkBytesMax;
      },
    };
    this.#parser = new RequestParser(limits, services.ahead);
    this.session = services.state.clients.open(this, services.state.time.wallMs());
    this.#wait = new WaitTimer(services, this.session);
    services.state.authentication.enter(this.session, services.state.time.monotonicMs());
    socket.on('error', (error) => this.close(error.message));
    socket.on('end', () => this.#ended());
    socket.on('drain', () => this.#drained());
    socket.on('close', () => this.close('closed'));
  }

  // ── what is received ──

  /** Takes `bytes` bytes from the shared read buffer, in a turn of its own. */
  receive(bytes: number): void {
    const { readBuffer, state, touched } = this.#services;
    if (this.#isClosing) return;
    state.stats.netInputBytes += bytes;
    this.#parser.feed(readBuffer.bytes, readBuffer.start, readBuffer.start + bytes);
    const isTouched = this.#runRequests();
    this.#parser.keep();
    this.#checkQueryBytes();
    this.#sendSoon();
    if (isTouched) touched();
  }

  /** What is little is sent with what the other connections are replied. */
  #sendSoon(): void {
    const { length } = this.reply;
    if (this.#isClosing || length > REPLY_BYTES_TOGETHER_MAX) this.flush();
    else if (length > 0) this.#services.turns.replyLater(this);
  }

  /** Runs requests that waited. */
  continueRequests(): void {
    if (this.#isClosing) return;
    this.#isPaused = false;
    this.#services.state.clients.paused.delete(this.session);
    const isTouched = this.#runRequests();
    this.#parser.keep();
    this.flush();
    if (isTouched) this.#services.touched();
  }

  /** Runs what can be run. Says whether the node has to be flushed at the end of the turn. */
  #runRequests(): boolean {
    const { dispatcher, args } = this.#services;
    const { session } = this;
    // what came while one waits is behind it
    if (session.blocked !== null) this.#askAhead();
    dispatcher.beginTurn();
    while (session.blocked === null && !this.#isPaused && this.#mayReply()) {
      this.#parser.authenticated = this.#services.state.authentication.isAdmitted(session);
      const parsed = this.#parser.next(args);
      if (parsed === Parsed.Incomplete) {
        if (session.ahead !== null) this.#services.state.fetching.endAhead(session);
        break;
      }
      if (parsed === Parsed.Broken) {
        this.#services.state.stats.countError('ERR');
        this.reply.error('ERR', this.#parser.failure);
        this.closeAfterReply();
        break;
      }
      this.#ranRequest(dispatcher.execute(session, args));
    }
    this.#parser.shrink();
    return dispatcher.endTurn();
  }

  #ranRequest(outcome: Outcome): void {
    if (outcome === Outcome.Done && this.#pushes === null) return;
    switch (outcome) {
      case Outcome.Done:
        break;
      case Outcome.Deferred:
        this.#parser.putBack();
        this.#wait.arm();
        this.#askAhead();
        break;
      case Outcome.Blocked:
        this.#wait.arm();
        break;
      case Outcome.Paused:
        this.#parser.putBack();
        this.#isPaused = true;
        this.#services.paused.add(this);
        this.#services.state.clients.paused.add(this.session);
        break;
      case Outcome.Foreign:
        this.close('POST or Host: is not a request of a Redis client');
        break;
    }
    this.#appendPushes();
  }

  #askAhead(): void {
    if (this.session.ahead !== null) this.#services.state.fetching.askAhead(this.session, this);
  }

  requestsBehind(from: number, each: (args: Args) => boolean): void {
    const { args, scan } = this.#services.behind;
    // the first is the one that waits
    this.#parser.look(from + 1, scan, args, each);
    args.release();
  }

  /** Whether the client takes its output; otherwise no more is made for it. */
  #mayReply(): boolean {
    const pauseBytes = this.session.authenticated ? OUTPUT_PAUSE_BYTES : UNAUTHENTICATED_OUTPUT_BYTES_MAX;
    if (this.reply.length > pauseBytes) this.flush();
    return !this.#isDraining && !this.#isClosing;
  }

  /** Stops reading from a client that has too much to take, until it has taken it. */
  #pauseIfSlow(): void {
    if (this.#isDraining || this.#isClosed || this.#socket.writableLength <= OUTPUT_PAUSE_BYTES) return;
    this.#isDraining = true;
    this.#socket.pause();
  }

  #drained(): void {
    if (!this.#isDraining) return;
    this.#isDraining = false;
    this.#socket.resume();
    this.#services.turns.continueLater(this);
  }

  #checkQueryBytes(): void {
    const { settings, stats } = this.#services.state;
    if (this.#parser.pendingBytes <= settings.queryBufferBytesMax) return;
    stats.queryBufferDisconnections++;
    this.close(`query buffer is over client-query-buffer-limit ${settings.queryBufferBytesMax}`);
  }

  // ── waiting ──

  resume(): void {
    this.#wait.clear();
    this.#services.turns.continueLater(this);
  }

  // ── what is sent ──

  setRespVersion(version: 2 | 3): void {
    this.reply.respVersion = version;
    if (this.#pushes !== null) this.#pushes.respVersion = version;
  }

  beginPush(): Reply {
    if (!this.session.running) return this.reply;
    if (this.#pushes === null) {
      this.#pushes = new ReplyWriter(this.#services.chunks);
      this.#pushes.respVersion = this.reply.respVersion;
    }
    return this.#pushes;
  }

  endPush(): void {
    this.#services.turns.flushLater(this);
    // Far more than a socket takes at once: it is sent before the end of the turn, so that the limits see what is left.
    if (this.reply.length > OUTPUT_PAUSE_BYTES && !this.session.running) this.flush();
    else this.checkOutput();
  }

  #appendPushes(): void {
    const pushes = this.#pushes;
    if (pushes === null || pushes.length === 0) return;
    const { length } = pushes;
    const chunk = pushes.detach();
    this.reply.raw(chunk.bytes, 0, length);
    this.#services.chunks.give(chunk);
  }

  flush(): void {
    const { length } = this.reply;
    if (this.session.holdsReplies && !this.#isClosing) return;
    if (length > 0 && !this.#isClosed) {
      const { chunks, state } = this.#services;
      const chunk = this.reply.detach();
      const { bytes } = chunk;
      state.stats.netOutputBytes += length;
      const taken = writeNow(this.#adopted, bytes, length);
      // a Buffer, because a stream makes one of any other view
      if (taken < length) this.#socket.write(Buffer.from(bytes.buffer, bytes.byteOffset + taken, length - taken));
      if (this.#socket.writableLength === 0) {
        // The kernel has taken it all: the buffer can be used again.
        chunks.give(chunk);
        this.#guard.taken();
      } else {
        this.checkOutput();
        this.#pauseIfSlow();
      }
    }
    if (this.#isClosing) this.#end();
  }

  /** Disconnects a client whose output grows and is not taken. */
  checkOutput(): void {
    if (this.#isClosed) return;
    const { state } = this.#services;
    if (!this.session.authenticated && this.outputBytes > UNAUTHENTICATED_OUTPUT_BYTES_MAX) {
      state.stats.outputBufferDisconnections++;
      this.close(`over ${UNAUTHENTICATED_OUTPUT_BYTES_MAX} bytes of replies not taken before authentication`);
      return;
    }
    const limit = state.settings.outputLimits[this.session.type];
    const excess = this.#guard.excess(this.outputBytes, limit, state.time.monotonicMs());
    if (excess === null) return;
    state.stats.outputBufferDisconnections++;
    this.close(excess);
  }

  get outputBytes(): number {
    return this.reply.length + (this.#pushes?.length ?? 0) + this.#socket.writableLength;
  }

  get queryBytes(): number {
    return this.#parser.pendingBytes;
  }

  get queryFreeBytes(): number {
    return this.#parser.freeBytes;
  }

  // ── the end ──

  /** The client sends nothing more; what it asked for is answered. */
  #ended(): void {
    if (this.session.blocked !== null || this.#isPaused) this.close('closed by the client');
    else this.closeAfterReply();
  }

  closeAfterReply(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#services.turns.flushLater(this);
  }

  /** Sends the end; whoever does not take it in time is cut off. */
  #end(): void {
    if (this.#isClosed) return;
    this.#forget('closed');
    const socket = this.#socket;
    socket.end();
    // Reading goes on, into nothing: a socket closed with bytes unread would take the last reply back.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('end', () => socket.destroy());
    socket.once('close', () => clearTimeout(timer));
    if (socket.readableEnded) socket.destroySoon();
  }

  close(reason: string): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosing = true;
    this.#forget(reason);
    this.#socket.destroy();
  }

  #forget(reason: string): void {
    this.#isClosed = true;
    const { log, paused, state, turns, connections } = this.#services;
    this.#wait.clear();
    state.leave(this.session);
    state.clients.close(this.session);
    paused.delete(this);
    turns.drop(this);
    connections.delete(this);
    log.debug('client disconnected', { client: this.session.id, address: this.address, reason });
  }
}

/** `127.0.0.1:5000`, `[::1]:5000` */
function addressText(host: string | undefined, port: number | undefined): string {
  if (host === undefined || port === undefined) return '?:0';
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
