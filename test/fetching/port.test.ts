import { describe, expect, test } from 'vitest';
import { FETCHES_MAX } from '../../src/base/client-limits.ts';
import { ActiveClasses } from '../../src/classes/active-classes.ts';
import { parseClasses } from '../../src/classes/read-classes.ts';
import type { Fetched, Fetcher, FetchKind, Wanted } from '../../src/commands/fetcher.ts';
import { CausewayError } from '../../src/errors.ts';
import { NO_SLOT } from '../../src/keyspace/keyspace.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { EAST, VirtualRegions } from '../support/virtual-regions.ts';

const CLASSES = `classes:
  - match: ["price:*"]
    missing: { within: 300ms }
  - match: ["miss:*"]
    missing: { within: 300ms, fallback: miss }
  - match: ["stale:*"]
    missing: { within: 300ms, fallback: stale }
`;

/** Asks for what is not here, and for what begins with `old`; the test answers. */
class Asked implements Fetcher {
  readonly kind: FetchKind;
  readonly asked: string[] = [];
  readonly #asked: { readonly key: string; readonly done: (fetched: Fetched) => void }[] = [];
  needs: (wanted: Wanted, value: string | null) => boolean = ({ slot, isStrong }) => slot === NO_SLOT || isStrong;

  constructor(kind: FetchKind) {
    this.kind = kind;
  }

  serves(keyClass: { readonly name: string }): boolean {
    return keyClass.name !== 'default';
  }

  isNeeded(wanted: Wanted): boolean {
    return wanted.entry.readonly && !wanted.isInExec && this.needs(wanted, null);
  }

  ask(key: { toLatin1(): string }, _class: unknown, done: (fetched: Fetched) => void): void {
    this.asked.push(key.toLatin1());
    this.#asked.push({ key: key.toLatin1(), done });
  }

  /** What was asked first of a key. */
  answer(key: string, fetched: Fetched): void {
    const at = this.#asked.findIndex((each) => each.key === key);
    for (const { done } of at < 0 ? [] : this.#asked.splice(at, 1)) done(fetched);
  }
}

const value = (text: string): Fetched => ({ kind: 'found', value: new TextEncoder().encode(text) });
const IS_HERE: Fetched = { kind: 'found', value: null };
const DOWN: Fetched = { kind: 'failed', error: new CausewayError('UNAVAILABLE', 'it does not answer') };

function rig(): { connect: () => VirtualClient; source: Asked; redis: Asked; run: (ms: number) => void } {
  const regions = new VirtualRegions({
    classes: new ActiveClasses({ policy: parseClasses(CLASSES, 'classes.yaml') }),
  });
  const first = regions.connect(EAST);
  const source = new Asked('source');
  const redis = new Asked('redis');
  redis.needs = () => false;
  first.server.state.fetching.add(source);
  first.server.state.fetching.add(redis);
  const run = (ms: number): void => {
    regions.cluster.run(ms);
    first.server.turn();
  };
  return { connect: () => regions.connect(EAST), source, redis, run };
}

describe('a read of what is not here', () => {
  test('has the version of its contents (S5)', () => {
    const { connect, source } = rig();
    const versions = ['12', '12', '13'].map((text) => {
      const reader = connect().begin('CW.READ price:1');
      source.answer('price:1', value(text));
      return reader.answer;
    });
    expect(versions[0]).toMatch(/^\[\["12" "x[0-9a-f]{16}" :-1\]\]$/);
    expect(versions[1]).toBe(versions[0]);
    expect(versions[2]?.slice(8)).not.toBe(versions[0]?.slice(8));
  });

  test('waits, shares what is under way, and is run again on what came', () => {
    const { connect, source } = rig();
    const [one, two, writer] = [connect().begin('GET price:1'), connect().begin('GET price:1'), connect()];
    expect(one.answer).toBeNull();
    writer.run('SET price:1 12');
    source.answer('price:1', IS_HERE);
    expect([one.answer, two.answer]).toEqual(['"12"', '"12"']);
    expect(source.asked).toEqual(['price:1']);
    expect(connect().run('GET price:1')).toBe('"12"');
    expect(source.asked).toEqual(['price:1']);
  });

  test('shows what came and was not kept, to every command that reads it and to nobody later', () => {
    const { connect, source } = rig();
    const clients = ['GET price:1', 'MGET price:1 other price:1', 'STRLEN price:1', 'GETRANGE price:1 1 2'].map(
      (line) => connect().begin(line),
    );
    source.answer('price:1', value('1234'));
    expect(clients.map((client) => client.answer)).toEqual(['"1234"', '["1234" nil "1234"]', ':4', '"23"']);
    connect().begin('GET price:1');
    expect(source.asked).toEqual(['price:1', 'price:1']);
  });

  test('is a miss when nobody has it, and the next read asks again', () => {
    const { connect, source } = rig();
    const client = connect().begin('GET price:1');
    source.answer('price:1', { kind: 'absent' });
    expect(client.answer).toBe('nil');
    expect(connect().begin('GET price:1').answer).toBeNull();
  });

  test('asks again where the key was changed meanwhile', () => {
    const { connect, source } = rig();
    const client = connect().begin('GET price:1');
    source.answer('price:1', { kind: 'changed' });
    expect(client.answer).toBeNull();
    source.answer('price:1', value('2'));
    expect(client.answer).toBe('"2"');
    expect(source.asked).toHaveLength(2);
  });

  test('waits for all that it lacks, each asked once', () => {
    const { connect, source } = rig();
    connect().run('SET price:2 two');
    const client = connect().begin('MGET price:1 price:2 price:3 price:1');
    expect(source.asked).toEqual(['price:1', 'price:3']);
    source.answer('price:1', value('1'));
    expect(client.answer).toBeNull();
    source.answer('price:3', { kind: 'absent' });
    expect(client.answer).toBe('["1" "two" nil "1"]');
  });

  test('asks one after the other, and not the next where one has it', () => {
    const { connect, source, redis } = rig();
    redis.needs = ({ slot }) => slot === NO_SLOT;
    const [one, two] = [connect().begin('GET price:1'), connect().begin('GET price:2')];
    expect([redis.asked, source.asked]).toEqual([['price:1', 'price:2'], []]);
    redis.answer('price:1', DOWN);
    redis.answer('price:2', value('r'));
    expect(source.asked).toEqual(['price:1']);
    source.answer('price:1', value('s'));
    expect([one.answer, two.answer]).toEqual(['"s"', '"r"']);
  });

  test('of a key of no such class does not wait, nor does EXEC, nor a command that writes', () => {
    const { connect, source } = rig();
    const client = connect();
    expect(client.run('GET other')).toBe('nil');
    expect(client.run('APPEND price:1 a')).toBe(':1');
    expect(client.run('MULTI')).toBe('+OK');
    expect(client.run('GET price:2')).toBe('+QUEUED');
    expect(client.run('EXEC')).toBe('[nil]');
    expect(source.asked).toEqual([]);
  });
});

describe('a read that nobody answers', () => {
  test.each([
    ['price:1', '-UNAVAILABLE it does not answer'],
    ['miss:1', 'nil'],
    ['stale:1', '-UNAVAILABLE it does not answer'],
  ])('of %s gets what its class says', (key, said) => {
    const { connect, source } = rig();
    const client = connect().begin(`GET ${key}`);
    source.answer(key, DOWN);
    expect(client.answer).toBe(said);
  });

  test.each([
    ['price:1', '-UNAVAILABLE it does not answer'],
    ['miss:1', 'nil'],
    ['stale:1', '"old"'],
  ])('of %s, where something stale is here', (key, said) => {
    const { connect, source } = rig();
    connect().run(`SET ${key} old`);
    source.needs = () => true;
    const client = connect().begin(`GET ${key}`);
    source.answer(key, DOWN);
    expect(client.answer).toBe(said);
  });

  test("is over after the class's time, also where one key of several came", () => {
    const { connect, source, run } = rig();
    const client = connect().begin('MGET price:1 price:2');
    source.answer('price:1', value('1'));
    run(250);
    expect(client.answer).toBeNull();
    run(100);
    expect(client.answer).toBe('-UNAVAILABLE a key of price:* is not here and was not fetched within 300ms');
    // what comes too late is nobody's, and the next request begins anew
    source.answer('price:2', value('2'));
    expect(client.run('GET other')).toBe('nil');
  });

  test('ends by CLIENT UNBLOCK', () => {
    const { connect } = rig();
    const client = connect().begin('GET price:1');
    expect(connect().run(`CLIENT UNBLOCK ${client.session.id} ERROR`)).toBe(':1');
    expect(client.answer).toMatch(/^-UNBLOCKED/);
    expect(client.run('GET other')).toBe('nil');
  });
});

test('a strong read is not answered by what was asked for before it came', () => {
  const { connect, source } = rig();
  const plain = connect().begin('GET price:1');
  const [first, second, third] = [1, 2, 3].map(() => connect().begin('CW.GET price:1 LEVEL strong'));
  expect(source.asked).toEqual(['price:1', 'price:1']);
  source.answer('price:1', value('before'));
  expect(plain.answer).toBe('"before"');
  expect([first, second, third].map((client) => client?.answer)).toEqual([null, null, null]);
  source.answer('price:1', value('then'));
  expect(first?.answer).toMatch(/^\["then" /);
  expect([second, third].map((client) => client?.answer)).toEqual([null, null]);
  source.answer('price:1', value('now'));
  for (const client of [second, third]) expect(client?.answer).toMatch(/^\["now" /);
  expect(source.asked).toHaveLength(3);
});

test('a read behind a removal is not answered by what a strong one had asked for before', () => {
  const { connect, source } = rig();
  const strong = connect().begin('CW.GET price:1 LEVEL strong');
  const client = connect();
  client.run('DEL price:1');
  client.begin('GET price:1');
  expect(source.asked).toEqual(['price:1', 'price:1']);
  source.answer('price:1', value('before'));
  expect(strong.answer).toMatch(/^\["before" /);
  expect(client.answer).toBeNull();
  source.answer('price:1', value('now'));
  expect(client.answer).toBe('"now"');
});

describe('limits', () => {
  test('of the keys that one request may lack', () => {
    const { connect, source } = rig();
    const keys = Array.from({ length: 1_001 }, (_, at) => `price:${at}`).join(' ');
    expect(connect().run(`MGET ${keys}`)).toBe(
      '-ERR too many keys that have to be fetched in one request (limit fetch-keys-max 1000)',
    );
    expect(source.asked).toEqual([]);
  });

  test('of the keys that are fetched at a time', () => {
    const { connect } = rig();
    for (let from = 0; from < FETCHES_MAX; from += 1_000)
      connect().begin(`MGET ${Array.from({ length: 1_000 }, (_, at) => `price:${from + at}`).join(' ')}`);
    expect(connect().run('GET price:x')).toBe('-ERR too many keys are being fetched (limit fetches-max 10000)');
    expect(connect().begin('GET price:1').answer).toBeNull();
  });
});
