import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { PeerHandshake, type HandshakeParts, type HandshakeStep } from '../../src/adapters/peer-secret.ts';
import { SystemEntropy } from '../../src/adapters/system-entropy.ts';
import { latin1Bytes, latin1Of } from '../../src/base/bytes.ts';
import { Recorder, until } from '../adapters/transport-rig.ts';

const DIALLER = 65;
const ACCEPTER = 130;
const entropy = new SystemEntropy();
const SECRET = { secret: 'a secret of the cluster', clusterId: 'test' };
const DIALLER_SECRET = { ...SECRET, nodeNumber: DIALLER };
const ACCEPTER_SECRET = { ...SECRET, nodeNumber: ACCEPTER };

function end(changes: Partial<HandshakeParts> = {}): PeerHandshake {
  return new PeerHandshake({ ...ACCEPTER_SECRET, kind: 'bulk', dialledNode: null, entropy, ...changes });
}

function dialling(changes: Partial<HandshakeParts> = {}): PeerHandshake {
  return end({ ...DIALLER_SECRET, dialledNode: ACCEPTER, ...changes });
}

/** Hands frames on until one end is done; the steps of the dialler and the accepter. */
function shake(dialler: PeerHandshake, accepter: PeerHandshake): HandshakeStep[] {
  const steps: HandshakeStep[] = [];
  let frame = accepter.opening();
  for (let isDiallers = true; frame !== null; isDiallers = !isDiallers) {
    const step: HandshakeStep = (isDiallers ? dialler : accepter).receive(frame);
    steps.push(step);
    frame = step.is === 'refused' ? null : step.send;
  }
  return steps;
}

function sentBy(step: HandshakeStep | undefined): Uint8Array {
  if (step === undefined || step.is === 'refused' || step.send === null) throw new Error('it said nothing');
  return step.send;
}

function outcome(steps: readonly HandshakeStep[]): string {
  return steps.map((step) => (step.is === 'refused' ? step.reason : step.is)).join(', ');
}

describe('the handshake', () => {
  test('proves each end to the other', () => {
    expect(outcome(shake(dialling(), end()))).toBe('going on, proved, proved');
    expect(dialling().opening()).toBeNull();
  });

  test.each<[string, Partial<HandshakeParts>]>([
    ['another secret', { secret: 'a secret of the clusteR' }],
    ['another cluster', { clusterId: 'other' }],
    ['another kind of connection', { kind: 'control' }],
    ['another node that is meant', { dialledNode: ACCEPTER + 1 }],
  ])('%s is refused by who was dialled, who then says nothing that a secret could be guessed from', (_, changes) => {
    const steps = shake(dialling(changes), end());
    expect(outcome(steps)).toBe('going on, peer secret: node 65 does not know it, or means another cluster or node');
  });

  test('a node that was dialled and does not know the secret, or is another, is refused by who dialled', () => {
    const dialler = dialling();
    const proof = sentBy(dialler.receive(end().opening() ?? new Uint8Array()));
    expect(proof).toHaveLength(69);
    const forged = (nodeNumber: number): Uint8Array => {
      const frame = new Uint8Array(37).fill(7);
      new DataView(frame.buffer).setUint32(1, nodeNumber);
      frame[0] = 3;
      return frame;
    };
    expect(dialler.receive(forged(ACCEPTER))).toEqual({
      is: 'refused',
      reason: 'peer secret: node 130 does not know it',
    });
    expect(dialler.receive(forged(1))).toMatchObject({
      reason: 'peer secret: node 1 answered where another was dialled',
    });
  });

  test('a proof sent back to whoever made it proves nothing', () => {
    const dialler = dialling();
    const proof = sentBy(dialler.receive(end().opening() ?? new Uint8Array()));
    expect(dialler.receive(proof)).toMatchObject({ is: 'refused' });
    // The MAC of the dialler's role in a frame of the accepter's.
    const reflected = new Uint8Array([3, 0, 0, 0, ACCEPTER, ...proof.slice(-32)]);
    expect(dialler.receive(reflected)).toMatchObject({ reason: 'peer secret: node 130 does not know it' });
    // Two ends that both call themselves by one number, as when a node is led back to itself.
    const self = end({ nodeNumber: DIALLER });
    expect(outcome(shake(dialling({ dialledNode: DIALLER }), self))).toMatch(
      /calls itself by the number of this node$/,
    );
  });

  test('what was recorded of one handshake is of no use in the next, in either direction', () => {
    const accepter = end();
    const dialler = dialling();
    const challenge = accepter.opening() ?? new Uint8Array();
    const proof = sentBy(dialler.receive(challenge));
    const answer = sentBy(accepter.receive(proof));
    expect(end().receive(proof)).toMatchObject({ is: 'refused' });
    const again = dialling();
    expect(sentBy(again.receive(challenge))).not.toEqual(proof);
    expect(again.receive(answer)).toMatchObject({ is: 'refused' });
  });

  test('every changed bit and every other length of every frame is refused', () => {
    for (let bit = 0; bit < 69 * 8; bit++) {
      const accepter = end();
      const proof = sentBy(dialling().receive(accepter.opening() ?? new Uint8Array()));
      proof[bit >> 3] = (proof[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(accepter.receive(proof)).toMatchObject({ is: 'refused' });
    }
    for (let length = 0; length < 200; length++) {
      const bytes = new Uint8Array(length).fill(2);
      expect(end().receive(bytes)).toMatchObject({ is: 'refused' });
      expect(dialling().receive(bytes)).toMatchObject({ is: 'refused' });
    }
  });
});

async function accepting(secret: typeof ACCEPTER_SECRET | null, options = {}): Promise<Recorder> {
  return new Recorder({ entropy, secret, ...options }).listen();
}

function diallerTo(url: string, secret: typeof DIALLER_SECRET | null, options = {}): Recorder {
  const dialler = new Recorder({ entropy, secret, ...options });
  dialler.transport.setTargets([{ nodeNumber: ACCEPTER, url }]);
  return dialler;
}

describe('links behind a secret', () => {
  test('open on both ends, and carry what is sent at once', async () => {
    const accepter = await accepting(ACCEPTER_SECRET);
    accepter.onOpened = (link) => link.send(latin1Bytes(`accepter ${link.kind}`));
    const dialler = new Recorder({ entropy, secret: DIALLER_SECRET });
    dialler.onOpened = (link) => link.send(latin1Bytes(`dialler ${link.kind}`));
    dialler.transport.setTargets([{ nodeNumber: ACCEPTER, url: accepter.url }]);
    await until(() => dialler.frames.length === 2 && accepter.frames.length === 2, 'what was sent at the opening');
    const said = [...dialler.frames, ...accepter.frames].map(({ frame }) => latin1Of(frame, 0, frame.length));
    expect(said.toSorted()).toEqual(['accepter bulk', 'accepter control', 'dialler bulk', 'dialler control']);
    expect([dialler.dialFailures, accepter.refusals, dialler.closes, accepter.closes]).toEqual([[], [], [], []]);
  });

  test.each([
    [
      'another secret',
      ACCEPTER_SECRET,
      { ...DIALLER_SECRET, secret: 'another secret of it' },
      /node 65 does not know it/,
    ],
    [
      'none on the side that dials',
      ACCEPTER_SECRET,
      null,
      /the node that is dialled has one, the node that dials has none/,
    ],
    [
      'none on the side that is dialled',
      null,
      DIALLER_SECRET,
      /the node that dials has one, the node that is dialled has none/,
    ],
  ])('%s: neither end opens, both are told why, and it is tried again', async (_, theirs, ours, reason) => {
    const accepter = await accepting(theirs);
    const dialler = diallerTo(accepter.url, ours);
    await until(() => dialler.dialFailures.length >= 4 && accepter.refusals.length >= 4, 'refusals');
    for (const told of [...dialler.dialFailures, ...accepter.refusals]) expect(told).toMatch(reason);
    expect([dialler.opens, accepter.opens, dialler.closes, accepter.closes]).toEqual([[], [], [], []]);
  });

  test('nothing that a stranger sends before its proof reaches the node', async () => {
    const accepter = await accepting(ACCEPTER_SECRET);
    const stranger = new WebSocket(`${accepter.url}/peer/bulk`, 'causeway.2.secret');
    onTestFinished(() => stranger.terminate());
    stranger.on('open', () => stranger.send(latin1Bytes('a frame of the protocol')));
    const [, reason] = (await once(stranger, 'close')) as [number, Buffer];
    expect(reason.toString()).toBe('peer secret: what it said first is no proof');
    await until(() => accepter.refusals.length === 1, 'the refusal');
    expect([accepter.opens, accepter.frames, accepter.closes]).toEqual([[], [], []]);
  });

  test('a recorded connection played again, byte by byte, does not open', async () => {
    const accepter = await accepting(ACCEPTER_SECRET);
    const recorded: Buffer[] = [];
    const sockets: Socket[] = [];
    const recorder = createServer((inner) => {
      const outer = createConnection({ host: '127.0.0.1', port: accepter.port });
      sockets.push(inner, outer);
      const isFirst = sockets.length === 2;
      inner.on('data', (bytes: Buffer) => void (isFirst && recorded.push(bytes)));
      inner.pipe(outer).pipe(inner);
      for (const socket of [inner, outer]) socket.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(recorder, 'listening');
    onTestFinished(() => {
      recorder.close();
      for (const socket of sockets) socket.destroy();
    });
    diallerTo(`ws://127.0.0.1:${(recorder.address() as AddressInfo).port}`, DIALLER_SECRET);
    await until(() => accepter.opens.length === 2, 'both connections');
    const thief = createConnection({ host: '127.0.0.1', port: accepter.port });
    thief.on('error', () => undefined);
    thief.write(Buffer.concat(recorded));
    thief.resume();
    await until(() => accepter.refusals.length === 1, 'the refusal');
    expect(accepter.refusals[0]).toMatch(/peer secret: node 65 does not know it/);
    expect(accepter.opens).toHaveLength(2);
    thief.destroy();
  });

  test('whoever does not go on is given up on, on both sides', async () => {
    const limits = { unprovenMs: 500 };
    const accepter = await accepting(ACCEPTER_SECRET, { limits });
    const silent = new WebSocket(`${accepter.url}/peer/control`, 'causeway.2.secret');
    const [, reason] = (await once(silent, 'close')) as [number, Buffer];
    expect(reason.toString()).toBe('did not say who it is within 500 ms');
    const mute = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'causeway.2.secret' });
    onTestFinished(() => {
      for (const client of mute.clients) client.terminate();
      mute.close();
    });
    await once(mute, 'listening');
    const dialler = diallerTo(`ws://127.0.0.1:${(mute.address() as AddressInfo).port}`, DIALLER_SECRET, { limits });
    await until(() => dialler.dialFailures.length >= 2, 'dials given up');
    expect(dialler.dialFailures[0]).toBe('did not say who it is within 500 ms');
    expect(dialler.opens).toEqual([]);
  });

  test('the time to say hello begins when the secret is proved', async () => {
    const unprovenMs = 2000;
    const accepter = await accepting(ACCEPTER_SECRET, { limits: { unprovenMs } });
    let openedAtMs = 0;
    accepter.onOpened = () => void (openedAtMs = performance.now());
    const slow = new WebSocket(`${accepter.url}/peer/bulk`, 'causeway.2.secret');
    const handshake = dialling();
    slow.on('message', (challenge: Buffer) => {
      const step = handshake.receive(new Uint8Array(challenge));
      if (step.is === 'going on') setTimeout(() => slow.send(sentBy(step)), 300);
    });
    const [, reason] = (await once(slow, 'close')) as [number, Buffer];
    expect(reason.toString()).toBe(`did not say who it is within ${unprovenMs} ms`);
    // A timer's millisecond is not the clock's.
    expect(performance.now() - openedAtMs).toBeGreaterThanOrEqual(unprovenMs - 5);
    expect(accepter.opens).toHaveLength(1);
  });

  test('whoever was dialled and pours out bytes instead of a proof is cut', async () => {
    const flood = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'causeway.2.secret' });
    flood.on('connection', (socket) => {
      socket.on('error', () => undefined);
      // The head of a frame of 512 MiB and then its bytes, which never end.
      const inside = socket as unknown as { _socket: Socket };
      inside._socket.write(Buffer.from([0x82, 127, 0, 0, 0, 0, 0x20, 0, 0, 0]));
      const pour = (): void => {
        while (inside._socket.writable && inside._socket.write(Buffer.alloc(65_536)));
      };
      inside._socket.on('drain', pour);
      pour();
    });
    onTestFinished(() => {
      for (const client of flood.clients) client.terminate();
      flood.close();
    });
    await once(flood, 'listening');
    const dialler = diallerTo(`ws://127.0.0.1:${(flood.address() as AddressInfo).port}`, DIALLER_SECRET);
    await until(() => dialler.dialFailures.length >= 2, 'dials given up');
    expect(dialler.dialFailures[0]).toBe('over 262144 bytes before saying who it is');
  });
});
