import { WebSocket } from 'ws';
import type { Socket } from 'node:net';
import type { Entropy, LinkKind } from '../ports.ts';
import { PEER_PATHS } from './ws-connection.ts';

const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 1000;
/** A connection that lived this long was a good one: the next dial after it starts with the shortest wait again. */
const SETTLED_MS = 1000;
/** What is read of a refusal, to be told. */
const REFUSAL_BYTES_MAX = 512;

export interface DialOptions {
  readonly kind: LinkKind;
  /** The subprotocol that both ends must speak. */
  readonly protocol: string;
  readonly frameBytesMax: number;
  readonly handshakeTimeoutMs: number;
  readonly entropy: Entropy;
}

export interface DialEvents {
  connected(webSocket: WebSocket, socket: Socket): void;
  failed(reason: string): void;
}

/**
 * Keeps one connection to one URL: dials, and dials again after a failure or an end, after a wait that doubles from 50 ms
 * to 1 s, of which a random half is left out, so that nodes that lost each other at once do not come back at once.
 */
export class Dialler {
  readonly #options: DialOptions;
  readonly #events: DialEvents;
  #url: string;
  #attempts = 0;
  #connectedAtMs: number | null = null;
  #dialling: WebSocket | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(url: string, options: DialOptions, events: DialEvents) {
    this.#url = url;
    this.#options = options;
    this.#events = events;
    this.#dial();
  }

  /** Takes another URL for the next dial; one that is being waited for is made at once. */
  setUrl(url: string): void {
    if (url === this.#url) return;
    this.#url = url;
    this.#attempts = 0;
    this.dialNow();
  }

  /** Dials at once where a dial is waited for: what was in the way is gone. */
  dialNow(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#dial();
  }

  /** The connection that was handed out is over: dials again after the wait. */
  ended(): void {
    const livedMs = this.#connectedAtMs === null ? 0 : performance.now() - this.#connectedAtMs;
    this.#connectedAtMs = null;
    if (livedMs >= SETTLED_MS) this.#attempts = 0;
    this.#dialLater();
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#dialling?.terminate();
  }

  #dialLater(): void {
    if (this.#isStopped) return;
    const longestMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#attempts);
    this.#attempts++;
    this.#timer = setTimeout(() => this.#dial(), longestMs * (1 - this.#options.entropy.unit() / 2));
  }

  #dial(): void {
    this.#timer = null;
    let webSocket: WebSocket;
    try {
      webSocket = new WebSocket(new URL(PEER_PATHS[this.#options.kind], this.#url), this.#options.protocol, {
        perMessageDeflate: false,
        // in the order in which they came, beside those that are read past it
        allowSynchronousEvents: true,
        followRedirects: false,
        autoPong: false,
        maxPayload: this.#options.frameBytesMax,
        handshakeTimeout: this.#options.handshakeTimeoutMs,
        // Masking keeps a browser's page from speaking to a proxy in words of its choice. Both ends are ours: a mask of
        // zeros says so and saves a pass over every byte.
        generateMask: (mask) => mask.fill(0),
      });
    } catch (error) {
      this.#events.failed(error instanceof Error ? error.message : String(error));
      return this.#dialLater();
    }
    this.#follow(webSocket);
  }

  #follow(webSocket: WebSocket): void {
    this.#dialling = webSocket;
    let socket: Socket | null = null;
    let reason = 'closed before it was open';
    let refusal = '';
    const noteError = (error: Error): void => void (reason = error.message);
    const failed = (): void => {
      this.#dialling = null;
      if (this.#isStopped) return;
      this.#events.failed(refusal === '' ? reason : refusal);
      this.#dialLater();
    };
    webSocket.once('upgrade', (response) => (socket = response.socket));
    webSocket.on('error', noteError);
    webSocket.once('unexpected-response', (_request, response) => {
      refusal = `refused with ${response.statusCode ?? 'nonsense'}`;
      response.setEncoding('utf8');
      response.once('data', (text: string) => (refusal += `: ${text.slice(0, REFUSAL_BYTES_MAX).trim()}`));
      for (const end of ['data', 'end', 'error', 'close']) response.once(end, () => webSocket.terminate());
    });
    webSocket.once('close', failed);
    webSocket.once('open', () => {
      if (socket === null || this.#isStopped) return webSocket.terminate();
      this.#dialling = null;
      this.#connectedAtMs = performance.now();
      webSocket.off('close', failed);
      this.#events.connected(webSocket, socket);
      webSocket.off('error', noteError);
    });
  }
}
