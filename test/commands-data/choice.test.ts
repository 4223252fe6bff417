import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { distinctIndexes, sampledIndexes } from '../../src/commands/random-sample.ts';
import type { ReplyValue } from '../conformance/reply-value.ts';
import { Harness } from './harness.ts';

function texts(reply: ReplyValue): string[] {
  return 'items' in reply ? reply.items.map((item) => ('text' in item ? item.text : '')) : [];
}

function filled(size: number): Harness {
  const node = new Harness(7);
  for (let index = 0; index < size; index++) {
    node.reply('SADD', 'set', `m${index}`);
    node.reply('HSET', 'hash', `f${index}`, `v${index}`);
  }
  return node;
}

describe('choosing at random', () => {
  it('gives different positions, as many as asked, within bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.nat(), fc.integer(), (size, wanted, seed) => {
        const count = wanted % (size + 1);
        const chosen = [...distinctIndexes(new Harness(seed).random, size, count)];
        expect(new Set(chosen).size).toBe(count);
        expect(chosen.every((index) => index >= 0 && index < size)).toBe(true);
      }),
      { seed: 20_261_121 },
    );
  });

  it('chooses every position equally often', () => {
    const { random } = new Harness(3);
    const chosen = new Array<number>(10).fill(0);
    const rounds = 20_000;
    for (let round = 0; round < rounds; round++) {
      for (const index of distinctIndexes(random, 10, 3)) chosen[index] = (chosen[index] ?? 0) + 1;
    }
    // Each is expected rounds × 3/10 times; the deviation allowed is more than six standard deviations.
    for (const count of chosen) expect(Math.abs(count - rounds * 0.3)).toBeLessThan(400);
  });

  it('refuses more repetitions than the limit and names it', () => {
    expect(() => sampledIndexes(Math.random, 3, -(2n ** 62n))).toThrow('limit random-samples-max 1048576');
    const node = filled(2);
    expect(node.run('SRANDMEMBER set -1048577')).toBe('-ERR count is too large (limit random-samples-max 1048576)');
    expect(node.run('HRANDFIELD hash -9223372036854775807')).toContain('limit random-samples-max');
  });

  it('SRANDMEMBER and HRANDFIELD leave everything where it is', () => {
    const node = filled(200);
    for (const count of ['1', '5', '150', '199']) {
      const members = texts(node.reply('SRANDMEMBER', 'set', count));
      expect(new Set(members).size).toBe(Number(count));
      const fields = texts(node.reply('HRANDFIELD', 'hash', count));
      expect(new Set(fields).size).toBe(Number(count));
    }
    expect(texts(node.reply('SRANDMEMBER', 'set', '9223372036854775807'))).toHaveLength(200);
    expect(texts(node.reply('SRANDMEMBER', 'set', '-500'))).toHaveLength(500);
    expect(node.run('SCARD set')).toBe(':200');
  });

  it('HRANDFIELD WITHVALUES pairs them, flat in RESP2 and nested in RESP3', () => {
    const node = filled(3);
    const nested = node.reply('HRANDFIELD', 'hash', '2', 'WITHVALUES');
    for (const pair of 'items' in nested ? nested.items : []) {
      const [field = '', value = ''] = texts(pair);
      expect(value).toBe(field.replace('f', 'v'));
    }
    node.respVersion = 2;
    const [field = '', value = '', ...more] = texts(node.reply('HRANDFIELD', 'hash', '2', 'WITHVALUES'));
    expect(value).toBe(field.replace('f', 'v'));
    expect(more).toHaveLength(2);
  });

  it('SPOP gives each member once until none is left', () => {
    const node = filled(100);
    const popped = new Set<string>();
    while (node.run('EXISTS set') === ':1') {
      const members = texts(node.reply('SPOP', 'set', '7'));
      expect(members.every((member) => !popped.has(member))).toBe(true);
      for (const member of members) popped.add(member);
    }
    expect(popped.size).toBe(100);
  });

  it('RANDOMKEY gives a key that shows', () => {
    const node = new Harness();
    expect(node.run('RANDOMKEY')).toBe('nil');
    node.run('MSET a 1 b 2 c 3');
    node.run('PEXPIRE a 10');
    node.run('DEL b');
    node.nowMs += 10;
    for (let round = 0; round < 20; round++) expect(node.run('RANDOMKEY')).toBe('"c"');
  });
});
