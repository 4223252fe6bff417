import { describe, expect, test } from 'vitest';
import { ActiveClasses } from '../../src/classes/active-classes.ts';
import { ClassPolicy, DEFAULT_POLICY } from '../../src/classes/class-policy.ts';
import type { ConflictRule } from '../../src/classes/key-class.ts';
import { KeyPattern } from '../../src/classes/key-pattern.ts';
import { utf8Bytes } from '../../src/classes/utf8.ts';
import { replyText, type ReplyValue } from '../conformance/reply-value.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { VIRTUAL_START_MS } from '../support/virtual-cluster.ts';
import { ASIA, EAST, VirtualRegions, WEST } from '../support/virtual-regions.ts';

const REGIONS = [EAST, WEST, ASIA] as const;

/** A map reply as an object of texts and objects. */
function objectOf(reply: ReplyValue): Record<string, unknown> {
  if (reply.kind !== 'map') throw new Error(`no map: ${replyText(reply)}`);
  const pairs: [string, unknown][] = [];
  for (let at = 0; at < reply.items.length; at += 2) {
    const [name, value] = [reply.items[at], reply.items[at + 1]];
    if (name?.kind !== 'bulk' || value === undefined) throw new Error(`no pairs: ${replyText(reply)}`);
    pairs.push([name.text, value.kind === 'map' ? objectOf(value) : 'text' in value ? value.text : null]);
  }
  return Object.fromEntries(pairs);
}

function conflictsAt(client: VirtualClient, ...options: string[]): Record<string, unknown>[] {
  const reply = client.call('CW.CONFLICTS', ...options);
  if (reply.kind !== 'array') throw new Error(replyText(reply));
  return reply.items.map(objectOf);
}

/** One class beside the default one. */
function classOf(pattern: string, conflict: ConflictRule): ClassPolicy {
  const patterns = [new KeyPattern(pattern, utf8Bytes(pattern))];
  return new ClassPolicy([{ patterns, consistency: 'causal', ttlMs: null, conflict }]);
}

/** Three regions cut off from each other, with a client each. */
function cutRegions(policy: ClassPolicy = DEFAULT_POLICY): { regions: VirtualRegions; clients: VirtualClient[] } {
  const regions = new VirtualRegions({ classes: new ActiveClasses({ policy }) });
  regions.sync();
  for (const region of REGIONS) regions.isolate(region);
  return { regions, clients: REGIONS.map((region) => regions.connect(region)) };
}

function wrote(client: VirtualClient, ...words: string[]): void {
  expect(replyText(client.call(...words))).toMatch(/^(\+OK|:1)$/);
}

const dotOf = (client: VirtualClient): string => `${client.server.node.id}#1:${client.session.lastWriteSeq}`;

describe('S4: CW.CONFLICTS after a cut', () => {
  test('two regions wrote one key: all three list the same pair, with the rule, latest first', () => {
    const { regions, clients } = cutRegions();
    const [east, west] = clients as [VirtualClient, VirtualClient];
    east.run('SET quote:AAPL 189.10');
    east.run('HSET h f here');
    regions.cluster.run(10);
    west.run('SET quote:AAPL 189.20');
    const [lost, kept] = [`us-east-1/a#1:${east.session.lastWriteSeq - 1}`, dotOf(west)];
    west.run('HSET h f there');
    const fields = [dotOf(east), dotOf(west)];
    const cutMs = regions.cluster.timeMs;
    regions.sync();
    for (const client of clients) {
      const found = conflictsAt(client);
      const [first, second] = found;
      expect(found).toHaveLength(2);
      expect([first?.['kind'], second?.['kind']]).toEqual(['field', 'string']);
      const atMs = Number(second?.['time-ms']) - VIRTUAL_START_MS;
      expect(atMs).toBeGreaterThan(cutMs);
      expect(atMs).toBeLessThanOrEqual(regions.cluster.timeMs);
      expect(second).toEqual({
        'time-ms': second?.['time-ms'],
        key: 'quote:AAPL',
        class: 'default',
        kind: 'string',
        field: null,
        rule: 'lww',
        kept: { type: 'string', value: '189.20', length: '6', dot: kept },
        other: { type: 'string', value: '189.10', length: '6', dot: lost },
      });
      expect(first).toMatchObject({
        key: 'h',
        field: 'f',
        rule: 'lww',
        kept: { type: 'hash', value: 'there', dot: fields[1] },
        other: { type: 'hash', value: 'here', dot: fields[0] },
      });
    }
  });

  test('two types, a removal, a root and an edit that went with its root', () => {
    const regions = new VirtualRegions();
    const [east, west] = [regions.connect(EAST), regions.connect(WEST)];
    wrote(east, 'SET', 'gone', 'old');
    wrote(east, 'JSON.SET', 'doc', '$', '{"n":1}');
    regions.sync();
    for (const region of REGIONS) regions.isolate(region);
    wrote(east, 'SET', 'typed', 'text');
    wrote(east, 'SET', 'gone', 'new');
    wrote(east, 'JSON.SET', 'root', '$', '[1]');
    wrote(east, 'JSON.SET', 'doc', '$.n', '2');
    regions.cluster.run(10);
    wrote(west, 'SADD', 'typed', 'member');
    wrote(west, 'DEL', 'gone');
    wrote(west, 'JSON.SET', 'root', '$', '[2]');
    wrote(west, 'JSON.SET', 'doc', '$', '{"m":3}');
    regions.sync();
    const expected = [
      [
        'edit',
        'doc',
        'lww',
        { type: 'ReJSON-RL', value: '{"m":3}' },
        { type: 'ReJSON-RL', value: '[["set",["n"],2]]' },
      ],
      ['document', 'root', 'lww', { type: 'ReJSON-RL', value: '[2]' }, { type: 'ReJSON-RL', value: '[1]' }],
      ['string', 'gone', 'lww', { type: 'none', value: null, length: null }, { type: 'string', value: 'new' }],
      ['type', 'typed', 'latest type', { type: 'set', value: null, length: null }, { type: 'string', value: 'text' }],
    ] as const;
    for (const region of REGIONS) {
      const found = conflictsAt(regions.connect(region)).toSorted((left, right) =>
        String(left['kind']) < String(right['kind']) ? -1 : 1,
      );
      const sorted = expected.toSorted(([left], [right]) => (left < right ? -1 : 1));
      expect(found.map(({ kind, key }) => [kind, key])).toEqual(sorted.map(([kind, key]) => [kind, key]));
      for (const [index, [kind, key, rule, kept, other]] of sorted.entries())
        expect(found[index]).toMatchObject({ kind, key, rule, kept, other });
    }
  });

  test('siblings name their rule', () => {
    const { regions, clients } = cutRegions(classOf('cfg:*', { kind: 'siblings' }));
    for (const [index, client] of clients.entries()) {
      client.run(`SET cfg:a ${index}`);
      regions.cluster.run(10);
    }
    regions.sync();
    const pairs = new Set<string>();
    for (const client of clients) {
      const found = conflictsAt(client);
      expect(found.map(({ class: name, rule }) => [name, rule])).toEqual(
        Array.from({ length: 3 }, () => ['cfg:*', 'siblings']),
      );
      pairs.add(
        found
          .map(({ kept, other }) => `${JSON.stringify(kept)} ${JSON.stringify(other)}`)
          .toSorted()
          .join('\n'),
      );
    }
    expect(pairs.size).toBe(1);
  });

  test('COUNT, CLASS and KEY choose, RESET forgets here and nowhere else', () => {
    const { regions, clients } = cutRegions(classOf('quote:*', { kind: 'lww' }));
    const [east, west, asia] = clients as [VirtualClient, VirtualClient, VirtualClient];
    for (const client of [east, west]) {
      for (let n = 0; n < 12; n++) client.run(`SET k${n} ${client.server.node.id}`);
      client.run(`SET __proto__ ${client.server.node.id}`);
      client.run(`SET quote:X ${client.server.node.id}`);
    }
    regions.sync();
    const keysOf = (...options: string[]): unknown[] => conflictsAt(asia, ...options).map(({ key }) => key);
    expect(keysOf()).toHaveLength(10);
    expect(keysOf('COUNT', '1000')).toHaveLength(14);
    expect(keysOf('count', '2')).toEqual(['quote:X', '__proto__']);
    expect(keysOf('CLASS', 'quote:*')).toEqual(['quote:X']);
    expect(keysOf('CLASS', 'default', 'COUNT', '1')).toEqual(['__proto__']);
    expect(keysOf('KEY', '__proto__')).toEqual(['__proto__']);
    expect(keysOf('KEY', 'toString')).toEqual([]);
    expect(keysOf('KEY', 'k3', 'CLASS', 'quote:*')).toEqual([]);
    expect(asia.run('CW.CONFLICTS RESET')).toBe('+OK');
    expect(keysOf('COUNT', '1000')).toEqual([]);
    expect(conflictsAt(east, 'COUNT', '1000')).toHaveLength(14);

    for (const [line, message] of [
      ['CW.CONFLICTS COUNT', '-ERR syntax error'],
      ['CW.CONFLICTS RESET now', '-ERR syntax error'],
      ['CW.CONFLICTS COUNT 0', '-ERR value is out of range, value must between 1 and 1000'],
      ['CW.CONFLICTS COUNT x', '-ERR value is not an integer or out of range'],
      ['CW.CONFLICTS CLASS nosuch', "-ERR no class 'nosuch'; CW.CLASSES lists them"],
    ] as const) {
      expect(asia.run(line)).toBe(message);
    }
  });

  test('what is read and written after a conflict is seen is none, and what is gone with the node is not asked for', () => {
    const { regions, clients } = cutRegions();
    const [east, west] = clients as [VirtualClient, VirtualClient];
    east.run('SET k a');
    regions.cluster.run(10);
    west.run('SET k b');
    regions.sync();
    east.run('SET k c');
    regions.sync();
    expect(conflictsAt(east)).toHaveLength(1);
    regions.restart(EAST);
    regions.sync();
    expect(conflictsAt(regions.connect(EAST))).toEqual([]);
    expect(conflictsAt(west)).toHaveLength(1);
  });
});
