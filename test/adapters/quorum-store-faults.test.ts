import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { LmdbQuorumStore } from '../../src/adapters/lmdb-quorum-store.ts';
import { latin1Bytes } from '../../src/base/bytes.ts';
import type { QuorumGroupBatch } from '../../src/ports.ts';
import { FaultyWrites } from './faulty-writes.ts';
import { closedQuorum, groupBatch, groupHeld, logEntries, saved, stateChange } from './quorum-batches.ts';
import {
  changeFile,
  copied,
  fileIn,
  foundAfterCrash,
  JOURNALS,
  opened,
  temporaryFolder,
  witnessAt,
} from './quorum-folders.ts';

const CHILD = join(import.meta.dirname, 'quorum-store-child.ts');
const MIB = 1024 * 1024;
const WAYS = [
  { way: 'on a thread', syncBytesMax: 0 },
  { way: 'on the event loop', syncBytesMax: 1e9 },
];

function promise(index: number, bytes: number = 10, group?: string): QuorumGroupBatch {
  const entries = logEntries(index, 1, 'x'.repeat(bytes));
  return groupBatch({
    ...(group === undefined ? {} : { group }),
    hardState: { term: 1, votedFor: 1, commit: index },
    entries,
  });
}

/** Keeps everybody else from writing the tree until it is told to let go. */
async function blockedTree(folder: string): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, [CHILD, 'block', folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return async () => {
    child.stdin.end('x');
    await ended;
  };
}

/** What is told of commits, as they are: how often, and what. */
class Told {
  readonly all: (string | null)[][] = [];

  commit(store: LmdbQuorumStore, ...groups: readonly QuorumGroupBatch[]): number {
    const told: (string | null)[] = [];
    store.commit({ groups }, (error) => told.push(error?.code ?? null));
    return this.all.push(told) - 1;
  }

  get done(): number {
    return this.all.filter((told) => told.length > 0).length;
  }
}

function journalBytes(folder: string): number {
  return JOURNALS.reduce((sum, name) => sum + statSync(fileIn(folder, name)).size, 0);
}

for (const { way, syncBytesMax } of WAYS) {
  describe(`a journal whose disk fails, ${way}`, () => {
    for (const { code, advice } of [
      { code: 'EIO', advice: 'replace it if it is failing' },
      { code: 'ENOSPC', advice: 'make room on that disk' },
    ]) {
      test(`with ${code}: each commit is told once, nothing is done after it, and what was acknowledged is there`, async () => {
        const faults = new FaultyWrites();
        const folder = temporaryFolder();
        const store = opened(folder, witnessAt(0), { syncBytesMax });
        for (let index = 1; index <= 3; index++) expect(await saved(store, promise(index))).toBeNull();
        faults.left = 0;
        faults.code = code;
        const told = new Told();
        told.commit(store, promise(4));
        told.commit(store, promise(5));
        told.commit(store, groupBatch({ group: 'other', state: stateChange('in the tree') }));
        await expect.poll(() => told.done).toBe(3);
        faults.left = Infinity;
        told.commit(store, promise(6));
        await expect.poll(() => told.done).toBe(4);
        expect(told.all.slice(0, 2)).toEqual([['STORE'], ['STORE']]);
        expect(told.all[3]).toEqual(['STORE']);
        expect(() => store.load('any')).toThrow(advice);
        expect(() => store.groups()).toThrow(`${code}: the disk failed`);
        await closedQuorum(store);
        for (const each of told.all) expect(each).toHaveLength(1);
        const { log } = (await foundAfterCrash(copied(folder), 1)) as ReturnType<typeof groupHeld>;
        expect(log.length).toBeGreaterThanOrEqual(3);
      });
    }

    test.each([
      { what: 'the zeros', failsOn: (bytes: Uint8Array, at: number) => at > 0 && bytes.every((byte) => byte === 0) },
      { what: 'the head', failsOn: (_: Uint8Array, at: number) => at === 0 },
    ])('while it grows ($what): the next start has what was acknowledged', async ({ failsOn }) => {
      const faults = new FaultyWrites();
      const folder = temporaryFolder();
      const store = opened(folder, witnessAt(0), { syncBytesMax });
      expect(await saved(store, promise(1))).toBeNull();
      faults.failsOn = failsOn;
      let index = 2;
      while ((await saved(store, promise(index, 20_000))) === null) index += 1;
      expect(index).toBeGreaterThan(8);
      faults.failsOn = () => false;
      expect(await foundAfterCrash(copied(folder), 1, (held) => groupHeld(held).log.length)).toBe(index - 1);
    });

    test('writes that the system cuts short go on where they were', async () => {
      const faults = new FaultyWrites();
      faults.bytesMax = 700;
      const folder = temporaryFolder();
      const store = opened(folder, witnessAt(0), { syncBytesMax });
      for (let index = 1; index <= 3; index++) expect(await saved(store, promise(index, 5000))).toBeNull();
      const held = groupHeld(store);
      expect(await foundAfterCrash(copied(folder), 1)).toEqual(held);
    });

    test('who commits again when it is done is served as often as it wants', async () => {
      const store = opened(temporaryFolder(), witnessAt(0), { syncBytesMax });
      await new Promise<void>((resolve) => {
        const next = (index: number): void => {
          if (index > 3000) return resolve();
          store.commit({ groups: [promise(index)] }, () => next(index + 1));
        };
        next(1);
      });
      expect(groupHeld(store).log).toHaveLength(3000);
    });
  });
}

describe('a tree that does not get on', () => {
  test('is passed by promises, but by none that builds on what only it gets', async () => {
    const folder = temporaryFolder();
    const store = opened(folder);
    for (let index = 1; index <= 4; index++) await saved(store, promise(index), promise(index, 10, 'second'));
    const letGo = await blockedTree(folder);
    const told = new Told();
    const snapshot = { index: 3, term: 1, meta: latin1Bytes('m') };
    const waiting = [
      told.commit(store, groupBatch({ snapshot, state: stateChange('applied 3') })),
      told.commit(store, { ...promise(5, 10, 'second'), state: stateChange('with an entry') }),
    ];
    const passing = [
      told.commit(store, promise(5)),
      told.commit(store, promise(6)),
      told.commit(store, promise(1, 10, 'third')),
    ];
    await expect.poll(() => passing.map((each) => told.all[each])).toEqual([[null], [null], [null]]);
    waiting.push(
      told.commit(store, promise(6, 10, 'second')),
      told.commit(store, groupBatch({ compactTo: 3 })),
      // follows on the one that waits
      told.commit(store, promise(7)),
      told.commit(store, promise(2, 10, 'third'), promise(7, 10, 'second')),
      told.commit(store, promise(3, 10, 'third')),
    );
    const after = told.commit(store, promise(1, 10, 'fourth'));
    await expect.poll(() => told.all[after]).toEqual([null]);
    expect(waiting.map((each) => told.all[each])).toEqual(waiting.map(() => []));
    const read = (group: string) => (held: Parameters<typeof groupHeld>[0]) => groupHeld(held, group);
    const crashed = copied(folder);
    const lengths = { [groupBatch().group]: 6, second: 4, third: 1, fourth: 1 };
    for (const [at, [group, length]] of Object.entries(lengths).entries()) {
      const found = (await foundAfterCrash(crashed, 1 + 2 * at, read(group))) as ReturnType<typeof groupHeld>;
      expect(found.log, group).toHaveLength(length);
      expect(found.stateMeta, group).toBeNull();
    }
    await letGo();
    await expect.poll(() => told.done, { timeout: 20_000 }).toBe(told.all.length);
    expect(told.all.every((each) => each.length === 1 && each[0] === null)).toBe(true);
    expect(await foundAfterCrash(copied(folder), 1, (held) => groupHeld(held).log.length)).toBe(4);
  });

  test('holds promises back once it is far behind, and all is done when it gets on', async () => {
    const folder = temporaryFolder();
    const store = opened(folder);
    const letGo = await blockedTree(folder);
    const told = new Told();
    for (let index = 1; index <= 100; index++) told.commit(store, promise(index, MIB));
    const small = told.commit(store, promise(1, 10, 'second'));
    // what is in the journal is done, one after the other
    await expect.poll(() => told.done, { timeout: 20_000 }).toBe(32);
    const bytes = journalBytes(folder);
    await saved(opened(temporaryFolder()), promise(1, MIB));
    expect(told.done).toBe(32);
    expect(told.all[small]).toEqual([]);
    expect(bytes).toBeLessThan(40 * MIB);
    // none of the files was written again before the tree had what it has
    expect(await foundAfterCrash(copied(folder), 1, (held) => groupHeld(held).log.length)).toBe(32);
    await letGo();
    await expect.poll(() => told.done, { timeout: 40_000 }).toBe(101);
    expect(told.all.every((each) => each.length === 1 && each[0] === null)).toBe(true);
    // and the files are of their size again
    for (let index = 101; index <= 116; index++) {
      await saved(store, promise(index, MIB));
      if (index % 4 === 0) await saved(store, groupBatch({ state: stateChange(`${index}`) }));
    }
    expect(journalBytes(folder)).toBeLessThan(16 * MIB);
    expect(await foundAfterCrash(copied(folder), 1, (held) => groupHeld(held).log.length)).toBe(116);
  });
});

describe('a large batch', () => {
  test('goes into the tree alone, and what follows on it is in its order', async () => {
    const folder = temporaryFolder();
    const store = opened(folder);
    const order: number[] = [];
    const all = [promise(1), promise(2, 8 * MIB), promise(3), promise(4)].map(
      (batch, at) =>
        new Promise<void>((resolve) => {
          store.commit({ groups: [batch] }, (error) => {
            expect(error).toBeNull();
            order.push(at);
            resolve();
          });
        }),
    );
    await Promise.all(all);
    expect(order).toEqual([0, 1, 2, 3]);
    expect(journalBytes(folder)).toBeLessThan(MIB);
    const held = groupHeld(store);
    expect(await foundAfterCrash(copied(folder), 1)).toEqual(held);
  });
});

test('a store is not loaded while the tree is written, and goes on after that', async () => {
  const folder = temporaryFolder();
  const store = opened(folder);
  const letGo = await blockedTree(folder);
  const written = saved(store, groupBatch({ state: stateChange('meta'), audit: [[1, latin1Bytes('record')]] }));
  await new Promise((resolve) => setImmediate(resolve));
  expect(() => store.load('any')).toThrow('a group is loaded while nothing is on its way into the tree');
  expect([...store.audit(groupBatch().group, 0)]).toEqual([]);
  await letGo();
  expect(await written).toBeNull();
  expect(groupHeld(store).stateMeta).toBe('meta');
});

test('a tree whose last pages were taken and given back in one transaction, and so never written, is whole', async () => {
  const folder = temporaryFolder();
  const witness = witnessAt(0);
  const store = opened(folder, witness);
  await saved(store, { ...promise(1), state: stateChange('meta') });
  await closedQuorum(store);
  const { size } = statSync(fileIn(folder, 'data.mdb'));
  // the last page as both roots tell it
  changeFile(fileIn(folder, 'data.mdb'), (bytes) => {
    for (const root of [0, 4096]) bytes.writeBigUInt64LE(BigInt(size / 4096 + 99), root + 144);
  });
  const again = opened(folder, witness);
  expect(groupHeld(again)).toMatchObject({ log: [`1 t1 k1 ${'x'.repeat(10)}`], stateMeta: 'meta' });
  await saved(again, { ...promise(2, MIB), state: stateChange('more') });
  expect(await foundAfterCrash(copied(folder), witness.mark, (held) => groupHeld(held).log.length)).toBe(2);
});
