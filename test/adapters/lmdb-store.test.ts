import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { encodePart } from '../../src/adapters/batch-parts.ts';
import { LmdbStore } from '../../src/adapters/lmdb-store.ts';
import { batchOf, closed, committed, entry } from './store-batches.ts';
import { describeStore, held } from './store-contract.ts';

const CHILD = join(import.meta.dirname, 'store-child.ts');

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function openedIn(folder: string): LmdbStore {
  const store = new LmdbStore(folder);
  onTestFinished(() => closed(store));
  return store;
}

describeStore('LMDB', () => {
  const folder = temporaryFolder();
  return { open: () => new LmdbStore(folder) };
});

describe('the folder of the store', () => {
  test('is for its owner only', async () => {
    const folder = join(temporaryFolder(), 'made', 'here');
    await committed(openedIn(folder), batchOf({ entries: [entry('a', '1')] }));
    const modes = readdirSync(folder, { recursive: true, withFileTypes: true }).map((found) => {
      const mode = statSync(join(found.parentPath, found.name)).mode & 0o777;
      return `${found.isDirectory() ? 'folder' : 'file'} ${mode.toString(8)}`;
    });
    expect(new Set(modes)).toEqual(new Set(['folder 700', 'file 600']));
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test('is refused to a second store of the same process until the first is closed', async () => {
    const folder = temporaryFolder();
    const first = new LmdbStore(folder);
    expect(() => new LmdbStore(folder)).toThrow(`${folder} is in use by process ${process.pid}`);
    await closed(first);
    expect(held(openedIn(folder)).entries).toEqual({});
  });

  test('is refused while another process has it, and taken over once that was killed', async () => {
    const folder = temporaryFolder();
    const child = spawn(process.execPath, [CHILD, 'hold', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    expect(() => new LmdbStore(folder)).toThrow(`${folder} is in use by process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const store = openedIn(folder);
    expect(held(store)).toMatchObject({ stampBound: 77, entries: { committed: 'yes' } });
    expect(store.nextIncarnation(1)).toBe(4);
  });

  test('of an unknown format version is refused, and left as it is', async () => {
    const folder = temporaryFolder();
    await closed(new LmdbStore(folder));
    const promises = open({ path: join(folder, 'promises'), overlappingSync: false, encoding: 'json', maxDbs: 1 });
    promises.putSync('format', 99);
    await promises.close();
    for (const attempt of [1, 2]) {
      expect(() => new LmdbStore(folder), `attempt ${attempt}`).toThrow(
        'has format version 99 and this program knows 2',
      );
    }
  });

  test('that cannot be used is a STORE error that names it and says what to do', () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, 'not a folder');
    expect(() => new LmdbStore(file)).toThrow(expect.objectContaining({ code: 'STORE' }) as Error);
    expect(() => new LmdbStore(file)).toThrow(file);
  });
});

test('a store that is overwritten again and again does not grow, also after it was read', async () => {
  const folder = temporaryFolder();
  const batch = (round: number): Parameters<typeof committed>[1] =>
    batchOf({
      entries: Array.from({ length: 500 }, (_, index) => entry(`key:${index}`, `${round} ${'x'.repeat(200)}`)),
    });
  const first = new LmdbStore(folder);
  await committed(first, batch(0));
  await closed(first);
  const store = openedIn(folder);
  // A walk that is given up must not keep its old pages alive.
  for (const [key] of store.load().entries) if (key.length > 0) break;
  const size = (): number => statSync(join(folder, 'image', 'data.mdb')).size;
  for (let round = 1; round <= 30; round++) await committed(store, batch(round));
  const settled = size();
  for (let round = 31; round <= 120; round++) await committed(store, batch(round));
  expect(size()).toBeLessThanOrEqual(settled * 1.2);
});

test('a store says while it writes a batch of many parts', async () => {
  const store = openedIn(temporaryFolder());
  const many = Array.from({ length: 3_000 }, (_, index) => entry(`key:${index}`, 'x'));
  const few = committed(store, batchOf({ entries: many.slice(0, 100) }));
  expect(store.isWritingMuch).toBe(false);
  await few;
  const large = committed(store, batchOf({ entries: many }));
  expect(store.isWritingMuch).toBe(true);
  await large;
  expect(store.isWritingMuch).toBe(false);
});

describe('crashes', () => {
  test.each([
    ['', 500, 20],
    [', large ones too', 4_500, 5],
  ])('kill -9 in the middle of commits leaves the end of one batch%s', async (_which, keys, commits) => {
    const folder = temporaryFolder();
    const child = spawn(process.execPath, [CHILD, 'stream', folder, String(keys)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let told = 0;
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      told = Number(text.trim().split('\n').at(-1));
      if (told >= commits) child.kill('SIGKILL');
    });
    await once(child, 'exit');
    const { meta, entries } = held(openedIn(folder));
    // Each batch writes its number to its meta and to every key.
    expect(new Set(Object.values(entries))).toEqual(new Set([meta]));
    expect(Object.keys(entries)).toHaveLength(keys);
    expect(Number(meta)).toBeGreaterThanOrEqual(told);
  });

  test.each([0, 1, 2])('a large batch of which %i parts were moved is moved on by the next start', async (moved) => {
    const folder = temporaryFolder();
    const first = new LmdbStore(folder);
    await committed(first, batchOf({ entries: [entry('before', '1')] }));
    await closed(first);
    const batch = [entry('a', '1'), entry('b', null), entry('c', ''), entry('d', '4'), entry('x'.repeat(5_000), '5')];
    const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
    const image = open<Uint8Array, Uint8Array>({ path: join(folder, 'image'), maxDbs: 4, ...binary });
    const staged = image.openDB<Uint8Array, Uint8Array>({ name: 'staged', ...binary });
    const meta = image.openDB<Uint8Array, Uint8Array>({ name: 'meta', ...binary });
    for (const [part, end] of [1, 3, 5].entries()) {
      const begin = [0, 1, 3][part] ?? 0;
      const bytes = batch.slice(begin, end).reduce((sum, [key, state]) => sum + key.length + (state?.length ?? 0), 0);
      staged.putSync(Buffer.from([0, 0, 0, part]), encodePart({ entries: batch.slice(begin, end), bytes }));
    }
    meta.putSync(Buffer.from('moving'), Buffer.from(JSON.stringify({ first: moved, parts: 3, clear: true })));
    await image.close();
    const { entries } = held(openedIn(folder));
    const all = { a: '1', c: '', d: '4', ['x'.repeat(5_000)]: '5' };
    // what was moved before is not in the parts any more: only those that are left are
    const left = [
      all,
      { before: '1', c: '', d: '4', ['x'.repeat(5_000)]: '5' },
      { before: '1', d: '4', ['x'.repeat(5_000)]: '5' },
    ];
    expect(entries).toEqual(left[moved]);
  });

  test('what was staged of a batch that did not become whole is no part of the image, nor of the next large batch', async () => {
    const folder = temporaryFolder();
    await closed(new LmdbStore(folder));
    const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
    const image = open<Uint8Array, Uint8Array>({ path: join(folder, 'image'), maxDbs: 4, ...binary });
    const staged = image.openDB<Uint8Array, Uint8Array>({ name: 'staged', ...binary });
    staged.putSync(Buffer.from([0, 0, 0, 7]), encodePart({ entries: [entry('lost', '1')], bytes: 5 }));
    await image.close();
    const store = new LmdbStore(folder);
    expect(held(store).entries).toEqual({});
    await committed(store, batchOf({ entries: Array.from({ length: 2_500 }, (_, at) => entry(`key:${at}`, 'v')) }));
    await closed(store);
    const again = openedIn(folder);
    expect(Object.keys(held(again).entries)).toHaveLength(2_500);
  });

  test('no turn of the event loop has more than a part of a batch', async () => {
    const store = openedIn(temporaryFolder());
    let inThisTurn = 0;
    let most = 0;
    const entries = {
      *[Symbol.iterator]() {
        for (let index = 0; index < 20_000; index++) {
          most = Math.max(most, ++inThisTurn);
          yield entry(`key:${index}`, 'x'.repeat(50));
        }
      },
    };
    let isOver = false;
    let turns = 0;
    const nextTurn = (): void => {
      inThisTurn = 0;
      turns++;
      if (!isOver) setImmediate(nextTurn);
    };
    setImmediate(nextTurn);
    expect(await committed(store, batchOf({ entries }))).toBeNull();
    isOver = true;
    expect(turns).toBeGreaterThan(20);
    // of the second part is known whether there is one
    expect(most).toBeLessThan(3_000);
    expect(Object.keys(held(store).entries)).toHaveLength(20_000);
  });

  test('a disk that takes no more fails that commit and every call after it, and loses nothing before', () => {
    const folder = temporaryFolder();
    // A limit on the size of files (in blocks of 512 or 1024 bytes) stands in for a full disk: no rights are needed for it.
    const script = `ulimit -f 1024; exec "${process.execPath}" "${CHILD}" fill "${folder}"`;
    const result = spawnSync('sh', ['-c', script], { encoding: 'utf8', timeout: 50_000 });
    const report = JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
    expect(report).toMatchObject({ code: 'STORE', laterCommit: 'STORE', laterCalls: ['STORE', 'STORE', 'STORE'] });
    expect(report['message']).toMatch(
      /^the store in .* failed: .*(file too large|input\/output).*; .* and start again$/i,
    );
    expect(report['unhandled']).toEqual([]);
    const { meta, entries } = held(openedIn(folder));
    expect(Number(meta)).toBe(report['lastCommitted']);
    expect(Object.keys(entries)).toHaveLength(Number(meta) * 20);
  });
});
