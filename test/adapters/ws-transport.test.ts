import { createConnection, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { TransportOptions } from '../../src/adapters/ws-transport.ts';
import { WebSocket } from 'ws';
import { latin1Bytes, latin1Of } from '../../src/base/bytes.ts';
import type { PeerConnection } from '../../src/ports.ts';
import { Recorder, until } from './transport-rig.ts';

const DIALLER = 65;
const ACCEPTER = 130;

/** Two transports with both connections open. */
async function connectedPair(
  options: Partial<TransportOptions> = {},
): Promise<{ dialler: Recorder; accepter: Recorder }> {
  const accepter = await new Recorder(options).listen();
  const dialler = new Recorder();
  dialler.transport.setTargets([{ nodeNumber: ACCEPTER, url: accepter.url }]);
  await until(() => dialler.open.length === 2 && accepter.open.length === 2, 'both connections');
  for (const { id } of accepter.opens) accepter.transport.proved(id);
  return { dialler, accepter };
}

function ofKind(recorder: Recorder, kind: 'bulk' | 'control'): PeerConnection {
  const found = recorder.open.find((connection) => connection.kind === kind);
  if (found === undefined) throw new Error(`no open ${kind} connection`);
  return found;
}

function byText(left: string, right: string): number {
  return left < right ? -1 : 1;
}

function texts(recorder: Recorder): string[] {
  return recorder.frames.map(({ frame }) => latin1Of(frame, 0, frame.length));
}

/** A proxy in front of a port that can be cut. */
async function cuttableProxy(port: number): Promise<{ port: number; cut: () => void; connections: () => number }> {
  const sockets = new Set<Socket>();
  const server = createServer((inner) => {
    const outer = createConnection({ host: '127.0.0.1', port });
    for (const [from, to] of [[inner, outer] as const, [outer, inner] as const]) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => sockets.delete(from) && to.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  onTestFinished(() => {
    cut();
    server.close();
  });
  const address = server.address();
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    cut,
    connections: () => sockets.size,
  };
}

describe('peer links', () => {
  test('a target gets one connection of each kind, and each end knows which', async () => {
    const { dialler, accepter } = await connectedPair();
    expect(dialler.opens.map(({ kind, dialledNode }) => `${kind} ${dialledNode}`).toSorted(byText)).toEqual([
      `bulk ${ACCEPTER}`,
      `control ${ACCEPTER}`,
    ]);
    expect(accepter.opens.map(({ kind, dialledNode }) => `${kind} ${dialledNode}`).toSorted(byText)).toEqual([
      'bulk null',
      'control null',
    ]);
    expect(new Set(dialler.opens.map(({ id }) => id)).size).toBe(2);
  });

  test('frames arrive whole, in order, both ways, as plain bytes of their own', async () => {
    const { dialler, accepter } = await connectedPair();
    const sent = Array.from({ length: 200 }, (_, index) => `${index}:${'x'.repeat(index * 37)}`);
    for (const text of sent) ofKind(dialler, 'bulk').send(latin1Bytes(text));
    await until(() => accepter.frames.length === sent.length, 'every frame');
    expect(texts(accepter)).toEqual(sent);
    expect(Object.getPrototypeOf(accepter.frames[0]?.frame)).toBe(Uint8Array.prototype);
    ofKind(accepter, 'control').send(latin1Bytes('back'));
    ofKind(accepter, 'control').send(new Uint8Array(0));
    await until(() => dialler.frames.length === 2, 'the answer');
    expect(texts(dialler)).toEqual(['back', '']);
  });

  test('the same bytes can be sent to several peers, and are left as they are', async () => {
    const { dialler, accepter } = await connectedPair();
    const frame = latin1Bytes('shared'.repeat(1000));
    const before = frame.slice();
    for (const connection of [...dialler.open, ...accepter.open]) connection.send(frame);
    await until(() => dialler.frames.length === 2 && accepter.frames.length === 2, 'all four');
    expect(frame).toEqual(before);
    for (const { frame: arrived } of [...dialler.frames, ...accepter.frames]) expect(arrived).toEqual(before);
  });

  test('what is sent in one turn leaves in one piece', async () => {
    const pieces: number[] = [];
    const accepter = await new Recorder().listen();
    const dialler = new Recorder();
    dialler.transport.setTargets([{ nodeNumber: ACCEPTER, url: accepter.url }]);
    await until(() => dialler.open.length === 2 && accepter.open.length === 2, 'both connections');
    let turn = 0;
    accepter.onFrame = () => {
      pieces.push(turn);
      setImmediate(() => turn++);
    };
    for (let i = 0; i < 50; i++) ofKind(dialler, 'bulk').send(latin1Bytes(`frame ${i}`));
    await until(() => accepter.frames.length === 50, 'every frame');
    expect(new Set(pieces).size).toBe(1);
  });

  test('a large frame arrives whole, and is counted until the kernel has it', async () => {
    const { dialler, accepter } = await connectedPair();
    const frame = new Uint8Array(40 * 1024 * 1024).map((_, index) => index % 251);
    ofKind(dialler, 'bulk').send(frame);
    expect(ofKind(dialler, 'bulk').bufferedBytes).toBeGreaterThanOrEqual(frame.length);
    await until(() => accepter.frames.length === 1, 'the frame');
    expect(Buffer.compare(accepter.frames[0]?.frame ?? new Uint8Array(0), frame)).toBe(0);
    await until(() => dialler.transport.bufferedBytes === 0, 'nothing buffered');
  });

  test.each([
    { share: 1, bytesMax: 512 * 1024, turnsMin: 60 },
    { share: 1 / 4, bytesMax: 192 * 1024, turnsMin: 200 },
  ])('no turn takes in much more than $share of what it may of a peer, and all comes', async (limits) => {
    const { dialler, accepter } = await connectedPair({ readShare: () => limits.share });
    const counts = { frames: 0, inTurn: 0, mostInTurn: 0, turns: 0 };
    accepter.onFrame = (_connection, frame) => {
      if (counts.inTurn === 0)
        setImmediate(() => {
          counts.turns++;
          counts.mostInTurn = Math.max(counts.mostInTurn, counts.inTurn);
          counts.inTurn = 0;
        });
      counts.inTurn += frame.length;
      counts.frames++;
    };
    const bulk = ofKind(dialler, 'bulk');
    // more than the kernel takes at once, so that the other end always finds more
    for (let at = 0; at < 4_000; at++) bulk.send(new Uint8Array(8_000).fill(at));
    await until(() => counts.frames === 4_000 && counts.inTurn === 0, 'all frames');
    expect(accepter.frames.every(({ frame }, at) => frame[0] === at % 256)).toBe(true);
    // its share, and what is read before the socket stands still
    expect(counts.mostInTurn).toBeLessThan(limits.bytesMax);
    expect(counts.turns).toBeGreaterThan(limits.turnsMin);
  });
});

describe('the end of a connection', () => {
  test('an own close is told once, after the call, to both ends, with its reason', async () => {
    const { dialler, accepter } = await connectedPair();
    dialler.transport.setTargets([]);
    expect(dialler.closes).toEqual([]);
    await until(() => dialler.closes.length === 2 && accepter.closes.length === 2, 'the ends');
    for (const { reason } of [...dialler.closes, ...accepter.closes]) {
      expect(reason).toBe('the node is no longer to be dialled');
    }
    for (const connection of [...dialler.opens, ...accepter.opens]) {
      connection.send(latin1Bytes('too late'));
      connection.close('again');
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect([dialler.closes.length, accepter.closes.length, dialler.frames.length, accepter.frames.length]).toEqual([
      2, 2, 0, 0,
    ]);
    expect(dialler.opens).toHaveLength(2);
  });

  test('no frame comes after a close, though more were on their way', async () => {
    const { dialler, accepter } = await connectedPair();
    accepter.onFrame = (connection) => connection.close('one is enough');
    for (let i = 0; i < 100; i++) ofKind(dialler, 'bulk').send(latin1Bytes(`frame ${i}`));
    await until(() => dialler.closes.length === 1, 'the end');
    expect(accepter.frames).toHaveLength(1);
    expect(dialler.closes[0]?.reason).toBe('one is enough');
  });

  test('a cut is told at both ends, and the link comes back by itself', async () => {
    const accepter = await new Recorder().listen();
    const proxy = await cuttableProxy(accepter.port);
    const dialler = new Recorder();
    dialler.transport.setTargets([{ nodeNumber: ACCEPTER, url: `ws://127.0.0.1:${proxy.port}` }]);
    for (let round = 1; round <= 4; round++) {
      await until(() => dialler.open.length === 2 && accepter.open.length === 2, `connections of round ${round}`);
      ofKind(dialler, 'control').send(latin1Bytes(`round ${round}`));
      await until(() => accepter.frames.length === round, `frame of round ${round}`);
      proxy.cut();
      await until(() => dialler.closes.length === 2 * round, `ends of round ${round}`);
    }
    await until(() => dialler.open.length === 2 && accepter.open.length === 2, 'connections at the end');
    expect(new Set(accepter.closes.map(({ connection }) => connection.id)).size).toBe(accepter.closes.length);
    expect(new Set(dialler.opens.map(({ id }) => id)).size).toBe(dialler.opens.length);
  });

  test('a node that is not there yet is dialled until it is, and its new URL counts at once', async () => {
    const dialler = new Recorder();
    dialler.transport.setTargets([{ nodeNumber: ACCEPTER, url: 'ws://127.0.0.1:1' }]);
    await until(() => dialler.dialFailures.length >= 6, 'failed dials');
    expect(dialler.dialFailures[0]).toContain('ECONNREFUSED');
    const accepter = await new Recorder().listen();
    dialler.transport.setTargets([{ nodeNumber: ACCEPTER, url: accepter.url }]);
    await until(() => dialler.open.length === 2, 'both connections');
  });

  test('once one connection to a node is there, the other is dialled at once, however long it would have waited', async () => {
    const accepter = await new Recorder().listen();
    const { port } = accepter;
    await accepter.transport.close('not there yet');
    let failed = '';
    const dialler = new Recorder({
      dialFailed: (_node, kind) => (failed = kind),
      // drawn for the wait after a failure: days for one of them
      entropy: { unit: () => (failed === 'control' ? -1e7 : 0.5), bytes: (count) => new Uint8Array(count) },
    });
    dialler.transport.setTargets([{ nodeNumber: ACCEPTER, url: `ws://127.0.0.1:${port}` }]);
    await until(() => failed !== '', 'a failure');
    const later = new Recorder({ port });
    await later.listen();
    await until(() => dialler.open.length === 2, 'both connections');
    expect(dialler.open.map(({ kind }) => kind).toSorted()).toEqual(['bulk', 'control']);
  });

  test('after close of the transport there is no event, and the peer hears the reason', async () => {
    const { dialler, accepter } = await connectedPair();
    ofKind(dialler, 'bulk').send(latin1Bytes('last words'));
    await dialler.transport.close('stopping');
    await until(() => accepter.closes.length === 2, 'the ends');
    expect(texts(accepter)).toEqual(['last words']);
    expect(accepter.closes.map(({ reason }) => reason)).toEqual(['stopping', 'stopping']);
    expect(dialler.closes).toEqual([]);
    expect(dialler.opens).toHaveLength(2);
  });

  test('a port that is taken is named', async () => {
    const first = await new Recorder().listen();
    const second = new Recorder({ port: first.port });
    await expect(second.transport.listen()).rejects.toMatchObject({
      code: 'PORTBUSY',
      message: `port ${first.port} on 127.0.0.1 (peer links) is in use by another process`,
    });
  });
});

describe('hostile and broken peers', () => {
  const limits = { unprovenConnectionsMax: 4, unprovenMs: 60_000, unprovenBytesMax: 10_000, frameBytesMax: 50_000 };

  async function dialRaw(
    port: number,
    path = '/peer/bulk',
    options: { protocol?: string; origin?: string } = {},
  ): Promise<WebSocket> {
    const webSocket = new WebSocket(
      `ws://127.0.0.1:${port}${path}`,
      options.protocol ?? 'causeway.2',
      options.origin === undefined ? {} : { origin: options.origin },
    );
    onTestFinished(() => webSocket.terminate());
    webSocket.on('error', () => undefined);
    await once(webSocket, 'open');
    return webSocket;
  }

  async function stillServes(accepter: Recorder): Promise<void> {
    const seen = accepter.opens.length;
    const webSocket = await dialRaw(accepter.port);
    await until(() => accepter.opens.length === seen + 1, 'a good connection');
    webSocket.close();
    await until(() => accepter.closes.some(({ connection }) => connection === accepter.opens[seen]), 'its end');
  }

  test('a text frame closes that connection, with the reason', async () => {
    const accepter = await new Recorder({ limits }).listen();
    const webSocket = await dialRaw(accepter.port);
    webSocket.send('text');
    const [code, reason] = (await once(webSocket, 'close')) as [number, Buffer];
    expect([code, reason.toString()]).toEqual([1003, 'a text frame where only binary ones are spoken']);
    await until(() => accepter.closes.length === 1, 'the end');
    await stillServes(accepter);
  });

  test('a frame over the limit closes that connection before it is read whole', async () => {
    const accepter = await new Recorder({ limits }).listen();
    const webSocket = await dialRaw(accepter.port);
    await until(() => accepter.opens.length === 1, 'the connection');
    for (const { id } of accepter.opens) accepter.transport.proved(id);
    webSocket.send(new Uint8Array(50_000));
    await until(() => accepter.frames.length === 1, 'the largest frame');
    webSocket.send(new Uint8Array(50_001));
    const [code] = (await once(webSocket, 'close')) as [number];
    expect(code).toBe(1009);
    await until(() => accepter.closes.length === 1, 'the end');
    expect(accepter.closes[0]?.reason).toMatch(/max payload size exceeded/i);
    await stillServes(accepter);
  });

  test('garbage on a socket of ours closes it', async () => {
    const accepter = await new Recorder({ limits }).listen();
    for (const garbage of [
      '\xff\xff\xff\xff',
      '\x00'.repeat(100),
      '\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff',
      '\x81\xfe',
    ]) {
      const socket = createConnection({ host: '127.0.0.1', port: accepter.port });
      onTestFinished(() => void socket.destroy());
      socket.on('error', () => undefined);
      const key = 'dGhlIHNhbXBsZSBub25jZQ==';
      socket.write(
        `GET /peer/bulk HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: causeway.2\r\n\r\n',
      );
      await once(socket, 'data');
      socket.end(Buffer.from(garbage, 'latin1'));
      socket.resume();
      await once(socket, 'close');
    }
    await until(() => accepter.closes.length === 4, 'the ends');
    expect(accepter.frames).toEqual([]);
    await stillServes(accepter);
  });

  test('what is no handshake of ours is refused', async () => {
    const accepter = await new Recorder({ limits }).listen();
    await expect(dialRaw(accepter.port, '/peer/other')).rejects.toThrow('404');
    await expect(dialRaw(accepter.port, '/peer/bulk?x=1')).rejects.toThrow('404');
    await expect(dialRaw(accepter.port, '/peer/bulk', { protocol: 'causeway.0' })).rejects.toThrow('400');
    await expect(dialRaw(accepter.port, '/peer/bulk', { protocol: 'elsewhere' })).rejects.toThrow('400');
    // of another version, and so a node: whoever runs this one is told
    expect(accepter.refusals).toEqual([
      'bulk: peer protocol: the node that dials speaks causeway.0, this node causeway.2',
    ]);
    await expect(dialRaw(accepter.port, '/peer/bulk', { origin: 'http://evil.example' })).rejects.toThrow('403');
    const plain = await fetch(`http://127.0.0.1:${accepter.port}/`);
    expect(plain.status).toBe(426);
    expect(await plain.text()).toContain('WebSocket');
    expect(accepter.opens).toEqual([]);
    await stillServes(accepter);
  });

  test('strangers are few: the oldest makes room for one more, whoever has proved who it is stays', async () => {
    const accepter = await new Recorder({ limits }).listen();
    const strangers: WebSocket[] = [];
    const closes: string[] = [];
    for (let i = 0; i < 6; i++) {
      const webSocket = await dialRaw(accepter.port);
      webSocket.on('close', (_code, reason) => closes.push(`${i}: ${reason.toString()}`));
      strangers.push(webSocket);
      await until(() => accepter.opens.length === i + 1, 'the connection');
      if (i === 0) accepter.transport.proved(accepter.opens[0]?.id ?? 0);
    }
    await until(() => closes.length === 1, 'the end of the oldest stranger');
    expect(closes).toEqual(['1: too many connections have not said who they are']);
    await until(() => accepter.open.length === 5, 'the end of it here');
  });

  test('a stranger that says nothing in time is closed', async () => {
    const accepter = await new Recorder({ limits: { ...limits, unprovenMs: 500 } }).listen();
    const webSocket = await dialRaw(accepter.port);
    const [, reason] = (await once(webSocket, 'close')) as [number, Buffer];
    expect(reason.toString()).toBe('did not say who it is within 500 ms');
    await until(() => accepter.closes.length === 1, 'the end');
  });

  test('a stranger that says too much is closed', async () => {
    const accepter = await new Recorder({ limits }).listen();
    const webSocket = await dialRaw(accepter.port);
    for (let i = 0; i < 20; i++) webSocket.send(new Uint8Array(1000));
    const [, reason] = (await once(webSocket, 'close')) as [number, Buffer];
    expect(reason.toString()).toBe('over 10000 bytes before saying who it is');
  });

  test('a peer that answers a dial with nonsense is dialled again, not trusted', async () => {
    const answers = ['HTTP/1.1 200 OK\r\n\r\n', 'garbage\r\n\r\n', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', ''];
    let dials = 0;
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(answers[dials++ % answers.length] ?? ''));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const dialler = new Recorder();
    dialler.transport.setTargets([{ nodeNumber: DIALLER, url: `ws://127.0.0.1:${port}` }]);
    await until(() => dialler.dialFailures.length >= 8, 'failed dials');
    expect(dialler.opens).toEqual([]);
  });

  test('a URL that cannot be dialled is a failed dial', async () => {
    const dialler = new Recorder();
    dialler.transport.setTargets([{ nodeNumber: ACCEPTER, url: 'not a url' }]);
    await until(() => dialler.dialFailures.length >= 2, 'failed dials');
    expect(dialler.dialFailures[0]).toContain('Invalid URL');
  });
});
