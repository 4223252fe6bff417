import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LmdbAuditReader } from '../../src/adapters/lmdb-audit-reader.ts';
import { LmdbQuorumStore } from '../../src/adapters/lmdb-quorum-store.ts';
import { LmdbStore } from '../../src/adapters/lmdb-store.ts';
import { MemoryQuorumStore } from '../../src/adapters/memory-quorum-store.ts';
import { MemoryStore } from '../../src/adapters/memory-store.ts';
import { latin1Bytes } from '../../src/base/bytes.ts';
import type { QuorumStore, QuorumWitness } from '../../src/ports.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import {
  asideOf,
  closedQuorum,
  GROUP,
  groupBatch,
  groupHeld,
  logEntries,
  MemoryWitness,
  NOTHING_HELD,
  saved,
  stateChange,
} from './quorum-batches.ts';
import { followed } from './quorum-script-followed.ts';
import { quorumScript, SCRIPT_GROUPS } from './quorum-script.ts';
import { fileIn, foundAfterCrash, JOURNALS, temporaryFolder } from './quorum-folders.ts';
import { describeQuorumStore } from './quorum-store-contract.ts';
import { closed } from './store-batches.ts';

const CHILD = join(import.meta.dirname, 'quorum-store-child.ts');
const STORE = expect.objectContaining({ code: 'STORE' }) as Error;
const WAYS = [
  { way: 'on its thread', syncBytesMax: 0 },
  { way: 'on the event loop', syncBytesMax: 1e9 },
];

function openedIn(folder: string, witness: QuorumWitness = new MemoryWitness()): LmdbQuorumStore {
  const store = new LmdbQuorumStore(folder, witness);
  onTestFinished(() => closedQuorum(store));
  return store;
}

/** Changes the tree of a closed store. */
async function edited(folder: string, change: (tree: RootDatabase<Uint8Array, Uint8Array>) => unknown): Promise<void> {
  const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
  const path = join(folder, 'quorum');
  const tree = open<Uint8Array, Uint8Array>({ path, overlappingSync: false, ...binary });
  change(tree);
  await tree.close();
}

for (const { way, syncBytesMax } of WAYS) {
  describeQuorumStore(`LMDB, ${way}`, () => {
    const folder = temporaryFolder();
    const witness = new MemoryWitness();
    return { open: () => new LmdbQuorumStore(folder, witness, { syncBytesMax }) };
  });
}

describe('the folder of the quorum store', () => {
  test('keys of a state that another took the place of go bit by bit', async () => {
    const folder = temporaryFolder();
    const store = new LmdbQuorumStore(folder, new MemoryWitness());
    const many = Object.fromEntries(Array.from({ length: 1_500 }, (_, at) => [`key ${at}`, 'v'.repeat(20)]));
    await saved(store, groupBatch({ state: stateChange('old', many, false, { row: 'r' }) }));
    await saved(store, groupBatch({ aside: asideOf(true, many, { row: 'r' }) }));
    await saved(store, groupBatch({ aside: asideOf(true, { other: '1' }, { row: '2' }) }));
    await saved(store, groupBatch({ state: stateChange('new', {}, true) }));
    const expected = { ...NOTHING_HELD, state: { other: '1' }, rows: { row: '2' }, stateMeta: 'new' };
    for (let at = 0; at < 4; at++) {
      expect(groupHeld(store)).toEqual(expected);
      await saved(store, groupBatch({ state: stateChange('new') }));
    }
    await closedQuorum(store);
    const tree = open<Uint8Array, Uint8Array>({
      path: join(folder, 'quorum'),
      encoding: 'binary',
      keyEncoding: 'binary',
    });
    const keys = [...tree.getKeys()].filter((key) => Buffer.from(key).includes(GROUP));
    await tree.close();
    // key, row, head, meta and which generation
    expect(keys).toHaveLength(5);
  });

  test('is for its owner only', async () => {
    const folder = join(temporaryFolder(), 'made', 'here');
    await saved(openedIn(folder), groupBatch({ entries: logEntries(1, 1, 'a') }));
    const modes = readdirSync(folder, { recursive: true, withFileTypes: true }).map((found) => {
      const mode = statSync(join(found.parentPath, found.name)).mode & 0o777;
      return `${found.isDirectory() ? 'folder' : 'file'} ${mode.toString(8)}`;
    });
    expect(new Set(modes)).toEqual(new Set(['folder 700', 'file 600']));
  });

  test('is refused to a second store of the same process until the first is closed', async () => {
    const folder = temporaryFolder();
    const witness = new MemoryWitness();
    const first = new LmdbQuorumStore(folder, witness);
    expect(() => new LmdbQuorumStore(folder, witness)).toThrow('is open in this process already');
    await closedQuorum(first);
    expect(groupHeld(openedIn(folder, witness))).toEqual(NOTHING_HELD);
  });

  for (const version of ['1', '2', '99']) {
    test(`of format version ${version} is refused, and left as it is`, async () => {
      const folder = temporaryFolder();
      const witness = new MemoryWitness();
      await closedQuorum(new LmdbQuorumStore(folder, witness));
      await edited(folder, (tree) => tree.putSync(Buffer.from('\0format'), Buffer.from(version)));
      const refused = `has format version ${version} and this program knows 3 only: use the version that wrote it`;
      for (const attempt of [1, 2])
        expect(() => new LmdbQuorumStore(folder, witness), `attempt ${attempt}`).toThrow(refused);
      expect(() => new LmdbAuditReader(folder)).toThrow(refused);
      expect(witness.mark).toBe(2);
    });
  }

  test('without its journal is refused', async () => {
    const folder = temporaryFolder();
    const witness = new MemoryWitness();
    const store = new LmdbQuorumStore(folder, witness);
    await saved(store, groupBatch({ entries: logEntries(1, 1, 'a') }));
    await closedQuorum(store);
    for (const name of JOURNALS) rmSync(fileIn(folder, name));
    expect(await foundAfterCrash(folder, witness.mark)).toContain('there is no journal');
  });

  test('that cannot be used is a STORE error that names it', () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, 'not a folder');
    expect(() => new LmdbQuorumStore(file, new MemoryWitness())).toThrow(STORE);
    expect(() => new LmdbQuorumStore(file, new MemoryWitness())).toThrow(file);
  });

  test('does not grow under a log that is compacted as it grows', async () => {
    const folder = temporaryFolder();
    const store = openedIn(folder);
    const size = (): number => statSync(join(folder, 'quorum', 'data.mdb')).size;
    let last = 0;
    const round = async (): Promise<void> => {
      const texts = Array.from({ length: 100 }, () => 'x'.repeat(200));
      const snapshot = { index: last, term: 1, meta: latin1Bytes('m') };
      const entries = logEntries(last + 1, 1, ...texts);
      await saved(store, groupBatch({ entries, snapshot, compactTo: last }));
      last += 100;
    };
    for (let number = 0; number < 30; number++) await round();
    const settled = size();
    for (let number = 0; number < 120; number++) await round();
    expect(size()).toBeLessThanOrEqual(settled * 1.2);
  });
});

describe('a folder that is not the one this node had last', () => {
  /** Starts, promises something and stops. */
  async function lived(folder: string, witness: QuorumWitness, term: number): Promise<void> {
    const store = new LmdbQuorumStore(folder, witness);
    expect(await saved(store, groupBatch({ hardState: { term, votedFor: 1, commit: 0 } }))).toBeNull();
    await closedQuorum(store);
  }

  const REFUSED =
    /is not the folder that this node had last .* put back from a backup\. .* remove this node from its quorum groups/;

  test('is refused when it was put back from a backup, and taken when the right one is back', async () => {
    const folder = temporaryFolder();
    const witness = new MemoryWitness();
    await lived(folder, witness, 1);
    cpSync(join(folder, 'quorum'), join(folder, 'backup'), { recursive: true });
    await lived(folder, witness, 2);
    cpSync(join(folder, 'quorum'), join(folder, 'right'), { recursive: true });
    rmSync(join(folder, 'quorum'), { recursive: true });
    cpSync(join(folder, 'backup'), join(folder, 'quorum'), { recursive: true });
    for (const attempt of [1, 2]) {
      expect(() => new LmdbQuorumStore(folder, witness), `attempt ${attempt}`).toThrow(REFUSED);
    }
    rmSync(join(folder, 'quorum'), { recursive: true });
    cpSync(join(folder, 'right'), join(folder, 'quorum'), { recursive: true });
    expect(groupHeld(openedIn(folder, witness)).hardState).toEqual({ term: 2, votedFor: 1, commit: 0 });
  });

  test('is refused when the backup was made while the store was open, once that was closed', async () => {
    const folder = temporaryFolder();
    const witness = new MemoryWitness();
    const store = new LmdbQuorumStore(folder, witness);
    cpSync(join(folder, 'quorum'), join(folder, 'backup'), { recursive: true });
    await saved(store, groupBatch({ hardState: { term: 9, votedFor: 1, commit: 0 } }));
    await closedQuorum(store);
    rmSync(join(folder, 'quorum'), { recursive: true });
    cpSync(join(folder, 'backup'), join(folder, 'quorum'), { recursive: true });
    expect(() => new LmdbQuorumStore(folder, witness)).toThrow(REFUSED);
  });

  test('is refused when it was lost, and when the other promises were', async () => {
    const folder = temporaryFolder();
    const witness = new MemoryWitness();
    await lived(folder, witness, 1);
    expect(() => new LmdbQuorumStore(folder, new MemoryWitness())).toThrow(REFUSED);
    rmSync(join(folder, 'quorum'), { recursive: true });
    expect(() => new LmdbQuorumStore(folder, witness)).toThrow(REFUSED);
  });

  test('a crash between the two marks is no reason to refuse', async () => {
    const folder = temporaryFolder();
    const witness = new MemoryWitness();
    await lived(folder, witness, 1);
    const failing: QuorumWitness = {
      quorumMark: () => witness.mark,
      setQuorumMark: () => {
        throw new Error('the process ended here');
      },
    };
    for (const attempt of [1, 2, 3]) {
      expect(() => new LmdbQuorumStore(folder, failing), `attempt ${attempt}`).toThrow('the process ended here');
    }
    await lived(folder, witness, 2);
    await lived(folder, witness, 3);
  });

  test('both stores keep a mark for it', async () => {
    const dataDir = temporaryFolder();
    const lmdb = new LmdbStore(dataDir);
    await lived(dataDir, lmdb, 1);
    await closed(lmdb);
    const again = new LmdbStore(dataDir);
    await lived(dataDir, again, 2);
    expect(again.quorumMark()).toBe(4);
    await closed(again);
    const memory = new MemoryStore();
    await lived(temporaryFolder(), memory, 1);
    expect(memory.quorumMark()).toBe(2);
  });
});

describe('a damaged quorum store', () => {
  /** A store with a bit of everything; returns its file. */
  async function filled(folder: string): Promise<string> {
    const store = new LmdbQuorumStore(folder, new MemoryWitness());
    const state = stateChange('META-OF-STATE', { 'KEY-ONE': 'STATE-ONE', 'KEY-TWO': 'STATE-TWO' });
    const entries = logEntries(1, 3, 'ENTRY-ONE', 'ENTRY-TWO');
    const snapshot = { index: 1, term: 3, meta: latin1Bytes('MEMBERS') };
    await saved(store, groupBatch({ entries, snapshot, state, audit: [[1, latin1Bytes('RECORD')]] }));
    // Pages are copied when they change: the older copies go, so that the text is found once.
    for (let round = 0; round < 3; round++) await saved(store, groupBatch({ group: 'later' }));
    await closedQuorum(store);
    return join(folder, 'quorum', 'data.mdb');
  }

  /** Changes one bit in every place where the text is. */
  function flip(file: string, text: string): void {
    const bytes = readFileSync(file);
    let found = 0;
    for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1), found++)
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    expect(found, text).toBeGreaterThan(0);
    writeFileSync(file, bytes);
  }

  /** As after a start that did not end well: the marks agree. */
  function reopened(folder: string): LmdbQuorumStore {
    const witness = new MemoryWitness();
    witness.mark = 2;
    return openedIn(folder, witness);
  }

  const cases = [
    {
      text: 'ENTRY-TWO',
      what: 'the log of group us-east-1/region from entry 1 on',
      read: (store: QuorumStore) => store.load(GROUP),
    },
    {
      text: 'MEMBERS',
      what: 'the snapshot of group us-east-1/region',
      read: (store: QuorumStore) => store.load(GROUP),
    },
    {
      text: 'META-OF-STATE',
      what: 'the state of group us-east-1/region',
      read: (store: QuorumStore) => store.load(GROUP),
    },
    {
      text: 'STATE-ONE',
      what: 'a key of group us-east-1/region',
      read: (store: QuorumStore) => [...store.load(GROUP).state],
    },
    {
      text: 'KEY-TWO',
      what: 'a key of group us-east-1/region',
      read: (store: QuorumStore) => [...store.load(GROUP).state],
    },
    {
      text: 'RECORD',
      what: 'the audit of group us-east-1/region',
      read: (store: QuorumStore) => [...store.audit(GROUP, 0)],
    },
  ];
  for (const { text, what, read } of cases) {
    test(`says that ${what} is damaged and what to do, and gives nothing more (${text})`, async () => {
      const folder = temporaryFolder();
      flip(await filled(folder), text);
      let message = '';
      try {
        read(reopened(folder));
      } catch (error) {
        expect(error).toEqual(STORE);
        message = String(error);
      }
      expect(message).toContain(
        `${what} is damaged; a voter must not come back with less than it promised: remove this node`,
      );
    });
  }

  for (const gone of [1, 3, 4, 6]) {
    test(`says that the log is damaged where the run at ${gone} is gone, though another still has an entry of that index`, async () => {
      const folder = temporaryFolder();
      const store = new LmdbQuorumStore(folder, new MemoryWitness());
      await saved(store, groupBatch({ entries: logEntries(1, 1, 'one', 'two', 'old', 'old', 'old', 'old', 'old') }));
      await saved(store, groupBatch({ truncateFrom: 3, entries: logEntries(3, 2, 'three') }));
      await saved(store, groupBatch({ entries: logEntries(4, 2, 'four', 'five', 'old') }));
      await saved(store, groupBatch({ truncateFrom: 6, entries: logEntries(6, 3, 'six') }));
      await closedQuorum(store);
      await edited(folder, (tree) => {
        const at = Buffer.from([gone]);
        const keys = [...tree.getKeys()].filter((key) =>
          Buffer.from(key)
            .subarray(-6)
            .equals(Buffer.concat([Buffer.alloc(5), at])),
        );
        expect(keys).toHaveLength(1);
        for (const key of keys) tree.removeSync(key);
      });
      expect(() => reopened(folder).load(GROUP)).toThrow(/the log of group us-east-1\/region.* is damaged/);
    });
  }

  test('every cut of the file is refused in words', async () => {
    const folder = temporaryFolder();
    const file = await filled(folder);
    // what is behind its last page may go
    const whole = usedBytes(file);
    const cuts: string[] = [];
    for (let size = 1; size < whole; size += 2048) {
      const dataDir = join(folder, `cut-${size}`);
      mkdirSync(dataDir);
      cpSync(join(folder, 'quorum'), join(dataDir, 'quorum'), { recursive: true });
      truncateSync(join(dataDir, 'quorum', 'data.mdb'), size);
      cuts.push(dataDir);
    }
    const env = { ...process.env, QUORUM_MARK: '2' };
    const result = spawnSync(process.execPath, [CHILD, 'read', ...cuts], { encoding: 'utf8', timeout: 50_000, env });
    const outcomes = result.stdout.trim().split('\n');
    expect(outcomes).toHaveLength(cuts.length);
    for (const outcome of outcomes) expect(outcome).toMatch(/^STORE .*remove this node from its quorum groups/);
  });

  test('is not taken a transaction back by a damaged root', async () => {
    const folder = temporaryFolder();
    const file = await filled(folder);
    const bytes = readFileSync(file);
    const transactionAt = [152, 4096 + 152];
    const [even = 0n, odd = 0n] = transactionAt.map((at) => bytes.readBigUInt64LE(at));
    expect(even % 2n).toBe(0n);
    expect(odd % 2n).toBe(1n);
    const newest = even > odd ? 152 : 4096 + 152;
    const older = even < odd ? even : odd;
    for (const changed of [older - 3n, older + 2n, 0xffn + older]) {
      bytes.writeBigUInt64LE(changed, newest);
      writeFileSync(file, bytes);
      expect(() => reopened(folder), `${older} and ${changed}`).toThrow(
        'is cut short, damaged or an older one. Bring the right one back; if there is none: a voter must not',
      );
    }
  });

  test('whatever byte is changed, nothing is read that was not written', async () => {
    const folder = temporaryFolder();
    const file = await filled(folder);
    const bytes = readFileSync(file);
    const random = new SeededRandom(20261121);
    const env = { ...process.env, QUORUM_MARK: '2' };
    const readIn = (dataDir: string): string =>
      spawnSync(process.execPath, [CHILD, 'read', dataDir], { encoding: 'utf8', timeout: 50_000, env }).stdout.trim();
    cpSync(join(folder, 'quorum'), join(folder, 'untouched', 'quorum'), { recursive: true });
    const right = readIn(join(folder, 'untouched'));
    expect(right).toMatch(/^[0-9a-f]{64}$/);
    for (let round = 0; round < 12; round++) {
      const dataDir = join(folder, `flip-${round}`);
      mkdirSync(join(dataDir, 'quorum'), { recursive: true });
      const at = random.below(bytes.length);
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (1 + random.below(255));
      writeFileSync(join(dataDir, 'quorum', 'data.mdb'), changed);
      const outcome = readIn(dataDir);
      // Some bytes are in nobody's page; a torn page of the tree itself may end the process, as far as LMDB is concerned.
      expect(outcome === right || outcome === '' || outcome.startsWith('STORE '), `byte ${at}: ${outcome}`).toBe(true);
    }
  });
});

/** What the roots of an LMDB file speak of: their last pages are at 144 of a page each, of 4 KiB. */
function usedBytes(file: string): number {
  const bytes = readFileSync(file);
  const last = [0, 4096].map((root) => Number(bytes.readBigUInt64LE(root + 144)));
  return (Math.max(...last) + 1) * 4096;
}

describe('crashes of the quorum store', () => {
  for (const { way, syncBytesMax } of WAYS) {
    test(`kill -9 leaves all up to some commit and of the promises after it those before another, and nothing acknowledged is missing (${way})`, async () => {
      const folder = temporaryFolder();
      const random = new SeededRandom(42 + syncBytesMax);
      const model = new MemoryQuorumStore();
      const totals = { told: 0, onlyInJournal: 0, passing: 0 };
      for (let round = 0; round < 8; round++) {
        const seed = random.below(1e9);
        const told = await killedAfter(folder, seed, syncBytesMax, 1 + random.below(400));
        const promises = new LmdbStore(folder);
        const store = new LmdbQuorumStore(folder, promises);
        const found = await followed(model, store, quorumScript(seed, model), told);
        const [held, expected] = [store, model].map((each) => SCRIPT_GROUPS.map((group) => groupHeld(each, group)));
        expect(held).toEqual(expected);
        await closedQuorum(store);
        await closed(promises);
        totals.told += told.size;
        totals.onlyInJournal += found.onlyInJournal;
        totals.passing += found.passing;
      }
      expect(totals.told).toBeGreaterThan(500);
      expect(totals.onlyInJournal).toBeGreaterThan(20);
    });

    test.each(['fill', 'fill-tree'])(
      `a disk that takes no more fails that commit and every call after it, and loses nothing before (${way}, %s)`,
      (mode) => {
        const folder = temporaryFolder();
        // A limit on the size of files (in blocks of 512 or 1024 bytes) stands in for a full disk: no rights are needed for it.
        const script = `ulimit -f 1024; exec "${process.execPath}" "${CHILD}" ${mode} "${folder}" ${syncBytesMax}`;
        const result = spawnSync('sh', ['-c', script], { encoding: 'utf8', timeout: 50_000 });
        const report = JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
        expect(report).toMatchObject({
          code: 'STORE',
          // what only the journal gets may be there before the tree fails
          ...(mode === 'fill' ? { second: 'STORE' } : {}),
          laterCommit: 'STORE',
          laterCalls: ['STORE', 'STORE', 'STORE'],
          unhandled: [],
        });
        expect(report['message']).toMatch(
          /^the store in .*quorum failed: .*(file too large|input\/output).*; .* and start again$/i,
        );
        const witness = new MemoryWitness();
        witness.mark = 1;
        const image = openedIn(folder, witness).load(GROUP);
        expect(image.log).toHaveLength(Number(report['committed']));
        expect(image.hardState?.commit).toBe(Number(report['committed']) - 19);
      },
    );
  }

  /** Runs the script in a process that is killed once it has told of so many; returns the numbers that it told of. */
  async function killedAfter(folder: string, seed: number, syncBytesMax: number, count: number): Promise<Set<number>> {
    const child = spawn(process.execPath, [CHILD, 'stream', folder, String(seed), String(syncBytesMax)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const told = new Set<number>();
    let rest = '';
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        expect(line).toMatch(/^\d+ null$/);
        told.add(Number.parseInt(line, 10));
      }
      if (told.size >= count) child.kill('SIGKILL');
    });
    await once(child, 'close');
    return told;
  }
});
