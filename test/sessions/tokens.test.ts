import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromBase64url, toBase64url } from '../../src/base/base64url.ts';
import { clusterHash } from '../../src/causal/session-token.ts';
import { INCARNATION_MAX, nodeNumber, originOf, type Origin } from '../../src/clock/origin.ts';
import { tokenCodec } from '../../src/wire/token-codec.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { ASIA, EAST, VirtualRegions, WEST } from '../support/virtual-regions.ts';

const CLUSTER = clusterHash('virtual');
const origin = (node: number, incarnation: number): Origin => originOf(nodeNumber(node), incarnation);
const tokenOf = (...dots: [Origin, number][]): string => tokenCodec.encode({ cluster: CLUSTER, epoch: 0, dots });

describe('base64url', () => {
  test('is what Node makes of the same bytes, and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = toBase64url(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('base64url'));
        expect(fromBase64url(text)).toEqual(new Uint8Array(bytes));
      }),
      runOptions(300, 10_000),
    );
  });

  test.each(['A', 'AB==', 'A B', 'AB', 'AA\u0100A', '====', 'A+/='])('refuses %j, which nothing is', (text) => {
    // `AB` has bits beyond its byte that are not zero
    expect(fromBase64url(text)).toBeNull();
  });
});

describe('a token as text', () => {
  test('keeps its epoch and its dots', () => {
    const dot = fc.record({
      node: fc.integer({ min: 1, max: 2 ** 20 - 1 }),
      incarnation: fc.integer({ min: 1, max: INCARNATION_MAX }),
      seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    });
    fc.assert(
      fc.property(fc.array(dot, { maxLength: 20 }), fc.nat(), fc.maxSafeNat(), (parts, cluster, epoch) => {
        const dots = parts.map(({ node, incarnation, seq }): [Origin, number] => [origin(node, incarnation), seq]);
        expect(tokenCodec.decode(tokenCodec.encode({ cluster, epoch, dots }))).toEqual({ cluster, epoch, dots });
      }),
      runOptions(300, 10_000),
    );
  });

  test('version 2 keeps its bytes', () => {
    expect(tokenOf([origin(64, 185_000_000), 42])).toBe('lgLOXZZ-vABAzgsG4EAq');
  });

  test('eight dots of the largest kind take less than 200 characters', () => {
    const dots = Array.from({ length: 8 }, (_unused, at): [Origin, number] => [
      origin(256 + at, INCARNATION_MAX - at),
      Number.MAX_SAFE_INTEGER,
    ]);
    expect(tokenCodec.encode({ cluster: 2 ** 32 - 1, epoch: 2 ** 16 - 1, dots }).length).toBeLessThan(200);
  });
});

describe('hostile tokens', () => {
  const regions = new VirtualRegions();
  const client = regions.connect(EAST);
  client.run('SET key 1');
  const before = client.token();
  const east = regions.node(EAST).member.nodeNumber;
  const west = regions.node(WEST).member.nodeNumber;

  test.each<[string, string, RegExp]>([
    ['nothing', '', /no list|no msgpack/],
    ['no base64url', 'abc$', /no base64url/],
    ['no msgpack', toBase64url(new Uint8Array([0xc1, 1, 2])), /no msgpack/],
    ['a number', toBase64url(new Uint8Array([7])), /no list/],
    ['a map', toBase64url(new Uint8Array([0x81, 1, 1])), /no msgpack/],
    ['a list longer than its bytes', toBase64url(new Uint8Array([0xdd, 255, 255, 255, 255])), /no msgpack/],
    ['deep lists', toBase64url(new Uint8Array(1500).fill(0x91)), /no msgpack/],
    ['another version', toBase64url(new Uint8Array([0x92, 1, 1])), /its version is 1, known is 2/],
    ['no version', toBase64url(new Uint8Array([0x90])), /its version is undefined/],
    ['no cluster', toBase64url(new Uint8Array([0x93, 2, 0xc0, 0])), /it has no cluster/],
    ['no epoch', toBase64url(new Uint8Array([0x93, 2, 1, 0xc0])), /it has no epoch/],
    ['half a dot', toBase64url(new Uint8Array([0x94, 2, 1, 0, 1])), /a dot is not whole/],
    ['a node that is none', toBase64url(new Uint8Array([0x96, 2, 1, 0, 0, 1, 1])), /a dot has no node/],
    ['incarnation 0', toBase64url(new Uint8Array([0x96, 2, 1, 0, 64, 0, 1])), /it has no incarnation/],
    ['sequence 0', toBase64url(new Uint8Array([0x96, 2, 1, 0, 64, 1, 0])), /it has no sequence/],
    ['far too long', 'A'.repeat(3_000), /longer than 2048 characters/],
    [
      'another cluster',
      tokenCodec.encode({ cluster: clusterHash('other'), epoch: 0, dots: [[origin(east, 1), 1]] }),
      /of another cluster/,
    ],
    ['no member', tokenOf([origin(999, 1), 1]), /node 999 is no member/],
    ['what this node never made', tokenOf([origin(east, 1), 1e12]), /us-east-1\/a#1:1000000000000 was never made/],
    ['a later life of this node', tokenOf([origin(east, 2), 1]), /us-east-1\/a#2:1 was never made/],
  ])('%s', (_what, text, why) => {
    const reply = client.run(`CW.ATTACH "${text}" TIMEOUT 0`);
    expect(reply).toMatch(/^-ERR invalid session token: /);
    expect(reply).toMatch(why);
  });

  test('what another node may yet make is waited for and then BEHIND', () => {
    expect(client.run(`CW.ATTACH ${tokenOf([origin(west, 1), 2 ** 52])} TIMEOUT 50`)).toContain('-BEHIND');
    expect(client.run(`CW.ATTACH ${tokenOf([origin(west, 77), 1])} TIMEOUT 50`)).toContain('eu-west-1/a#77:1');
  });

  test('an error names a few of many dots', () => {
    const dots = Array.from({ length: 60 }, (_unused, at): [Origin, number] => [origin(west, 1_000 + at), 1]);
    const reply = client.run(`CW.ATTACH ${tokenOf(...dots)} TIMEOUT 0`);
    expect(reply).toContain('and 52 more');
    expect(reply.length).toBeLessThan(400);
  });

  test.each(['CW.ATTACH', 'CW.ATTACH x TIMEOUT', 'CW.ATTACH x WITHIN 5', 'CW.ATTACH x TIMEOUT 5 6'])('%s', (line) => {
    expect(client.run(line)).toMatch(/^-ERR (syntax error|wrong number of arguments)/);
  });

  test.each(['-1', '1.5', 'soon', '9'.repeat(30)])('a timeout of %s', (timeout) => {
    expect(client.run(`CW.ATTACH ${before} TIMEOUT ${timeout}`)).toBe('-ERR timeout is not an integer or out of range');
  });

  test('random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(client.run(`CW.ATTACH "${toBase64url(bytes)}" TIMEOUT 0`)).toMatch(/^-(ERR|BEHIND)/);
      }),
      runOptions(500, 10_000),
    );
  });

  test('a good token with one byte changed is refused, waited for, or names what is here', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = fromBase64url(before) ?? new Uint8Array(1);
        const place = at % bytes.length;
        bytes[place] = (bytes[place] ?? 0) ^ change;
        expect(client.run(`CW.ATTACH "${toBase64url(bytes)}" TIMEOUT 0`)).toMatch(/^(-(ERR|BEHIND)|\+OK)/);
      }),
      runOptions(300, 10_000),
    );
  });

  test('and none of them advanced anything', () => {
    const vector = regions.node(EAST).vector();
    const { epoch, dots } = tokenCodec.decode(client.token());
    // one that was changed into another one that is here is as good as that
    expect([epoch, dots.filter(([made, seq]) => !vector.contains(made, seq))]).toEqual([0, []]);
    expect(vector.get(origin(west, 1))).toBeLessThan(100);
    expect(client.run('GET key')).toBe('"1"');
  });
});

describe('the size of a token', () => {
  test('stays under 200 bytes through many lives while nothing becomes stable', () => {
    const regions = new VirtualRegions();
    regions.sync();
    // the third region hears nothing, so no incarnation can be retired and nothing is stable
    regions.isolate(ASIA);
    const keys: string[] = [];
    for (let life = 0; life < 12; life++) {
      for (const region of [EAST, WEST]) {
        const writer = regions.connect(region);
        for (let write = 0; write < 30; write++) expect(writer.run(`SET ${region}:${life}:${write} v`)).toBe('+OK');
        keys.push(`${region}:${life}:0`);
        regions.cluster.run(500);
        // incarnations of real nodes are seconds since 2020, and take five bytes each
        regions.node(region).disk.incarnation = 217_000_000 + life * 60;
        regions.restart(region);
      }
    }
    regions.cluster.run(2_000);
    const reader = regions.connect(WEST);
    for (const key of keys) expect(reader.run(`GET ${key}`)).toBe('"v"');
    // all the lives are there still: without joining them it would be much longer
    expect(regions.node(WEST).vector().size).toBeGreaterThan(20);
    const token = reader.token();
    expect(token.length).toBeLessThan(200);
    expect(reader.session.dots.size).toBeLessThanOrEqual(16);
    // and means the same: the region that lacks all of it is behind, the one that has it is not
    expect(regions.connect(ASIA).run(`CW.ATTACH ${token} TIMEOUT 0`)).toContain('-BEHIND');
    expect(regions.connect(EAST).run(`CW.ATTACH ${token}`)).toBe('+OK');
    const scanning = regions.connect(EAST);
    scanning.run('DBSIZE');
    expect(scanning.token().length).toBeLessThan(200);
    regions.cluster.healAll();
    regions.sync();
    const asia = regions.connect(ASIA);
    expect(asia.run(`CW.ATTACH ${token}`)).toBe('+OK');
    for (const key of keys) expect(asia.run(`GET ${key}`)).toBe('"v"');
  });
});
