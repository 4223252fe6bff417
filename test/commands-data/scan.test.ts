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
  let cursor = request[cursorAt] ?? '0';
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
type Walk = 'SCAN' | 'SCAN MATCH' | 'HSCAN' | 'SSCAN';

function checkPromise(kind: Walk, stay: number, come: number, count: number, seed: number): void {
  const node = new Harness(seed);
  const isOfKeys = kind === 'SCAN' || kind === 'SCAN MATCH';
  const add = (name: string): void => {
    if (isOfKeys) node.reply('SET', name, 'v');
    else if (kind === 'HSCAN') node.reply('HSET', 'c', name, 'v');
    else node.reply('SADD', 'c', name);
  };
  const remove = (name: string): void => {
    if (isOfKeys) node.reply('DEL', name);
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
  const request = isOfKeys ? ['SCAN', '0', 'COUNT', String(count)] : [kind, 'c', '0', 'COUNT', String(count)];
  if (kind === 'SCAN MATCH') request.push('MATCH', 'stay*');
  const met = new Set(walk(node, request, isOfKeys ? 1 : 2, between));
  if (kind === 'SCAN MATCH') expect([...met].filter((name) => !name.startsWith('stay'))).toEqual([]);
  for (let index = 0; index < stay; index++) expect(met.has(`stay${index}`), `${kind} meets stay${index}`).toBe(true);
}

describe('iteration', () => {
  it.each(['SCAN', 'SCAN MATCH', 'HSCAN', 'SSCAN'] as const)('%s meets whatever stays', (kind) => {
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

  it('gives few keys with a prefix of many in few calls, and goes on by slots where they are many by then', () => {
    const node = new Harness();
    for (let index = 0; index < 1_900; index++) node.reply('SET', `other${index}`, 'v');
    for (let index = 0; index < 50; index++) node.reply('SET', `page:${index}`, 'v');
    let calls = 0;
    const request = ['SCAN', '0', 'MATCH', 'page:*', 'COUNT', '1'];
    expect(walk(node, request, 1, () => calls++)).toHaveLength(50);
    expect(calls).toBe(9);
    expect(walk(node, ['SCAN', '0', 'MATCH', 'page:?5'], 1, () => {})).toEqual(
      ['15', '25', '35', '45'].map((number) => `page:${number}`),
    );
    const [cursor, first] = items(node.reply(...request));
    for (let index = 50; index < 10_100; index++) node.reply('SET', `page:${index}`, 'v');
    const rest = walk(node, ['SCAN', textOf(cursor), 'MATCH', 'page:*'], 1, () => {});
    const met = new Set([...(first === undefined ? [] : items(first)).map(textOf), ...rest]);
    for (let index = 0; index < 50; index++) expect(met).toContain(`page:${index}`);
  });

  it('takes any cursor', () => {
    const node = new Harness();
    node.run('MSET a 1 b 2');
    node.run('SADD set m');
    for (const cursor of ['17', '1099511627793', '9007199254740993', '18446744073709551615', '-1']) {
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
