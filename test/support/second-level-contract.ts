import { deepStrictEqual } from 'node:assert/strict';
import type {
  SecondLevel,
  SecondLevelDone,
  SecondLevelKind,
  SecondLevelLease,
  SecondLevelVerdict,
  SecondLevelWrite,
} from '../../src/ports.ts';

/** A store that nodes share, as the contract's cases use it. */
export interface LevelUnderTest {
  /** What a node called so uses; answers come by themselves. */
  open(holder: string): Promise<SecondLevel>;
  /** Another program writes a string. */
  overwrite(key: string, value: string): Promise<void>;
  /** The string that other programs see, null for none. */
  shown(key: string): Promise<string | null>;
}

export interface ContractCase {
  readonly name: string;
  run(level: LevelUnderTest): Promise<void>;
}

/** A call's result as a promise. */
export function answer<T>(call: (done: SecondLevelDone<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, result) => {
      if (error !== null) reject(error);
      else resolve(result as T);
    });
  });
}

function hold(level: SecondLevel, epochMin = 0): Promise<SecondLevelLease> {
  return answer((done) => level.hold(epochMin, done));
}

export function closed(level: SecondLevel): Promise<void> {
  return new Promise((resolve) => level.close(resolve));
}

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

function write(key: string, seq: number, parts: readonly string[], kind: SecondLevelKind = 'string'): SecondLevelWrite {
  const version = kind === 'string' ? `${1_000 + seq}-64-${seq}` : '';
  return { key, kind, parts: parts.map(bytes), expiresAtMs: Infinity, version, seq };
}

async function wrote(
  level: SecondLevel,
  lease: SecondLevelLease,
  writes: readonly SecondLevelWrite[],
  isRepair = false,
): Promise<readonly SecondLevelVerdict[]> {
  return answer((done) => level.write(writes, lease, isRepair, done));
}

async function readText(level: SecondLevel, key: string): Promise<string | null> {
  const [found] = await answer<readonly ({ readonly value: Uint8Array } | null)[]>((done) => level.read([key], done));
  return found === null || found === undefined ? null : Buffer.from(found.value).toString('latin1');
}

/** What every second level does, by the names of the rule that it keeps (SPEC L1 to L3). */
export const SECOND_LEVEL_CONTRACT: readonly ContractCase[] = [
  {
    name: 'L1: one node at a time has the right to write, and the next one a higher epoch',
    async run(level) {
      const [a, b] = [await level.open('a'), await level.open('b')];
      const first = await hold(a);
      deepStrictEqual(first.isHeld, true);
      deepStrictEqual((await hold(b)).isHeld, false);
      deepStrictEqual((await hold(a)).epoch, first.epoch);
      await closed(a);
      const second = await hold(b);
      deepStrictEqual([second.isHeld, second.epoch > first.epoch], [true, true]);
      await closed(b);
    },
  },
  {
    name: 'L1: a node that was told of a later epoch gets one above it',
    async run(level) {
      const a = await level.open('a');
      const { epoch } = await hold(a);
      const least = epoch + 100_000;
      deepStrictEqual((await hold(a, least)).epoch, least);
      await closed(a);
    },
  },
  {
    name: 'L2: a write that is done twice, or after a later one, changes nothing',
    async run(level) {
      const a = await level.open('a');
      const lease = await hold(a);
      deepStrictEqual(await wrote(a, lease, [write('m:k', 2, ['new'])]), ['written']);
      deepStrictEqual(await wrote(a, lease, [write('m:k', 1, ['old'])]), ['old']);
      deepStrictEqual(await wrote(a, lease, [write('m:k', 2, ['new'])]), ['old']);
      deepStrictEqual(await level.shown('m:k'), 'new');
      deepStrictEqual(await wrote(a, lease, [write('m:k', 4, [], 'gone')]), ['written']);
      deepStrictEqual(await wrote(a, lease, [write('m:k', 3, ['late'])]), ['old']);
      deepStrictEqual(await level.shown('m:k'), null);
      await closed(a);
    },
  },
  {
    name: 'L2: a write of an earlier holder changes nothing where a later one wrote or took away, nor after its time',
    async run(level) {
      const a = await level.open('a');
      const before = await hold(a);
      const after = { ...before, epoch: before.epoch + 1 };
      await wrote(a, after, [write('m:1', 1, ['later']), write('m:2', 2, [], 'gone')]);
      deepStrictEqual(await wrote(a, before, [write('m:1', 9, ['x']), write('m:2', 9, ['x'])]), ['fenced', 'fenced']);
      deepStrictEqual(await wrote(a, { ...before, untilMs: 1 }, [write('m:3', 9, ['x'])]), ['late']);
      deepStrictEqual(
        [await level.shown('m:1'), await level.shown('m:2'), await level.shown('m:3')],
        ['later', null, null],
      );
      await closed(a);
    },
  },
  {
    name: 'L2: a new holder that has not seen the last write of the one before leaves it',
    async run(level) {
      const a = await level.open('a');
      const before = await hold(a);
      await wrote(a, before, [write('m:k', 7, ['seven'])]);
      const after = { ...before, epoch: before.epoch + 1 };
      deepStrictEqual(await wrote(a, after, [{ ...write('m:k', 3, ['three']), seq: 1 }], true), ['newer']);
      deepStrictEqual(await wrote(a, after, [{ ...write('m:k', 8, ['eight']), seq: 2 }]), ['written']);
      deepStrictEqual(await level.shown('m:k'), 'eight');
      await closed(a);
    },
  },
  {
    name: 'L3: what another program wrote is not read, and a comparison puts it right',
    async run(level) {
      const a = await level.open('a');
      const lease = await hold(a);
      await wrote(a, lease, [write('m:k', 1, ['ours'])]);
      deepStrictEqual(await readText(a, 'm:k'), 'ours');
      deepStrictEqual(await wrote(a, lease, [{ ...write('m:k', 1, ['ours']), seq: 2 }], true), ['same']);
      await level.overwrite('m:k', 'theirs');
      deepStrictEqual(await readText(a, 'm:k'), null);
      deepStrictEqual(await wrote(a, lease, [{ ...write('m:k', 1, ['ours']), seq: 3 }], true), ['written']);
      deepStrictEqual([await readText(a, 'm:k'), await level.shown('m:k')], ['ours', 'ours']);
      await level.overwrite('m:alone', 'theirs');
      deepStrictEqual(await readText(a, 'm:alone'), null);
      await closed(a);
    },
  },
  {
    name: 'L3: hashes and sets are compared whole, and are not read',
    async run(level) {
      const a = await level.open('a');
      const lease = await hold(a);
      const hash = (seq: number): SecondLevelWrite => write('m:h', seq, ['f', '1', 'g', '\xff\0'], 'hash');
      const set = (seq: number): SecondLevelWrite => write('m:s', seq, ['x', 'y'], 'set');
      deepStrictEqual(await wrote(a, lease, [hash(1), set(2)]), ['written', 'written']);
      deepStrictEqual(await wrote(a, lease, [hash(3), set(4)], true), ['same', 'same']);
      deepStrictEqual(await readText(a, 'm:h'), null);
      deepStrictEqual(await wrote(a, lease, [write('m:h', 5, ['f', '2'], 'hash')], true), ['written']);
      await closed(a);
    },
  },
  {
    name: 'any bytes are a key: braces, zeros, what looks like a pattern',
    async run(level) {
      const a = await level.open('a');
      const lease = await hold(a);
      const keys = ['m:1', '{t}:m', 'a{b}c', 'a}b', '{}', '{', '}', 'm:\xff\0\r\n', '__proto__', 'm:*', 'cw:v:{x}', ''];
      const writes = keys.map((key, at) => write(key, at + 1, [`v${at}`]));
      deepStrictEqual(
        await wrote(a, lease, writes),
        keys.map(() => 'written'),
      );
      for (const [at, key] of keys.entries()) deepStrictEqual(await readText(a, key), `v${at}`);
      const found: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const from: string = cursor;
        const scanned = await answer<{ readonly keys: readonly string[]; readonly next: string | null }>((done) =>
          a.scan(from, 3, done),
        );
        found.push(...scanned.keys);
        cursor = scanned.next;
      }
      deepStrictEqual([...new Set(found)].filter((key) => keys.includes(key)).sort(), keys.toSorted());
      await closed(a);
    },
  },
];
