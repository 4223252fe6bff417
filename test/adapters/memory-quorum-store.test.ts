import { describe, expect, test } from 'vitest';
import { MemoryQuorumDisk, MemoryQuorumStore } from '../../src/adapters/memory-quorum-store.ts';
import { CausewayError } from '../../src/errors.ts';
import { groupBatch, groupHeld, logEntries, NOTHING_HELD, saved } from './quorum-batches.ts';
import { describeQuorumStore } from './quorum-store-contract.ts';

describeQuorumStore('in memory', () => {
  const disk = new MemoryQuorumDisk();
  return { open: () => new MemoryQuorumStore(disk) };
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
