import { connect, type Socket } from 'node:net';

/** A connection that sends prepared bytes and hands out what comes back, with no more work than that: the client of the benches. */
export class LoadConnection {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Connects to `host:port`. */
  static async open(address: string): Promise<LoadConnection> {
    const [host, port] = address.split(':');
    const socket = connect({ host: host ?? '127.0.0.1', port: Number(port), noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new LoadConnection(socket);
  }

  onData(listener: (bytes: Buffer) => void): void {
    this.#socket.on('data', listener);
  }

  send(bytes: Buffer | string): void {
    this.#socket.write(bytes);
  }

  /** Sends one command and waits for its reply's bytes: for setting up, on a connection that nothing else uses meanwhile. */
  async command(...args: string[]): Promise<string> {
    this.send(encode(args));
    return await new Promise((resolve) => this.#socket.once('data', (bytes) => resolve(bytes.toString('latin1'))));
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** A command in RESP. */
export function encode(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg, 'latin1')}\r\n${arg}\r\n`).join('')}`;
}
