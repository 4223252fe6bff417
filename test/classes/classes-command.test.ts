import type { Redis } from 'ioredis';
import { beforeEach, describe, expect, test } from 'vitest';
import { CLASSES_FILE_CHARS_MAX } from '../../src/classes/limits.ts';
import type { ServerRig } from '../server/server-rig.ts';
import { startWithClasses } from './class-rig.ts';

const CLASSES = `classes:
  - match: ["quote:*", "chain:*"]
    ttl: 5m
  - match: ["prefs:*"]
    consistency: session
  - match: ["größe:*"]
    consistency: weak
  - match: ["scratch:*"]
    consistency: weak
`;
const RULES = CLASSES.slice(CLASSES.indexOf('  - match: ["größe'));

let rig: ServerRig;
let client: Redis;
beforeEach(async () => {
  rig = await startWithClasses(CLASSES);
  await rig.server.ready;
  client = rig.client();
});

const classes = (...args: string[]): Promise<unknown> => client.call('CW.CLASSES', ...args);

describe('CW.CLASSES', () => {
  test('lists the classes with what they promise and what was written', async () => {
    await client.mset('quote:1', 'v', 'chain:1', 'v', 'other', 'v');
    await client.sadd('scratch:1', 'a', 'b', 'c');
    const row = (
      name: string,
      patterns: string[],
      consistency: string,
      ttl: number | null,
      conflict: string,
      n: number,
    ) => [
      'class',
      name,
      'patterns',
      patterns,
      'consistency',
      consistency,
      'ttl-ms',
      ttl,
      'conflict',
      conflict,
      'writes',
      n,
    ];
    expect(await classes()).toEqual([
      row('quote:*', ['quote:*', 'chain:*'], 'causal', 300_000, 'lww', 2),
      row('prefs:*', ['prefs:*'], 'session', null, 'lww', 0),
      row('größe:*', ['größe:*'], 'weak', null, 'lww', 0),
      row('scratch:*', ['scratch:*'], 'weak', null, 'lww', 3),
      row('default', [], 'causal', null, 'lww', 1),
    ]);
  });

  test('EXPLAIN says by which pattern a key is of which class; CW.EXPLAIN says it too', async () => {
    expect(await classes('EXPLAIN', 'chain:1')).toEqual([
      'class',
      'quote:* (by the pattern "chain:*")',
      'promise',
      'causal: arrives everywhere, never before its causes; a read never waits',
      'ttl',
      '5m from a write that makes the key without an expiry of its own',
      'conflict',
      'lww: of concurrent writes of a string the latest stays',
    ]);
    expect(await classes('explain', 'größe:1')).toContain('größe:* (by the pattern "größe:*")');
    expect(await classes('EXPLAIN', 'any')).toContain('default (no pattern matches)');
    await client.set('scratch:1', 'v');
    const lines = (await client.call('CW.EXPLAIN', 'scratch:1')) as string[];
    expect(lines).toEqual(
      expect.arrayContaining(['type', 'string', 'class', 'scratch:* (by the pattern "scratch:*")']),
    );
    expect(lines.join('\n')).toMatch(/"v" by here#1:1 /);
  });

  test('C5: RELOAD puts ttl and levels into force, for keys made from then on; CHECK only says what would change', async () => {
    await client.set('quote:1', 'v');
    const text = `classes:
  - match: ["quote:*"]
    ttl: 1h
    consistency: eventual
  - match: ["prefs:*"]
    ttl: 2m
${RULES}`;
    const changes = [
      '"quote:*": eventual, ttl 1h from a write that makes the key without an expiry of its own, lww; before: causal, ttl 5m from a write that makes the key without an expiry of its own, lww',
      '"prefs:*": causal, ttl 2m from a write that makes the key without an expiry of its own, lww; before: session, ttl none, lww',
      '"chain:*": gone',
    ];
    expect(await classes('CHECK', text)).toEqual(changes);
    await client.set('quote:2', 'v');
    expect(await client.pttl('quote:2')).toBeLessThanOrEqual(300_000);
    expect(await classes('RELOAD', text)).toEqual(changes);
    await client.mset('quote:2', 'v', 'chain:2', 'v');
    expect(await client.pttl('quote:1')).toBeLessThanOrEqual(300_000);
    expect(await client.pttl('quote:2')).toBeGreaterThan(3_500_000);
    expect(await client.pttl('chain:2')).toBe(-1);
    expect(await classes('RELOAD', text)).toEqual([]);
    expect(await client.info('classes')).toMatch(
      /classes_reloads:2\r\nclass0:name="quote:\*",.*ttl_ms=3600000,.*writes=3/,
    );
  });

  test('C5: RELOAD lists a change of any section alone', async () => {
    const session = '    consistency: session\n';
    const listed: readonly [section: string, line: RegExp][] = [
      ['evict: { priority: high }', /^"prefs:\*": session, ttl none, lww, evict high priority, /],
      ['evict: { priority: low, max: 1mb }', /, evict low priority, beyond 1048576 bytes .*; before: .*, evict high /],
      ['compensate: { url: "http://127.0.0.1:1/lost" }', /, compensate http:\/\/127\.0\.0\.1:1\/lost, which has 5s /],
      ['http: { max-age: 5m, private: true }', /, http max-age 5m private; before: .*compensate /],
      ['mirror: behind', /, mirror behind; before: .*http /],
    ];
    for (const [section, line] of listed) {
      const text = CLASSES.replace(session, `${session}    ${section}\n`);
      expect(await classes('RELOAD', text)).toEqual([expect.stringMatching(line)]);
      expect(await classes('RELOAD', text)).toEqual([]);
    }
    await classes('RELOAD', CLASSES);
  });

  test.each([
    ['that adds a weak class', `${CLASSES}  - match: ["tmp:*"]\n    consistency: weak\n`, '"tmp:*" as weak is new'],
    ['that takes a rule away', CLASSES.replace('    consistency: weak\n', ''), '"größe:*" as weak is no more'],
    [
      'that is broken',
      'classes:\n  - match: [quote]\n    ttl: soon\n',
      'classes:3:5: classes[0].ttl: expected a duration',
    ],
    ['that is no UTF-8', Buffer.from([0x63, 0xff]), 'a classes file is a text in UTF-8'],
    ['that is too long', 'x'.repeat(CLASSES_FILE_CHARS_MAX + 1), 'limit classes-file-chars-max 262144'],
  ])('a file %s is refused, with the reason, and nothing changes', async (_, text, reason) => {
    const before = await classes();
    for (const what of ['CHECK', 'RELOAD']) {
      await expect(client.call('CW.CLASSES', what, text)).rejects.toThrow(reason);
    }
    expect(await classes()).toEqual(before);
  });

  test('other words are refused', async () => {
    await expect(classes('SET', 'x')).rejects.toThrow(
      "unknown subcommand of 'cw.classes'; there are CHECK text, RELOAD text",
    );
    await expect(classes('RELOAD')).rejects.toThrow("wrong number of arguments for 'cw.classes|reload' command");
    await expect(classes('EXPLAIN', 'a', 'b')).rejects.toThrow('wrong number of arguments');
  });
});

test('INFO and the metrics name every class, whatever its pattern', async () => {
  await client.set('größe:1', 'v');
  const info = await client.info('classes');
  expect(info).toContain('# Classes\r\nclasses_file:classes.yaml\r\nclasses_rules:rules-2:');
  expect(info).toContain(
    'class2:name="größe:*",patterns=1,consistency=weak,ttl_ms=,conflict=lww,writes=1,conflicts=0\r\n',
  );
  const metrics = await (await rig.http('/metrics')).text();
  expect(metrics).toContain(
    'causeway_class_info{class="quote:*",consistency="causal",ttl_ms="300000",conflict="lww"} 1\n',
  );
  expect(metrics).toContain('causeway_class_writes_total{class="größe:*"} 1\n');
});
