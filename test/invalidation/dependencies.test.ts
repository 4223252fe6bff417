import { describe, expect, test } from 'vitest';
import { CASCADE_DEPTH_MAX } from '../../src/node/invalidation-walk.ts';
import { everywhere, openRegions } from './invalidation-regions.ts';
import { EAST, WEST } from '../support/virtual-regions.ts';

/** A page depends on a product that only the west has, and that the east does not hear of until the next `sync`. */
function openBeside(): ReturnType<typeof openRegions> {
  const opened = openRegions();
  const { regions, east, west } = opened;
  east.run('SET page old');
  east.run('CW.DEPEND page ON product');
  regions.sync();
  regions.isolate(EAST);
  west.run('SET product 1');
  return opened;
}

describe('I4: dependencies', () => {
  test('an invalidation goes on to all that depends on it, in every region, and cycles are cut', () => {
    const { regions, east, west } = openRegions();
    for (const key of ['a', 'b', 'c', 'd']) east.run(`SET ${key} v`);
    east.run('CW.DEPEND b ON a');
    east.run('CW.DEPEND c ON b');
    east.run('CW.DEPEND a ON c');
    expect(east.run('CW.DEPEND d ON a b')).toBe(':2');
    expect(east.run('CW.DEPEND missing ON a')).toBe('nil');
    regions.sync();
    expect(west.run('CW.DEPENDENTS a')).toBe('["b" "invalidations" "d" "invalidations"]');
    expect(west.run('CW.DEPENDENCIES d')).toBe('["a" "invalidations" "b" "invalidations"]');
    expect(west.run('CW.INVALIDATE KEY a')).toBe(':4');
    regions.sync();
    expect(east.run('KEYS *')).toBe('[]');
  });

  test.each([
    { by: 'a write', command: 'SET product 2', reply: '+OK' },
    { by: 'the key', command: 'CW.INVALIDATE KEY product', reply: ':1' },
    { by: 'a last time', command: 'CW.INVALIDATE LAZY 400 TAG t', reply: ':0' },
    { by: 'a tag', command: 'CW.INVALIDATE TAG t', reply: ':0' },
    { by: 'a pattern', command: 'CW.INVALIDATE PATTERN pag?', reply: ':0' },
  ])(
    'what has expired where it is asked for, by $by, does not come back by a PERSIST that is on its way',
    ({ command, reply }) => {
      const { regions, east, west } = openRegions();
      east.run('SET product 1');
      east.run('SET page old PX 5000');
      east.run('CW.TAG page t');
      east.run('CW.DEPEND page WRITES ON product');
      regions.sync();
      regions.isolate(WEST);
      expect(west.run('PERSIST page')).toBe(':1');
      expect(regions.cluster.runUntil(() => east.run('EXISTS page') === ':0', 10_000)).toBe(true);
      expect(east.run(command)).toBe(reply);
      regions.sync();
      expect(everywhere(regions, 'page')).toEqual([null, null, null]);
    },
  );

  test('where what is depended on is not there, it is followed all the same', () => {
    const { east } = openRegions();
    east.run('SET page v');
    east.run('CW.DEPEND page ON product');
    expect(east.run('CW.INVALIDATE KEY product')).toBe(':1');
    expect(east.run('EXISTS page')).toBe(':0');
  });

  test('so it is with a pattern', () => {
    const { regions, east, west } = openRegions();
    for (const key of ['page', 'list', 'other']) east.run(`SET ${key} v`);
    east.run('CW.DEPEND page ON product:7 product:8');
    east.run('CW.DEPEND list ON page');
    east.run('CW.DEPEND other ON production');
    regions.sync();
    expect(west.run('CW.INVALIDATE PATTERN product:*')).toBe(':2');
    regions.sync();
    expect(everywhere(regions, 'page')).toEqual([null, null, null]);
    expect(everywhere(regions, 'list')).toEqual([null, null, null]);
    expect(everywhere(regions, 'other')).toEqual(['v', 'v', 'v']);
  });

  test('a write of what is depended on counts where that was asked for, in the same transaction', () => {
    const { regions, east, west } = openRegions();
    for (const key of ['page', 'list', 'site']) east.run(`SET ${key} v`);
    east.run('CW.DEPEND page WRITES ON product');
    east.run('CW.DEPEND list ON product');
    east.run('CW.DEPEND site ON page');
    regions.sync();
    expect(west.run('SET product 2')).toBe('+OK');
    expect(regions.node(WEST).core.lastDot()?.seq).toBe(west.session.lastWriteSeq);
    expect(west.run('EXISTS page list site')).toBe(':1');
    regions.sync();
    expect(everywhere(regions, 'page')).toEqual([null, null, null]);
    expect(everywhere(regions, 'site')).toEqual([null, null, null]);
    expect(everywhere(regions, 'list')).toEqual(['v', 'v', 'v']);
    east.run('SET page v');
    east.run('CW.DEPEND page WRITES ON product');
    east.run('EXPIRE product 100');
    expect(east.run('EXISTS page')).toBe(':1');
    east.run('HSET product f v');
    east.run('DEL product');
    expect(east.run('EXISTS page')).toBe(':0');
  });

  test('a write that did not know of the dependency counts as well', () => {
    const { regions, east, west } = openRegions();
    east.run('SET product 1');
    east.run('SET page old');
    regions.sync();
    regions.isolate(EAST);
    east.run('SET product 2');
    west.run('CW.DEPEND page WRITES ON product');
    regions.sync();
    expect(everywhere(regions, 'page')).toEqual([null, null, null]);
    expect(everywhere(regions, 'product')).toEqual(['2', '2', '2']);
  });

  test('such a write counts in the transaction of an invalidation too', () => {
    const { regions, east, west } = openRegions();
    east.run('SET page old');
    regions.sync();
    regions.isolate(EAST);
    for (const line of ['MULTI', 'CW.INVALIDATE TAG other', 'SET product 2', 'EXEC']) east.run(line);
    west.run('CW.DEPEND page WRITES ON product');
    regions.sync();
    expect(everywhere(regions, 'page')).toEqual([null, null, null]);
  });

  test('many invalidations that come together to one key are gone on with once', () => {
    const { regions, east, west } = openRegions();
    regions.isolate(EAST);
    west.run('SET page old');
    west.run('CW.TAG page shop');
    regions.cluster.run(50);
    for (let times = 0; times < 50; times++) east.run('CW.INVALIDATE TAG shop');
    regions.sync();
    expect(everywhere(regions, 'page')).toEqual([null, null, null]);
    expect(regions.node(WEST).core.invalidations.telemetry.made.key).toBeLessThan(10);
  });

  test('what a concurrent key of a pattern leads to goes with it', () => {
    const { regions, east } = openBeside();
    regions.cluster.run(50);
    east.run('CW.INVALIDATE PATTERN prod*');
    regions.sync();
    expect(everywhere(regions, 'product')).toEqual([null, null, null]);
    expect(everywhere(regions, 'page')).toEqual([null, null, null]);
  });

  test('what a concurrent tag leads to goes, also where the maker gave the same tag behind its invalidation', () => {
    const { regions, east, west } = openBeside();
    west.run('CW.TAG product shop');
    regions.cluster.run(50);
    for (const line of ['MULTI', 'CW.INVALIDATE TAG shop', 'SET product 2', 'CW.TAG product shop', 'EXEC'])
      east.run(line);
    regions.sync();
    expect(everywhere(regions, 'page')).toEqual([null, null, null]);
    expect(everywhere(regions, 'product')).toEqual(['2', '2', '2']);
  });

  test('CW.UNDEPEND takes it back, and the same dependency is of one mode', () => {
    const { east } = openRegions();
    east.run('SET page v');
    expect(east.run('CW.DEPEND page ON a b')).toBe(':2');
    expect(east.run('CW.DEPEND page WRITES ON a')).toBe(':0');
    expect(east.run('CW.DEPENDENCIES page')).toBe('["a" "writes" "b" "invalidations"]');
    expect(east.run('CW.UNDEPEND page ON a c')).toBe(':1');
    expect(east.run('CW.DEPENDENTS a')).toBe('[]');
    east.run('SET a v');
    expect(east.run('EXISTS page')).toBe(':1');
    expect(east.run('CW.UNDEPEND page')).toBe(':1');
    expect(east.run('CW.INVALIDATE KEY b')).toBe(':0');
  });

  test('what is too deep is said and listed, and all before it is gone', () => {
    const { east } = openRegions();
    for (let at = 0; at <= CASCADE_DEPTH_MAX + 3; at++) east.run(`SET d${at} v`);
    for (let at = 0; at < CASCADE_DEPTH_MAX + 3; at++) east.run(`CW.DEPEND d${at + 1} ON d${at}`);
    expect(east.run('CW.INVALIDATE KEY d0')).toBe(
      `-CASCADE ${CASCADE_DEPTH_MAX + 1} keys were invalidated; too deep or too many to be reached: what depends on d${CASCADE_DEPTH_MAX}`,
    );
    expect(east.run('DBSIZE')).toBe(':3');
  });

  test.each([
    ['CW.DEPEND page ON page', '-ERR a key does not depend on itself'],
    ['CW.DEPEND page', "-ERR wrong number of arguments for 'cw.depend' command"],
    ['CW.DEPEND page OFF a', '-ERR syntax error'],
    ['CW.DEPEND page WRITES ON', '-ERR syntax error'],
    ['CW.INVALIDATE KEY', "-ERR wrong number of arguments for 'cw.invalidate' command"],
    ['CW.INVALIDATE THING a', '-ERR syntax error'],
    ['CW.INVALIDATE LAZY 5', '-ERR syntax error'],
    ['CW.INVALIDATE LAZY 0 KEY a', '-ERR expected 1 to 86400000 milliseconds'],
    ['CW.INVALIDATE DELAY x KEY a', '-ERR expected 1 to 86400000 milliseconds'],
    ['CW.TAG page ""', '-ERR a tag is not empty'],
    [`CW.TAG page ${'t'.repeat(513)}`, '-ERR tag is too long (limit tag-bytes-max 512)'],
    [
      `CW.TAG page ${Array.from({ length: 129 }, (_, at) => `t${at}`).join(' ')}`,
      '-ERR too many tags of a key (limit tags-max 128)',
    ],
    [
      `CW.DEPEND page ON ${Array.from({ length: 129 }, (_, at) => `t${at}`).join(' ')}`,
      '-ERR too many dependencies of a key (limit dependencies-max 128)',
    ],
    [
      `CW.INVALIDATE PATTERN ${'*a'.repeat(600)}`,
      '-ERR pattern is too long (limit invalidated-pattern-bytes-max 1024)',
    ],
    [
      `CW.INVALIDATE PATTERN ${Array.from({ length: 257 }, (_, at) => `*${at}`).join(' ')}`,
      '-ERR too many patterns (limit invalidated-patterns-max 256)',
    ],
  ])('%s is refused', (request, answer) => {
    const { east } = openRegions();
    east.run('SET page v');
    expect(east.run(request).replace('2592000000', '86400000')).toBe(answer);
    expect(east.run('CW.TAGS page')).toBe('[]');
  });
});
