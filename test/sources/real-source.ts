import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A write that it was given. */
export interface GivenWrite {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly version: string;
}

/** A database that answers over HTTP: a real server on a free port, which keeps what it was asked and given. */
export class RealSource {
  readonly asked: string[] = [];
  readonly given: GivenWrite[] = [];
  /** Answers a write once it came whole. */
  take: (write: GivenWrite, response: ServerResponse) => void = (_write, response) => response.writeHead(204).end();
  answer: (path: string, response: ServerResponse) => void = (path, response) => response.end(`value of ${path}`);
  /** How many were made to it. */
  connections = 0;
  #port = 0;
  readonly #server = createServer((request, response) => {
    const path = request.url ?? '';
    if (request.method !== 'GET') {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = Buffer.concat(parts).toString('latin1');
        const version = String(request.headers['causeway-version']);
        const write = { method: request.method ?? '', path, body, version };
        this.given.push(write);
        this.take(write, response);
      });
      return;
    }
    this.asked.push(path);
    this.answer(path, response);
  });

  static async start(): Promise<RealSource> {
    const source = new RealSource();
    source.#server.on('connection', () => source.connections++);
    await new Promise<void>((resolve) => source.#server.listen(0, '127.0.0.1', resolve));
    source.#port = (source.#server.address() as AddressInfo).port;
    return source;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
