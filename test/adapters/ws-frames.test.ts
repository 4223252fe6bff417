import { createConnection, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import * as ws from 'ws';
import { FrameReader, frameRoom, joinFrames, JOINED_BYTES_MAX } from '../../src/adapters/ws-frames.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { Recorder, until } from './transport-rig.ts';

const FRAME_BYTES_MAX = 5_000;

/** Which its types leave out. */
const { Receiver } = ws as unknown as {
  readonly Receiver: new (options: {
    isServer: boolean;
    maxPayload: number;
    allowSynchronousEvents: boolean;
  }) => Writable;
};

interface Shape {
  readonly first: number;
  readonly length: number;
  readonly mask: number;
}

/** A frame as RFC 6455 has it. */
function frameOf({ first, length, mask }: Shape, isMasked: boolean): Buffer {
  const payload = Buffer.from(Array.from({ length }, (_, at) => (at * 7) % 251));
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = (isMasked ? 0x80 : 0) | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeUIntBE(length, 4, 6);
  if (!isMasked) return Buffer.concat([head, payload]);
  const key = Buffer.alloc(4);
  key.writeUInt32BE(mask);
  return Buffer.concat([head, key, payload.map((byte, at) => byte ^ (key[at % 4] as number))]);
}

/** What `ws` makes of chunks, and with `isRead` what the reader takes out before. */
function messagesOf(chunks: readonly Buffer[], isMasked: boolean, isRead: boolean): { said: string[]; past: number } {
  const said: string[] = [];
  let past = 0;
  const receiver = new Receiver({ isServer: isMasked, maxPayload: 100_000, allowSynchronousEvents: true });
  for (const event of ['message', 'ping', 'pong']) {
    receiver.on(event, (data: Buffer, isBinary?: boolean) =>
      said.push(`${event} ${event === 'message' && isBinary !== true} ${data.length} ${crc32(data)}`),
    );
  }
  let isOver = false;
  receiver.on('conclude', (code: number) => {
    isOver = true;
    said.push(`close ${code}`);
  });
  const reader = new FrameReader({
    isMasked,
    frameBytesMax: FRAME_BYTES_MAX,
    message: (bytes) => {
      past++;
      said.push(`message false ${bytes.length} ${crc32(bytes)}`);
    },
    rest: (chunk) => void receiver.write(chunk),
  });
  for (const chunk of chunks) {
    // `ws` takes masks away in place
    const own = Buffer.from(chunk);
    if (isRead) reader.take(own);
    // `ws` itself listens no more then
    else if (!isOver) receiver.write(own);
  }
  return { said, past };
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, number) => bytes.subarray(at[number], end));
}

const length = fc.oneof(
  fc.nat(40),
  fc.constantFrom(0, 125, 126, 127, FRAME_BYTES_MAX, FRAME_BYTES_MAX + 1, 65_535, 65_536),
);
const mask = fc.constantFrom(0, 0, 0, 0x12_34_56_78);
/** Messages, pings, a message in two fragments with a pong between. */
const shapes = fc.oneof(
  { weight: 5, arbitrary: fc.record({ first: fc.constant(0x82), length, mask }).map((shape) => [shape]) },
  fc.record({ first: fc.constantFrom(0x89, 0x8a), length: fc.nat(125), mask }).map((shape) => [shape]),
  fc.tuple(length, mask).map(([bytes, key]) => [
    { first: 0x02, length: bytes, mask: key },
    { first: 0x8a, length: 3, mask: key },
    { first: 0x80, length: 5, mask: key },
  ]),
);

test('however frames are cut, all that is heard is what ws hears of them, in its order', () => {
  fc.assert(
    fc.property(
      fc.array(shapes, { maxLength: 8 }),
      fc.boolean(),
      fc.boolean(),
      fc.array(fc.nat(), { maxLength: 12 }),
      (lists, isMasked, closes, places) => {
        const frames = lists.flat().map((shape) => frameOf(shape, isMasked));
        const close = frameOf({ first: 0x88, length: 0, mask: 0 }, isMasked);
        const bytes = Buffer.concat(closes ? [...frames, close] : frames);
        const chunks = cut(bytes, places);
        expect(messagesOf(chunks, isMasked, true).said).toEqual(messagesOf(chunks, isMasked, false).said);
        // whole messages are taken past it, where nothing is cut
        const plain = lists
          .flat()
          .filter(
            ({ first, length: own, mask: key }) => first === 0x82 && own <= FRAME_BYTES_MAX && (key === 0 || !isMasked),
          );
        expect(messagesOf([bytes], isMasked, true).past).toBe(plain.length);
      },
    ),
    runOptions(300, 20_000),
  );
});

test('nothing is heard after the other end has closed', () => {
  const close = frameOf({ first: 0x88, length: 0, mask: 0 }, false);
  const late = frameOf({ first: 0x82, length: 3, mask: 0 }, false);
  for (const places of [[], [1], [2], [3]]) {
    expect(messagesOf(cut(Buffer.concat([close, late, late]), places), false, true).said).toEqual(['close 1005']);
  }
});

test('frames that are joined are what ws would have sent, masked with zeros or not', () => {
  for (const isMasked of [false, true]) {
    const shapesJoined = [0, 1, 125, 126, 3_000, 40_000, 65_535, 65_536, 70_000].map((bytes) => ({
      first: 0x82,
      length: bytes,
      mask: 0,
    }));
    const payloads = shapesJoined.map(
      (shape) => new Uint8Array(frameOf(shape, false).subarray(-shape.length || Infinity)),
    );
    expect(payloads.reduce((sum, frame) => sum + frameRoom(frame), 0)).toBeLessThanOrEqual(JOINED_BYTES_MAX);
    const expected = Buffer.concat(shapesJoined.map((shape) => frameOf(shape, isMasked)));
    expect(Buffer.compare(joinFrames(payloads, isMasked), expected)).toBe(0);
  }
});

test('many frames of one turn, more than are joined, arrive in their order among large ones', async () => {
  const accepter = await new Recorder().listen();
  const dialler = new Recorder();
  dialler.transport.setTargets([{ nodeNumber: 130, url: accepter.url }]);
  await until(() => dialler.open.length === 2 && accepter.open.length === 2, 'both connections');
  for (const { id } of accepter.opens) accepter.transport.proved(id);
  const lengths = Array.from({ length: 600 }, (_, at) => (at % 50 === 0 ? JOINED_BYTES_MAX + at : (at * 37) % 1_000));
  const [connection] = dialler.open;
  for (const [at, bytes] of lengths.entries()) {
    const frame = new Uint8Array(bytes).fill(at % 251);
    connection?.send(frame);
    // what is flushed is the sender's again
    if (at % 10 !== 0) continue;
    connection?.flush();
    frame.fill(255);
  }
  await until(() => accepter.frames.length === lengths.length, 'every frame');
  expect(accepter.frames.map(({ frame }) => frame.length)).toEqual(lengths);
  expect(accepter.frames.every(({ frame }, at) => frame.every((byte) => byte === at % 251))).toBe(true);
});

test('a peer that reads slowly gets all of it, of what the kernel did not take at once too', async () => {
  const accepter = await new Recorder().listen();
  let theirs: Socket | null = null;
  const proxy = createServer((inner) => {
    theirs = inner;
    const outer = createConnection({ host: '127.0.0.1', port: Number(new URL(accepter.url).port) });
    inner.pipe(outer).pipe(inner);
    for (const socket of [inner, outer]) socket.on('error', () => undefined);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as { port: number };
  const client = new ws.WebSocket(`ws://127.0.0.1:${port}/peer/bulk`, 'causeway.2');
  const lengths: number[] = [];
  client.on('message', (data: Buffer) => lengths.push(data.length));
  await until(() => accepter.open.length === 1, 'the connection');
  onTestFinished(() => {
    client.terminate();
    proxy.close();
  });
  (theirs as Socket | null)?.pause();
  const [connection] = accepter.open;
  let sent = 0;
  const payload = new Uint8Array(50_000);
  // until the kernel takes no more, and then some
  for (; sent < 50 || (connection?.bufferedBytes ?? 0) < 1_000_000; sent++) {
    client.pause();
    connection?.send(payload);
    connection?.flush?.();
    expect(sent).toBeLessThan(2_000);
  }
  client.resume();
  (theirs as Socket | null)?.resume();
  await until(() => lengths.length === sent, 'every frame');
  expect(lengths.every((bytes) => bytes === payload.length)).toBe(true);
});
