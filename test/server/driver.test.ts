import { describe, expect, test } from 'vitest';
import { MemoryDisk, MemoryStore } from '../../src/adapters/memory-store.ts';
import { AssertionFailed } from '../../src/base/assert.ts';
import { latin1Bytes, latin1Of } from '../../src/base/bytes.ts';
import { stampOfMs, STAMP_EPOCH_MS } from '../../src/clock/stamp.ts';
import { CausewayError } from '../../src/errors.ts';
import { until } from '../adapters/transport-rig.ts';
import { drivenNode, FakeConnection } from './driver-rig.ts';

const NEXT_TURN = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('turns', () => {
  test('however much happens in a turn, the node is flushed once, after it, without a timer', async () => {
    const { node, driver } = drivenNode();
    driver.start();
    const link = new FakeConnection(1, 'bulk', 65);
    driver.opened(link);
    driver.touch();
    for (const text of ['a', 'b', 'c']) driver.frame(link, latin1Bytes(text));
    driver.touch();
    expect(node.calls).toEqual(['start', 'linkOpened 1 bulk', 'linkFrame 1 a', 'linkFrame 1 b', 'linkFrame 1 c']);
    await NEXT_TURN();
    expect(node.calls.slice(5)).toEqual(['flush', 'turnEnded']);
    driver.touch();
    await NEXT_TURN();
    expect(node.calls.slice(7)).toEqual(['flush', 'turnEnded']);
  });

  test('a node that has more to do than a turn is given less where that is dear, and more where it is not', async () => {
    const { node, driver } = drivenNode();
    driver.start();
    const paced = async (turns: number, flushCpuMs: number): Promise<number> => {
      node.flushCpuMs = flushCpuMs;
      node.turnsWanted = turns;
      driver.touch();
      await until(() => node.turnsWanted === 0, 'the turns to end');
      return node.paces.at(-1) ?? NaN;
    };
    const first = await paced(1, 1_000);
    // what is done in one turn says nothing of the rest
    expect(node.paces).toEqual([first]);
    expect(await paced(50, 0.5)).toBe(1);
    expect(await paced(50, 20)).toBe(1 / 8);
    // neither too long nor short
    expect(await paced(50, 3)).toBe(1 / 8);
    // what peers may send at a time is only then a part where there is more to do than a turn is long
    expect(driver.share).toBe(1);
    node.turnsWanted = 2;
    driver.touch();
    await NEXT_TURN();
    expect(driver.share).toBe(1 / 8);
    await until(() => node.turnsWanted === 0, 'the turns to end');
    expect(await paced(50, 0.5)).toBe(1);
  });

  test('what the node wants sent goes to its connections, in order, then it closes what it wants closed', async () => {
    const { node, driver } = drivenNode();
    driver.start();
    const [first, second] = [new FakeConnection(1, 'bulk', 65), new FakeConnection(2, 'control', 65)];
    driver.opened(first);
    driver.opened(second);
    const frame = (link: number, text: string): { link: number; frame: Uint8Array } => ({
      link,
      frame: latin1Bytes(text),
    });
    node.outputs = {
      sends: [frame(2, 'x'), frame(1, 'y'), frame(2, 'z'), frame(99, 'to nobody')],
      closes: [
        { link: 2, reason: 'bad frame' },
        { link: 98, reason: 'nobody' },
      ],
    };
    await NEXT_TURN();
    expect([first.sent, second.sent]).toEqual([['y'], ['x', 'z']]);
    // at once, not when all else of the turn is done
    expect([first.flushed, second.flushed]).toEqual([1, 2]);
    expect([first.closeReason, second.closeReason]).toEqual([null, 'bad frame']);
    driver.closed(second, 'bad frame');
    expect(node.calls).toContain('linkClosed 2');
  });

  test('an idle node is left alone until the time it named', async () => {
    const { node, driver } = drivenNode();
    node.tickEveryMs = 30;
    const startMs = performance.now();
    driver.start();
    await until(() => node.count('tick') >= 3, 'ticks');
    // Timers may be late, never early by more than their rounding.
    expect(performance.now() - startMs).toBeGreaterThan(3 * 28);
    // the turn ends at the end of its round of the loop
    await NEXT_TURN();
    expect(node.count('flush')).toBe(node.count('tick'));
  });

  test('a timer that was set before the node wanted less is no tick, unless the last one was long ago', async () => {
    let atMs = 1_000;
    const clock = { wallMs: () => atMs, monotonicMs: () => atMs };
    const { node, driver } = drivenNode(null, undefined, clock);
    node.tickEveryMs = 5;
    driver.start();
    await until(() => node.count('tick') === 1, 'the first tick');
    node.tickEveryMs = 60_000;
    driver.touch();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(node.count('tick')).toBe(1);
    node.tickEveryMs = 5;
    driver.touch();
    await NEXT_TURN();
    node.tickEveryMs = 60_000;
    driver.touch();
    atMs += 20;
    await until(() => node.count('tick') === 2, 'a tick though it is early');
  });

  test('a node that has more to do than a turn is long gets the next turns at once, and requests come between', async () => {
    const { node, driver } = drivenNode();
    driver.start();
    node.turnsWanted = 4;
    driver.touch();
    await NEXT_TURN();
    expect([node.count('flush'), node.turnsWanted]).toEqual([1, 3]);
    await until(() => node.turnsWanted === 0, 'the last turn');
    await NEXT_TURN();
    expect(node.count('flush')).toBe(4);
    expect(node.count('tick')).toBe(0);
  });

  test('a node that is behind has one turn a round of the loop, however often time passes meanwhile', async () => {
    const { node, driver } = drivenNode();
    driver.start();
    node.tickEveryMs = 1;
    node.turnsWanted = Infinity;
    driver.touch();
    let most = 0;
    while (node.count('tick') < 20) {
      const flushes = node.count('flush');
      await NEXT_TURN();
      most = Math.max(most, node.count('flush') - flushes);
    }
    node.turnsWanted = 0;
    expect(most).toBe(1);
  });

  test('a node that wants time sooner than it said before gets it', async () => {
    const { node, driver } = drivenNode();
    driver.start();
    node.tickEveryMs = 5;
    driver.touch();
    await until(() => node.count('tick') >= 2, 'ticks');
    await NEXT_TURN();
    expect(node.count('flush')).toBeGreaterThanOrEqual(node.count('tick'));
  });
});

describe('who an accepted connection is', () => {
  test('its first frame proves it when the node does not close it for that', async () => {
    const { node, driver, proved } = drivenNode();
    driver.start();
    const [dialled, good, bad] = [
      new FakeConnection(1, 'bulk', 65),
      new FakeConnection(2, 'bulk', null),
      new FakeConnection(3, 'bulk', null),
    ];
    for (const connection of [dialled, good, bad]) driver.opened(connection);
    driver.frame(dialled, latin1Bytes('hello'));
    driver.frame(good, latin1Bytes('hello'));
    driver.frame(good, latin1Bytes('more'));
    expect(proved).toEqual([2]);
    node.outputs = { sends: [], closes: [{ link: 3, reason: 'hello refused' }] };
    driver.frame(bad, latin1Bytes('nonsense'));
    await NEXT_TURN();
    expect(proved).toEqual([2]);
    expect(bad.closeReason).toBe('hello refused');
  });

  test('strangers that are refused all day are not told of one by one', async () => {
    const lines: string[] = [];
    const { node, driver } = drivenNode(null, (line) => lines.push(line));
    driver.start();
    for (let id = 1; id <= 100; id++) {
      const stranger = new FakeConnection(id, 'bulk', null);
      driver.opened(stranger);
      node.outputs = { sends: [], closes: [{ link: id, reason: 'hello refused' }] };
      driver.frame(stranger, latin1Bytes('nonsense'));
      driver.closed(stranger, 'hello refused');
    }
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThan(30);
    driver.opened(new FakeConnection(500, 'bulk', 65));
    driver.closed(new FakeConnection(500, 'bulk', 65), 'cut');
    expect(lines.at(-1)).toContain('cut');
  });
});

describe('writing behind', () => {
  test('one batch at a time, told to the node when it is on disk, and not all the time', async () => {
    const disk = new MemoryDisk();
    const finishers: (() => void)[] = [];
    const store = new MemoryStore(disk, { defer: (run) => finishers.push(run) });
    const { node, driver } = drivenNode(store);
    driver.start();
    node.dirty = 1;
    driver.touch();
    await NEXT_TURN();
    expect(node.batches).toBe(1);
    node.dirty = 1;
    for (let i = 0; i < 5; i++) {
      driver.touch();
      await NEXT_TURN();
    }
    expect([node.batches, node.count('storeCommitted')]).toEqual([1, 0]);
    finishers.shift()?.();
    expect(node.count('storeCommitted')).toBe(1);
    await until(() => node.batches === 2, 'the second batch');
    finishers.shift()?.();
    expect(latin1Of(disk.meta ?? new Uint8Array(0), 0, 7)).toBe('batch 2');
  });

  test('a bound that is wanted beside a batch is raised at once, and told when it is on disk', async () => {
    const disk = new MemoryDisk();
    const finishers: (() => void)[] = [];
    const { node, driver } = drivenNode(new MemoryStore(disk, { defer: (run) => finishers.push(run) }));
    driver.start();
    node.dirty = 1;
    driver.touch();
    await NEXT_TURN();
    node.boundWanted = stampOfMs(STAMP_EPOCH_MS + 77);
    driver.touch();
    await NEXT_TURN();
    expect([finishers.length, node.count('stampBoundRaised'), disk.stampBound]).toEqual([2, 0, 0]);
    for (const finish of finishers.splice(0)) finish();
    expect([node.count('stampBoundRaised'), disk.stampBound]).toEqual([1, stampOfMs(STAMP_EPOCH_MS + 77)]);
  });

  test('batches are not taken more often than every 40 ms, however much is written', async () => {
    const { node, driver } = drivenNode(new MemoryStore());
    driver.start();
    const startMs = performance.now();
    while (node.batches < 4) {
      node.dirty = 1;
      driver.touch();
      await NEXT_TURN();
    }
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(3 * 40);
  });

  test('a stop writes what is left, after the batch that is on its way', async () => {
    const disk = new MemoryDisk();
    const { node, driver } = drivenNode(new MemoryStore(disk));
    driver.start();
    node.dirty = 1;
    driver.touch();
    await NEXT_TURN();
    node.dirty = 1;
    await driver.stop();
    expect([node.batches, node.count('storeCommitted')]).toEqual([2, 2]);
    expect(latin1Of(disk.meta ?? new Uint8Array(0), 0, 7)).toBe('batch 2');
    const calls = node.calls.length;
    driver.touch();
    await NEXT_TURN();
    expect(node.calls).toHaveLength(calls);
  });

  test('a stop is not kept by a node without a store', async () => {
    const { node, driver } = drivenNode(null);
    driver.start();
    node.dirty = 1;
    await driver.stop();
    expect(node.batches).toBe(0);
  });
});

describe('a node that cannot go on', () => {
  test('a store that failed is told once, and then nothing is done any more', async () => {
    const store = new MemoryStore();
    const { node, driver, failures } = drivenNode(store);
    driver.start();
    const failure = new CausewayError('STORE', 'disk full');
    node.dirty = 1;
    driver.touch();
    await NEXT_TURN();
    store.fail(failure);
    await until(() => failures.length > 0, 'the failure');
    const calls = node.calls.length;
    node.dirty = 1;
    driver.touch();
    driver.frame(new FakeConnection(1, 'bulk', 65), latin1Bytes('x'));
    await NEXT_TURN();
    await driver.stop();
    expect(node.calls).toHaveLength(calls);
    expect(failures).toEqual([failure]);
    expect(node.count('storeCommitted')).toBe(0);
  });

  test('so is a bound that cannot be raised', async () => {
    const store = new MemoryStore();
    const { node, driver, failures } = drivenNode(store);
    driver.start();
    const failure = new CausewayError('STORE', 'disk full');
    node.boundWanted = stampOfMs(STAMP_EPOCH_MS + 1);
    driver.touch();
    store.fail(failure);
    await until(() => failures.length > 0, 'the failure');
    expect([failures, node.count('stampBoundRaised')]).toEqual([[failure], 0]);
  });

  test('of a store that failed what was written before leaves for the peers, and what comes after it does not', async () => {
    const store = new MemoryStore();
    const { node, driver, failures } = drivenNode(store);
    driver.start();
    const link = new FakeConnection(1, 'bulk', 65);
    driver.opened(link);
    await NEXT_TURN();
    store.fail(new CausewayError('STORE', 'disk full'));
    node.dirty = 1;
    driver.touch();
    await NEXT_TURN();
    node.outputs = { sends: [{ link: 1, frame: latin1Bytes('answered already') }], closes: [] };
    await until(() => failures.length > 0, 'the failure');
    expect([link.sent, link.flushed]).toEqual([['answered already'], 1]);
    node.outputs = { sends: [{ link: 1, frame: latin1Bytes('too late') }], closes: [] };
    driver.touch();
    await NEXT_TURN();
    expect(link.sent).toEqual(['answered already']);
  });

  test.each(['linkOpened', 'linkFrame', 'linkClosed', 'flush', 'tick', 'start'])(
    'a broken invariant in %s',
    async (call) => {
      const { node, driver, failures } = drivenNode();
      node.throwing.set(call, new AssertionFailed('sequences have no gap'));
      node.tickEveryMs = 1;
      driver.start();
      const link = new FakeConnection(1, 'bulk', 65);
      driver.opened(link);
      driver.frame(link, latin1Bytes('x'));
      driver.closed(link, 'over');
      node.outputs = { sends: [{ link: 1, frame: latin1Bytes('from a broken node') }], closes: [] };
      await until(() => failures.length > 0, 'the failure');
      expect(failures).toHaveLength(1);
      expect(failures[0]).toMatchObject({ code: 'Internal', message: 'assertion failed: sequences have no gap' });
      expect(link.sent).toEqual([]);
    },
  );
});

describe('drain', () => {
  const peer = {
    id: 'eu-west-1/a',
    region: 'eu-west-1',
    connected: true,
    lagTransactions: 1,
    lagBytes: 1,
    lagMs: 1,
    rttMs: 1,
    silentMs: 1,
  };

  test('waits until the connected peers have everything', async () => {
    const { node, driver } = drivenNode();
    driver.start();
    node.statuses = [{ ...peer }, { ...peer, connected: false, lagTransactions: 50 }];
    let isDrained = false;
    const drained = driver.drain(60_000).then(() => (isDrained = true));
    await NEXT_TURN();
    await NEXT_TURN();
    expect(isDrained).toBe(false);
    node.statuses = [
      { ...peer, lagTransactions: 0 },
      { ...peer, connected: false, lagTransactions: 50 },
    ];
    await drained;
  });

  test('gives up after its time', async () => {
    const { node, driver } = drivenNode();
    driver.start();
    node.statuses = [peer];
    await driver.drain(50);
    expect(node.count('flush')).toBeGreaterThan(1);
  });
});
