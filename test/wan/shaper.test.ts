import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WAN_LIMITS } from '../../src/wan/limits.ts';
import { EAST, listen, receive, startRig, topology, until, wasReset, WEST, type Rig } from './sockets.ts';

const ONE_WAY_MS = topology.oneWayMs(EAST, WEST);
/** The shaper's own tolerance and the grain of two readings of the clock. */
const EARLY_MS = 0.2;
/** Only against something that waits for ever or by the second: machines are slow at times. */
const LATE_MS = 500;

let rig: Rig;
afterEach(async () => rig.close());

describe('a link that is open', () => {
  test('brings frames in order, none early, most not late', async () => {
    rig = await startRig();
    const sender = await rig.dial();
    const receiver = await rig.accepted();
    const frames = 200;
    const lateMs: number[] = [];
    const order: number[] = [];
    let rest = Buffer.alloc(0);
    const all = new Promise<void>((resolve) => {
      receiver.on('data', (chunk) => {
        const nowMs = performance.now();
        rest = Buffer.concat([rest, chunk]);
        for (; rest.length >= 16; rest = rest.subarray(16)) {
          order.push(rest.readDoubleLE(0));
          lateMs.push(nowMs - rest.readDoubleLE(8) - ONE_WAY_MS);
        }
        if (order.length === frames) resolve();
      });
    });
    for (let i = 0; i < frames; i += 1) {
      const frame = Buffer.alloc(16);
      frame.writeDoubleLE(i, 0);
      frame.writeDoubleLE(performance.now(), 8);
      sender.write(frame);
      if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await all;
    expect(order).toEqual(Array.from({ length: frames }, (_, i) => i));
    expect(Math.min(...lateMs)).toBeGreaterThan(-EARLY_MS);
    expect(lateMs.toSorted((a, b) => a - b)[frames / 2]).toBeLessThan(LATE_MS);
  });

  test('delays each way by its own figure, the round trip by both', async () => {
    rig = await startRig();
    const sender = await rig.dial();
    const receiver = await rig.accepted();
    receiver.pipe(receiver);
    const sentMs = performance.now();
    sender.write('x');
    const { atMs } = await receive(sender, 1);
    const roundTripMs = ONE_WAY_MS + topology.oneWayMs(WEST, EAST);
    expect(atMs - sentMs).toBeGreaterThan(roundTripMs - EARLY_MS * 2);
    expect(atMs - sentMs).toBeLessThan(roundTripMs + LATE_MS);
  });

  test('polls for delays below 20 ms and scales to none at all', async () => {
    for (const scale of [0.1, 0]) {
      rig = await startRig({ scale });
      const sender = await rig.dial();
      const receiver = await rig.accepted();
      const sentMs = performance.now();
      sender.write('x');
      const { atMs } = await receive(receiver, 1);
      expect(atMs - sentMs).toBeGreaterThan(ONE_WAY_MS * scale - EARLY_MS);
      if (scale === 0.1) await rig.close();
    }
  });

  test('brings many megabytes unchanged', async () => {
    rig = await startRig({ hasJitter: true });
    const sender = await rig.dial();
    const receiver = await rig.accepted();
    const sent = Buffer.alloc(48 * 1024 * 1024);
    for (let i = 0; i < sent.length; i += 4) sent.writeUInt32LE(i, i);
    const arrived = receive(receiver, sent.length);
    sender.write(sent);
    expect(Buffer.compare((await arrived).bytes, sent)).toBe(0);
  });

  test('passes the end of one direction on and keeps the other open', async () => {
    rig = await startRig();
    const sender = await rig.dial();
    const receiver = await rig.accepted();
    receiver.resume();
    const endedMs = performance.now();
    sender.end('last');
    await once(receiver, 'end');
    expect(performance.now() - endedMs).toBeGreaterThan(ONE_WAY_MS - EARLY_MS);
    receiver.end('answer');
    expect((await receive(sender, 6)).bytes.toString()).toBe('answer');
    await once(sender, 'close');
    await until(() => rig.shaper.forwards()[0]?.connections === 0);
  });

  test('passes a reset on, as late as bytes', async () => {
    rig = await startRig();
    const sender = await rig.dial();
    const receiver = await rig.accepted();
    const reset = wasReset(receiver);
    const resetMs = performance.now();
    sender.resetAndDestroy();
    expect(await reset).toBe(true);
    expect(performance.now() - resetMs).toBeGreaterThan(ONE_WAY_MS - EARLY_MS);
    await until(() => rig.shaper.forwards()[0]?.connections === 0);
  });

  test('resets a connection whose target is not there, and finds the target once it moved', async () => {
    rig = await startRig();
    const nobody = createServer();
    const port = await listen(nobody);
    await new Promise((resolve) => nobody.close(resolve));
    const [before] = rig.shaper.forwards();
    const pair = { from: `${EAST}/a`, to: `${WEST}/a` };
    await rig.shaper.register([{ ...pair, target: { host: '127.0.0.1', port } }]);
    expect(await wasReset(rig.connect())).toBe(true);

    const moved = createServer((socket) => socket.on('error', () => undefined).end('moved'));
    const [after] = await rig.shaper.register([{ ...pair, target: { host: '127.0.0.1', port: await listen(moved) } }]);
    expect(after?.listen).toBe(before?.listen);
    const sender = await rig.dial();
    expect((await receive(sender, 5)).bytes.toString()).toBe('moved');
    sender.destroy();
    await new Promise((resolve) => moved.close(resolve));
  });
});

describe('a link that is steered', () => {
  test('cut both ways: both sides see a reset, new connections too, until healed', async () => {
    rig = await startRig();
    const sender = await rig.dial();
    const receiver = await rig.accepted();
    const resets = Promise.all([wasReset(sender), wasReset(receiver)]);
    sender.write('under way');
    rig.shaper.cut(EAST, WEST, false);
    expect(await resets).toEqual([true, true]);
    expect(rig.shaper.links().map((link) => link.state)).toEqual(['cut', 'cut']);

    expect(await wasReset(rig.connect())).toBe(true);
    expect(rig.shaper.forwards()[0]).toMatchObject({ connections: 0, resetsTotal: 1 });

    rig.shaper.heal(EAST, WEST, false);
    const again = await rig.dial();
    again.write('back');
    expect((await receive(await rig.accepted(), 4)).bytes.toString()).toBe('back');
  });

  test('cut one way: that way is silent, the other goes on, and held bytes flow once healed', async () => {
    rig = await startRig();
    const sender = await rig.dial();
    const receiver = await rig.accepted();
    let arrived = '';
    receiver.on('data', (chunk) => (arrived += chunk.toString()));
    rig.shaper.cut(EAST, WEST, true);
    sender.write('held ');
    receiver.write('ping');
    await receive(sender, 4);
    // A round trip of the open way later than it would have arrived.
    receiver.write('pong');
    await receive(sender, 4);
    expect(arrived).toBe('');
    expect(rig.shaper.links()).toMatchObject([
      { from: EAST, to: WEST, state: 'cut', queuedBytes: 5 },
      { from: WEST, to: EAST, state: 'open' },
    ]);
    rig.shaper.heal(EAST, WEST, true);
    sender.write('flows');
    await until(() => arrived === 'held flows');
  });

  test('cut one way and then the other is a cut both ways', async () => {
    rig = await startRig();
    const sender = await rig.dial();
    const reset = wasReset(sender);
    rig.shaper.cut(EAST, WEST, true);
    rig.shaper.cut(WEST, EAST, true);
    expect(await reset).toBe(true);
  });

  test('what a cut way holds is bounded: the sender is slowed down, nothing is lost', async () => {
    rig = await startRig({ scale: 0 });
    const sender = await rig.dial();
    const receiver = await rig.accepted();
    rig.shaper.cut(EAST, WEST, true);
    const sent = Buffer.alloc(WAN_LIMITS.lineBytesMax * 2, 'abcdefghij');
    let isAllTaken = false;
    sender.write(sent, () => (isAllTaken = true));
    await until(() => (rig.shaper.links()[0]?.queuedBytes ?? 0) > WAN_LIMITS.lineBytesMax);
    const heldBytes = rig.shaper.links()[0]?.queuedBytes ?? Infinity;
    expect(heldBytes).toBeLessThan(WAN_LIMITS.lineBytesMax + 1024 * 1024);
    expect(isAllTaken).toBe(false);
    const arrived = receive(receiver, sent.length);
    rig.shaper.heal(EAST, WEST, true);
    expect(Buffer.compare((await arrived).bytes, sent)).toBe(0);
  });

  test('slowed: the delay is the one that was asked for, also for what is under way; healed: the measured one', async () => {
    rig = await startRig();
    const sender = await rig.dial();
    const receiver = await rig.accepted();
    const sentMs = performance.now();
    sender.write('a');
    rig.shaper.slow(EAST, WEST, true, 400);
    expect(rig.shaper.links()[0]).toMatchObject({ state: 'slow', oneWayMs: 400, measuredOneWayMs: ONE_WAY_MS });
    const slow = await receive(receiver, 1);
    expect(slow.atMs - sentMs).toBeGreaterThan(400 - EARLY_MS);

    rig.shaper.slow(EAST, WEST, false, 600_000);
    sender.write('b');
    await until(() => rig.shaper.links()[0]?.queuedBytes === 1);
    rig.shaper.heal(EAST, WEST, false);
    await receive(receiver, 1);
    expect(rig.shaper.links().map((link) => link.state)).toEqual(['open', 'open']);
  });

  test('more connections than a forward may have are reset, and there is room again later', async () => {
    rig = await startRig({ scale: 0 });
    const sockets = [];
    for (let i = 0; i < WAN_LIMITS.connectionsPerForwardMax; i += 1) {
      sockets.push(await rig.dial());
      await rig.accepted();
    }
    expect(await wasReset(rig.connect())).toBe(true);
    for (const socket of sockets) socket.resetAndDestroy();
    await until(() => rig.shaper.forwards()[0]?.connections === 0);
    const again = await rig.dial();
    again.write('x');
    await receive(await rig.accepted(), 1);
  });

  test('a pair without a link and an unknown region are named', async () => {
    rig = await startRig();
    expect(() => rig.shaper.cut(EAST, 'sa-east-1', false)).toThrow(
      'no link from us-east-1 to sa-east-1; there are: us-east-1 eu-west-1, eu-west-1 us-east-1',
    );
    expect(() => rig.shaper.heal('mars', WEST, false)).toThrow('unknown region "mars"');
  });
});
