import { beforeEach, describe, expect, test } from 'vitest';
import { FEED_OUTPUT_BYTES_MAX, FEEDS_MAX } from '../../src/base/client-limits.ts';
import type { FeedEvent, FeedOptions } from '../../src/commands/change-feed.ts';
import { classesOf } from '../support/sibling-classes.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, VirtualRegions, WEST } from '../support/virtual-regions.ts';
import { KeyPattern } from '../../src/classes/key-pattern.ts';
import { utf8Bytes } from '../../src/classes/utf8.ts';

/** Changes that a reader may be behind. */
const PENDING = 8_192;

/** A connection that reads the feed; `events` are `kind key dot region`. */
class Reader {
  readonly client: VirtualClient;
  readonly position: string;

  constructor(regions: VirtualRegions, region: string, words: string) {
    this.client = regions.connect(region);
    this.client.run('HELLO 3');
    this.position = this.client.run(`CW.FEED ${words}`).replaceAll('"', '');
  }

  /** The words of each event since the last call. */
  raw(): string[][] {
    this.client.server.turn();
    return this.client.takePushes().map((push) => {
      const [, inner = ''] = /^>\["cw\.feed" (.*)\]$/.exec(push) ?? [];
      return inner.replaceAll('"', '').split(' ');
    });
  }

  events(): string[] {
    return this.raw().map(([kind, key, _version, dot = '', region]) =>
      [kind, key, dot.replace(/#\d+:\d+$/, ''), region].join(' '),
    );
  }
}

let regions: VirtualRegions;
beforeEach(() => {
  const patterns = [new KeyPattern('here:*', utf8Bytes('here:*'))];
  regions = new VirtualRegions({
    classes: classesOf({ patterns, consistency: 'weak', ttlMs: null, conflict: { kind: 'lww' } }),
  });
});

describe('the change feed (S7)', () => {
  test('tells each change below its prefixes with its transaction and region, in the order in which it shows', () => {
    const reader = new Reader(regions, ASIA, 'PREFIX quote: PREFIX __proto__');
    const [west, east] = [regions.connect(WEST), regions.connect(EAST)];
    west.run('SET quote:1 a');
    west.run('HSET other f v');
    regions.sync();
    // an effect is told after its cause
    east.run('GET quote:1');
    east.run('SET __proto__ b');
    regions.sync();
    west.run('DEL quote:1');
    regions.sync();
    expect(reader.events()).toEqual([
      'del quote:1 eu-west-1/a eu-west-1',
      'set __proto__ us-east-1/a us-east-1',
      'del quote:1 eu-west-1/a eu-west-1',
    ]);
  });

  test('says what a key shows when it is told, with the version that CW.READ gives, and dots that CW.VECTOR has', () => {
    const reader = new Reader(regions, EAST, '');
    const east = regions.connect(EAST);
    east.run('SET quote:1 a');
    const [[kind = '', key = '', version = '', dot = ''] = []] = reader.raw();
    expect([kind, key]).toEqual(['set', 'quote:1']);
    expect(east.run('CW.READ quote:1')).toBe(`[["a" "${version}" :-1]]`);
    const [origin = '', seq = ''] = dot.split(':');
    expect(east.run('CW.VECTOR')).toContain(`"${origin}" :${seq}`);
    east.run('HSET h f v');
    expect(reader.raw().map(([, , none]) => none)).toEqual(['nil']);
  });

  test('tells what one transaction did to a key once, expiries without a transaction, and everything as such', () => {
    const reader = new Reader(regions, EAST, '');
    const east = regions.connect(EAST);
    for (const line of ['MULTI', 'SET a 1', 'APPEND a 2', 'SET b 1 PX 100', 'EXEC']) east.run(line);
    expect(reader.events()).toEqual(['set a us-east-1/a us-east-1', 'set b us-east-1/a us-east-1']);
    regions.cluster.run(1_000);
    expect(reader.events()).toEqual(['expired b nil nil']);
    for (const line of ['MULTI', 'SET c 1', 'SET here:1 x', 'EXEC']) east.run(line);
    expect(reader.events()).toEqual(['set c us-east-1/a us-east-1', 'set here:1 nil nil']);
    east.run('FLUSHALL');
    expect(reader.events()).toEqual(['all nil nil nil']);
  });

  test('of strong keys tells the home region, where the write shows', () => {
    const strong = new StrongRegions();
    const reader = new Reader(strong, ASIA, 'PREFIX position:');
    strong.connect(WEST).run('SET position:1 100');
    strong.sync();
    expect(reader.events()).toEqual(['set position:1 us-east-1/region us-east-1']);
  });

  test('goes on from a position, and says that it is lost where that is not kept, or of another node', () => {
    const east = regions.connect(EAST);
    const first = new Reader(regions, EAST, 'PREFIX a');
    const elsewhere = new Reader(regions, ASIA, '');
    east.run('SET a1 1');
    regions.sync();
    expect(elsewhere.events().length).toBe(1);
    const position = first.raw()[0]?.at(-1) ?? '';
    first.client.run('CW.UNFEED');
    east.run('SET a2 1');
    east.run('SET b 1');
    expect(first.raw()).toEqual([]);
    expect(new Reader(regions, EAST, `PREFIX a FROM ${position}`).events()).toEqual(['set a2 us-east-1/a us-east-1']);
    expect(new Reader(regions, ASIA, `FROM ${position}`).events()).toEqual(['lost nil nil nil']);
    for (const wrong of ['x', `${position}9999`, `${position.split('-', 1)[0]}-`])
      expect(new Reader(regions, EAST, `FROM ${wrong}`).events()).toEqual(['lost nil nil nil']);
  });

  test('keeps nothing while nobody reads: who comes back later is lost, and does not miss what was not kept', () => {
    const first = new Reader(regions, EAST, '');
    const { feed } = first.client.server.state;
    const east = regions.connect(EAST);
    east.run('SET a 1');
    const position = first.raw()[0]?.at(-1) ?? '';
    first.client.run('RESET');
    regions.cluster.run(61_000);
    first.client.server.turn();
    expect(feed.isOn).toBe(false);
    east.run('SET a 2');
    expect(new Reader(regions, EAST, `FROM ${position}`).events()).toEqual(['lost nil nil nil']);
  });

  test('a reader that takes nothing is told nothing, and loses its place when it is too far behind', () => {
    const reader = new Reader(regions, EAST, '');
    const other = new Reader(regions, EAST, '');
    const east = regions.connect(EAST);
    reader.client.untakenBytes = FEED_OUTPUT_BYTES_MAX + 1;
    east.run('SET a 1');
    expect(reader.raw()).toEqual([]);
    reader.client.untakenBytes = 0;
    expect(reader.events()).toEqual(['set a us-east-1/a us-east-1']);
    reader.client.untakenBytes = FEED_OUTPUT_BYTES_MAX + 1;
    let told = other.events().length;
    for (let at = 0; at <= PENDING; at++) {
      east.run(`SET k${at % 1_000} 1`);
      if (at % 1_000 === 0) told += other.events().length;
    }
    expect(told + other.events().length).toBe(PENDING + 2);
    reader.client.untakenBytes = 0;
    expect(reader.events()).toEqual(['lost nil nil nil']);
    east.run('SET b 1');
    expect(reader.events()).toEqual(['set b us-east-1/a us-east-1']);
  });

  test('what is no longer kept of all keys is lost to who was not told of it', () => {
    const reader = new Reader(regions, EAST, 'PREFIX a');
    const east = regions.connect(EAST);
    reader.client.untakenBytes = FEED_OUTPUT_BYTES_MAX + 1;
    east.run('SET a 1');
    // long names fill what is kept by their bytes
    for (let at = 0; at < 20; at++) east.call('SET', `b${at}`.padEnd(500_000, 'x'), '1');
    east.run('SET a 2');
    reader.client.untakenBytes = 0;
    expect(reader.events()).toEqual(['lost nil nil nil']);
    expect(reader.events()).toEqual([]);
  });

  test('in RESP2 is messages of a channel, from when it was asked for on', () => {
    const client = regions.connect(EAST);
    client.run('CW.FEED PREFIX a');
    regions.connect(EAST).run('SET a 1');
    client.server.turn();
    expect(client.takePushes()).toEqual([]);
    client.run('SUBSCRIBE __cw__:feed');
    client.server.turn();
    expect(client.takePushes()).toEqual([
      expect.stringMatching(
        /^>\["message" "__cw__:feed" \["set" "a" "[\d-]+" "us-east-1\/a#\d+:\d+" "us-east-1" "\d+-1"\]\]$/,
      ),
    ]);
  });

  test.each([
    ['CW.FEED PREFIX', '-ERR syntax error'],
    ['CW.FEED NEAR a', '-ERR syntax error'],
    ['CW.FEED FROM 1 FROM 2', '-ERR syntax error'],
    [`CW.FEED PREFIX ${'x'.repeat(257)}`, '-ERR prefix is too long (limit tracked-prefix-bytes-max 256)'],
    ['CW.FEED PREFIX a PREFIX ab', "-ERR Prefix 'a' overlaps with another provided prefix 'ab'"],
  ])('%.30s is refused', (line, refusal) => {
    expect(regions.connect(EAST).run(line)).toContain(refusal);
  });

  test('is read once by a connection', () => {
    const { client } = new Reader(regions, EAST, '');
    expect(client.run('CW.FEED')).toMatch(/^-ERR the connection reads the feed already/);
    expect(client.run('CW.UNFEED')).toBe('+OK');
    expect(client.run('CW.FEED')).toMatch(/^"\d+-0"$/);
  });
});

describe('the feed in the process', () => {
  function subscribe(options: Partial<FeedOptions> = {}) {
    const client = regions.connect(EAST);
    const events: FeedEvent[] = [];
    const told = (some: readonly FeedEvent[]): number => events.push(...some);
    const subscription = client.server.state.feed.subscribe({ prefixes: [], isReady: () => true, told, ...options });
    return { client, events, subscription };
  }

  test('tells events until it is closed, and its position', () => {
    const { client, events, subscription } = subscribe({ prefixes: ['a'] });
    const before = subscription.position;
    client.run('SET a 1');
    client.server.turn();
    expect(events).toEqual([
      {
        kind: 'set',
        key: 'a',
        version: expect.stringMatching(/^\d+-\d+-\d+$/),
        dot: expect.stringMatching(/^us-east-1\/a#\d+:\d+$/),
        region: 'us-east-1',
        position: subscription.position,
      },
    ]);
    expect(subscription.position).not.toBe(before);
    subscription.close();
    client.run('SET a 2');
    client.server.turn();
    expect(events.length).toBe(1);
  });

  test('a reader that throws is reported and told no more', () => {
    const thrown = (): void => {
      throw new Error('of the reader');
    };
    const { client } = subscribe({ told: thrown });
    client.run('SET a 1');
    expect(() => client.server.turn()).toThrow('of the reader');
    client.run('SET a 2');
    client.server.turn();
    expect(client.server.state.feed.readerCount).toBe(0);
  });

  test('has a limit of readers', () => {
    const { subscription } = subscribe();
    const more = Array.from({ length: FEEDS_MAX - 1 }, () => subscribe().subscription);
    expect(() => subscribe()).toThrow(`too many readers of the change feed (limit feeds-max ${FEEDS_MAX})`);
    expect(regions.connect(EAST).run('CW.FEED')).toMatch(/^-LIMIT /);
    for (const each of [subscription, ...more]) each.close();
    expect(subscribe().subscription.position).toMatch(/^\d+-0$/);
  });
});
