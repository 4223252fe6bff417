import { describe, expect, test } from 'vitest';
import { MemoryQuorumDisk, MemoryQuorumStore } from '../../src/adapters/memory-quorum-store.ts';
import { CausewayError } from '../../src/errors.ts';
import { FaultyQuorumStore } from '../support/faulty-quorum-store.ts';
import { closedQuorum, groupBatch, groupHeld, logEntries, NOTHING_HELD, saved } from './quorum-batches.ts';
import { describeQuorumStore } from './quorum-store-contract.ts';

describeQuorumStore('in memory', () => {
  const disk = new MemoryQuorumDisk();
  return { open: () => new MemoryQuorumStore(disk) };
});

describeQuorumStore('in memory, behind a faulty one without faults', () => {
  const disk = new MemoryQuorumDisk();
  return { open: () => new FaultyQuorumStore(new MemoryQuorumStore(disk)) };
});

describe('a faulty quorum store', () => {
  for (const isKept of [false, true]) {
    test(`fails from a commit on, which is on disk ${isKept ? 'all the same' : 'or not: here not'}`, async () => {
      const disk = new MemoryQuorumDisk();
      const store = new FaultyQuorumStore(new MemoryQuorumStore(disk), { failsAt: 2, isKept });
      expect(await saved(store, groupBatch({ entries: logEntries(1, 1, 'a') }))).toBeNull();
      const outcomes = [
        saved(store, groupBatch({ entries: logEntries(2, 1, 'b') })),
        saved(store, groupBatch({ entries: logEntries(3, 1, 'c') })),
      ];
      const refused = expect.objectContaining({ code: 'STORE' }) as unknown;
      expect(await Promise.all(outcomes)).toEqual([refused, refused]);
      expect(() => store.load('any')).toThrow('the disk failed at commit 2');
      expect(groupHeld(new MemoryQuorumStore(disk)).log).toHaveLength(isKept ? 2 : 1);
    });
  }

  test('keeps commits back while it is held, and lets them go in order', async () => {
    const disk = new MemoryQuorumDisk();
    const store = new FaultyQuorumStore(new MemoryQuorumStore(disk));
    store.hold();
    const told: number[] = [];
    for (const index of [1, 2]) {
      store.commit({ groups: [groupBatch({ entries: logEntries(index, 1, 'x') })] }, () => told.push(index));
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual([]);
    expect(groupHeld(new MemoryQuorumStore(disk))).toEqual(NOTHING_HELD);
    store.release();
    await closedQuorum(store);
    expect(told).toEqual([1, 2]);
  });
});

describe('crashes of the quorum store in memory', () => {
  test('kill -9 loses the batches that were not committed, and nothing else', async () => {
    const disk = new MemoryQuorumDisk();
    const store = new MemoryQuorumStore(disk);
    await saved(store, groupBatch({ entries: logEntries(1, 1, 'kept') }));
    const told: unknown[] = [];
    store.commit({ groups: [groupBatch({ truncateFrom: 1, entries: logEntries(1, 2, 'lost') })] }, (error) =>
      told.push(error),
    );
    store.crash();
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual([]);
    expect(groupHeld(new MemoryQuorumStore(disk)).log).toEqual(['1 t1 k1 kept']);
  });

  test('a failed disk answers the commits on their way and refuses everything after', async () => {
    const disk = new MemoryQuorumDisk();
    const store = new MemoryQuorumStore(disk);
    const failure = new CausewayError('STORE', 'no space');
    const onItsWay = saved(store, groupBatch({ entries: logEntries(1, 1, 'a') }));
    store.fail(failure);
    expect(await onItsWay).toBe(failure);
    expect(await saved(store, groupBatch())).toBe(failure);
    expect(() => store.load('any')).toThrow(failure);
    expect(groupHeld(new MemoryQuorumStore(disk))).toEqual(NOTHING_HELD);
  });
});
