import { cpSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { latin1Bytes } from '../../src/base/bytes.ts';
import type { QuorumGroupBatch, QuorumStore, QuorumWitness } from '../../src/ports.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { until } from './transport-rig.ts';
import { FaultyWrites } from './faulty-writes.ts';
import { closedQuorum, groupBatch, groupHeld, logEntries, saved, stateChange } from './quorum-batches.ts';
import {
  changeFile,
  copied,
  fileIn,
  foundAfterCrash,
  JOURNALS,
  opened,
  SECTOR_BYTES,
  temporaryFolder,
  witnessAt,
} from './quorum-folders.ts';

const TO_DO =
  'remove this node from its quorum groups, move its whole data folder away, start it again and add it again';
const [ZERO, ONE] = JOURNALS;

/** A promise of one entry; its number is the commit index. */
function promise(index: number, text: string = `entry ${index}`): QuorumGroupBatch {
  return groupBatch({ hardState: { term: 1, votedFor: 1, commit: index }, entries: logEntries(index, 1, text) });
}

/** How many entries are there, all of them as they were; or what a start says. */
function count(store: QuorumStore): number {
  const { hardState, log } = groupHeld(store);
  expect(hardState).toEqual(log.length === 0 ? null : { term: 1, votedFor: 1, commit: log.length });
  for (const [at, entry] of log.entries()) expect(entry).toMatch(new RegExp(`^${at + 1} t1 k1 entry ${at + 1}(\\D|$)`));
  return log.length;
}

/** A store in a new folder with so many promises, each a write of its own, in the journal alone. */
async function promised(...texts: readonly string[]): Promise<{ folder: string; store: QuorumStore }> {
  const folder = temporaryFolder();
  const store = opened(folder);
  for (const [at, text] of texts.entries()) expect(await saved(store, promise(at + 1, text))).toBeNull();
  return { folder, store };
}

/** The sectors of a file that differ between two folders. */
function changedSectors(before: string, after: string, name: string): number[] {
  const [old, now] = [readFileSync(fileIn(before, name)), readFileSync(fileIn(after, name))];
  const changed: number[] = [];
  for (let at = 0; at < now.length; at += SECTOR_BYTES) {
    const end = at + SECTOR_BYTES;
    if (!now.subarray(at, end).equals(old.subarray(at, end))) changed.push(at);
  }
  return changed;
}

/**
 * Fills both files and lets them take turns, so that what is written next lies on what an earlier turn left. Returns how many promises
 * there are and which file is written.
 */
async function turned(store: QuorumStore, folder: string): Promise<{ count: number; name: string }> {
  const index = groupHeld(store).log.length + 1;
  const large = { ...promise(index, `entry ${index}${'y'.repeat(900_000)}`), truncateFrom: index };
  for (const turn of [0, 1, 2]) {
    for (let written = 0; written < 5; written++) await saved(store, large);
    // the tree has it all, so the next turn may begin
    await saved(store, groupBatch({ state: stateChange(`turn ${turn}`) }));
  }
  const before = copied(folder);
  await saved(store, { ...promise(index), truncateFrom: index });
  const names = JOURNALS.filter((name) => changedSectors(before, folder, name).length > 0);
  expect(names).toHaveLength(1);
  return { count: index, name: names[0] ?? '' };
}

describe('where it is written', () => {
  test('a quick small write is made on the event loop, but not while something else keeps the disk busy', async () => {
    let isDiskBusy = false;
    const store = opened(temporaryFolder(), undefined, { syncBytesMax: 1e9, isDiskBusy: () => isDiskBusy });
    let done = 0;
    const promises = async (): Promise<number> => {
      const before = done;
      store.commit({ groups: [promise(before + 1)] }, () => done++);
      // the end of this piece of work, at which it is written
      await new Promise((resolve) => process.nextTick(resolve));
      return done - before;
    };
    expect(await promises()).toBe(1);
    isDiskBusy = true;
    expect(await promises()).toBe(0);
    await until(() => done === 2, 'the write on a thread');
    isDiskBusy = false;
    expect(await promises()).toBe(1);
  });
});

describe('what is only in the journal', () => {
  test('is there after a crash, and after another', async () => {
    const { folder, store } = await promised('entry 1', `entry 2${'x'.repeat(5000)}`, 'entry 3');
    const held = groupHeld(store);
    const lost = copied(folder);
    await saved(store, promise(4));
    const crashed = copied(folder);
    for (const name of JOURNALS) rmSync(fileIn(lost, name));
    expect(await foundAfterCrash(lost, 1)).toContain('there is no journal');
    const again = opened(crashed, witnessAt(1));
    expect(groupHeld(again)).toEqual({
      ...held,
      hardState: { term: 1, votedFor: 1, commit: 4 },
      log: [...held.log, '4 t1 k1 entry 4'],
    });
    await saved(again, promise(5));
    expect(await foundAfterCrash(copied(crashed), 2, count)).toBe(5);
  });

  test('is in the order of its commits, cleared, cut and compacted as they said', async () => {
    const { folder, store } = await promised('entry 1', 'entry 2', 'entry 3', 'entry 4');
    const snapshot = { index: 2, term: 1, meta: latin1Bytes('members') };
    await saved(store, groupBatch({ snapshot, state: stateChange('applied 2', { key: 'state' }) }));
    await saved(store, groupBatch({ truncateFrom: 4, entries: logEntries(4, 2, 'new 4', 'new 5') }));
    await saved(store, groupBatch({ compactTo: 2 }));
    const held = groupHeld(store);
    expect(held.log).toEqual(['3 t1 k1 entry 3', '4 t2 k1 new 4', '5 t2 k1 new 5']);
    expect(await foundAfterCrash(copied(folder), 1)).toEqual(held);
  });
});

describe('a write that a power cut tore', () => {
  for (const hasTurned of [false, true]) {
    const where = hasTurned ? 'over what an earlier turn left' : 'over zeros';
    test(`is dropped whatever sectors of it are there, and there when all are (${where})`, async () => {
      const { folder, store } = await promised('entry 1');
      const start = hasTurned ? await turned(store, folder) : { count: 1, name: ZERO };
      const before = copied(folder);
      const index = start.count;
      // two commits, one write
      const both = [promise(index + 1, `entry ${index + 1}${'x'.repeat(1900)}`), promise(index + 2)];
      expect(await Promise.all(both.map((batch) => saved(store, batch)))).toEqual([null, null]);
      const sectors = changedSectors(before, folder, start.name);
      expect(sectors).toHaveLength(5);
      const whole = readFileSync(fileIn(folder, start.name));
      for (let there = 0; there < 2 ** sectors.length; there++) {
        const torn = copied(before);
        changeFile(fileIn(torn, start.name), (bytes) => {
          for (const [bit, at] of sectors.entries())
            if ((there & (2 ** bit)) !== 0) whole.copy(bytes, at, at, at + SECTOR_BYTES);
        });
        const isWhole = there === 2 ** sectors.length - 1;
        expect(await foundAfterCrash(torn, 1, count), there.toString(2)).toBe(index + (isWhole ? 2 : 0));
        // the next life does not take what is left of it for its own, nor for damage
        if (there % 5 === 0 || isWhole) {
          const next = opened(torn, witnessAt(2));
          await saved(next, promise(count(next) + 1));
          expect(await foundAfterCrash(copied(torn), 3, count)).toBe(index + (isWhole ? 3 : 1));
        }
      }
    });
  }

  test('of an earlier life is not taken for damage of the same record in this one', async () => {
    const { folder } = await promised(`entry 1${'x'.repeat(1200)}`);
    const blank = copied(folder);
    changeFile(fileIn(blank, ZERO), (bytes) => bytes.fill(0, SECTOR_BYTES, 2 * SECTOR_BYTES));
    const second = opened(blank, witnessAt(1));
    const torn = copied(blank);
    await saved(second, promise(1, `entry 1${'y'.repeat(1200)}`));
    const written = readFileSync(fileIn(blank, ZERO));
    changeFile(fileIn(torn, ZERO), (bytes) => written.copy(bytes, SECTOR_BYTES, SECTOR_BYTES, 2 * SECTOR_BYTES));
    expect(await foundAfterCrash(torn, 2, count)).toBe(0);
  });
});

describe('a damaged journal', () => {
  /** Frames of one, seven and two sectors, then a last one of two, in the tree up to none. */
  async function filled(): Promise<{ folder: string; last: number }> {
    const { folder, store } = await promised('entry 1', `entry 2${'x'.repeat(3000)}`, `entry 3${'x'.repeat(500)}`);
    const before = copied(folder);
    await saved(store, promise(4, `entry 4${'x'.repeat(500)}`));
    return { folder, last: changedSectors(before, folder, ZERO)[0] ?? 0 };
  }

  test('is refused, or right, whatever byte of it is changed', async () => {
    const { folder, last } = await filled();
    const random = new SeededRandom(20261122);
    const end = last + 2 * SECTOR_BYTES;
    // heads and the ends of sectors, where lengths, sums and tags are, all of them; of the rest some
    const places: number[] = [];
    for (let at = 0; at < end; at++) {
      const within = at % SECTOR_BYTES;
      if (at < 64 || (within < 32 && at >= last && at < last + SECTOR_BYTES) || within >= 507 || random.below(40) === 0)
        places.push(at);
    }
    let refused = 0;
    for (const at of places) {
      const damaged = copied(folder);
      changeFile(fileIn(damaged, ZERO), (bytes) => (bytes[at] = (bytes[at] ?? 0) ^ (1 + random.below(255))));
      const found = await foundAfterCrash(damaged, 1, count);
      if (found === 4) continue;
      refused += 1;
      expect(found, `byte ${at}`).toMatch(
        /(journal|tree).* is damaged; a voter must not come back with less than it promised/,
      );
      expect(found).toContain(TO_DO);
    }
    expect(refused).toBeGreaterThan(places.length / 2);
  });

  test('is refused when sectors are zeros again; only those of the last write look as if it was torn', async () => {
    const { folder, last } = await filled();
    for (let at = 0; at < last + 2 * SECTOR_BYTES; at += SECTOR_BYTES) {
      const damaged = copied(folder);
      changeFile(fileIn(damaged, ZERO), (bytes) => bytes.fill(0, at, at + SECTOR_BYTES));
      const found = await foundAfterCrash(damaged, 1, count);
      // what no file of its own can tell from a write that nobody was told of
      if (at >= last) expect(found).toBe(3);
      else expect(found, `sector at ${at}`).toMatch(/journal.* is damaged; a voter must not/);
    }
  });

  test('is refused when it is cut, wherever', async () => {
    const { folder, last } = await filled();
    const { size } = statSync(fileIn(folder, ZERO));
    const cuts = [
      0,
      1,
      511,
      512,
      513,
      last - 1,
      last,
      last + 1,
      last + 512,
      last + 1023,
      last + 1024,
      size - 512,
      size - 1,
    ];
    for (const bytes of cuts) {
      const damaged = copied(folder);
      truncateSync(fileIn(damaged, ZERO), bytes);
      expect(await foundAfterCrash(damaged, 1), `${bytes}`).toMatch(/journal.* is damaged; a voter must not/);
    }
  });

  test('is refused when the tree has not got what the file that is written again had', async () => {
    const { folder, store } = await promised();
    const { count: there, name } = await turned(store, folder);
    const other = name === ZERO ? ONE : ZERO;
    for (let more = 1; more <= 3; more++) await saved(store, promise(there + more));
    expect(await foundAfterCrash(copied(folder), 1, count)).toBe(there + 3);
    for (const lost of [name, other]) {
      for (const how of ['missing', 'zeros', 'no head']) {
        const damaged = copied(folder);
        const path = fileIn(damaged, lost);
        if (how === 'missing') rmSync(path);
        else changeFile(path, (bytes) => bytes.fill(0, 0, how === 'zeros' ? bytes.length : SECTOR_BYTES));
        expect(await foundAfterCrash(damaged, 1), `${lost} ${how}`).toMatch(/journal.* is damaged; a voter must not/);
      }
    }
  });
});

describe('files that do not belong together', () => {
  test('the two under each other’s names are as good', async () => {
    const { folder, store } = await promised();
    const { count: there } = await turned(store, folder);
    const swapped = copied(folder);
    renameSync(fileIn(swapped, ZERO), fileIn(swapped, 'third'));
    renameSync(fileIn(swapped, ONE), fileIn(swapped, ZERO));
    renameSync(fileIn(swapped, 'third'), fileIn(swapped, ONE));
    expect(await foundAfterCrash(swapped, 1, count)).toBe(there);
  });

  test('one or both of another folder are refused', async () => {
    const mine = await promised('entry 1', 'entry 2');
    const other = await promised('entry 1', 'entry 2');
    for (const names of [[ZERO], [ONE], JOURNALS]) {
      const mixed = copied(mine.folder);
      for (const name of names) cpSync(fileIn(other.folder, name), fileIn(mixed, name));
      expect(await foundAfterCrash(mixed, 1), names.join()).toMatch(/of another folder|journal.* is damaged/);
    }
    const mixed = copied(mine.folder);
    cpSync(fileIn(other.folder, 'data.mdb'), fileIn(mixed, 'data.mdb'));
    expect(await foundAfterCrash(mixed, 1)).toContain('the journal is of another folder');
  });

  test('a part that was put back from a copy of the same run is refused, or nothing of it is missing', async () => {
    const { folder, store } = await promised('entry 1');
    // until its file grows no more: a shorter one would be refused for that
    for (let at = 0; at < 10; at++) await saved(store, groupBatch({ state: stateChange(`${at}`) }));
    const older = copied(folder);
    await saved(store, groupBatch({ state: stateChange('one') }));
    await saved(store, promise(2));
    const middle = copied(folder);
    await saved(store, promise(3));
    await saved(store, groupBatch({ state: stateChange('two') }));
    await saved(store, promise(4));
    const held = groupHeld(store);
    const newest = copied(folder);
    expect(await foundAfterCrash(copied(newest), 1)).toEqual(held);
    for (const copy of [older, middle]) {
      const oldTree = copied(newest);
      cpSync(fileIn(copy, 'data.mdb'), fileIn(oldTree, 'data.mdb'));
      expect(await foundAfterCrash(oldTree, 1)).toContain('the tree is older than the journal');
      const oldJournal = copied(newest);
      for (const name of JOURNALS) cpSync(fileIn(copy, name), fileIn(oldJournal, name));
      expect(await foundAfterCrash(oldJournal, 1)).toContain('the journal is older than the tree');
    }
  });

  test('a part of an earlier run is refused', async () => {
    const folder = temporaryFolder();
    const witness = witnessAt(0);
    const lives: string[] = [];
    for (const index of [1, 2, 3]) {
      const store = opened(folder, witness);
      await saved(store, promise(index));
      lives.push(copied(folder));
      await closedQuorum(store);
      lives.push(copied(folder));
    }
    const [now = '', ...earlier] = lives.toReversed();
    expect(await foundAfterCrash(copied(now), witness.mark, count)).toBe(3);
    for (const life of earlier) {
      for (const names of [['data.mdb'], [ZERO], JOURNALS, ['data.mdb', ...JOURNALS]]) {
        const mixed = copied(now);
        for (const name of names) cpSync(fileIn(life, name), fileIn(mixed, name));
        expect(await foundAfterCrash(mixed, witness.mark), `${lives.indexOf(life)} ${names.join()}`).toContain(TO_DO);
      }
    }
  });
});

/** Of a disk on which the mark can be read and not be written. */
function failingWitness(mark: number): QuorumWitness {
  return {
    quorumMark: () => mark,
    setQuorumMark: () => {
      throw new Error('EIO: the disk failed, write');
    },
  };
}

describe('a start that does not get to its end', () => {
  test('may end after each of its writes, again and again, and nothing is lost', async () => {
    const { folder } = await promised('entry 1', 'entry 2', `entry 3${'x'.repeat(2000)}`);
    const faults = new FaultyWrites();
    // the tree brought up to date; the head of the first file; of the second; then the tree's mark too
    for (const writes of [0, 1, 2]) {
      for (const next of [0, 1, 2]) {
        const partly = copied(folder);
        for (const left of [writes, next, writes]) {
          faults.left = left;
          expect(() => opened(partly, failingWitness(1))).toThrow('EIO: the disk failed');
        }
        faults.left = Infinity;
        expect(await foundAfterCrash(partly, 1, count), `${writes} ${next}`).toBe(3);
      }
    }
  });

  test('may end after each of its writes where it is the first of all', async () => {
    const faults = new FaultyWrites();
    for (const writes of [0, 1, 2]) {
      for (const next of [0, 1, 2]) {
        const folder = temporaryFolder();
        for (const left of [writes, next, writes]) {
          faults.left = left;
          expect(() => opened(folder, failingWitness(0))).toThrow('EIO: the disk failed');
        }
        faults.left = Infinity;
        const store = opened(folder);
        await saved(store, promise(1));
        expect(await foundAfterCrash(copied(folder), 1, count)).toBe(1);
      }
    }
  });

  test('leaves no file open', async () => {
    const { folder } = await promised('entry 1');
    const faults = new FaultyWrites();
    const crashed = copied(folder);
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    for (let attempt = 0; attempt < 20; attempt++) {
      faults.left = attempt % 3;
      expect(() => opened(crashed, failingWitness(1))).toThrow('EIO: the disk failed');
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(descriptors()).toBeLessThan(before + 20);
  });
});
