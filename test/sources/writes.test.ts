import { describe, expect, test } from 'vitest';
import type { StoreEnd } from '../../src/commands/source-writes.ts';
import { Removal } from '../members/removal.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';
import { SourceWorld, STORED } from './source-world.ts';

const REST = 'url: "http://source/{key}", ttl: 1h, early: 0, stampede: node';
const CLASSES = `classes:
  - match: ["t:*"]
    source: { ${REST}, write: through }
  - match: ["b:*"]
    source: { ${REST}, write: behind }
  - match: ["late:*"]
    source: { ${REST}, write: behind, delay: 1s }
  - match: ["d:*"]
    source: { ${REST}, write: behind, durable: true }
  - match: ["few:*"]
    source: { ${REST}, write: behind, unstored: 2 }
`;
const REFUSED: StoreEnd = { kind: 'refused', reason: 'it answered 422' };
const FAILED: StoreEnd = { kind: 'failed', reason: 'it answered 500', isAsked: true };

const newWorld = (): SourceWorld => new SourceWorld(CLASSES).hasValues();

describe('write-through', () => {
  test('is answered when the source took it', () => {
    const world = newWorld();
    const client = world.connect().begin('SET t:a 1');
    world.pass(15);
    expect(client.answer).toBeNull();
    expect(world.values.has('t:a')).toBe(false);
    world.pass(60);
    expect(client.answer).toBe('+OK');
    expect(world.values.get('t:a')).toBe('1');
    expect(world.ask('GET t:a', ASIA)).toBe('"1"');
    expect(world.loads).toEqual([]);
  });

  test.each([
    ['SET t:a 1', '1'],
    ['APPEND t:old x', 'oldx'],
    ['SETRANGE t:old 1 -', 'o-d'],
    ['INCR t:five', '6'],
    ['INCRBYFLOAT t:five 0.5', '5.5'],
    ['GETSET t:old new', 'new'],
    ['SETNX t:old new', 'old'],
    ['SET t:old new NX', 'old'],
    ['SET t:old new XX GET', 'new'],
    ['MSET t:a 1 t:b 2', '1'],
    ['DEL t:old', undefined],
    ['UNLINK t:old', undefined],
    ['GETDEL t:old', undefined],
    ['EXPIRE t:old 0', 'old'],
    ['RENAME t:old t:new', undefined],
  ])('%s stores the whole new value, of what the source had', (line, expected) => {
    const world = newWorld();
    world.values.set('t:old', 'old').set('t:five', '5');
    world.ask(line);
    world.quiet();
    const key = line.split(' ')[1] ?? '';
    if (!line.startsWith('RENAME')) expect(world.values.get(key)).toBe(expected);
    else expect(world.values.get(key)).toBe('old');
  });

  test('of several keys is one store, also by MULTI, which begins with what the source has', () => {
    const world = newWorld();
    world.values.set('t:five', '5');
    const client = world.connect();
    const ask = (line: string): string => {
      client.begin(line);
      for (let turns = 0; client.answer === null && turns < 200; turns++) world.pass(5);
      return client.answer ?? 'no answer';
    };
    for (const line of ['MULTI', 'SET t:a 1', 'INCR t:five', 'DEL t:b']) ask(line);
    expect(ask('EXEC')).toBe('[+OK :6 :0]');
    expect(world.stores).toEqual([`${EAST} t:a=1`, `${EAST} t:five=6`, `${EAST} t:b=`]);
  });

  test('refused by the source is an error, and shows nowhere: what the source has is loaded anew', () => {
    const world = newWorld();
    world.values.set('t:a', 'before');
    world.ask('GET t:a');
    world.storeEnd = () => REFUSED;
    expect(world.ask('SET t:a bad')).toBe('-REFUSED t:*: the source refused it: it answered 422');
    world.pass(1_500);
    for (const region of [EAST, WEST, ASIA]) expect(world.ask('GET t:a', region)).toBe('"before"');
  });

  test('that may have failed or not is UNCERTAIN, and is loaded anew', () => {
    const world = newWorld();
    world.storeEnd = (_region, key, text) => {
      world.values.set(key, text ?? '');
      return FAILED;
    };
    expect(world.ask('SET t:a taken')).toMatch(/^-UNCERTAIN t:\*: the source may have taken it or not/);
    world.pass(1_500);
    expect(world.ask('GET t:a', WEST)).toBe('"taken"');
    expect(world.loads).toHaveLength(1);
  });

  test('to a source that is left alone is refused before anybody sees it', () => {
    const world = newWorld();
    world.isLeftAlone = true;
    expect(world.ask('SET t:a 1')).toMatch(/^-UNAVAILABLE t:\*: the source failed/);
    world.answer = () => ({ kind: 'failed', message: 'away' });
    expect(world.ask('GET t:a')).toMatch(/^-UNAVAILABLE/);
    expect(world.ask('SET b:a 1')).toBe('+OK');
  });

  test('a write that fails does not take away the one that came after it', () => {
    const world = newWorld();
    world.storeEnd = (_region, _key, text) => (text === 'bad' ? REFUSED : STORED);
    const bad = world.connect().begin('SET t:a bad');
    world.pass(10);
    const good = world.connect().begin('SET t:a good');
    world.pass(200);
    expect([bad.answer, good.answer]).toEqual(['-REFUSED t:*: the source refused it: it answered 422', '+OK']);
    expect(world.ask('GET t:a')).toBe('"good"');
    expect(world.values.get('t:a')).toBe('good');
  });

  test('a hash, a set or a document has no place in the source', () => {
    const world = newWorld();
    const said = '-WRONGTYPE keys of t:* are written to its source, which takes strings only';
    for (const line of ['HSET t:a f v', 'SADD t:a m', 'JSON.SET t:a $ 1', 'SMOVE other t:a m'])
      expect(world.ask(line)).toBe(said);
    world.ask('SADD other m');
    expect(world.ask('COPY other t:a')).toBe(said);
    expect(world.stores).toEqual([]);
  });
});

describe('write-behind', () => {
  test('is answered at once, and stored soon: the last of several of a key once', () => {
    const world = newWorld();
    for (const at of [1, 2, 3]) expect(world.connect().run(`SET late:a ${at}`)).toBe('+OK');
    expect(world.stores).toEqual([]);
    world.quiet();
    expect(world.stores).toEqual([`${EAST} late:a=3`]);
    expect(world.writesOf(EAST).classes.get('late:*')?.figures).toMatchObject({ stored: 1, coalesced: 2 });
  });

  test('keeps the order of a key: the next is stored after the one on its way', () => {
    const world = newWorld();
    world.storeTimes = () => ({ takenMs: 300, toldMs: 310 });
    world.ask('SET b:a 1');
    world.pass(20);
    world.storeTimes = () => ({ takenMs: 5, toldMs: 10 });
    world.ask('SET b:a 2');
    world.quiet();
    expect(world.stores).toEqual([`${EAST} b:a=1`, `${EAST} b:a=2`]);
  });

  test('is offered again, less and less often, until the source takes it', () => {
    const world = newWorld();
    let offered = 0;
    world.storeEnd = () => (offered++ < 4 ? FAILED : STORED);
    world.ask('SET b:a 1');
    world.pass(300);
    expect(offered).toBeLessThan(4);
    world.quiet();
    expect(world.values.get('b:a')).toBe('1');
    expect(world.writesOf(EAST).classes.get('b:*')?.figures).toMatchObject({ failed: 4, retried: 4, stored: 1 });
  });

  test('one that always fails keeps no other from being stored', () => {
    const world = newWorld();
    world.storeEnd = (_region, key) => (key === 'b:bad' ? FAILED : STORED);
    for (const key of ['bad', 'a', 'b', 'c']) world.ask(`SET b:${key} 1`);
    world.pass(2_000);
    expect([...world.values.keys()].toSorted()).toEqual(['b:a', 'b:b', 'b:c']);
  });

  test('refused by the source is taken away from all regions', () => {
    const world = newWorld();
    world.storeEnd = () => REFUSED;
    world.ask('SET b:a bad');
    world.quiet();
    for (const region of [EAST, WEST]) expect(world.ask('GET b:a', region)).toBe('nil');
  });

  test('has a limit, which names itself; keys that wait already may be written', () => {
    const world = newWorld();
    world.storeEnd = () => FAILED;
    for (const key of ['a', 'b', 'a']) expect(world.ask(`SET few:${key} 1`)).toBe('+OK');
    expect(world.ask('SET few:c 1')).toBe('-LIMIT few:*: too many keys wait for the source (limit unstored 2)');
    expect(world.ask('EXPIRE few:a 100')).toBe(':1');
  });

  test('what has expired, or was invalidated, before it was stored is stored all the same', () => {
    const world = newWorld();
    world.ask('SET late:a 1 PX 100');
    world.ask('SET late:b 2');
    world.ask('CW.INVALIDATE KEY late:b');
    world.quiet();
    expect([...world.values]).toEqual([
      ['late:a', '1'],
      ['late:b', '2'],
    ]);
    expect(world.ask('GET late:b', WEST)).toBe('"2"');
  });

  test('nothing is loaded anywhere of what is being removed', () => {
    const world = newWorld();
    world.values.set('late:a', 'old');
    world.ask('GET late:a');
    world.ask('DEL late:a');
    world.pass(700);
    for (const region of [EAST, WEST, ASIA]) expect(world.ask('GET late:a', region)).toBe('nil');
    expect(world.loads).toHaveLength(1);
    world.quiet();
    expect(world.values.has('late:a')).toBe(false);
    expect(world.ask('GET late:a', WEST)).toBe('nil');
  });

  test('what is loaded while a write waits goes when that is stored', () => {
    const world = newWorld();
    world.values.set('late:a', 'old');
    world.ask('SET late:a new PX 50');
    world.pass(650);
    expect(world.ask('GET late:a', WEST)).toBe('"old"');
    world.quiet();
    expect(world.ask('GET late:a', WEST)).toBe('"new"');
  });

  test('a strong read shows what the source says, and does not put it over what waits', () => {
    const world = newWorld();
    world.values.set('late:a', 'old');
    world.ask('SET late:a new');
    world.pass(600);
    expect(world.ask('CW.GET late:a LEVEL strong')).toBe('["old" :0 "us-east-1/a"]');
    expect(world.ask('GET late:a')).toBe('"new"');
  });

  test('FLUSHALL is of the cache: what waits goes with it, and the source keeps what it has', () => {
    const world = newWorld();
    world.values.set('late:b', 'kept');
    world.ask('SET late:a 1');
    world.ask('DEL late:b');
    world.ask('FLUSHALL', WEST);
    world.quiet();
    expect([...world.values]).toEqual([['late:b', 'kept']]);
  });
});

describe('two regions write one key', () => {
  const CASES: [name: string, eastTakenMs: number, westTakenMs: number][] = [
    ['the losing write is stored last', 900, 20],
    ['both at once', 20, 20],
    ['the winning write is stored last', 20, 900],
  ];
  test.each(CASES)('%s: the source ends with what all regions show', (_name, eastMs, westMs) => {
    for (const kind of ['t', 'b', 'd']) {
      const world = newWorld();
      world.storeTimes = (region) => {
        const takenMs = region === EAST ? eastMs : westMs;
        return { takenMs, toldMs: takenMs + 5 };
      };
      const east = world.connect(EAST).begin(`SET ${kind}:a east`);
      world.pass(10);
      const west = world.connect(WEST).begin(`SET ${kind}:a west`);
      world.pass(4_000);
      expect([east.answer, west.answer]).toEqual(['+OK', '+OK']);
      world.quiet();
      expect(world.ask(`GET ${kind}:a`, ASIA)).toBe('"west"');
      expect(world.values.get(`${kind}:a`)).toBe('west');
    }
  });

  test('of which one comes after the other is stored already, before it was known to be', () => {
    const world = new SourceWorld(CLASSES, 60).hasValues();
    // west writes and is stored before it hears of east's write, whose store is over before it hears of west's
    world.storeTimes = (region) => (region === WEST ? { takenMs: 1, toldMs: 2 } : { takenMs: 15, toldMs: 16 });
    world.connect(EAST).begin('SET b:a east');
    world.pass(5);
    world.connect(WEST).begin('SET b:a west');
    world.quiet();
    expect(world.values.get('b:a')).toBe('west');
    expect(world.ask('GET b:a', EAST)).toBe('"west"');
  });

  test('the one that stored last is removed before it hears of what took the place of its own', () => {
    const world = newWorld();
    const { regions } = world;
    world.storeTimes = (region) => (region === WEST ? { takenMs: 300, toldMs: 305 } : { takenMs: 20, toldMs: 25 });
    world.connect(WEST).begin('SET b:a west');
    world.pass(40);
    regions.isolate(WEST);
    expect(world.ask('SET b:a east')).toBe('+OK');
    world.pass(500);
    expect(world.values.get('b:a')).toBe('west');
    const west = regions.node(WEST);
    regions.cluster.kill(west);
    world.stores.length = 0;
    expect(new Removal(regions.cluster, west, [regions.node(EAST), regions.node(ASIA)]).run()).toBe(true);
    world.quiet();
    expect(world.values.get('b:a')).toBe('east');
    for (const region of [EAST, ASIA]) expect(world.ask('GET b:a', region)).toBe('"east"');
    // by who stored it, which remembers that until all clocks have passed
    expect(world.stores).toEqual(['us-east-1 b:a=east']);
  });

  test('increments of both are in the source', () => {
    const world = newWorld();
    world.ask('INCR b:n', EAST);
    world.quiet();
    for (const region of [EAST, WEST, ASIA]) world.connect(region).begin('INCR b:n');
    world.quiet();
    expect(world.values.get('b:n')).toBe('4');
  });

  test('one removes: the source ends without it', () => {
    const world = newWorld();
    world.ask('SET b:a 1');
    world.quiet();
    world.storeTimes = (region) => (region === EAST ? { takenMs: 700, toldMs: 705 } : { takenMs: 5, toldMs: 10 });
    world.connect(EAST).begin('SET b:a 2');
    world.pass(10);
    world.connect(WEST).begin('DEL b:a');
    world.quiet();
    expect(world.values.has('b:a')).toBe(false);
    for (const region of [EAST, WEST, ASIA]) expect(world.ask('GET b:a', region)).toBe('nil');
  });

  test('nobody stores again what was written after the end of its store', () => {
    const world = newWorld();
    world.ask('SET b:a 1', EAST);
    world.quiet();
    world.ask('SET b:a 2', WEST);
    world.quiet();
    expect(world.stores).toEqual([`${EAST} b:a=1`, `${WEST} b:a=2`]);
  });
});

describe('a node that dies', () => {
  test('with durable writes that are not stored stores them in its next life', () => {
    const world = newWorld();
    world.storeEnd = () => FAILED;
    expect(world.ask('SET d:a 1')).toBe('+OK');
    expect(world.ask('SET d:b 2')).toBe('+OK');
    expect(world.ask('DEL d:b')).toBe(':1');
    world.values.set('d:b', 'old');
    world.storeEnd = () => STORED;
    world.restart(EAST);
    world.quiet();
    expect([...world.values]).toEqual([['d:a', '1']]);
    expect(world.connect().run('DBSIZE')).toBe(':1');
  });

  test('is answered only when its disk has a durable write', () => {
    const world = newWorld();
    world.regions.node(EAST).slowDiskMs = 400;
    const client = world.connect().begin('SET d:a 1');
    world.pass(200);
    expect(client.answer).toBeNull();
    world.pass(1_000);
    expect(client.answer).toBe('+OK');
  });

  test('stores nothing of which another region wrote a later value meanwhile', () => {
    const world = newWorld();
    world.storeEnd = (region) => (region === EAST ? FAILED : STORED);
    world.ask('SET d:a old');
    const node = world.regions.node(EAST);
    world.regions.cluster.kill(node);
    world.ask('SET d:a new', WEST);
    world.storeEnd = () => STORED;
    world.regions.cluster.restart(node);
    world.regions.ready();
    world.takeUp(EAST);
    world.quiet();
    expect(world.values.get('d:a')).toBe('new');
  });

  test('whose store ends after its death: a later value of another region is stored over it', () => {
    const world = newWorld();
    world.storeTimes = (region) => (region === EAST ? { takenMs: 600, toldMs: 605 } : { takenMs: 5, toldMs: 10 });
    world.ask('SET d:a old');
    world.pass(20);
    world.ask('SET d:a new', WEST);
    world.storeTimes = () => ({ takenMs: 5, toldMs: 10 });
    world.restart(EAST);
    world.quiet();
    expect(world.values.get('d:a')).toBe('new');
  });
});
