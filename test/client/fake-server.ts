import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { listOf, Push, textOf } from '../../src/client/replies.ts';
import { NOT_YET, ReplyParser } from '../../src/client/reply-parser.ts';

/** What a request is answered with: bytes as they are sent, null for nothing. */
export type Answer = (args: readonly string[], socket: Socket) => string | null;

/** What a fake takes of an argument. */
export const BULK_BYTES_MAX = 1_000_000;
const HELLO = '%1\r\n$6\r\nserver\r\n$4\r\nfake\r\n';

/** A server whose answers a test writes. What it does not answer it answers as a plain Redis does. */
export class FakeServer {
  readonly port: number;
  /** Every request, in the order in which they came. */
  readonly requests: (readonly string[])[] = [];
  readonly sockets: Set<Socket> = new Set();
  readonly #server: Server;

  private constructor(server: Server, answer: Answer) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => undefined);
      // requests are replies of a kind: arrays of bulk strings
      const parser = new ReplyParser(1e9);
      socket.on('data', (chunk) => {
        parser.push(chunk);
        for (let request = parser.next(); request !== NOT_YET; request = parser.next()) {
          const args = listOf(request instanceof Push ? [] : request).map((arg) => textOf(arg));
          this.requests.push(args);
          const reply = answer(args, socket) ?? null;
          if (reply !== null) socket.write(reply, 'latin1');
        }
      });
    });
  }

  static async start(answer: Answer): Promise<FakeServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const fake = new FakeServer(server, answer);
    onTestFinished(async () => fake.stop());
    return fake;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** What was asked beside what a connection begins with. */
  asked(): string[] {
    return this.requests
      .map((args) => args.join(' '))
      .filter((text) => !/^(HELLO|PING$|CW\.CLASSES|CLIENT|CONFIG GET proto)/.test(text));
  }

  /** Ends all connections, as a crash does. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** The greeting's answers, for a server that has sessions or has not; undefined for any other request. */
export function greeting([command = '']: readonly string[], hasSessions = false): string | undefined {
  switch (command) {
    case 'HELLO':
      return HELLO;
    case 'PING':
      return '+PONG\r\n';
    case 'CLIENT':
      return '+OK\r\n';
    case 'CONFIG':
      return `%1\r\n$18\r\nproto-max-bulk-len\r\n$${String(BULK_BYTES_MAX).length}\r\n${BULK_BYTES_MAX}\r\n`;
    case 'CW.CLASSES':
      return hasSessions ? '*0\r\n' : "-ERR unknown command 'CW.CLASSES'\r\n";
    default:
      return undefined;
  }
}
