import { describe, expect, test } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { everywhere, openRegions } from './invalidation-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const GONE = [null, null, null];

describe('I1: tags', () => {
  test('belong to keys that are there, in every region, and concurrent ones merge', () => {
    const { regions, east, west } = openRegions();
    expect(east.run('CW.TAG p:1 shop')).toBe('nil');
    east.run('SET p:1 a');
    expect(east.run('CW.TAG p:1 shop red shop')).toBe(':2');
    regions.sync();
    regions.isolate(EAST);
    east.run('CW.UNTAG p:1 red');
    west.run('CW.TAG p:1 red blue');
    regions.sync();
    expect(east.run('CW.TAGS p:1')).toBe('["blue" "red" "shop"]');
    expect(west.run('CW.TAGGED red')).toBe('["0" ["p:1"]]');
    expect(west.run('CW.UNTAG p:1')).toBe(':3');
    expect(west.run('CW.TAGGED red')).toBe('["0" []]');
  });
});

describe('I2: an invalidation', () => {
  test('of a key, a tag and a pattern takes away what it has seen, in every region', () => {
    const { regions, east, west } = openRegions();
    for (const key of ['k', 't:1', 't:2', 'p:1', 'p:2', 'other']) east.run(`SET ${key} old`);
    east.run('HSET h f v');
    east.run('CW.TAG t:1 T');
    east.run('CW.TAG t:2 T');
    east.run('CW.TAG h T');
    regions.sync();
    expect(west.run('CW.INVALIDATE KEY k missing')).toBe(':1');
    expect(west.run('CW.INVALIDATE TAG T')).toBe(':3');
    expect(west.run('CW.INVALIDATE PATTERN p:*')).toBe(':2');
    regions.sync();
    expect(east.run('KEYS *')).toBe('["other"]');
    expect(new Set(regions.cluster.nodes.map((node) => node.digest())).size).toBe(1);
  });

  test('of many patterns is bounded by the request, and in a transaction by all of them', () => {
    const { east } = openRegions();
    const patterns = (count: number): string => Array.from({ length: count }, (_, at) => `p${at}:*`).join(' ');
    east.run('SET p:1 old');
    expect(east.run(`CW.INVALIDATE PATTERN ${patterns(257)}`)).toMatch('limit invalidated-patterns-max 256');
    east.run('MULTI');
    expect(east.run(`CW.INVALIDATE LAZY 100 PATTERN ${patterns(200)}`)).toBe('+QUEUED');
    expect(east.run('CW.INVALIDATE KEY p:1')).toBe('+QUEUED');
    expect(east.run(`CW.INVALIDATE PATTERN ${patterns(57)}`)).toMatch('limit invalidated-patterns-max 256');
    expect(east.run('EXEC')).toMatch(/^-EXECABORT/);
    expect(east.run('GET p:1')).toBe('"old"');
    for (const line of ['MULTI', `CW.INVALIDATE PATTERN p:* ${patterns(199)}`, 'CW.INVALIDATE DELAY 5 PATTERN q*'])
      east.run(line);
    expect(east.run('EXEC')).toBe('[:1 +OK]');
    expect(east.run('GET p:1')).toBe('nil');
  });

  test('an older write that it had not seen is gone in every region, a later one stays', () => {
    const { regions, east, west } = openRegions();
    regions.isolate(EAST);
    regions.isolate(WEST);
    west.run('SET k older');
    west.run('SET t older');
    west.run('CW.TAG t T');
    west.run('SET p:1 older');
    regions.cluster.run(50);
    east.run('CW.INVALIDATE KEY k');
    east.run('CW.INVALIDATE TAG T');
    east.run('CW.INVALIDATE PATTERN p:*');
    regions.cluster.run(50);
    west.run('SET k2 later');
    west.run('SET p:2 later');
    regions.sync();
    for (const key of ['k', 't', 'p:1']) expect([key, everywhere(regions, key)]).toEqual([key, GONE]);
    expect(everywhere(regions, 'k2')).toEqual(['later', 'later', 'later']);
    expect(everywhere(regions, 'p:2')).toEqual(['later', 'later', 'later']);
  });

  test('what was tagged or made dependent without its knowing goes too, also where others have the value', () => {
    const { regions, east, west, asia } = openRegions();
    east.run('SET product 1');
    east.run('SET page old');
    east.run('SET old old');
    regions.sync();
    for (const region of [EAST, WEST]) regions.isolate(region);
    asia.run('CW.DEPEND page ON product');
    asia.run('CW.TAG old T');
    west.run('SET page other');
    regions.cluster.run(50);
    expect(east.run('CW.INVALIDATE KEY product')).toBe(':1');
    expect(east.run('CW.INVALIDATE TAG T')).toBe(':0');
    regions.sync();
    for (const key of ['product', 'page', 'old']) expect([key, everywhere(regions, key)]).toEqual([key, GONE]);
  });

  test.each(['KEY b1', 'PATTERN b?'])(
    'what was made dependent beside it on a key that it takes away goes too: %s',
    (target) => {
      const { regions, east, asia } = openRegions();
      east.run('SET b1 1');
      regions.sync();
      regions.isolate(EAST);
      for (const line of ['MULTI', 'SET page old', 'CW.DEPEND page ON b1', 'EXEC']) asia.run(line);
      regions.cluster.run(50);
      expect(east.run(`CW.INVALIDATE ${target}`)).toBe(':1');
      regions.sync();
      for (const key of ['b1', 'page']) expect([key, everywhere(regions, key)]).toEqual([key, GONE]);
    },
  );

  test('of many keys goes on over turns, is answered at its end, and other requests come between', () => {
    const { regions, east, west } = openRegions();
    for (let at = 0; at < 3_500; at++) {
      east.call('SET', `k:${at}`, 'v');
      east.call('CW.TAG', `k:${at}`, 'T');
    }
    regions.sync();
    west.begin('CW.INVALIDATE TAG T');
    expect(west.answer).toBeNull();
    expect(west.answered()).toBe(':3500');
    regions.sync();
    expect(east.run('DBSIZE')).toBe(':0');
  });

  test.each([
    ['TAG T', 1_100],
    ['PATTERN roo?', 1],
  ])('of several transactions is all in what its session has written: %s and %i keys', (target, keys) => {
    const { regions, east, west } = openRegions();
    east.call('SET', 'root', 'v');
    for (let at = 0; at < keys; at++) {
      east.call('SET', `k:${at}`, 'v');
      if (target === 'TAG T') east.call('CW.TAG', `k:${at}`, 'T');
      else east.call('CW.DEPEND', `k:${at}`, 'ON', 'root');
    }
    regions.sync();
    const before = regions.node(WEST).core.lastDot()?.seq ?? 0;
    expect(west.run(`CW.INVALIDATE ${target}`)).toBe(`:${target === 'TAG T' ? keys : keys + 1}`);
    expect(regions.node(WEST).core.lastDot()?.seq).toBeGreaterThan(before + 1);
    const elsewhere = regions.connect(EAST);
    expect(elsewhere.run(`CW.ATTACH ${west.token()} TIMEOUT 10000`)).toBe('+OK');
    expect(elsewhere.run('KEYS k:*')).toBe('[]');
    expect(west.run('WAIT 2 10000')).toBe(':2');
    expect(regions.connect(ASIA).run('KEYS k:*')).toBe('[]');
  });

  test('of a pattern over many keys writes its record and nothing else where nothing matches, and other nodes do not look', () => {
    const { regions, east } = openRegions();
    regions.node(EAST).write((tx) => {
      for (let at = 0; at < 20_000; at++) tx.set(latin1Range(`k:${at}`), 0, latin1Range('v'), Infinity);
    });
    regions.sync();
    const seqs = (): number[] => regions.cluster.nodes.map(({ core }) => core.lastDot()?.seq ?? 0);
    const [atEast = 0, ...others] = seqs();
    expect(east.run('CW.INVALIDATE PATTERN p:*')).toBe(':0');
    regions.sync();
    expect(seqs()).toEqual([atEast + 1, ...others]);
  });
});
