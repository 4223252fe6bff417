import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReplyValue } from '../conformance/reply-value.ts';
import { Harness } from './harness.ts';

function items(reply: ReplyValue): readonly ReplyValue[] {
  return 'items' in reply ? reply.items : [];
}

function textOf(reply: ReplyValue | undefined): string {
  return reply !== undefined && 'text' in reply ? reply.text : '';
}

/** Walks a whole iteration; `between` runs between its calls. */
function walk(node: Harness, request: string[], cursorAt: number, between: () => void): string[] {
  const met: string[] = [];
  let cursor = '0';
  for (let calls = 0; calls < 10_000; calls++) {
    const words = [...request];
    words[cursorAt] = cursor;
    const [next, elements] = items(node.reply(...words));
    for (const element of elements === undefined ? [] : items(elements)) met.push(textOf(element));
    cursor = textOf(next);
    if (cursor === '0') return met;
    between();
  }
  throw new Error('the iteration does not end');
}

/** What stays all along is met, whatever comes and goes meanwhile. */
function checkPromise(kind: 'SCAN' | 'HSCAN' | 'SSCAN', stay: number, come: number, count: number, seed: number): void {
  const node = new Harness(seed);
  const add = (name: string): void => {
    if (kind === 'SCAN') node.reply('SET', name, 'v');
    else if (kind === 'HSCAN') node.reply('HSET', 'c', name, 'v');
    else node.reply('SADD', 'c', name);
  };
  const remove = (name: string): void => {
    if (kind === 'SCAN') node.reply('DEL', name);
    else node.reply(kind === 'HSCAN' ? 'HDEL' : 'SREM', 'c', name);
  };
  // Stayers and goers lie mixed, so that what goes is before, at and after the cursor.
  const going: string[] = [];
  for (let index = 0; index < stay + come; index++) {
    const name = index % 2 === 0 && index / 2 < stay ? `stay${index / 2}` : `go${index}`;
    add(name);
    if (name.startsWith('go')) going.push(name);
  }
  for (let index = 0; index < stay; index++) add(`stay${index}`);
  let fresh = 0;
  const between = (): void => {
    for (let step = 0; step < 3; step++) {
      const victim = going.splice(Math.floor(node.random() * going.length), 1)[0];
      if (victim !== undefined) remove(victim);
      if (node.random() < 0.5 && fresh < 50) add(`fresh${fresh++}`);
    }
  };
  const request = kind === 'SCAN' ? ['SCAN', '0', 'COUNT', String(count)] : [kind, 'c', '0', 'COUNT', String(count)];
  const met = new Set(walk(node, request, kind === 'SCAN' ? 1 : 2, between));
  for (let index = 0; index < stay; index++) expect(met.has(`stay${index}`), `${kind} meets stay${index}`).toBe(true);
}

describe('iteration', () => {
  it.each(['SCAN', 'HSCAN', 'SSCAN'] as const)('%s meets whatever stays', (kind) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 0, max: 200 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer(),
        (stay, come, count, seed) => checkPromise(kind, stay, come, count, seed),
      ),
      { seed: 20_261_121, numRuns: 60 },
    );
  });

  it('gives about COUNT elements a call, small ones whole', () => {
    const node = new Harness();
    for (let index = 0; index < 1000; index++) node.reply('SADD', 'big', `m${index}`);
    for (let index = 0; index < 128; index++) node.reply('SADD', 'small', `m${index}`);
    const [cursor, elements] = items(node.reply('SSCAN', 'big', '0', 'COUNT', '100'));
    expect(textOf(cursor)).toBe('900');
    expect(elements === undefined ? [] : items(elements)).toHaveLength(100);
    const [end, all] = items(node.reply('SSCAN', 'small', '0', 'COUNT', '1'));
    expect(textOf(end)).toBe('0');
    expect(all === undefined ? [] : items(all)).toHaveLength(128);
  });

  it('takes any cursor', () => {
    const node = new Harness();
    node.run('MSET a 1 b 2');
    node.run('SADD set m');
    for (const cursor of ['17', '9007199254740993', '18446744073709551615', '-1']) {
      expect(node.run(`SCAN ${cursor}`)).toBe('["0" []]');
      expect(node.run(`SSCAN set ${cursor}`)).toBe('["0" ["m"]]');
    }
  });

  it('does not give up at once where many keys have gone', () => {
    const node = new Harness();
    for (let index = 0; index < 3000; index++) node.reply('SET', `k${index}`, 'v');
    for (let index = 0; index < 2999; index++) node.reply('DEL', `k${index}`);
    expect(node.run('SCAN 0')).toBe('["0" ["k2999"]]');
  });

  it('leaves out what has expired', () => {
    const node = new Harness();
    node.run('MSET a 1 b 2');
    node.run('PEXPIRE a 5');
    node.nowMs += 5;
    expect(node.run('SCAN 0')).toBe('["0" ["b"]]');
    expect(node.run('KEYS *')).toBe('["b"]');
  });
});
