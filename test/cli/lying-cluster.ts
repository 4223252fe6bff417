import { createServer, type Server, type Socket } from 'node:net';
import { RespParser, type RespValue } from '../../src/cli/resp-client.ts';

/** What a pretended cluster does wrong; null for nothing. */
export type Lie =
  | null
  /** The second node answers strong reads with what was there before the last write. */
  | 'stale strong reads'
  /** The second node shows half of the causal keys half a second late. */
  | 'causes after effects'
  /** Every fifth increment is answered and forgotten. */
  | 'lost increments'
  /** A request that is asked again under its id is run again. */
  | 'doubled requests'
  /** Members that were removed are there again at the end. */
  | 'removed members come back'
  /** The second node shows its own values at the end. */
  | 'different values'
  /** The second node shows the second half of what was written at once half a second late. */
  | 'halves of writes'
  /** EXEC runs whatever was written since WATCH. */
  | 'watches ignored'
  /** What is to expire some time is gone soon. */
  | 'early expiries'
  /** Who is removed from a set does not come in again. */
  | 'removals that last';

/** What a connection has begun. */
interface Client {
  readonly at: number;
  readonly region: string;
  queue: (readonly string[])[] | null;
  readonly watched: Map<string, string | null>;
}

const REGIONS = ['us-east-1', 'eu-west-1'];
const LATE_MS = 500;
const EARLY_MS = 200;

type Reply = string | number | null | readonly Reply[] | Error;

/** What all nodes have, and what one of them makes of it. */
interface Stored {
  readonly value: string | Set<string>;
  readonly before: string | null;
  readonly since: number;
  readonly expiresMs: number;
}

/** Two nodes that answer as one: one store behind both, so that every promise holds but for the lie. */
export class LyingCluster {
  readonly #lie: Lie;
  readonly #keys: Map<string, Stored> = new Map();
  readonly #removed: Map<string, Set<string>> = new Map();
  /** By the ids of requests that have one. */
  readonly #answered: Map<string, Reply> = new Map();
  readonly #servers: Server[] = [];
  readonly #sockets: Set<Socket> = new Set();
  #increments = 0;
  /** Whether marks were written: the run looks at what there is in the end. */
  #isEnd = false;
  /** Keys that nobody of the run wrote. */
  readonly others: ReadonlyMap<string, string> = new Map([['theirs', 'untouched']]);

  private constructor(lie: Lie) {
    this.#lie = lie;
    for (const [key, value] of this.others) this.#set(key, value);
  }

  static async start(lie: Lie = null): Promise<LyingCluster> {
    const cluster = new LyingCluster(lie);
    for (const [at, region] of REGIONS.entries()) {
      const server = createServer((socket) => cluster.#serve(socket, at, region));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      cluster.#servers.push(server);
    }
    return cluster;
  }

  /** `host:port,host:port` */
  get addresses(): string {
    return this.#servers.map((server) => `127.0.0.1:${portOf(server)}`).join(',');
  }

  /** All keys that are there. */
  get keys(): string[] {
    return [...this.#keys.keys()];
  }

  /** The second node is gone. */
  async endSecond(): Promise<void> {
    const [, server] = this.#servers;
    for (const socket of this.#sockets) if (socket.localPort === portOf(server)) socket.destroy();
    await new Promise((resolve) => server?.close(resolve));
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #serve(socket: Socket, at: number, region: string): void {
    const parser = new RespParser();
    const client: Client = { at, region, queue: null, watched: new Map() };
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk) => {
      parser.push(chunk);
      for (let command = parser.next(); command !== undefined; command = parser.next())
        socket.write(encoded(this.#answerTo(client, (command as readonly RespValue[]).map(String))));
    });
  }

  /** Transactions, and all else as it is answered by itself. */
  #answerTo(client: Client, command: readonly string[]): Reply {
    const { at, queue, region, watched } = client;
    const word = (command[0] ?? '').toUpperCase();
    switch (word) {
      case 'WATCH':
        for (const key of command.slice(1)) watched.set(key, this.#text(key));
        return 'OK';
      case 'UNWATCH':
        watched.clear();
        return 'OK';
      case 'MULTI':
        client.queue = [];
        return 'OK';
      case 'EXEC': {
        const isFree = [...watched].every(([key, before]) => this.#text(key) === before);
        client.queue = null;
        watched.clear();
        if (!isFree && this.#lie !== 'watches ignored') return null;
        return (queue ?? []).map((each) => this.#answer(at, region, each));
      }
      default:
        if (queue === null) return this.#answer(at, region, command);
        queue.push(command);
        return 'QUEUED';
    }
  }

  #answer(at: number, region: string, [word = '', key = '', ...rest]: readonly string[]): Reply {
    switch (word.toUpperCase()) {
      case 'CW.NODE':
        return ['id', `${region}/a`, 'region', region];
      case 'CW.CLASSES':
        return key === 'EXPLAIN' ? ['audit', 'none'] : [classRow('position:*', 'strong'), classRow(null, 'causal')];
      case 'CW.HOME':
        return key.startsWith('position:') ? ['us-east-1', 'us-east-1/a', 'us-east-1/region'] : null;
      case 'CW.LEVEL':
      case 'CW.ATTACH':
        return 'OK';
      case 'CW.TOKEN':
        return 'token';
      case 'CW.ONCE':
        return this.#once(key, () => this.#answer(at, region, rest.slice(1)));
      case 'GET':
        return this.#shown(key, at);
      case 'MGET':
        return [key, ...rest].map((each) => this.#shown(each, at));
      case 'CW.GET':
        return [
          rest[1] === 'strong' && at === 1 && this.#lie === 'stale strong reads'
            ? this.#before(key)
            : this.#shown(key, at),
          0,
          region,
        ];
      case 'SET':
        return this.#write(key, rest);
      case 'MSET':
        for (const [index, each] of [key, ...rest].entries()) if (index % 2 === 0) this.#set(each, rest[index] ?? '');
        return 'OK';
      case 'PEXPIRE':
      case 'PERSIST':
        return this.#expire(key, rest[0] === undefined ? Infinity : Date.now() + Number(rest[0]));
      case 'TYPE':
        return this.#typeOf(key);
      case 'PEXPIRETIME':
        return -1;
      case 'CW.CAS':
        if (this.#text(key) !== rest[0]) return 0;
        this.#set(key, rest[1] ?? '');
        return 1;
      case 'DEL':
        return this.#keys.delete(key) ? 1 : 0;
      case 'INCRBY':
        return this.#add(key, Number(rest[0]));
      default:
        return this.#answerOfSets(word.toUpperCase(), key, rest[0] ?? '');
    }
  }

  /** What was answered the first time. */
  #once(id: string, run: () => Reply): Reply {
    const before = this.#answered.get(id);
    if (before !== undefined && this.#lie !== 'doubled requests') return before;
    const reply = run();
    this.#answered.set(id, reply);
    return reply;
  }

  #answerOfSets(word: string, key: string, member: string): Reply {
    const set = this.#setAt(key);
    switch (word) {
      case 'SADD':
        if (this.#lie !== 'removals that last' || this.#removed.get(key)?.has(member) !== true) set.add(member);
        return 1;
      case 'SREM': {
        const removed = this.#removed.get(key) ?? new Set();
        this.#removed.set(key, removed.add(member));
        return set.delete(member) ? 1 : 0;
      }
      case 'SISMEMBER':
        return set.has(member) ? 1 : 0;
      case 'SMEMBERS':
        return [...set, ...(this.#lie === 'removed members come back' ? (this.#removed.get(key) ?? []) : [])];
      default:
        return new Error(`ERR unknown command ${word}`);
    }
  }

  #write(key: string, [value = '', option, ms]: readonly string[]): Reply {
    if (key.includes('mark')) this.#isEnd = true;
    if (option === 'NX' && this.#text(key) !== null) return null;
    const ttlMs = option !== 'PX' ? Infinity : this.#lie === 'early expiries' ? EARLY_MS : Number(ms);
    this.#set(key, value, Date.now() + ttlMs);
    return 'OK';
  }

  #expire(key: string, expiresMs: number): Reply {
    const stored = this.#keys.get(key);
    if (stored === undefined || this.#typeOf(key) === 'none') return 0;
    this.#keys.set(key, { ...stored, expiresMs });
    return 1;
  }

  #typeOf(key: string): string {
    const stored = this.#keys.get(key);
    if (stored === undefined || stored.expiresMs <= Date.now()) return 'none';
    return typeof stored.value === 'string' ? 'string' : 'set';
  }

  #add(key: string, amount: number): Reply {
    const sum = Number(this.#text(key) ?? '0') + amount;
    this.#increments++;
    if (this.#lie !== 'lost increments' || this.#increments % 5 !== 0) this.#set(key, String(sum));
    return sum;
  }

  #set(key: string, value: string, expiresMs = Infinity): void {
    this.#keys.set(key, { value, before: this.#text(key), since: Date.now(), expiresMs });
  }

  #setAt(key: string): Set<string> {
    const stored = this.#keys.get(key);
    if (stored !== undefined && typeof stored.value !== 'string') return stored.value;
    const value = new Set<string>();
    this.#keys.set(key, { value, before: null, since: 0, expiresMs: Infinity });
    return value;
  }

  #text(key: string): string | null {
    const stored = this.#keys.get(key);
    return stored === undefined || typeof stored.value !== 'string' || stored.expiresMs <= Date.now()
      ? null
      : stored.value;
  }

  #before(key: string): string | null {
    return this.#keys.get(key)?.before ?? null;
  }

  /** What a node says a key holds. */
  #shown(key: string, at: number): string | null {
    const value = this.#text(key);
    if (at === 0 || value === null) return value;
    if (this.#lie === 'different values' && this.#isEnd && /r\d$/.test(key)) return this.#before(key);
    const isLate =
      (this.#lie === 'causes after effects' && /r[024]$/.test(key)) ||
      (this.#lie === 'halves of writes' && key.endsWith('.other'));
    if (isLate && Date.now() - (this.#keys.get(key)?.since ?? 0) < LATE_MS) return this.#before(key);
    return value;
  }
}

function portOf(server: Server | undefined): number {
  const address = server?.address() ?? null;
  return address !== null && typeof address === 'object' ? address.port : 0;
}

function classRow(pattern: string | null, consistency: string): Reply {
  const patterns = pattern === null ? [] : [pattern];
  return [
    'class',
    pattern ?? 'default',
    'patterns',
    patterns,
    'consistency',
    consistency,
    'ttl-ms',
    null,
    'conflict',
    'lww',
  ];
}

function encoded(reply: Reply): string {
  if (reply === null) return '$-1\r\n';
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`;
  if (reply instanceof Error) return `-${reply.message}\r\n`;
  return `*${reply.length}\r\n${reply.map(encoded).join('')}`;
}
