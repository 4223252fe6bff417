import { LoadConnection } from './load-connection.ts';

const LINE_FEED = 10;

/** A connection that sends some commands together, whose replies are a line each, and waits for all of them before it goes on. */
export class Pipelined {
  readonly #connection: LoadConnection;
  #owed = 0;
  #errors = 0;
  #firstError = '';
  #resolve: (() => void) | null = null;

  private constructor(connection: LoadConnection) {
    this.#connection = connection;
    connection.onData((bytes) => this.#received(bytes));
  }

  static async open(address: string): Promise<Pipelined> {
    return new Pipelined(await LoadConnection.open(address));
  }

  /** Errors that came so far. */
  get errors(): number {
    return this.#errors;
  }

  /** The first of them, as far as it came with its first bytes. */
  get firstError(): string {
    return this.#firstError;
  }

  #received(bytes: Buffer): void {
    let start = 0;
    for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, start)) {
      if (bytes[start] === 0x2d && this.#errors++ === 0) this.#firstError = bytes.toString('utf8', start, at).trim();
      start = at + 1;
      this.#owed--;
    }
    if (this.#owed === 0) this.#resolve?.();
  }

  /** Fulfilled when all of `lines` lines of replies are here. */
  async send(commands: string, lines: number): Promise<void> {
    this.#owed += lines;
    const answered = new Promise<void>((resolve) => (this.#resolve = resolve));
    this.#connection.send(Buffer.from(commands, 'latin1'));
    await answered;
  }

  close(): void {
    this.#connection.close();
  }
}
