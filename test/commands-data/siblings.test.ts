import { beforeEach, describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { classesOf, siblingClass } from '../support/sibling-classes.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, VirtualRegions, WEST } from '../support/virtual-regions.ts';

const KEY = 'cart:1';

let regions: VirtualRegions;
let clients: VirtualClient[];

/** Each region runs its request, none having seen another's; then all have all. */
function apart(...lines: readonly string[]): void {
  for (const region of [EAST, WEST, ASIA]) regions.isolate(region);
  for (const [at, line] of lines.entries()) {
    regions.cluster.run(100);
    clients[at]?.run(line);
  }
  regions.sync();
}

/** Numbers and simple strings without what says that they are such. */
const answerOf = (client: VirtualClient, line: string): string => client.run(line).replace(/^[:+]/, '');

/** What the regions answer, where they all answer the same. */
function everywhere(line: string): string {
  const answers = clients.map((client) => answerOf(client, line));
  expect(new Set(answers).size, answers.join(' | ')).toBe(1);
  return answers[0] ?? '';
}

/** The values that are kept, the latest last, where all regions keep the same. */
function siblings(key = KEY): string[] {
  const kept = regions.cluster.nodes.map((node) => {
    const { keys } = node.core;
    const slot = keys.find(latin1Range(key), 0, node.core.nowMs(node.now().wallMs));
    return slot < 0 ? [] : keys.siblingsAt(slot).siblings.map(({ value }) => value);
  });
  expect(kept).toEqual(kept.map(() => kept[0]));
  return kept[0] ?? [];
}

/** The first region asks, and all get what comes of it. */
function ask(line: string): string {
  const [client] = clients;
  const answer = client === undefined ? '' : answerOf(client, line);
  regions.sync();
  return answer;
}

function expectTtlAbove(seconds: number): void {
  for (const client of clients) expect(Number(answerOf(client, `TTL ${KEY}`))).toBeGreaterThan(seconds);
}

beforeEach(() => {
  regions = new VirtualRegions({ classes: classesOf(siblingClass('cart:*')) });
  clients = [EAST, WEST, ASIA].map((region) => regions.connect(region));
});

describe('commands on a key with several siblings (V5)', () => {
  beforeEach(() => {
    apart(`SET ${KEY} 10 PX 50000`, `SET ${KEY} 20`, `SET ${KEY} 30 PX 60000`);
    expect(siblings()).toEqual(['10', '20', '30']);
  });

  it('read the latest', () => {
    expect(everywhere(`GET ${KEY}`)).toBe('"30"');
    expect(everywhere(`MGET ${KEY} ${KEY}`)).toBe('["30" "30"]');
    expect(everywhere(`STRLEN ${KEY}`)).toBe('2');
    expect(everywhere(`GETRANGE ${KEY} 0 0`)).toBe('"3"');
    expect(everywhere(`TYPE ${KEY}`)).toBe('string');
    expect(everywhere('DBSIZE')).toBe('1');
    // one of them never expires
    expect(everywhere(`TTL ${KEY}`)).toBe('-1');
  });

  it.each([
    ['SET', `SET ${KEY} new`, 'OK', ['new']],
    ['SET … GET', `SET ${KEY} new GET`, '"30"', ['new']],
    ['GETSET', `GETSET ${KEY} new`, '"30"', ['new']],
    ['APPEND', `APPEND ${KEY} 5`, '3', ['305']],
    ['SETRANGE', `SETRANGE ${KEY} 1 77`, '3', ['377']],
    ['INCR', `INCR ${KEY}`, '31', ['31']],
    ['DECRBY', `DECRBY ${KEY} 7`, '23', ['23']],
    ['INCRBYFLOAT', `INCRBYFLOAT ${KEY} 0.5`, '"30.5"', ['30.5']],
    ['GETDEL', `GETDEL ${KEY}`, '"30"', []],
    ['DEL', `DEL ${KEY}`, '1', []],
    ['UNLINK', `UNLINK ${KEY}`, '1', []],
    ['FLUSHALL', 'FLUSHALL', 'OK', []],
  ])('%s ends all of them', (_name, line, answer, left) => {
    expect(ask(line)).toBe(answer);
    expect(siblings()).toEqual(left);
  });

  it('EXPIRE and PERSIST are of all of them', () => {
    expect(ask(`EXPIRE ${KEY} 100`)).toBe('1');
    expect(siblings()).toEqual(['10', '20', '30']);
    expectTtlAbove(90);
    expect(ask(`PERSIST ${KEY}`)).toBe('1');
    expect(everywhere(`TTL ${KEY}`)).toBe('-1');
    expect(ask(`PEXPIRE ${KEY} 10`)).toBe('1');
    regions.cluster.run(1_000);
    expect(siblings()).toEqual([]);
    expect(everywhere(`EXISTS ${KEY}`)).toBe('0');
  });

  it('COPY and RENAME write what shows', () => {
    expect(ask(`COPY ${KEY} cart:2`)).toBe('1');
    expect([siblings(), siblings('cart:2')]).toEqual([['10', '20', '30'], ['30']]);
    expect(ask(`RENAME ${KEY} cart:3`)).toBe('OK');
    expect([siblings(), siblings('cart:3')]).toEqual([[], ['30']]);
  });

  it('a write that keeps the expiry keeps the latest of theirs', () => {
    ask(`EXPIRE ${KEY} 1000`);
    expect(ask(`SET ${KEY} 1 KEEPTTL`)).toBe('OK');
    expectTtlAbove(900);
    apart(`SET ${KEY} 2 KEEPTTL`, `SET ${KEY} 9 EX 5000`);
    expect(siblings()).toEqual(['2', '9']);
    expect(ask(`INCR ${KEY}`)).toBe('10');
    expect(siblings()).toEqual(['10']);
    expectTtlAbove(4_900);
  });

  it('another type ends them, and MULTI ends them once', () => {
    clients[0]?.run('MULTI');
    clients[0]?.run(`INCR ${KEY}`);
    clients[0]?.run(`INCR ${KEY}`);
    expect(ask('EXEC')).toBe('[:31 :32]');
    expect(siblings()).toEqual(['32']);
    apart(`SET ${KEY} 1`, `SET ${KEY} 2`);
    ask(`DEL ${KEY}`);
    expect(ask(`SADD ${KEY} m`)).toBe('1');
    expect(everywhere(`TYPE ${KEY}`)).toBe('set');
    expect(everywhere(`SMEMBERS ${KEY}`)).toBe('~["m"]');
  });
});

describe('what several siblings show', () => {
  it('INCR is refused by what shows', () => {
    apart(`SET ${KEY} 1`, `SET ${KEY} two`);
    expect(ask(`INCR ${KEY}`)).toBe('-ERR value is not an integer or out of range');
    expect(siblings()).toEqual(['1', 'two']);
  });

  it('with a resolver is what it makes of all, and what is counted is that', () => {
    const classes = classesOf(
      siblingClass('cart:*', { conflict: { kind: 'resolver', name: 'max', module: null } }),
      siblingClass('least:*', { conflict: { kind: 'resolver', name: 'min', module: null } }),
    );
    regions = new VirtualRegions({ classes });
    clients = [EAST, WEST, ASIA].map((region) => regions.connect(region));
    apart(`SET ${KEY} 7`, `SET ${KEY} 11`, `SET ${KEY} 9`);
    expect(siblings()).toEqual(['7', '11', '9']);
    expect(everywhere(`GET ${KEY}`)).toBe('"11"');
    expect(ask(`INCR ${KEY}`)).toBe('12');
    expect(siblings()).toEqual(['12']);
    apart('SET least:1 7', 'SET least:1 11', 'SET least:1 9');
    expect(everywhere('GET least:1')).toBe('"7"');
    // what a resolver can make nothing of shows the latest
    apart(`SET ${KEY} 99`, `SET ${KEY} none`, `SET ${KEY} 1`);
    expect(everywhere(`GET ${KEY}`)).toBe('"1"');
    expect(siblings()).toEqual(['99', 'none', '1']);
  });
});
