import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CHAIN_START } from '../../src/groups/audit-record.ts';
import { SHOWN_ARGUMENT_BYTES_MAX, SHOWN_BYTES_MAX } from '../../src/groups/audit-text.ts';
import { SHOWN_PARTS_MAX } from '../../src/groups/audit-value.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { GROUP, GroupRig, linesOf, newState, START_MS, words, type SeenRecord } from './group-rig.ts';

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
const string = (value: unknown) => ({ type: 'string', value });

describe('a record of a write', () => {
  test('says who, when, from where, which key, by what command, and the old and the new value', () => {
    const rig = new GroupRig().do('SET position:1 100');
    rig.nowMs += 5;
    rig.run([words('INCRBY position:1 5')], { once: { id: 'order-77', issuedMs: START_MS } });
    expect(rig.records).toMatchObject([
      { record: 1, previous: CHAIN_START, index: 1, ms: START_MS, old: null, new: string('100'), id: null },
      {
        record: 2,
        group: GROUP,
        index: 2,
        ms: START_MS + 5,
        user: 'trader',
        address: '10.0.0.7:5000',
        region: 'eu-west-1',
        request: '64#3:2',
        id: 'order-77',
        key: 'position:1',
        commands: [{ arguments: ['INCRBY', 'position:1', '5'] }],
        old: string('100'),
        new: string('105'),
      },
    ]);
  });

  test('carries the SHA-256 of the line before it, and the head is that of the last line', () => {
    const rig = new GroupRig().do('SET a 1').do('SET b 2').do('DEL a');
    const { lines, records } = rig;
    expect(records.slice(1).map(({ previous }) => previous)).toEqual(lines.slice(0, -1).map(sha256));
    expect(rig.state.audit.head).toEqual({ count: 3, index: 3, hash: sha256(lines[2] ?? '') });
  });

  test('is made of audited keys only, of what was written only, and of a retried request once', () => {
    const rig = new GroupRig().do('SET free:1 x').do('GET a').do('DEL nothing').do('SET a 1 XX').do('INCR a b');
    expect(rig.lines).toEqual([]);
    rig.run([words('INCR a')], { serial: 90 }).run([words('INCR a')], { serial: 90 });
    rig.run([words('INCR a')], { once: { id: 'x', issuedMs: START_MS } });
    rig.run([words('INCR a')], { once: { id: 'x', issuedMs: START_MS } });
    expect(rig.records.map(({ index, new: value }) => [index, value])).toEqual([
      [6, string('1')],
      [8, string('2')],
    ]);
  });

  test('of an EXEC is one a key, in the order of the first writes, with the commands that wrote it', () => {
    const rig = new GroupRig().do('SET b 1');
    rig.run([words('SET c 1'), words('INCR b'), words('GET b'), words('SET free:1 1'), words('MSET a 5 c 2')]);
    expect(rig.records.slice(1)).toMatchObject([
      {
        index: 2,
        key: 'c',
        old: null,
        new: string('2'),
        commands: [{ arguments: words('SET c 1') }, { arguments: words('MSET a 5 c 2') }],
      },
      { index: 2, key: 'b', old: string('1'), new: string('2'), commands: [{ arguments: words('INCR b') }] },
      { index: 2, key: 'a', old: null, new: string('5'), commands: [{ arguments: words('MSET a 5 c 2') }] },
    ]);
  });

  test('says what an EXEC whose watch failed did not do: nothing', () => {
    const rig = new GroupRig().do('SET a 1');
    const entry = rig.log[0];
    if (entry?.kind !== 'commands') throw new Error('it is a command');
    rig.apply({ ...entry, request: { ...entry.request, serial: 50 }, isExec: true, watches: [['a', 999]] });
    expect(rig.lines).toHaveLength(1);
  });

  test('of a hash or set has the parts that were written, and all of them where all go', () => {
    const rig = new GroupRig().do('HSET h a 1 b 2 c 3').do('HSET h b 5 d 4').do('HDEL h a').do('DEL h');
    const hash = (size: number, parts: string, ...list: unknown[]) => ({ type: 'hash', size, parts, shown: { list } });
    expect(rig.records).toMatchObject([
      { old: null, new: hash(3, 'all', ['a', '1'], ['b', '2'], ['c', '3']) },
      { old: hash(3, 'written', ['b', '2'], ['d', null]), new: hash(4, 'written', ['b', '5'], ['d', '4']) },
      { old: hash(4, 'written', ['a', '1']), new: hash(3, 'written', ['a', null]) },
      { old: hash(3, 'all', ['b', '5'], ['c', '3'], ['d', '4']), new: null },
    ]);
    const set = new GroupRig().do('SADD s x y').do('SREM s x').do('SREM s y');
    expect(set.records.slice(1)).toMatchObject([
      {
        old: { type: 'set', size: 2, parts: 'written', shown: { list: [['x', true]] } },
        new: { size: 1, shown: { list: [['x', false]] } },
      },
      { old: { size: 1, shown: { list: [['y', true]] } }, new: null },
    ]);
  });

  test('of a hash that an EXEC changes in part and then removes has it as it was before the EXEC', () => {
    const rig = new GroupRig()
      .do('HSET h a 1 b 2')
      .run([words('HSET h a 9 z 9'), words('HDEL h b'), words('DEL h'), words('SET h now')]);
    expect(rig.last).toMatchObject({
      old: {
        type: 'hash',
        size: 2,
        parts: 'all',
        shown: {
          list: [
            ['a', '1'],
            ['b', '2'],
          ],
        },
      },
      new: string('now'),
    });
  });

  test('of a part that an EXEC writes twice has it as it was before the EXEC; a command counts once', () => {
    const rig = new GroupRig().do('HSET h a 1').run([words('HSET h a 2 b 2'), words('HSET h a 3')]);
    expect(rig.last).toMatchObject({
      commands: [{ arguments: words('HSET h a 2 b 2') }, { arguments: words('HSET h a 3') }],
      old: {
        shown: {
          list: [
            ['a', '1'],
            ['b', null],
          ],
        },
      },
      new: {
        shown: {
          list: [
            ['a', '3'],
            ['b', '2'],
          ],
        },
      },
    });
    expect(rig.last).not.toHaveProperty('commandCount');
  });

  test('of a document has its JSON before and after an edit', () => {
    const rig = new GroupRig().run([['JSON.SET', 'd', '$', '{"b":1,"a":[2]}']]).run([['JSON.SET', 'd', '$.b', '"é"']]);
    expect(rig.last).toMatchObject({
      old: { type: 'json', value: '{"a":[2],"b":1}' },
      new: { type: 'json', value: '{"a":[2],"b":"é"}' },
    });
  });

  test('of an expiry and of what the group removes by itself', () => {
    const rig = new GroupRig()
      .do('SET a 1 PX 1000')
      .do('HSET h f v')
      .do('PEXPIRE h 500')
      .expire(START_MS + 2_000);
    expect(rig.records.slice(0, 3)).toMatchObject([
      { new: { type: 'string', value: '1', expiresMs: START_MS + 1_000 } },
      { key: 'h' },
      {
        old: { type: 'hash', size: 1, parts: 'written', shown: { list: [] } },
        new: { type: 'hash', expiresMs: START_MS + 500 },
      },
    ]);
    const byGroup = {
      user: 'group',
      address: null,
      region: null,
      request: null,
      commands: [{ arguments: ['expire'] }],
      new: null,
    };
    expect(rig.records.slice(3)).toMatchObject([
      { ...byGroup, key: 'h', index: 4, ms: START_MS + 2_000, old: { shown: { list: [['f', 'v']] } } },
      { ...byGroup, key: 'a', index: 4, old: { value: '1' } },
    ]);
  });

  test('of a new generation of a document names the group', () => {
    const rig = new GroupRig().run([['JSON.SET', 'd', '$', '{"a":1}']]);
    const stamp = rig.state.stamp;
    rig.apply({ kind: 'renew', stamp, keys: ['d'] });
    expect(rig.last).toMatchObject({
      user: 'group',
      address: null,
      commands: [{ arguments: ['renew'] }],
      old: { value: '{"a":1}' },
      new: { value: '{"a":1}' },
    });
  });
});

describe('what is long or strange in a record', () => {
  test('a long value is cut, with its length and its SHA-256; a long argument without', () => {
    const value = `${'x'.repeat(SHOWN_BYTES_MAX - 1)}éé`;
    const rig = new GroupRig().run([['SET', 'a', value]]);
    const whole = { bytes: SHOWN_BYTES_MAX + 3, sha256: sha256(value) };
    // not in the middle of a character
    expect(rig.last.new).toEqual(string({ start: 'x'.repeat(SHOWN_BYTES_MAX - 1), ...whole }));
    expect(rig.last.commands[0]?.arguments[2]).toEqual({
      start: 'x'.repeat(SHOWN_ARGUMENT_BYTES_MAX),
      bytes: SHOWN_BYTES_MAX + 3,
    });
    const exact = new GroupRig().run([['SET', 'a', 'y'.repeat(SHOWN_BYTES_MAX)]]);
    expect(exact.last.new).toEqual(string('y'.repeat(SHOWN_BYTES_MAX)));
  });

  test('of many fields some are shown, and the SHA-256 of all tells others apart', () => {
    const fields = (last: string) =>
      Array.from({ length: SHOWN_PARTS_MAX + 1 }, (_, at) => [`f${at}`, at === SHOWN_PARTS_MAX ? last : 'v']).flat();
    const [one, other] = ['1', '2'].map(
      (last) =>
        new GroupRig().run([['HSET', 'h', ...fields(last)]]).last.new as {
          shown: { list: unknown[]; count: number; sha256: string };
        },
    );
    expect(one?.shown.list).toHaveLength(SHOWN_PARTS_MAX);
    expect(one?.shown.count).toBe(SHOWN_PARTS_MAX + 1);
    expect(one?.shown.sha256).not.toBe(other?.shown.sha256);
  });

  test('of many arguments and commands the first are shown, and all are counted', () => {
    const rig = new GroupRig().run([['MSET', ...Array.from({ length: 20 }, (_, at) => [`k${at}`, 'v']).flat()]]);
    expect(rig.records).toHaveLength(20);
    expect(rig.last.commands).toMatchObject([
      { arguments: ['MSET', 'k0', 'v', 'k1', 'v', 'k2', 'v', 'k3'], count: 41 },
    ]);
    const exec = new GroupRig().run(Array.from({ length: 30 }, () => words('INCR n')));
    expect(exec.last.commands).toHaveLength(8);
    expect(exec.last).toMatchObject({ commandCount: 30, new: string('30') });
  });

  test('keys and values of any bytes stay one line of ASCII that says which they were', () => {
    const anyBytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
    const strange = fc
      .constantFrom('__proto__', 'constructor', 'a\nb', '\r\n', '"', '\\u0000', '\u2028', '\u001b[2J', 'é', '\u{1f600}')
      .map((text) => new Uint8Array(Buffer.from(text)));
    fc.assert(
      fc.property(fc.oneof(anyBytes, strange), fc.oneof(anyBytes, strange), (key, value) => {
        const rig = new GroupRig()
          .run([['SET', key, value]])
          .run([['HSET', Buffer.concat([key, Buffer.from('!')]), value, key]]);
        for (const line of rig.lines) expect(line).toMatch(/^[\u0020-\u007e]+$/);
        const [first, second] = rig.records as [SeenRecord, SeenRecord];
        expect(bytesOf(first.key)).toEqual(Buffer.from(key));
        expect(bytesOf((first.new as { value: unknown }).value)).toEqual(Buffer.from(value));
        const [name, content] = (second.new as { shown: { list: unknown[][] } }).shown.list[0] ?? [];
        expect([bytesOf(name), bytesOf(content)]).toEqual([Buffer.from(value), Buffer.from(key)]);
      }),
      runOptions(200, 20_000),
    );
  });
});

function bytesOf(shown: unknown): Buffer {
  return typeof shown === 'string' ? Buffer.from(shown) : Buffer.from((shown as { hex: string }).hex, 'hex');
}

describe('the chain of a member', () => {
  const key = fc.constantFrom('s1', 's2', 'h1', 'h2', 't1', 'd1');
  const line = fc.oneof(
    fc.tuple(key, fc.integer({ min: 0, max: 9 })).map(([k, n]) => `SET ${k} ${n} PX ${n * 100 + 1}`),
    key.map((k) => `INCR ${k}`),
    fc
      .tuple(key, fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 9 }))
      .map(([k, f, n]) => `HSET ${k} ${f} ${n} x${n} y`),
    fc.tuple(key, fc.constantFrom('a', 'b', 'c')).map(([k, f]) => `HDEL ${k} ${f}`),
    fc.tuple(key, fc.constantFrom('a', 'b', 'c'), fc.constantFrom('d', 'e')).map(([k, m, n]) => `SADD ${k} ${m} ${n}`),
    fc.tuple(key, fc.constantFrom('a', 'd')).map(([k, m]) => `SREM ${k} ${m}`),
    fc
      .tuple(key, fc.constantFrom('a', 'b'), fc.integer({ min: 0, max: 9 }))
      .map(([k, f, n]) => `JSON.MERGE ${k} $ {"${f}":${n},"z${n}":1}`),
    key.map((k) => `DEL ${k}`),
    fc.tuple(key, key).map(([k, l]) => `RENAME ${k} ${l}`),
    key.map((k) => `PEXPIRE ${k} 50`),
  );
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.array(line, { minLength: 1, maxLength: 4 }) },
    { weight: 1, arbitrary: fc.constant('expire' as const) },
  );

  test('is a function of the log: the same bytes from its begin, from a snapshot and from the disk, whenever those were taken', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 25 }), fc.nat(), (steps, at) => {
        const rig = new GroupRig();
        const cut = at % steps.length;
        let late = newState();
        let before = 0;
        for (const [number, commands] of steps.entries()) {
          if (number === cut) [late, before] = [rig.member(), rig.lines.length];
          if (commands === 'expire') rig.expire(rig.nowMs + 60);
          else rig.run(commands.map(words));
        }
        for (const [index, entry] of rig.log.entries()) if (index >= cut) late.apply(index + 1, entry);
        expect(linesOf(late)).toEqual(rig.lines.slice(before));
        expect(late.audit.head).toEqual(rig.state.audit.head);
      }),
      runOptions(300, 30_000),
    );
  });

  test('goes on over a restart: its head is in what is stored and in snapshots, and is checked when it is read', () => {
    const rig = new GroupRig().do('SET a 1').do('SET a 2');
    const stored = groupCodec.encodeMeta(rig.state.takeDirty().meta);
    expect(groupCodec.decodeMeta(stored).audit).toEqual(rig.state.audit.head);
    const { hash } = rig.state.audit.head;
    const forged = Buffer.from(Buffer.from(stored).toString('latin1').replace(hash, 'z'.repeat(64)), 'latin1');
    expect(() => groupCodec.decodeMeta(new Uint8Array(forged))).toThrow('a hash is none');
  });
});
