import { expect, test } from 'vitest';
import { plainSha256 } from '../../src/groups/audit-text.ts';
import { sha256Hex } from '../../src/adapters/sha256-digests.ts';
import { GroupRig, linesOf, words, type Words } from './group-rig.ts';

const LONG = 'x'.repeat(3_000);
const DOCUMENT = JSON.stringify({ a: 'y'.repeat(2_000), n: 1 });

/** What is done to long values, a request each; after numbers of milliseconds what has expired is removed, below zero it is only later. */
const STEPS: readonly (number | readonly Words[])[] = [
  [['SET', 's', LONG]],
  [words('SETRANGE s 5 1')],
  [words('PEXPIRE s 10000')],
  [words('PERSIST s')],
  [words('PEXPIRE s 50'), words('APPEND s z')],
  [['SET', 's', LONG], words('PEXPIRE s 20')],
  100,
  [['SET', 's', `${LONG}1`]],
  [words('PEXPIRE s -1')],
  [['SET', 's', `${LONG}2`, 'PX', '10']],
  20,
  [words('EXISTS s')],
  [words('SET s short')],
  [['SET', 's', `${LONG}3`]],
  [words('COPY s t')],
  [words('RENAME t s')],
  [words('GETDEL s')],
  [['SET', 's', LONG, 'PX', '10']],
  -50,
  [words('APPEND s z')],
  [['JSON.SET', 'j', '$', DOCUMENT]],
  [words('JSON.NUMINCRBY j $.n 1')],
  [words('PEXPIRE j 9000')],
  [words('JSON.NUMINCRBY j $.n 1'), words('PERSIST j')],
  [['SET', 'j', LONG]],
  [words('DEL j')],
  [['HSET', 'j', 'f', LONG]],
  [words('PEXPIRE j 5000')],
  [['JSON.SET', 'j', '$', DOCUMENT]],
];

/** Members that made the records of all steps: one that went on, and one that was restored before each entry and remembers nothing. */
function played(
  steps: typeof STEPS,
  between: (rig: GroupRig) => void = () => {},
): { lines: string[]; fresh: string[] } {
  const rig = new GroupRig();
  const fresh: string[] = [];
  const both = (run: () => void): void => {
    const member = rig.member();
    const from = rig.log.length;
    run();
    for (const [at, entry] of rig.log.slice(from).entries()) member.apply(from + at + 1, entry);
    fresh.push(...linesOf(member));
  };
  for (const step of steps) {
    if (typeof step === 'number' && step < 0) rig.nowMs -= step;
    else if (typeof step === 'number') both(() => rig.expire(rig.nowMs + step));
    else both(() => rig.run(step));
    both(() => between(rig));
  }
  return { lines: rig.lines, fresh };
}

test('a long value is recorded as it is, by a member that remembers how it was shown and by one that does not', () => {
  const { lines, fresh } = played(STEPS);
  expect(lines.length).toBeGreaterThan(STEPS.length - 4);
  expect(lines).toEqual(fresh);
});

test('also where its key is not audited in between', () => {
  const audited = (audit: boolean) => (rig: GroupRig) =>
    rig.apply({
      kind: 'rules',
      stamp: 0 as never,
      over: rig.state.inForce.index,
      version: 0,
      pins: '',
      rules: [{ pattern: '*', ttlMs: null, audit }],
    });
  let isOn = true;
  const { lines, fresh } = played(STEPS, (rig) => audited((isOn = !isOn))(rig));
  expect(lines.length).toBeGreaterThan(5);
  expect(lines).toEqual(fresh);
});

test('what is recorded is changed by a record as well', () => {
  const rig = new GroupRig().do('SET a 1');
  const rules = (over: number, audit: boolean): void =>
    void rig.apply({
      kind: 'rules',
      stamp: 0 as never,
      over,
      version: 0,
      pins: '',
      rules: [{ pattern: 'größe*', ttlMs: 5, audit }],
    });
  rules(0, true);
  rig.do('SET größe 1');
  // the same again, and one that comes too late, change nothing
  rules(2, true);
  rules(2, false);
  rules(4, false);
  rig.do('SET größe 2');
  // nothing was recorded before it, so that nothing is missing
  rules(6, true);
  rig.do('SET größe 3');
  const by = { user: 'group', request: null, key: '', commands: [{ arguments: ['rules'] }] };
  const json = (value: string) => ({ type: 'json', value });
  expect(rig.records).toMatchObject([
    { key: 'a' },
    { ...by, index: 2, old: json('[["free*",null,false],["*",null,true]]'), new: json('[["größe*",5,true]]') },
    { key: 'größe', index: 3, new: { value: '1', expiresMs: rig.nowMs + 5 } },
    { ...by, index: 6, old: json('[["größe*",5,true]]'), new: json('[["größe*",5,false]]') },
    { key: 'größe', index: 9, old: { value: '2' }, new: { value: '3' } },
  ]);
});

test('the old value is not hashed again, nor one of which only the expiry was written', () => {
  const hashed: number[] = [];
  const counting = (bytes: Uint8Array): string => {
    hashed.push(bytes.length);
    return plainSha256(bytes);
  };
  const rig = new GroupRig(counting);
  const hashedBy = (line: Words): number[] => {
    hashed.length = 0;
    rig.run([line]);
    return [...hashed];
  };
  expect(hashedBy(['SET', 's', LONG])).toEqual([3_000]);
  expect(hashedBy(words('APPEND s y'))).toEqual([3_001]);
  expect(hashedBy(words('PEXPIRE s 9000'))).toEqual([]);
  expect(hashedBy(words('SET s short'))).toEqual([]);
  expect(hashedBy(['JSON.SET', 'j', '$', DOCUMENT])).toHaveLength(1);
  expect(hashedBy(words('JSON.NUMINCRBY j $.n 1'))).toHaveLength(1);
  // of so many keys that some are forgotten
  for (let at = 0; at < 1_001; at++) rig.run([['SET', `k${at}`, LONG]]);
  expect(hashedBy(words('APPEND k1000 y'))).toEqual([3_001]);
  expect(hashedBy(words('APPEND k0 y'))).toEqual([3_000, 3_001]);
});

test('the hash of the machine is that of the plain code', () => {
  for (const length of [0, 1, 55, 56, 64, 1_000, 100_003]) {
    const bytes = new Uint8Array(length).map((_, at) => at * 7);
    expect(sha256Hex(bytes)).toBe(plainSha256(bytes));
    expect(sha256Hex(bytes.subarray(length >> 1))).toBe(plainSha256(bytes.subarray(length >> 1)));
  }
});
