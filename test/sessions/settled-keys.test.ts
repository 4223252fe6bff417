import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { runOptions } from '../support/fast-check-runs.ts';
import { ASIA, EAST, VirtualRegions, WEST } from '../support/virtual-regions.ts';

const REGIONS = [EAST, WEST, ASIA] as const;
const KEYS = ['s', 'n', 'h', 'm'] as const;

type Digest = readonly [hex: string | null, isSettled: number];

/** What each region says of a key. */
function digestsOf(regions: VirtualRegions, key: string): Digest[] {
  return REGIONS.map((region) => {
    const text = regions.connect(region).run(`CW.DIGEST KEY ${key}`);
    const [, hex = '', isSettled] = /^\[\[(nil|"[0-9a-f]{16}") :([01])\]\]$/.exec(text) ?? [];
    return [hex === 'nil' ? null : hex, Number(isSettled)];
  });
}

describe('S8: a key is settled at a node', () => {
  test('once what it has seen of it is at every member, removals too', () => {
    const regions = new VirtualRegions();
    regions.sync();
    expect(digestsOf(regions, 'k')).toEqual([
      [null, 1],
      [null, 1],
      [null, 1],
    ]);
    const east = regions.connect(EAST);
    regions.isolate(ASIA);
    east.run('SET k v');
    regions.cluster.run(2_000);
    const [first, second, cut] = digestsOf(regions, 'k') as [Digest, Digest, Digest];
    expect(first[0]).toMatch(/^"[0-9a-f]{16}"$/);
    expect([first[1], second, cut]).toEqual([0, [first[0], 0], [null, 1]]);
    regions.sync();
    expect(digestsOf(regions, 'k')).toEqual(REGIONS.map(() => [first[0], 1]));

    regions.isolate(WEST);
    east.run('DEL k');
    expect(digestsOf(regions, 'k')[0]).toEqual([null, 0]);
    regions.sync();
    expect(digestsOf(regions, 'k')).toEqual(REGIONS.map(() => [null, 1]));
  });

  test('and what settles at two nodes is the same there, whenever one looks', () => {
    const region = fc.constantFrom(...REGIONS);
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ at: region, write: fc.constantFrom(...WRITES) }) },
      { weight: 1, arbitrary: fc.record({ isolate: region }) },
      { weight: 1, arbitrary: fc.record({ restart: region }) },
      { weight: 2, arbitrary: fc.constant({ heal: true }) },
      { weight: 3, arbitrary: fc.record({ waitMs: fc.integer({ min: 1, max: 900 }) }) },
    );
    let settledTwice = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => {
        const regions = new VirtualRegions();
        for (const [index, each] of steps.entries()) {
          if ('write' in each) regions.connect(each.at).run(each.write.replace('#', String(index)));
          else if ('isolate' in each) regions.isolate(each.isolate);
          else if ('restart' in each) regions.restart(each.restart);
          else if ('heal' in each) regions.cluster.healAll();
          else regions.cluster.run(each.waitMs);
          for (const key of KEYS) {
            const settled = digestsOf(regions, key).filter(([, isSettled]) => isSettled === 1);
            if (settled.length > 1 && settled[0]?.[0] !== null) settledTwice++;
            expect(new Set(settled.map(([hex]) => hex)).size).toBeLessThan(2);
          }
        }
      }),
      runOptions(25, 20_000),
    );
    expect(settledTwice).toBeGreaterThan(0);
  });

  test('whatever an EXEC around it reads is still part of its session', () => {
    const regions = new VirtualRegions();
    regions.sync();
    regions.isolate(ASIA);
    regions.connect(EAST).run('SET k v');
    const reader = regions.connect(EAST);
    const before = reader.token();
    reader.run('MULTI');
    reader.run('CW.DIGEST KEY other');
    reader.run('GET k');
    reader.run('EXEC');
    expect(reader.token()).not.toBe(before);
  });

  test.each([
    ['CW.DIGEST KEY', 'ERR syntax error'],
    ['CW.DIGEST KEYS k', 'ERR syntax error'],
    [`CW.DIGEST KEY ${'k '.repeat(257).trim()}`, 'ERR expected at most 256 keys, got 257'],
  ])('%s is refused', (line, error) => {
    expect(new VirtualRegions().connect(EAST).run(line)).toContain(error);
  });
});

const WRITES = [
  'SET s #',
  'DEL s',
  'INCR n',
  'SET n 1#',
  'HSET h a # b #',
  'HINCRBY h a 1',
  'HDEL h a',
  'SADD m a #',
  'SREM m a',
  'DEL h m',
  'RENAME s n',
] as const;
