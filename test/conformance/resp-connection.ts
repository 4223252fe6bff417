import { connect, type Socket } from 'node:net';
import type { ReplyValue } from './reply-value.ts';

type AggregateKind = 'array' | 'set' | 'push' | 'map';

const AGGREGATES: Readonly<Record<string, AggregateKind>> = { '*': 'array', '~': 'set', '>': 'push', '%': 'map' };
const LINES: Readonly<Record<string, 'simple' | 'error' | 'integer' | 'double' | 'boolean'>> = {
  '+': 'simple',
  '-': 'error',
  ':': 'integer',
  ',': 'double',
  '#': 'boolean',
};

/** Reads one reply at `at`, null while it is not all there. A reader of our own, so that what is tested is not what tests. */
function readReply(buf: Buffer, at: number): { reply: ReplyValue; next: number } | null {
  const lineEnd = buf.indexOf('\r\n', at);
  if (lineEnd < 0) return null;
  const sign = String.fromCharCode(buf[at] ?? 0);
  const line = buf.toString('latin1', at + 1, lineEnd);
  const next = lineEnd + 2;
  const lineKind = LINES[sign];
  if (lineKind !== undefined) return { reply: { kind: lineKind, text: line }, next };
  if (sign === '_') return { reply: { kind: 'null' }, next };
  if (line === '-1') return { reply: { kind: sign === '$' ? 'null' : 'null-array' }, next };
  if (sign === '$' || sign === '=') {
    const end = next + Number(line);
    if (buf.length < end + 2) return null;
    const text = buf.toString('latin1', sign === '=' ? next + 4 : next, end);
    return { reply: { kind: sign === '$' ? 'bulk' : 'verbatim', text }, next: end + 2 };
  }
  const kind = AGGREGATES[sign];
  if (kind === undefined) throw new Error(`no RESP reply begins with ${JSON.stringify(sign + line)}`);
  return readItems(buf, next, kind, Number(line) * (kind === 'map' ? 2 : 1));
}

function readItems(
  buf: Buffer,
  from: number,
  kind: AggregateKind,
  count: number,
): { reply: ReplyValue; next: number } | null {
  const items: ReplyValue[] = [];
  let at = from;
  for (let index = 0; index < count; index++) {
    const item = readReply(buf, at);
    if (item === null) return null;
    items.push(item.reply);
    at = item.next;
  }
  return { reply: { kind, items }, next: at };
}

/** A request as RESP bytes. Words are latin1. */
function encodeRequest(words: readonly string[]): Buffer {
  const parts = words.map((word) => `$${word.length}\r\n${word}\r\n`);
  return Buffer.from(`*${words.length}\r\n${parts.join('')}`, 'latin1');
}

/** One connection to a RESP server, for tests. */
export class RespConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  readonly #pushes: ReplyValue[] = [];
  readonly #waiting: { resolve: (reply: ReplyValue) => void; reject: (error: Error) => void }[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  static async open(port: number, host = '127.0.0.1'): Promise<RespConnection> {
    const socket = connect({ port, host });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RespConnection(socket);
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    let at = 0;
    for (;;) {
      const read = readReply(this.#received, at);
      if (read === null) break;
      at = read.next;
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#pushes.push(read.reply);
      else waiting.resolve(read.reply);
    }
    this.#received = this.#received.subarray(at);
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /** The next reply that nothing asked for: a message of a subscription. */
  async push(): Promise<ReplyValue> {
    const first = this.#pushes.shift();
    if (first !== undefined) return first;
    return await new Promise<ReplyValue>((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Sends requests in one write and gives the replies in their order. */
  async pipeline(requests: readonly (readonly string[])[]): Promise<ReplyValue[]> {
    const replies = requests.map(
      () => new Promise<ReplyValue>((resolve, reject) => this.#waiting.push({ resolve, reject })),
    );
    this.#socket.write(Buffer.concat(requests.map(encodeRequest)));
    return await Promise.all(replies);
  }

  async request(...words: string[]): Promise<ReplyValue> {
    const [reply] = await this.pipeline([words]);
    if (reply === undefined) throw new Error('a request has a reply');
    return reply;
  }

  close(): void {
    this.#socket.destroy();
  }
}
