import { connect, type Socket } from 'node:net';

const PATIENCE_MS = 20_000;

/** A request as clients send it; words are latin1. */
export function request(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
}

/** A socket that sends and expects raw bytes, as latin1 text. */
export class RawClient {
  readonly socket: Socket;
  #received = '';
  #isClosed = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
      this.#wake();
    });
    // The end is what counts: how it came to it (a reset, an end) is the system's affair.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1' });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  get address(): string {
    return `127.0.0.1:${this.socket.localPort}`;
  }

  send(text: string): this {
    this.socket.write(Buffer.from(text, 'latin1'));
    return this;
  }

  /** Fulfilled when something happens; a test that waits for what never comes says what came instead. */
  async #more(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`nothing came for ${PATIENCE_MS} ms after ${JSON.stringify(this.#received.slice(-300))}`));
      }, PATIENCE_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Takes the next `length` bytes, or fewer when the connection ends before. */
  async take(length: number): Promise<string> {
    while (this.#received.length < length && !this.#isClosed) {
      await this.#more();
    }
    const taken = this.#received.slice(0, length);
    this.#received = this.#received.slice(length);
    return taken;
  }

  /** Takes up to and with `end`. */
  async takeTo(end: string): Promise<string> {
    while (!this.#received.includes(end) && !this.#isClosed) {
      await this.#more();
    }
    const at = this.#received.indexOf(end);
    return this.take(at < 0 ? this.#received.length : at + end.length);
  }

  /** Sends a request and takes one bulk, verbatim or line reply as text. */
  async text(...words: string[]): Promise<string> {
    this.send(request(...words));
    const line = await this.takeTo('\r\n');
    if (!/^[$=]\d/.test(line)) return line.trimEnd();
    const body = await this.take(Number(line.slice(1)) + 2);
    return body.slice(line.startsWith('=') ? 4 : 0, -2);
  }

  /** All that comes until the connection ends. */
  async rest(): Promise<string> {
    while (!this.#isClosed) await this.#more();
    return this.take(this.#received.length);
  }

  /** What has come and was not taken. */
  get pending(): string {
    return this.#received;
  }

  destroy(): void {
    this.socket.destroy();
  }
}
