import { LoadConnection } from './load-connection.ts';

const EVERY_MS = 2;

/** Asks a server that it answers, again and again, and keeps the longest that it took: what it stood still, seen from outside. */
export class LoopProbe {
  readonly #connection: LoadConnection;
  readonly #timer: NodeJS.Timeout;
  #sentMs = -1;
  #longestMs = 0;

  private constructor(connection: LoadConnection) {
    this.#connection = connection;
    connection.onData(() => this.#answered());
    this.#timer = setInterval(() => this.#ask(), EVERY_MS);
  }

  static async open(port: number): Promise<LoopProbe> {
    return new LoopProbe(await LoadConnection.open(`127.0.0.1:${port}`));
  }

  #ask(): void {
    if (this.#sentMs >= 0) return;
    this.#sentMs = performance.now();
    this.#connection.send('*1\r\n$4\r\nPING\r\n');
  }

  #answered(): void {
    this.#longestMs = Math.max(this.#longestMs, performance.now() - this.#sentMs);
    this.#sentMs = -1;
  }

  /** The longest since the last call, in milliseconds. */
  take(): number {
    const longestMs = this.#sentMs < 0 ? this.#longestMs : Math.max(this.#longestMs, performance.now() - this.#sentMs);
    this.#longestMs = 0;
    return longestMs;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#connection.close();
  }
}
