import { beforeEach, describe, expect, it } from 'vitest';
import { compareVersions, parseVersion, versionText, type KeyVersion } from '../../src/clock/key-version.ts';
import { classesOf, siblingClass } from '../support/sibling-classes.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, VirtualRegions, WEST } from '../support/virtual-regions.ts';

const REGIONS = [EAST, WEST, ASIA];

let regions: VirtualRegions;
let clients: VirtualClient[];

const connect = (): VirtualClient[] => REGIONS.map((region) => regions.connect(region));

/** Each region runs its request, none having seen another's; then all have all. */
function apart(...lines: readonly string[]): void {
  for (const region of REGIONS) regions.isolate(region);
  for (const [at, line] of lines.entries()) {
    regions.cluster.run(100);
    clients[at]?.run(line);
  }
  regions.sync();
}

function on(region: number, line: string): string {
  return clients[region]?.run(line).replace(/^"|"$/g, '') ?? '';
}

/** The version of a key, which all regions say alike. */
function version(key: string): string {
  const versions = REGIONS.map((_region, at) => on(at, `CW.VERSION ${key}`));
  expect(new Set(versions).size, versions.join(' | ')).toBe(1);
  return versions[0] ?? '';
}

function parsed(text: string): KeyVersion {
  const found = parseVersion(text);
  if (found === null) throw new Error(`no version: ${text}`);
  return found;
}

beforeEach(() => {
  regions = new VirtualRegions({ classes: classesOf(siblingClass('cart:*')) });
  clients = connect();
});

describe('the version of a string of one write (S5)', () => {
  it('is that write: the same everywhere, later for each later write, and as it was after an expiry', () => {
    on(0, 'SET quote:1 a');
    regions.sync();
    const first = version('quote:1');
    expect(first).toMatch(/^\d+-\d+-\d+$/);
    on(1, 'SET quote:1 a');
    regions.sync();
    const second = version('quote:1');
    expect(compareVersions(parsed(second), parsed(first))).toBeGreaterThan(0);
    on(2, 'EXPIRE quote:1 1000');
    regions.sync();
    expect(version('quote:1')).toBe(second);
    on(2, 'APPEND quote:1 b');
    regions.sync();
    expect(compareVersions(parsed(version('quote:1')), parsed(second))).toBeGreaterThan(0);
  });

  it('is that of the winner of concurrent writes', () => {
    apart('SET quote:1 a', 'SET quote:1 b', 'SET quote:1 c');
    expect(on(0, 'GET quote:1')).toBe('c');
    expect(version('quote:1')).toMatch(/^\d+-\d+-\d+$/);
  });

  it('is 0 where nothing shows: never written, deleted, flushed, expired', () => {
    expect(version('none')).toBe('0');
    on(0, 'SET gone:1 a');
    on(0, 'DEL gone:1');
    on(0, 'SET gone:2 a PX 50');
    regions.sync();
    expect([version('gone:1'), version('gone:2')]).toEqual(['0', '0']);
    on(0, 'SET gone:3 a');
    regions.sync();
    on(1, 'FLUSHALL');
    regions.sync();
    expect(version('gone:3')).toBe('0');
  });

  it('stays through a restart and a snapshot', () => {
    on(0, 'SET quote:1 a');
    on(0, 'INCR seen');
    on(0, 'HSET h f v g w');
    regions.sync();
    const before = ['quote:1', 'seen', 'h'].map(version);
    regions.restart(EAST);
    regions.restart(WEST, { emptyDisk: true });
    regions.sync();
    clients = connect();
    expect(['quote:1', 'seen', 'h'].map(version)).toEqual(before);
  });
});

describe('the version of what is no such string (S5)', () => {
  it.each([
    ['counter', 'INCR k', 'INCRBY k 2', 'DECR k', 'INCR k'],
    ['counter on a register', 'INCR n', 'INCR n', 'INCR n', 'DECR n'],
    ['hash', 'HSET k f 1', 'HSET k g 2', 'HINCRBY k n 3', 'HDEL k f'],
    ['set', 'SADD k a', 'SADD k b', 'SADD k c', 'SREM k b'],
    ['document', 'JSON.SET d $.c 1', 'JSON.SET d $.b 2', 'JSON.NUMINCRBY d $.a 3', 'JSON.DEL d $.b'],
  ])('of a %s is the same wherever it shows the same, and another when it shows something else', (_type, ...lines) => {
    const key = lines[0]?.split(' ')[1] ?? '';
    if (key === 'n') on(0, 'SET n 40');
    if (key === 'd') on(0, String.raw`JSON.SET d $ "{\"a\":0,\"b\":0}"`);
    regions.sync();
    const before = version(key);
    apart(...lines.slice(0, 3));
    const merged = version(key);
    expect(merged).toMatch(/^x[0-9a-f]{16}$/);
    expect(merged).not.toBe(before);
    on(0, lines[3] ?? '');
    regions.sync();
    expect(version(key)).not.toBe(merged);
  });

  it('of siblings tells two writes of one value from one of them, and has no order', () => {
    apart('SET cart:1 pen', 'SET cart:1 pen');
    const both = version('cart:1');
    on(2, 'SET cart:1 pen');
    regions.sync();
    const one = version('cart:1');
    expect(one).not.toBe(both);
    // the same values by other writes are other siblings
    apart('SET cart:1 pen', 'SET cart:1 pen');
    expect(version('cart:1')).not.toBe(both);
    expect(compareVersions(parsed(one), parsed(both))).toBeNull();
  });

  it('is not that of another type with the same contents', () => {
    on(0, 'SADD k a b');
    regions.sync();
    const set = version('k');
    on(0, 'DEL k');
    on(0, 'HSET k a b');
    regions.sync();
    expect(version('k')).not.toBe(set);
  });
});

describe('CW.VERSION of a key that is not strong', () => {
  it('waits at level session for what the session has seen', () => {
    on(0, 'SET quote:1 a');
    const token = on(0, 'CW.TOKEN');
    regions.isolate(ASIA);
    on(0, 'SET quote:1 b');
    const later = on(0, 'CW.TOKEN');
    clients[2]?.run('CW.LEVEL session');
    expect(token).not.toBe(later);
    expect(on(2, `CW.ATTACH ${later} TIMEOUT 100`)).toMatch(/^-BEHIND/);
    expect(on(2, 'CW.VERSION quote:1')).toMatch(/^-BEHIND/);
  });

  it('is read like any other key: it becomes part of the session', () => {
    on(0, 'SET quote:1 a');
    const fresh = regions.connect(EAST);
    const empty = fresh.run('CW.TOKEN');
    fresh.run('CW.VERSION quote:1');
    expect(fresh.run('CW.TOKEN')).not.toBe(empty);
  });
});

describe('CW.READ (S5)', () => {
  it('gives values with their versions and the time that is left', () => {
    on(0, 'SET quote:1 a');
    on(0, 'SET quote:2 b PX 90000');
    on(0, 'SADD s m');
    on(0, 'INCR seen');
    const [one, two, set, seen] = ['quote:1', 'quote:2', 's', 'seen'].map((key) => on(0, `CW.VERSION ${key}`));
    expect(on(0, 'CW.READ quote:1 quote:2 none s seen')).toBe(
      `[["a" "${one}" :-1] ["b" "${two}" :90000] [nil "0" :-2] [nil "${set}" :-1] ["1" "${seen}" :-1]]`,
    );
  });

  it.each([
    ['DEL quote:1', 'what deleted it'],
    ['FLUSHALL', 'the FLUSHALL'],
  ])('after %s gives a key that is gone a version above that of its last value: %s', (removal) => {
    on(0, 'SET quote:1 a');
    const before = on(0, 'CW.VERSION quote:1');
    on(0, removal);
    const [, gone = ''] = /^\[\[nil "([^"]+)" :-2\]\]$/.exec(on(0, 'CW.READ quote:1')) ?? [];
    expect(compareVersions(parsed(gone), parsed(before))).toBeGreaterThan(0);
  });

  it('gives a key that has expired the version that it had', () => {
    on(0, 'SET quote:1 a PX 50');
    const before = on(0, 'CW.VERSION quote:1');
    regions.cluster.run(60);
    expect(on(0, 'CW.READ quote:1')).toBe(`[[nil "${before}" :-2]]`);
  });
});

describe('the text of a version', () => {
  it.each(['0', '', '1-2', '1-2-3-4', '1-2-x', '-1-2-3', 'x12', 'x0123456789abcdeg', '12345678901234567-1-1'])(
    'refuses %j',
    (text) => expect(parseVersion(text)).toBeNull(),
  );

  it.each(['1-2-3', '26843545600000-274877906945-9007199254740991', 'x0123456789abcdef'])('%s is read back', (text) => {
    expect(versionText(parsed(text))).toBe(text);
  });

  it.each([
    ['2-1-1', '1-9-9', 1],
    ['1-2-1', '1-1-9', 1],
    ['1-1-2', '1-1-1', 1],
    ['1-1-1', '1-1-1', 0],
  ])('%s comes after %s', (left, right, order) => {
    expect(Math.sign(compareVersions(parsed(left), parsed(right)) ?? Number.NaN)).toBe(order);
    expect(Math.sign(compareVersions(parsed(right), parsed(left)) ?? Number.NaN)).toBe(-order || 0);
  });

  it('has no order between a state and anything else', () => {
    const state = parsed('x0123456789abcdef');
    const other = parsed('x1123456789abcdef');
    const write = parsed('1-2-3');
    expect([compareVersions(state, state), compareVersions(state, other)]).toEqual([0, null]);
    expect([compareVersions(state, write), compareVersions(write, state)]).toEqual([null, null]);
  });
});
