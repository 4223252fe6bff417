import type { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { configOf } from '../server/peer-rig.ts';
import { introduceServers, ServerRig } from '../server/server-rig.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, VirtualRegions } from '../support/virtual-regions.ts';
import { replyText } from '../conformance/reply-value.ts';

const call = (client: VirtualClient, ...words: string[]): string => replyText(client.call(...words));

/** Edits of a document `{"n":1,"s":"a","l":[1],"o":{"m":1}}`, each of which changes it, and what they notify here and elsewhere. */
const EDITS: readonly (readonly [words: readonly string[], here: string, there: string])[] = [
  [['JSON.SET', 'd', '$.n', '2'], 'json.set', 'json.set'],
  [['JSON.SET', 'd', '$.new', '2'], 'json.set', 'json.set'],
  [['JSON.NUMINCRBY', 'd', '$.n', '5'], 'json.numincrby', 'json.numincrby'],
  [['JSON.STRAPPEND', 'd', '$.s', '"b"'], 'json.strappend', 'json.strappend'],
  [['JSON.ARRAPPEND', 'd', '$.l', '2'], 'json.arrappend', 'json.arrappend'],
  // an insertion is an insertion to those who have only its effect, and so is a merge
  [['JSON.ARRINSERT', 'd', '$.l', '0', '2'], 'json.arrinsert', 'json.arrappend'],
  [['JSON.MERGE', 'd', '$.o', '{"m":2}'], 'json.merge', 'json.set'],
  [['JSON.MERGE', 'd', '$.o', '{"m":null}'], 'json.merge', 'json.del'],
  [['JSON.ARRPOP', 'd', '$.l'], 'json.arrpop', 'json.arrpop'],
  [['JSON.DEL', 'd', '$.n'], 'json.del', 'json.del'],
  [['JSON.SET', 'd', '$', '[]'], 'json.set', 'json.set'],
  [['JSON.DEL', 'd', '$'], 'json.del', 'del'],
  [['DEL', 'd'], 'del', 'del'],
];
const DOCUMENT = '{"n":1,"s":"a","l":[1],"o":{"m":1}}';

/** What leaves a document as it is. */
const IDLE: readonly (readonly string[])[] = [
  ['JSON.GET', 'd'],
  ['JSON.DEL', 'd', '$.nothing'],
  ['JSON.SET', 'd', '$.n', '7', 'NX'],
  ['JSON.ARRPOP', 'd', '$.n'],
  ['JSON.SET', 'other', '$', '1'],
];

describe('E7: WATCH of a document', () => {
  for (const [name, at] of [
    ['another client of the node', EAST],
    ['another region', ASIA],
  ] as const) {
    test(`every edit by ${name} breaks it, and what changes nothing does not`, () => {
      const regions = new VirtualRegions();
      const [watcher, writer] = [regions.connect(EAST), regions.connect(at)];
      const executes = (words: readonly string[]): string => {
        expect(call(writer, 'JSON.SET', 'd', '$', DOCUMENT)).toBe('+OK');
        regions.sync();
        expect(call(watcher, 'WATCH', 'd')).toBe('+OK');
        expect(call(writer, ...words)).not.toMatch(/^-/);
        regions.sync();
        call(watcher, 'MULTI');
        call(watcher, 'SET', 'done', 'yes');
        return call(watcher, 'EXEC');
      };
      for (const [words] of EDITS) expect(executes(words), words.join(' ')).toBe('nil');
      for (const words of IDLE) expect(executes(words), words.join(' ')).toBe('[+OK]');
    });
  }

  test('a document that is made breaks the watch of its key, a new generation of one does not', () => {
    const regions = new VirtualRegions();
    const [watcher, writer] = [regions.connect(EAST), regions.connect(ASIA)];
    call(watcher, 'WATCH', 'd');
    call(writer, 'JSON.SET', 'd', '$', '{"n":0}');
    regions.sync();
    call(watcher, 'MULTI');
    expect(call(watcher, 'EXEC')).toBe('nil');

    const other = regions.connect(EAST);
    for (let n = 0; n < 600; n++) {
      call(n % 2 === 0 ? writer : other, 'JSON.SET', 'd', `$.field${n % 10}`, `"overwritten ${n}"`);
      regions.cluster.run(1);
    }
    const isWithAll = (): boolean => /overwritten 598/.test(call(watcher, 'JSON.GET', 'd', '$.field8'));
    expect(regions.cluster.runUntil(isWithAll)).toBe(true);
    const generationOf = (): string => /generation" "([^"]*)"/.exec(call(watcher, 'CW.EXPLAIN', 'd'))?.[1] ?? '';
    const before = generationOf();
    expect(call(watcher, 'WATCH', 'd')).toBe('+OK');
    expect(regions.cluster.runUntil(() => generationOf() !== before)).toBe(true);
    regions.sync();
    call(watcher, 'MULTI');
    expect(call(watcher, 'EXEC')).toBe('[]');
  });
});

describe('E7: notifications of documents', () => {
  /** A connection that hears of every event of keys. */
  async function listener(rig: ServerRig): Promise<{ readonly events: string[] }> {
    const client = rig.client();
    await client.config('SET', 'notify-keyspace-events', 'KEA');
    const events: string[] = [];
    client.on('pmessage', (_pattern, channel: string, key: string) =>
      events.push(`${channel.replace('__keyevent@0__:', '')} ${key}`),
    );
    await client.psubscribe('__keyevent@0__:*');
    return { events };
  }

  test('are those of RedisJSON where the command ran, and elsewhere what can be told of its effect', async () => {
    const rigs = [await ServerRig.start(configOf(0, 2)), await ServerRig.start(configOf(1, 2))] as const;
    await introduceServers(rigs);
    const [here, there] = [await listener(rigs[0]), await listener(rigs[1])];
    const client: Redis = rigs[0].client();
    const [expectedHere, expectedThere]: [string[], string[]] = [[], []];
    for (const [words, atHome, elsewhere] of EDITS) {
      await client.call('JSON.SET', 'd', '$', DOCUMENT);
      const [command = '', ...args] = words;
      await client.call(command, ...args);
      expectedHere.push('json.set d', `${atHome} d`);
      expectedThere.push('json.set d', `${elsewhere} d`);
    }
    for (const [command = '', ...args] of IDLE.slice(0, -1)) await client.call(command, ...args).catch(() => undefined);
    await client.set('end', '1');
    expectedHere.push('set end');
    expectedThere.push('set end');
    for (const { events } of [here, there]) await expect.poll(() => events.at(-1)).toBe('set end');
    expect(here.events).toEqual(expectedHere);
    expect(there.events).toEqual(expectedThere);
  });
});
