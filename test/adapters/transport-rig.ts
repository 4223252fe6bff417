import { onTestFinished, vi } from 'vitest';
import { WsTransport, type TransportOptions } from '../../src/adapters/ws-transport.ts';
import type { PeerConnection, TransportEvents } from '../../src/ports.ts';

/** A transport on a free port that keeps what happened to it. */
export class Recorder implements TransportEvents {
  readonly opens: PeerConnection[] = [];
  readonly frames: { readonly connection: PeerConnection; readonly frame: Uint8Array }[] = [];
  readonly closes: { readonly connection: PeerConnection; readonly reason: string }[] = [];
  readonly dialFailures: string[] = [];
  readonly refusals: string[] = [];
  transport: WsTransport;
  port = 0;
  /** Called at each open, for a test that acts there. */
  onOpened: (connection: PeerConnection) => void = () => undefined;
  onFrame: (connection: PeerConnection, frame: Uint8Array) => void = () => undefined;

  constructor(options: Partial<TransportOptions> = {}) {
    this.transport = new WsTransport(
      {
        host: '127.0.0.1',
        port: 0,
        entropy: { unit: () => 0.5, bytes: (count) => new Uint8Array(count) },
        dialFailed: (_node, _kind, reason) => this.dialFailures.push(reason),
        refused: (kind, reason) => this.refusals.push(`${kind}: ${reason}`),
        ...options,
      },
      this,
    );
    onTestFinished(() => this.transport.close('the test is over'));
  }

  async listen(): Promise<this> {
    this.port = await this.transport.listen();
    return this;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  /** Connections that are open now. */
  get open(): PeerConnection[] {
    const over = new Set(this.closes.map(({ connection }) => connection));
    return this.opens.filter((connection) => !over.has(connection));
  }

  opened(connection: PeerConnection): void {
    this.opens.push(connection);
    this.onOpened(connection);
  }

  frame(connection: PeerConnection, frame: Uint8Array): void {
    this.frames.push({ connection, frame });
    this.onFrame(connection, frame);
  }

  closed(connection: PeerConnection, reason: string): void {
    this.closes.push({ connection, reason });
  }
}

/** Waits until the condition holds, for up to half a minute. */
export function until(condition: () => boolean, what: string): Promise<void> {
  return vi.waitUntil(condition, { timeout: 30_000, interval: 5 }).then(
    () => undefined,
    () => {
      throw new Error(`never came: ${what}`);
    },
  );
}
