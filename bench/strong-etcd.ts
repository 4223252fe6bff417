import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writer } from './strong-writers.ts';
import { freePorts } from './support/pinned.ts';

const MEMBERS = ['a', 'b', 'c'] as const;
const POLL_MS = 50;

/** Three members of etcd on loopback, as packaged: fsync on, its own defaults. */
export interface EtcdCluster {
  readonly version: string;
  /** `host:port` of the member that leads. */
  readonly leader: string;
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

/** The version that is installed, null for none. */
export function etcdVersion(): string | null {
  const { status, stdout } = spawnSync('etcd', ['--version'], { encoding: 'utf8' });
  return status === 0 ? (/etcd Version: (\S+)/.exec(stdout)?.[1] ?? 'unknown') : null;
}

/** Fulfilled once they have elected a leader. Its data lies where the temporary folders do, as that of the other clusters. */
export async function startEtcd(version: string): Promise<EtcdCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-bench-etcd-'));
  const ports = await freePorts(MEMBERS.length * 2);
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const peerUrls = urls.slice(MEMBERS.length);
  const initial = MEMBERS.map((name, at) => `${name}=${peerUrls[at]}`).join();
  let output = '';
  const children = MEMBERS.map((name, at) => {
    const options = {
      name,
      'data-dir': join(folder, name),
      'listen-client-urls': urls[at],
      'advertise-client-urls': urls[at],
      'listen-peer-urls': peerUrls[at],
      'initial-advertise-peer-urls': peerUrls[at],
      'initial-cluster': initial,
      logger: 'zap',
      'log-level': 'error',
    };
    const args = Object.entries(options).map(([option, value]) => `--${option}=${value}`);
    const child = spawn('etcd', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (bytes: Buffer) => (output = (output + bytes.toString()).slice(-4_000)));
    return child;
  });
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(async (child) => await ended(child)));
    rmSync(folder, { recursive: true, force: true });
  };
  for (;;) {
    const leader = (await Promise.all(urls.slice(0, MEMBERS.length).map(leads))).indexOf(true);
    if (leader >= 0) {
      const pids = children.map(({ pid }) => pid ?? 0);
      return { version, leader: `127.0.0.1:${ports[leader]}`, pids, stop };
    }
    if (children.some(({ exitCode }) => exitCode !== null)) {
      await stop();
      throw new Error(`etcd has ended:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

async function leads(url: string): Promise<boolean> {
  try {
    const status = (await ask(url, '/v3/maintenance/status', {})) as { leader?: string; header: { member_id: string } };
    return status.leader !== undefined && status.leader === status.header.member_id;
  } catch {
    return false;
  }
}

async function ask(url: string, path: string, body: object): Promise<unknown> {
  const response = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return await response.json();
}

/** All keys with a prefix, read linearizably. */
export async function readEtcd(address: string, prefix: string): Promise<Map<string, string>> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const text = (bytes: string): string => Buffer.from(bytes, 'base64').toString();
  const end = `${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)}`;
  const body = { key: base64(prefix), range_end: base64(end) };
  const { kvs = [] } = (await ask(`http://${address}`, '/v3/kv/range', body)) as {
    kvs?: { key: string; value: string }[];
  };
  return new Map(kvs.map(({ key, value }) => [text(key), text(value)]));
}

// ── HTTP/2 (RFC 9113), as little of it as KV.Put over gRPC takes ──

const FRAME_HEAD_BYTES = 9;
const GRPC_HEAD_BYTES = 5;
const Frame = { Data: 0, Headers: 1, Reset: 3, Settings: 4, Ping: 6, GoAway: 7, WindowUpdate: 8 } as const;
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
/** Enough for what is received in many hours, so that it is never renewed. */
const WINDOW_BYTES = 2 ** 30;

/**
 * KV.Put over gRPC, with as little work as the RESP client does: the bytes of a request are put together by hand, its headers are six bytes
 * that refer to those of the first, and of an answer only that there is one is read. etcd's JSON gateway would cost etcd more than the write.
 */
export async function etcdWriter(address: string): Promise<Writer> {
  const [host, port] = address.split(':');
  const socket = connect({ host: host ?? '', port: Number(port), noDelay: true });
  await once(socket, 'connect');
  const window = Buffer.alloc(4);
  window.writeUInt32BE(WINDOW_BYTES);
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  socket.write(Buffer.concat([frame(Frame.Settings, 0, 0, Buffer.alloc(0)), frame(Frame.WindowUpdate, 0, 0, window)]));
  let stream = -1;
  let hasMessage = false;
  let waiting: (() => void) | null = null;
  let rest: Buffer = Buffer.alloc(0);

  const take = (type: number, flags: number, payload: Buffer): void => {
    if (type === Frame.Settings && (flags & ACK) === 0) socket.write(frame(Frame.Settings, ACK, 0, Buffer.alloc(0)));
    if (type === Frame.Ping && (flags & ACK) === 0) socket.write(frame(Frame.Ping, ACK, 0, payload));
    if (type === Frame.Reset || type === Frame.GoAway) throw new Error(`etcd ended a call: frame of type ${type}`);
    if (type !== Frame.Data && type !== Frame.Headers) return;
    // a call that fails has no message
    if (type === Frame.Data && payload.length > GRPC_HEAD_BYTES) hasMessage = true;
    if ((flags & END_STREAM) === 0) return;
    if (!hasMessage) throw new Error('etcd refused a write');
    hasMessage = false;
    waiting?.();
  };
  socket.on('data', (bytes) => {
    const received = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let at = 0;
    while (received.length - at >= FRAME_HEAD_BYTES) {
      const end = at + FRAME_HEAD_BYTES + received.readUIntBE(at, 3);
      if (end > received.length) break;
      take(received[at + 3] ?? 0, received[at + 4] ?? 0, received.subarray(at + FRAME_HEAD_BYTES, end));
      at = end;
    }
    rest = received.subarray(at);
  });
  return {
    put(key, value, done) {
      waiting = done;
      const isFirst = stream < 0;
      stream += 2;
      const headers = frame(Frame.Headers, END_HEADERS, stream, isFirst ? firstHeaders(address) : LATER_HEADERS);
      socket.write(Buffer.concat([headers, frame(Frame.Data, END_STREAM, stream, putMessage(key, value))]));
    },
    close: () => void socket.destroy(),
  };
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEAD_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  payload.copy(bytes, FRAME_HEAD_BYTES);
  return bytes;
}

/** Literals that enter HPACK's table (RFC 7541, 6.2.1): names by their place in the static table, where they have one. */
function firstHeaders(authority: string): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  return Buffer.concat([
    Buffer.from([0x83, 0x86, 0x44]),
    text('/etcdserverpb.KV/Put'),
    Buffer.from([0x41]),
    text(authority),
    Buffer.from([0x5f]),
    text('application/grpc'),
    Buffer.from([0x40]),
    text('te'),
    text('trailers'),
  ]);
}

/** The same six fields by their places in the table. */
const LATER_HEADERS = Buffer.from([0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe]);

/** A PutRequest with the head of a gRPC message: bytes key = 1, bytes value = 2. */
function putMessage(key: string, value: string): Buffer {
  const field = (tag: number, text: string): number[] =>
    text.length < 0x80 ? [tag, text.length] : [tag, (text.length & 0x7f) | 0x80, text.length >> 7];
  const [keyHead, valueHead] = [field(0x0a, key), field(0x12, value)];
  const bytes = Buffer.allocUnsafe(GRPC_HEAD_BYTES + keyHead.length + key.length + valueHead.length + value.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(bytes.length - GRPC_HEAD_BYTES, 1);
  let at = GRPC_HEAD_BYTES;
  for (const byte of keyHead) bytes[at++] = byte;
  at += bytes.write(key, at, 'latin1');
  for (const byte of valueHead) bytes[at++] = byte;
  bytes.write(value, at, 'latin1');
  return bytes;
}
