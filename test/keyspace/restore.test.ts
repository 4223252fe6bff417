import { expect, it } from 'vitest';
import type { EntryState } from '../../src/crdt/entry.ts';
import { originOf, nodeNumber } from '../../src/clock/origin.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';

const A = originOf(nodeNumber(1), 1);
const register: EntryState = [['v', 10, A, 1, null], null, null, [[2_000, A, 1, 10, A, 1]]];
const siblings: EntryState = [[[['v', 10, A, 1, null]], null], null, null, null];

it('what comes from the store is written to it again only where the class of its key has changed it', () => {
  const keyspace = new SlabKeyspace();
  keyspace.collectsDirty = true;
  keyspace.kinds.isWeak = (key) => key.toLatin1() === 'weak';
  keyspace.restore('same', register);
  keyspace.restore('counter', [[null, 0, 0, 0, [[A, 1, 3, 10, '7', '0']]], null, null, null]);
  keyspace.restore('converted', siblings);
  keyspace.restore('weak', register);
  expect(keyspace.count).toBe(3);
  const { clear, entries } = keyspace.takeDirty();
  expect(clear).toBe(false);
  expect(new Map(entries)).toEqual(
    new Map([
      ['converted', [['v', 10, A, 1, null], null, null, null]],
      ['weak', null],
    ]),
  );
});
