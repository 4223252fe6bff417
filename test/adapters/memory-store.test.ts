import { describe, expect, test } from 'vitest';
import { MemoryDisk, MemoryStore } from '../../src/adapters/memory-store.ts';
import { CausewayError } from '../../src/errors.ts';
import { batchOf, committed, entry } from './store-batches.ts';
import { describeStore, held } from './store-contract.ts';

describeStore('in memory', () => {
  const disk = new MemoryDisk();
  return { open: () => new MemoryStore(disk) };
});

describe('crashes of the store in memory', () => {
  test('kill -9 loses the batches that were not committed, and nothing else', async () => {
    const disk = new MemoryDisk();
    const store = new MemoryStore(disk);
    store.nextIncarnation(5);
    store.raiseStampBound(9);
    await committed(store, batchOf({ entries: [entry('kept', '1')] }));
    const told: unknown[] = [];
    store.commit(batchOf({ clear: true, entries: [entry('lost', '2')] }), (error) => told.push(error));
    store.crash();
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual([]);
    const next = new MemoryStore(disk);
    expect(held(next)).toMatchObject({ stampBound: 9, entries: { kept: '1' } });
    expect(next.nextIncarnation(1)).toBe(6);
  });

  test('a failed disk answers the commits on their way and refuses everything after', async () => {
    const disk = new MemoryDisk();
    const store = new MemoryStore(disk);
    const failure = new CausewayError('STORE', 'no space');
    const onItsWay = committed(store, batchOf({ entries: [entry('a', '1')] }));
    store.fail(failure);
    expect(await onItsWay).toBe(failure);
    expect(await committed(store, batchOf({}))).toBe(failure);
    expect(() => store.raiseStampBound(1)).toThrow(failure);
    expect(held(new MemoryStore(disk)).entries).toEqual({});
  });
});
