import { describe, expect, test } from 'vitest';
import type { SourceAnswer } from '../../src/commands/source-fetcher.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';
import { SourceWorld, value } from './source-world.ts';

const REST = 'url: "http://source/{key}", jitter: 0';
const CLASSES = `classes:
  - match: ["price:*"]
    source: { ${REST}, ttl: 10s, absent: 2s, early: 0, stampede: cluster }
  - match: ["stale:*"]
    source: { ${REST}, ttl: 10s, stale-while-loading: 5s, stale-if-error: 20s, early: 0, stampede: node }
  - match: ["ahead:*"]
    source: { ${REST}, ttl: 10s, ahead: 3s, early: 0, stampede: node }
  - match: ["early:*"]
    source: { ${REST}, ttl: 10s, early: 1, stampede: node }
  - match: ["calm:*"]
    ttl: { adaptive: { min: 2s, max: 1m } }
    source: { ${REST}, ttl: 10s, stale-if-error: 20s, early: 0, stampede: node }
  - match: ["jitter:*"]
    source: { url: "http://source/{key}", jitter: 0.5, ttl: 10s, early: 0, stampede: node }
`;

const FAILED: SourceAnswer = { kind: 'failed', message: 'it answered 500' };

describe('a key with a source', () => {
  test('is kept longer while the source says the same, and shorter when that changes, where its class says so', () => {
    const world = new SourceWorld(CLASSES);
    let text = 'quiet';
    world.answer = () => value(text);
    /** Loads while a client asks twice a second for so long. */
    const loadsIn = (ms: number): number => {
      const before = world.loads.length;
      for (let passed = 0; passed < ms; passed += 500) {
        expect(world.ask('GET calm:a')).toBe(`"${text}"`);
        world.pass(500);
      }
      return world.loads.length - before;
    };
    // at 0, 2, 6, 14, 30 and 62 s, and each minute from then on
    expect(loadsIn(60_000)).toBe(5);
    expect(loadsIn(180_000)).toBeLessThanOrEqual(4);
    // it changes every time now
    world.answer = () => value((text = `${world.loads.length}`));
    while (text === 'quiet') {
      world.ask('GET calm:a');
      world.pass(500);
    }
    const asked = world.loads.length;
    for (let passed = 0; passed < 120_000; passed += 500) {
      world.ask('GET calm:a');
      world.pass(500);
    }
    // 30, 15, 7.5, 3.8 s, and two seconds from then on
    expect(world.loads.length - asked).toBeGreaterThan(20);
  });

  test('is loaded once, kept for its time in all regions, and loaded again', () => {
    const world = new SourceWorld(CLASSES);
    expect(world.ask('GET price:a')).toBe('"price:a 1"');
    world.pass(200);
    for (const region of [EAST, WEST, ASIA]) expect(world.ask('GET price:a', region)).toBe('"price:a 1"');
    world.pass(10_000);
    expect(world.ask('GET price:a', WEST)).toBe('"price:a 2"');
    expect(world.loads).toHaveLength(2);
  });

  test.each([EAST, WEST, ASIA])('is loaded by the same node whoever asks, here %s', (region) => {
    const world = new SourceWorld(CLASSES);
    for (const name of 'afgi') world.ask(`GET price:${name}`, region);
    const other = new SourceWorld(CLASSES);
    for (const name of 'afgi') other.ask(`GET price:${name}`);
    expect(world.loads).toEqual(other.loads);
    expect(new Set(world.loads.map((load) => load.split(' ')[0])).size).toBe(3);
  });

  test('is loaded once by many who miss it in all regions at a time', () => {
    const world = new SourceWorld(CLASSES);
    const clients = Array.from({ length: 90 }, (_, at) =>
      world.connect([EAST, WEST, ASIA][at % 3]).begin('GET price:a'),
    );
    world.pass(600);
    for (const client of clients) expect(client.answer).toBe('"price:a 1"');
    expect(world.loads).toHaveLength(1);
  });

  test('is loaded where it is asked for when the node whose turn it is does not answer', () => {
    const world = new SourceWorld(CLASSES);
    world.ask('GET price:a');
    const owner = (world.loads[0] ?? '').split(' ')[0] ?? '';
    const asker = [EAST, WEST, ASIA].find((region) => region !== owner) ?? EAST;
    world.regions.isolate(owner);
    world.pass(10_500);
    expect(world.ask('GET price:a', asker)).toBe('"price:a 2"');
    expect(world.loads[1]).not.toBe(world.loads[0]);
  });

  test('that the source has not is absent for a while, and at once no more when it is written or removed', () => {
    const world = new SourceWorld(CLASSES);
    world.answer = () => ({ kind: 'absent' });
    expect(world.ask('GET price:a')).toBe('nil');
    expect(world.ask('GET price:a')).toBe('nil');
    expect(world.loads).toHaveLength(1);
    world.ask('DEL price:a');
    world.ask('GET price:a');
    expect(world.loads).toHaveLength(2);
    world.pass(2_100);
    world.answer = () => value('made');
    expect(world.ask('GET price:a')).toBe('"made"');
  });

  test.each([EAST, WEST, ASIA])('invalidated in %s while it is loaded is loaded anew', (region) => {
    const world = new SourceWorld(CLASSES);
    const reader = world.connect().begin('GET price:a');
    world.pass(20);
    expect(world.ask('DEL price:a', region)).toBe(':0');
    world.pass(1_000);
    expect(reader.answer).not.toBeNull();
    // whatever the reader got, which asked before, nobody finds the old value later
    world.pass(600);
    const answers = [EAST, WEST, ASIA].map((from) => world.ask('GET price:a', from));
    expect(answers).not.toContain('"price:a 1"');
    expect(new Set(answers).size).toBe(1);
  });

  test('written by a client is not too old, and is not loaded over', () => {
    const world = new SourceWorld(CLASSES);
    world.ask('SET stale:a mine');
    world.pass(60_000);
    expect(world.ask('GET stale:a')).toBe('"mine"');
    expect(world.loads).toEqual([]);
  });

  test('removed just before is loaded once in half a second, and what is done to it meanwhile shows', () => {
    const world = new SourceWorld(CLASSES);
    world.ask('GET ahead:a');
    world.ask('DEL ahead:a');
    for (let reads = 0; reads < 5; reads++) expect(world.ask('GET ahead:a')).toBe('"ahead:a 2"');
    expect(world.loads).toHaveLength(2);
    world.ask('CW.INVALIDATE KEY ahead:a');
    expect(world.ask('GET ahead:a')).toBe('"ahead:a 3"');
    world.ask('SET ahead:a mine');
    expect(world.ask('GET ahead:a')).toBe('"mine"');
    world.ask('DEL ahead:a');
    expect(world.ask('GET ahead:a')).toBe('"ahead:a 4"');
    world.pass(600);
    expect(world.ask('GET ahead:a')).toBe('"ahead:a 5"');
    world.pass(1_000);
    expect(world.ask('GET ahead:a')).toBe('"ahead:a 5"');
  });

  test('cannot be told: an error, and the next read asks again', () => {
    const world = new SourceWorld(CLASSES);
    world.answer = () => FAILED;
    expect(world.ask('GET ahead:a')).toBe('-UNAVAILABLE ahead:*: it answered 500');
    world.ask('GET ahead:a');
    expect(world.loads).toHaveLength(2);
  });

  test('many are asked for by one MGET', () => {
    const world = new SourceWorld(CLASSES);
    expect(world.ask('MGET ahead:a other ahead:b')).toBe('["ahead:a 1" nil "ahead:b 2"]');
  });
});

describe('a value that is no longer fresh', () => {
  test('is given for a while and loaded beside, then waited for', () => {
    const world = new SourceWorld(CLASSES);
    world.ask('GET stale:a');
    world.pass(10_100);
    expect(world.ask('GET stale:a')).toBe('"stale:a 1"');
    world.pass(100);
    expect(world.ask('GET stale:a')).toBe('"stale:a 2"');
    world.pass(15_500);
    expect(world.ask('GET stale:a')).toBe('"stale:a 3"');
    expect(world.connect().server.state.sources?.figures.get('stale:*')?.staleServed).toBe(1);
  });

  test('is given while the source fails, as long as the class says', () => {
    const world = new SourceWorld(CLASSES);
    world.ask('GET stale:a');
    world.answer = () => FAILED;
    world.pass(16_000);
    expect(world.ask('GET stale:a')).toBe('"stale:a 1"');
    world.pass(13_500);
    expect(world.ask('GET stale:a')).toBe('"stale:a 1"');
    world.pass(1_500);
    expect(world.ask('GET stale:a')).toMatch(/^-UNAVAILABLE/);
  });

  test('tells its age by CW.GET', () => {
    const world = new SourceWorld(CLASSES);
    world.ask('GET stale:a');
    world.pass(3_000);
    const [, age] = /^\["stale:a 1" :(\d+) "us-east-1\/a"\]$/.exec(world.ask('CW.GET stale:a')) ?? [];
    expect(Number(age)).toBeGreaterThanOrEqual(3_000);
    expect(Number(age)).toBeLessThan(3_200);
  });

  test('ahead: is loaded beside before its end', () => {
    const world = new SourceWorld(CLASSES);
    world.ask('GET ahead:a');
    world.pass(6_500);
    world.ask('GET ahead:a');
    expect(world.loads).toHaveLength(1);
    world.pass(1_000);
    expect(world.ask('GET ahead:a')).toBe('"ahead:a 1"');
    world.pass(100);
    expect(world.ask('GET ahead:a')).toBe('"ahead:a 2"');
  });

  test('early: is loaded before its end by lot, the nearer it is the likelier', () => {
    const world = new SourceWorld(CLASSES);
    world.ask('GET early:a');
    // a load takes 40 ms: with this lot it begins 40 · ln(1000) = 276 ms before the end
    world.unit = 0.999;
    world.pass(9_600);
    world.ask('GET early:a');
    expect(world.loads).toHaveLength(1);
    world.pass(150);
    world.unit = 0.5;
    world.ask('GET early:a');
    expect(world.loads).toHaveLength(1);
    world.unit = 0.999;
    world.ask('GET early:a');
    expect(world.loads).toHaveLength(2);
  });

  test('jitter shortens its time', () => {
    const world = new SourceWorld(CLASSES);
    world.unit = 0.8;
    world.ask('GET jitter:a');
    world.pass(5_800);
    world.ask('GET jitter:a');
    expect(world.loads).toHaveLength(1);
    world.pass(500);
    world.ask('GET jitter:a');
    expect(world.loads).toHaveLength(2);
  });
});

describe('a value that was invalidated LAZY', () => {
  test.each(['price:a', 'stale:a'])('is given and loaded beside by the first read, in any region: %s', (key) => {
    const world = new SourceWorld(CLASSES);
    world.ask(`GET ${key}`);
    world.pass(1_000);
    expect(world.ask(`GET ${key}`, WEST)).toBe(`"${key} 1"`);
    expect(world.loads).toHaveLength(1);
    // longer than half of the ttl: who has the turn to load must not take it for new
    expect(world.ask(`CW.INVALIDATE LAZY 7000 KEY ${key}`, ASIA)).toBe(':1');
    world.pass(700);
    expect(world.ask(`GET ${key}`, WEST)).toBe(`"${key} 1"`);
    world.pass(500);
    for (const region of [EAST, WEST, ASIA]) expect(world.ask(`GET ${key}`, region)).toBe(`"${key} 2"`);
    world.pass(7_500);
    expect(world.ask(`GET ${key}`, ASIA)).toBe(`"${key} 2"`);
    expect(world.loads).toHaveLength(2);
  });

  test('is gone at the end of its last time where the source fails, and nobody loads what nobody reads', () => {
    const world = new SourceWorld(CLASSES);
    world.ask('GET price:a');
    world.ask('GET price:b');
    world.pass(1_000);
    world.ask('CW.INVALIDATE LAZY 2000 KEY price:a price:b');
    world.answer = () => FAILED;
    world.pass(700);
    expect(world.ask('GET price:a')).toBe('"price:a 1"');
    world.pass(1_500);
    expect(world.ask('GET price:a')).toMatch(/UNAVAILABLE/);
    expect(world.loads.filter((load) => load.endsWith('price:b'))).toHaveLength(1);
  });
});

describe('a strong read', () => {
  test('asks the source, shows what it says, and refreshes what others read', () => {
    const world = new SourceWorld(CLASSES);
    world.ask('GET stale:a');
    world.pass(1_000);
    expect(world.ask('CW.GET stale:a LEVEL strong')).toBe('["stale:a 2" :0 "us-east-1/a"]');
    expect(world.ask('GET stale:a')).toBe('"stale:a 2"');
    world.pass(500);
    expect(world.ask('GET stale:a', ASIA)).toBe('"stale:a 2"');
  });

  test('shows what the source says where that is not kept, and that there is none', () => {
    const world = new SourceWorld(CLASSES);
    world.ask('SET stale:a mine');
    expect(world.ask('CW.GET stale:a LEVEL strong')).toBe('["stale:a 1" :0 "us-east-1/a"]');
    expect(world.ask('GET stale:a')).toBe('"mine"');
    world.answer = () => ({ kind: 'absent' });
    expect(world.ask('CW.GET stale:a LEVEL strong')).toBe('[nil :0 "us-east-1/a"]');
  });

  test('is an error where the source fails, also where something is here', () => {
    const world = new SourceWorld(CLASSES);
    world.ask('GET stale:a');
    world.answer = () => FAILED;
    expect(world.ask('CW.GET stale:a LEVEL strong')).toMatch(/^-UNAVAILABLE/);
  });

  test('of a key without a source is refused as before', () => {
    expect(new SourceWorld(CLASSES).ask('CW.GET other LEVEL strong')).toMatch(/^-ERR the key is not of a class/);
  });
});

test('clients cannot speak on the channels by which loads are agreed on', () => {
  expect(new SourceWorld(CLASSES).ask('PUBLISH "\\x00cw:load:ask" x')).toMatch(/^-ERR channels that begin with/);
});
