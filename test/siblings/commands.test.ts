import type { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { configOf } from '../server/peer-rig.ts';
import { introduceServers, ServerRig } from '../server/server-rig.ts';
import { classesIn, folderWith } from './rule-folder.ts';

const RULES = `classes:
  - match: ["sib:*"]
    conflict: siblings
  - match: ["merge:*"]
    conflict: { resolver: newest-by-field }
  - match: ["max:*"]
    conflict: { resolver: max }
  - match: ["rank:*"]
    conflict: { region-priority: [eu-west-1, us-east-1] }
  - match: ["mine:*"]
    conflict: { resolver: ./rules/merge.js }
`;

const MERGE = `export function resolve(siblings) {
  const [first] = siblings;
  if (first.value === 'throw') throw new Error('no way');
  if (first.value === 'loop') for (;;);
  if (first.value === 'chance') return String(Math.random());
  return siblings.map(({ value, node }) => node + '=' + value).sort().join(' ');
}
`;

interface Kept {
  readonly rule: string;
  readonly view: string | null;
  readonly siblings: readonly (readonly [value: string, dot: string, stampMs: number, expiryMs: number | null])[];
  readonly error: string | null;
}

async function siblingsOf(client: Redis, key: string): Promise<Kept> {
  const flat = (await client.call('CW.SIBLINGS', key)) as unknown[];
  const pairs = Array.from({ length: flat.length / 2 }, (_, at) => [flat[at * 2], flat[at * 2 + 1]]);
  return Object.fromEntries(pairs) as Kept;
}

const startIn = (folder: string, index: number, size: number): Promise<ServerRig> =>
  ServerRig.start(configOf(index, size, classesIn(folder, RULES)));

/** Nodes of three regions that have not heard of each other. */
async function threeRegions(): Promise<{ readonly rigs: readonly ServerRig[]; readonly clients: readonly Redis[] }> {
  const folder = folderWith(MERGE);
  const rigs = await Promise.all([0, 1, 2].map((index) => startIn(folder, index, 3)));
  await Promise.all(rigs.map(({ server }) => server.ready));
  return { rigs, clients: rigs.map((rig) => rig.client()) };
}

/** Each region writes its own value of a key, none having seen another's. */
async function writeApart(clients: readonly Redis[], key: string, values: readonly string[]): Promise<void> {
  for (const [index, client] of clients.entries()) await client.set(key, values[index] ?? '');
}

/** Fulfilled once all regions have what each wrote before this; no key of theirs is looked at before. */
async function replicated(rigs: readonly ServerRig[], clients: readonly Redis[]): Promise<void> {
  for (const [index, client] of clients.entries()) await client.set(`last:${index}`, 'v');
  await introduceServers(rigs);
  const lasts = clients.map((_, index) => `last:${index}`);
  for (const client of clients) await expect.poll(() => client.exists(...lasts)).toBe(lasts.length);
}

/** What all regions show of a key, once that is the same in all and as many siblings. */
async function settled(clients: readonly Redis[], key: string, count: number): Promise<Kept> {
  const all = (): Promise<Kept[]> => Promise.all(clients.map((client) => siblingsOf(client, key)));
  await expect.poll(async () => new Set((await all()).map((kept) => JSON.stringify(kept))).size).toBe(1);
  const [kept] = await all();
  if (kept === undefined) throw new Error('there are no regions');
  expect(kept.siblings).toHaveLength(count);
  return kept;
}

describe('V5: three regions that write one key during a cut', () => {
  test('show the same siblings and the same view afterwards, until CW.RESOLVE ends it everywhere', async () => {
    const { rigs, clients } = await threeRegions();
    await writeApart(clients, 'sib:1', ['one', 'two', 'three']);
    await writeApart(clients, 'merge:1', ['{"a":1,"b":1}', '{"b":2}', '{"c":3}']);
    await writeApart(clients, 'max:1', ['5', '30', '7']);
    await writeApart(clients, 'mine:1', ['x', 'y', 'z']);
    await writeApart(clients, 'rank:1', ['one', 'two', 'three']);
    await writeApart(clients, 'plain', ['x', 'y', 'z']);
    await replicated(rigs, clients);

    const sib = await settled(clients, 'sib:1', 3);
    expect(sib).toMatchObject({ rule: 'siblings', view: 'three', error: null });
    expect(sib.siblings.map(([value, dot]) => [value, dot.split('#')[0]])).toEqual([
      ['three', 'ap-southeast-1/a'],
      ['two', 'eu-west-1/a'],
      ['one', 'us-east-1/a'],
    ]);
    expect(await settled(clients, 'merge:1', 3)).toMatchObject({
      rule: 'resolver newest-by-field',
      view: '{"a":1,"b":2,"c":3}',
    });
    expect(await settled(clients, 'max:1', 3)).toMatchObject({ rule: 'resolver max', view: '30' });
    expect(await settled(clients, 'mine:1', 3)).toMatchObject({
      rule: 'resolver ./rules/merge.js',
      view: 'ap-southeast-1/a=z eu-west-1/a=y us-east-1/a=x',
      error: null,
    });
    expect(await settled(clients, 'rank:1', 3)).toMatchObject({
      rule: 'region-priority eu-west-1 us-east-1',
      view: 'two',
      error: null,
    });
    expect(await settled(clients, 'plain', 1)).toMatchObject({ rule: 'lww', view: 'z' });
    for (const client of clients) {
      expect(await client.mget('sib:1', 'merge:1', 'max:1')).toEqual(['three', '{"a":1,"b":2,"c":3}', '30']);
      expect(await client.call('CW.DIGEST')).toBe(await clients[0]?.call('CW.DIGEST'));
    }

    const [here, there] = clients as [Redis, Redis];
    const oldest = sib.siblings[2]?.[1] ?? '';
    await here.call('CW.RESOLVE', 'sib:1', 'PICK', oldest, 'IF', ...sib.siblings.map(([, dot]) => dot));
    await there.call('CW.RESOLVE', 'merge:1', 'VIEW');
    await there.call('CW.RESOLVE', 'mine:1', 'VALUE', 'end');
    expect(await settled(clients, 'sib:1', 1)).toMatchObject({ view: 'one' });
    expect(await settled(clients, 'merge:1', 1)).toMatchObject({ view: '{"a":1,"b":2,"c":3}' });
    expect(await settled(clients, 'mine:1', 1)).toMatchObject({ view: 'end' });
  });

  test('a module that throws, loops or asks for chance is named, and replication goes on', async () => {
    const { rigs, clients } = await threeRegions();
    for (const how of ['throw', 'loop', 'chance']) await writeApart(clients, `mine:${how}`, [how, 'two', 'three']);
    await replicated(rigs, clients);
    for (const [how, error] of [
      ['throw', 'it threw Error: no way (./rules/merge.js:3'],
      ['loop', 'it did not end within'],
      ['chance', 'it threw Error: Math.random is not offered to resolvers: every node must get the same result'],
    ] as const) {
      const kept = await settled(clients, `mine:${how}`, 3);
      expect(kept.view).toBe('three');
      expect(kept.error).toContain(error);
    }
    const [here, there] = clients as [Redis, Redis];
    // views are made once, not at each read
    for (let round = 0; round < 5; round++) expect(await here.get('mine:loop')).toBe('three');
    await here.set('other', 'v');
    expect(await here.wait(2, 20_000)).toBe(2);
    expect(await there.get('other')).toBe('v');
    expect(await here.info('classes')).toMatch(
      /resolver0:class="mine:\*",resolver=\.\/rules\/merge\.js,failures=3,last_failure="it threw Error: Math\.random is not offered/,
    );
    const metrics = await (await rigs[0]?.http('/metrics'))?.text();
    expect(metrics).toContain('causeway_resolver_failures_total{class="mine:*",resolver="./rules/merge.js"} 3\n');
    await there.call('CW.RESOLVE', 'mine:loop', 'VALUE', 'end');
    expect(await settled(clients, 'mine:loop', 1)).toMatchObject({ view: 'end', error: null });
  });
});

describe('C1: a module', () => {
  test.each([
    ['is not there', null, /merge\.js: the resolver ENOENT/],
    ['is too long', `//${'x'.repeat(256 * 1024)}\n${MERGE}`, /merge\.js: the resolver expected at most 262144 bytes/],
    ['has an error in its syntax', '\nexport function resolve( {', /rules\/merge\.js:2: the resolver SyntaxError/],
    ['exports no resolve', 'export const x = 1', /rules\/merge\.js: the resolver exports no function "resolve"/],
  ])('stops the start where it %s', async (_, code, message) => {
    await expect(startIn(folderWith(code), 0, 1)).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringMatching(message),
    });
  });
});

describe('on one node', () => {
  async function oneNode(): Promise<Redis> {
    const rig = await startIn(folderWith(MERGE), 0, 1);
    await rig.server.ready;
    return rig.client();
  }

  test('CW.SIBLINGS of a key with one write, of none, and of another type', async () => {
    const client = await oneNode();
    await client.set('sib:1', 'v', 'PXAT', 4_000_000_000_000);
    const kept = await siblingsOf(client, 'sib:1');
    expect(kept).toMatchObject({ rule: 'siblings', view: 'v', error: null });
    expect(kept.siblings).toHaveLength(1);
    expect(kept.siblings[0]?.[1]).toMatch(/^us-east-1\/a#\d+:\d+$/);
    expect(Math.abs((kept.siblings[0]?.[2] ?? 0) - Date.now())).toBeLessThan(600_000);
    expect(kept.siblings[0]?.[3]).toBe(4_000_000_000_000);
    expect(await siblingsOf(client, 'plain')).toEqual({ rule: 'lww', view: null, siblings: [], error: null });
    await client.hset('h', 'f', 'v');
    await expect(client.call('CW.SIBLINGS', 'h')).rejects.toThrow(/^WRONGTYPE/);
    await expect(client.call('CW.RESOLVE', 'h', 'VIEW')).rejects.toThrow(/^WRONGTYPE/);
  });

  test('CW.RESOLVE keeps the expiry, takes what was named only, and writes nothing where nothing is to end', async () => {
    const client = await oneNode();
    await client.set('sib:1', 'v', 'PXAT', 4_000_000_000_000);
    const dot = (await siblingsOf(client, 'sib:1')).siblings[0]?.[1] ?? '';
    const vector = await client.call('CW.VECTOR');
    expect(await client.call('CW.RESOLVE', 'sib:1', 'VIEW')).toBe('OK');
    expect(await client.call('CW.RESOLVE', 'sib:1', 'PICK', dot, 'IF', dot)).toBe('OK');
    expect(await client.call('CW.VECTOR')).toEqual(vector);
    await expect(client.call('CW.RESOLVE', 'sib:1', 'VALUE', 'w', 'IF', dot, 'x#1:1')).rejects.toThrow(
      `CHANGED the siblings are not those named; the key has ${dot}`,
    );
    await expect(client.call('CW.RESOLVE', 'sib:1', 'PICK', 'x#1:1')).rejects.toThrow(
      'CHANGED the sibling is not there',
    );
    expect(await client.call('CW.RESOLVE', 'sib:1', 'VALUE', 'w', 'IF', dot)).toBe('OK');
    expect(
      await client.call(
        'CW.RESOLVE',
        'sib:1',
        'VALUE',
        '',
        'if',
        (await siblingsOf(client, 'sib:1')).siblings[0]?.[1] ?? '',
      ),
    ).toBe('OK');
    expect(await client.get('sib:1')).toBe('');
    expect(await client.pexpiretime('sib:1')).toBe(4_000_000_000_000);
    await expect(client.call('CW.RESOLVE', 'absent', 'VIEW')).rejects.toThrow('ERR no such key');
  });

  test.each([
    ['VIEW', 'x'],
    ['VIEW', 'IF'],
    ['PICK'],
    ['VALUE'],
    ['VALUE', 'v', 'IF'],
    ['VALUE', 'v', 'WHEN', 'x'],
    ['BEST'],
  ])('CW.RESOLVE key %s %s %s is a syntax error', async (...words) => {
    const client = await oneNode();
    await client.set('sib:1', 'v');
    await expect(client.call('CW.RESOLVE', 'sib:1', ...words.filter((word) => word !== undefined))).rejects.toThrow(
      'ERR syntax error',
    );
  });

  test('they are commands of strings, with keys', async () => {
    const client = await oneNode();
    const [siblings, resolve] = (await client.call('COMMAND', 'INFO', 'CW.SIBLINGS', 'CW.RESOLVE')) as unknown[][];
    expect(siblings?.slice(0, 6)).toEqual(['cw.siblings', 2, ['readonly'], 1, 1, 1]);
    expect(resolve?.slice(0, 6)).toEqual(['cw.resolve', -3, ['write', 'denyoom'], 1, 1, 1]);
    expect(resolve?.[6]).toEqual(['@write', '@string', '@slow']);
    expect(await client.call('COMMAND', 'GETKEYS', 'CW.RESOLVE', 'k', 'VIEW')).toEqual(['k']);
  });
});
