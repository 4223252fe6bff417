import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FastifyHttp, jsonAnswer } from '../../src/adapters/fastify-http.ts';
import { Recorder, until } from '../adapters/transport-rig.ts';

/** A socket, and all that came on it once it is closed. */
function open(port: number): { socket: Socket; answer: Promise<string> } {
  const socket = connect({ host: '127.0.0.1', port });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  // However it ends: a reset is an end, too.
  const answer = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
  return { socket, answer };
}

async function http(requestMsMax?: number): Promise<number> {
  const server = new FastifyHttp({
    host: '127.0.0.1',
    port: 0,
    routes: { '/healthz': () => jsonAnswer(200, {}) },
    ...(requestMsMax === undefined ? {} : { requestMsMax }),
  });
  onTestFinished(() => server.close());
  return server.listen();
}

describe('HTTP', () => {
  test('a request that never ends is cut, others are answered meanwhile', async () => {
    const port = await http(1_500);
    const { socket, answer } = open(port);
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
    const drip = setInterval(() => socket.write('a'), 50);
    onTestFinished(() => clearInterval(drip));
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    expect(await answer).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('headers without end are refused before they are kept', async () => {
    const { socket, answer } = open(await http());
    socket.write('GET /healthz HTTP/1.1\r\n');
    const pour = (): void => {
      while (socket.writable && socket.write(`X: ${'y'.repeat(1000)}\r\n`));
    };
    socket.on('drain', pour);
    pour();
    expect(await answer).toMatch(/^$|^HTTP\/1\.1 4(31|00) /);
  });

  test('no page of another origin may read an answer', async () => {
    const response = await fetch(`http://127.0.0.1:${await http()}/healthz`, {
      headers: { origin: 'https://evil.example' },
    });
    expect(response.status).toBe(200);
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
  });

  test('as many connections as there may be at once, and no more', async () => {
    const port = await http();
    const sockets = Array.from({ length: 300 }, () => open(port));
    let closed = 0;
    for (const { answer } of sockets) void answer.then(() => closed++);
    await until(() => closed === 300 - 256, 'the end of those that are too many');
  });
});

describe('who takes nothing of what it is sent', () => {
  test('over HTTP is not answered on and on', async () => {
    let answered = 0;
    const server = new FastifyHttp({
      host: '127.0.0.1',
      port: 0,
      routes: { '/healthz': () => jsonAnswer(200, { answer: 'a'.repeat(100_000), of: ++answered }) },
    });
    onTestFinished(() => server.close());
    const port = await server.listen();
    const { socket } = open(port);
    socket.pause();
    await new Promise((resolve) =>
      socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(5_000), resolve),
    );
    await until(() => answered > 0, 'the first answer');
    // others are served meanwhile, and each of them gives the first its turns
    for (let others = 0; others < 50; others++)
      expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    expect(answered).toBeLessThanOrEqual(50 + 100);
  });

  test('on the peer port is cut once much lies for it, however much it says itself', async () => {
    const accepter = await new Recorder().listen();
    const { socket } = open(accepter.port);
    socket.write(upgrade('control'));
    await until(() => accepter.opens.length === 1, 'the connection');
    socket.pause();
    const [connection] = accepter.opens;
    const frame = new Uint8Array(100_000);
    let sent = 0;
    await until(() => {
      if (accepter.closes.length > 0) return true;
      connection?.send(frame);
      expect(++sent * frame.length).toBeLessThan(64 * 1024 * 1024);
      return false;
    }, 'the end');
    expect(accepter.closes[0]?.reason).toMatch(/does not read/);
  });

  test('on the peer port is not cut for one large transaction', async () => {
    const accepter = await new Recorder().listen();
    const { socket } = open(accepter.port);
    socket.write(upgrade('bulk'));
    await until(() => accepter.opens.length === 1, 'the connection');
    for (let sent = 0; sent < 4; sent++) accepter.opens[0]?.send(new Uint8Array(20_000_000));
    await until(() => accepter.transport.bufferedBytes === 0, 'all of it');
    expect(accepter.closes).toEqual([]);
  });
});

const upgrade = (kind: string, extensions = ''): string =>
  `GET /peer/${kind} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
  `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: causeway.2\r\n${extensions}\r\n`;

describe('the peer port', () => {
  test('whoever asks for nothing, or never ends asking, is cut', async () => {
    const accepter = await new Recorder({ limits: { unprovenMs: 500 } }).listen();
    const silent = open(accepter.port);
    const slow = open(accepter.port);
    slow.socket.write('GET /peer/bulk HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const drip = setInterval(() => slow.socket.write('a'), 50);
    onTestFinished(() => clearInterval(drip));
    await Promise.all([silent.answer, slow.answer]);
    expect(accepter.opens).toEqual([]);
  });

  test('no compression is taken up: a small frame cannot become a large one', async () => {
    const accepter = await new Recorder().listen();
    const { socket } = open(accepter.port);
    socket.write(upgrade('bulk', 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n'));
    const [head] = (await once(socket, 'data')) as [string];
    expect(head).toMatch(/^HTTP\/1\.1 101 /);
    expect(head.toLowerCase()).not.toContain('sec-websocket-extensions');
    // A frame that says it is compressed all the same.
    socket.write(Buffer.from([0xc2, 0x81, 0, 0, 0, 0, 0]));
    await until(() => accepter.closes.length === 1, 'the end');
    expect(accepter.frames).toEqual([]);
  });
});
