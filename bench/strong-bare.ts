import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Three processes that do what no program of three voters can leave out, and nothing else. */
export interface BareCluster {
  /** `host:port` */
  readonly leader: string;
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

const SELF = fileURLToPath(import.meta.url);
const OK = Buffer.from('+OK\r\n');
const LENGTH_BYTES = 4;
const SECTOR_BYTES = 512;
const FILE_BYTES = 4 * 1024 * 1024;
const MAJORITY = 2;

/**
 * The limit of a quorum's writes on this machine: Node, sockets and disk alone. The leader reads what clients send, sends it to both followers, writes it to a
 * file that has its size already (O_DSYNC) and replies when one follower has said that it did the same. Nothing is parsed, kept or looked up, and
 * a request is taken for one whatever it is.
 */
export async function startBare(): Promise<BareCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-bench-bare-'));
  const children: ChildProcess[] = [];
  const start = async (...args: readonly string[]): Promise<number> => {
    const child = fork(SELF, [join(folder, String(children.length)), ...args]);
    children.push(child);
    const [port] = (await once(child, 'message')) as [number];
    return port;
  };
  const followers = [await start(), await start()];
  const port = await start(...followers.map(String));
  return {
    leader: `127.0.0.1:${port}`,
    pids: children.map(({ pid }) => pid ?? 0),
    stop: async () => {
      await Promise.all(children.map(async (child) => await ended(child)));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

// ── in the processes ──

/** Writes so many bytes of whatever there is, durably. */
function openJournal(file: string): (bytes: number) => void {
  const zeros = Buffer.alloc(FILE_BYTES);
  const made = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC);
  writeSync(made, zeros);
  closeSync(made);
  const descriptor = openSync(file, constants.O_RDWR | constants.O_DSYNC);
  let at = 0;
  return (bytes) => {
    const length = Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
    if (at + length > FILE_BYTES) at = 0;
    at += writeSync(descriptor, zeros, 0, length, at);
  };
}

/** Calls back with the number of bytes that each turn's batches have, and of requests in them. */
function onBatches(socket: Socket, take: (bytes: number, requests: number) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (data) => {
    const received = rest.length === 0 ? data : Buffer.concat([rest, data]);
    let [at, bytes, requests] = [0, 0, 0];
    while (received.length - at >= 2 * LENGTH_BYTES) {
      const length = received.readUInt32LE(at);
      if (received.length - at < 2 * LENGTH_BYTES + length) break;
      requests += received.readUInt32LE(at + LENGTH_BYTES);
      bytes += length;
      at += 2 * LENGTH_BYTES + length;
    }
    rest = received.subarray(at);
    if (requests > 0) take(bytes, requests);
  });
}

function batch(body: Buffer, requests: number): Buffer {
  const bytes = Buffer.allocUnsafe(2 * LENGTH_BYTES + body.length);
  bytes.writeUInt32LE(body.length);
  bytes.writeUInt32LE(requests, LENGTH_BYTES);
  body.copy(bytes, 2 * LENGTH_BYTES);
  return bytes;
}

function follow(socket: Socket, write: (bytes: number) => void): void {
  onBatches(socket, (bytes, requests) => {
    write(bytes);
    socket.write(batch(Buffer.alloc(0), requests));
  });
}

/** What a leader does with what its clients send. */
function lead(followers: readonly Socket[], write: (bytes: number) => void): (client: Socket, request: Buffer) => void {
  /** Clients by the order of their requests; how many of these each of the three has on disk; how many are answered. */
  const waiting: Socket[] = [];
  const stored = [0, 0, 0];
  let [proposed, answered] = [0, 0];
  let turn: Buffer[] = [];
  const advance = (): void => {
    const durable = stored.toSorted((left, right) => right - left)[MAJORITY - 1] ?? 0;
    for (const client of waiting.splice(0, durable - answered)) client.write(OK);
    answered = durable;
  };
  for (const [at, follower] of followers.entries())
    onBatches(follower, (_bytes, requests) => {
      stored[at + 1] = (stored[at + 1] ?? 0) + requests;
      advance();
    });
  const endTurn = (): void => {
    const body = Buffer.concat(turn);
    const bytes = batch(body, turn.length);
    proposed += turn.length;
    turn = [];
    for (const follower of followers) follower.write(bytes);
    queueMicrotask(() => {
      write(body.length);
      stored[0] = proposed;
      advance();
    });
  };
  return (client, request) => {
    waiting.push(client);
    if (turn.push(request) === 1) setImmediate(endTurn);
  };
}

async function serve(file: string, ports: readonly number[]): Promise<void> {
  process.on('disconnect', () => process.exit());
  const write = openJournal(file);
  const followers = ports.map((port) => connect({ port, host: '127.0.0.1', noDelay: true }));
  await Promise.all(followers.map((follower) => once(follower, 'connect')));
  const propose = followers.length === 0 ? null : lead(followers, write);
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    if (propose === null) follow(socket, write);
    else socket.on('data', (request) => propose(socket, request));
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}

const [, script, file, ...ports] = process.argv;
if (script === SELF && file !== undefined) await serve(file, ports.map(Number));
