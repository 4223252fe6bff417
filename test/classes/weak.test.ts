import { describe, expect, test } from 'vitest';
import { introduceServers } from '../server/server-rig.ts';
import { temporaryFolder } from '../server/peer-rig.ts';
import { startWithClasses, twoRegions, written } from './class-rig.ts';

const CLASSES = `classes:
  - match: ["scratch:*"]
    consistency: weak
`;

describe('C3: weak keys', () => {
  test('do all that other keys do, at their node alone, and make no transaction', async () => {
    const { here, there } = await twoRegions(CLASSES);
    await here.set('plain', 'v');
    await written(here);
    const vector = await here.call('CW.VECTOR');
    const digest = await there.call('CW.DIGEST');

    await here.set('scratch:s', '1');
    await here.incr('scratch:s');
    await here.append('scratch:s', '0');
    await here.hset('scratch:h', 'f', 'v', 'g', 'w');
    await here.hdel('scratch:h', 'g');
    await here.hincrby('scratch:h', 'n', 3);
    await here.sadd('scratch:m', 'a', 'b');
    await here.srem('scratch:m', 'a');
    await here.incrby('scratch:n', 5);
    await here.set('scratch:t', 'v');
    await here.sadd('scratch:u', 'x');
    await here.set('scratch:u', 'now a string');
    await here.rename('scratch:t', 'scratch:r');
    await here.del('scratch:n');

    expect(await here.get('scratch:s')).toBe('20');
    expect(await here.hgetall('scratch:h')).toEqual({ f: 'v', n: '3' });
    expect(await here.smembers('scratch:m')).toEqual(['b']);
    expect(await here.mget('scratch:t', 'scratch:r', 'scratch:n', 'scratch:u')).toEqual([
      null,
      'v',
      null,
      'now a string',
    ]);
    expect((await here.keys('scratch:*')).toSorted()).toEqual(
      ['h', 'm', 'r', 's', 'u'].map((name) => `scratch:${name}`),
    );
    expect(await here.dbsize()).toBe(6);

    expect(await here.call('CW.VECTOR')).toEqual(vector);
    expect(await here.call('CW.DIGEST')).toBe(digest);
    await here.set('plain', 'w');
    await written(here);
    expect(await there.keys('*')).toEqual(['plain']);
    expect(await there.call('CW.DIGEST')).toBe(await here.call('CW.DIGEST'));
  });

  test('may be documents, whose history is dropped', async () => {
    const { here, there } = await twoRegions(CLASSES);
    const vector = await here.call('CW.VECTOR');
    const document = { name: 'x', list: [1], inner: { n: 1 } };
    await here.call('JSON.SET', 'scratch:d', '$', JSON.stringify(document));
    await here.call('JSON.NUMINCRBY', 'scratch:d', '$.inner.n', '4');
    await here.call('JSON.ARRAPPEND', 'scratch:d', '$.list', '2');
    const read = async (): Promise<unknown> => JSON.parse(String(await here.call('JSON.GET', 'scratch:d')));
    expect(await read()).toEqual({ name: 'x', list: [1, 2], inner: { n: 5 } });
    const bytes = async (): Promise<number> => Number(await here.call('MEMORY', 'USAGE', 'scratch:d'));
    const short = await bytes();
    for (let round = 0; round < 20; round++) {
      const pipeline = here.pipeline();
      for (let edit = 0; edit < 50; edit++) pipeline.call('JSON.SET', 'scratch:d', '$.name', `"${round}:${edit}"`);
      await pipeline.exec();
    }
    await expect.poll(bytes).toBeLessThan(short + 1_500);
    expect(await read()).toEqual({ name: '19:49', list: [1, 2], inner: { n: 5 } });
    expect(await here.call('CW.VECTOR')).toEqual(vector);
    await here.call('JSON.DEL', 'scratch:d');
    expect(await here.dbsize()).toBe(0);
    expect(await there.dbsize()).toBe(0);
  });

  test('of two regions have nothing to do with each other', async () => {
    const { here, there } = await twoRegions(CLASSES);
    await here.set('scratch:1', 'here');
    await there.set('scratch:1', 'there');
    await here.multi().set('plain', '1').set('scratch:2', 'v').exec();
    await written(here);
    expect(await there.mget('plain', 'scratch:1', 'scratch:2')).toEqual(['1', 'there', null]);
    expect(await here.mget('plain', 'scratch:1', 'scratch:2')).toEqual(['1', 'here', 'v']);
  });

  test('FLUSHALL of any region clears them all', async () => {
    const { here, there } = await twoRegions(CLASSES);
    await here.mset('scratch:1', 'v', 'plain', 'v');
    await there.set('scratch:2', 'v');
    await written(here);
    await here.flushall();
    await written(here);
    expect(await here.dbsize()).toBe(0);
    expect(await there.dbsize()).toBe(0);
    await there.set('scratch:2', 'w');
    expect(await there.get('scratch:2')).toBe('w');
  });

  test('expire, are counted until then, and tell those who watch and listen', async () => {
    const rig = await startWithClasses(CLASSES);
    await rig.server.ready;
    const [client, listener, watcher] = [rig.client(), rig.client(), rig.client()];
    await client.config('SET', 'notify-keyspace-events', 'KEA');
    const events: string[] = [];
    listener.on('message', (channel, event) => events.push(`${channel.split(':').at(-1)} ${event}`));
    await listener.subscribe('__keyspace@0__:scratch:1');
    await watcher.watch('scratch:1');
    // in one piece, or it may have expired before it is counted
    const counted = await client.multi().set('scratch:1', 'v', 'PX', 60).dbsize().exec();
    expect(counted?.[1]).toEqual([null, 1]);
    expect(await watcher.multi().set('plain', 'v').exec()).toBeNull();
    await expect.poll(() => events).toEqual(['1 set', '1 expire', '1 expired']);
    expect(await client.dbsize()).toBe(0);
    await client.hset('scratch:1', 'f', 'v');
    expect(await client.type('scratch:1')).toBe('hash');
    expect(await client.pttl('scratch:1')).toBe(-1);
  });

  test('are not in the snapshot that a region gets which comes later', async () => {
    const first = await startWithClasses(CLASSES, 0, 2);
    const client = first.client();
    await expect.poll(() => client.ping().catch(() => null)).toBe('PONG');
    await expect.poll(() => client.set('scratch:1', 'v').catch(() => null)).toBe('OK');
    await client.set('plain', 'v');
    const second = await startWithClasses(CLASSES, 1, 2);
    await introduceServers([first, second]);
    const there = second.client();
    await expect.poll(() => there.keys('*')).toEqual(['plain']);
    expect(await there.call('CW.DIGEST')).toBe(await client.call('CW.DIGEST'));
    expect(await client.get('scratch:1')).toBe('v');
  });

  test('are not on disk; what was stored under them before they were weak is dropped', async () => {
    const dataDir = temporaryFolder();
    const restart = async (text: string) => {
      const rig = await startWithClasses(text, 0, 1, { dataDir });
      await rig.server.ready;
      return { rig, client: rig.client() };
    };
    const first = await restart('classes: []');
    await first.client.mset('scratch:old', 'v', 'plain', 'v');
    await first.rig.server.close();

    const second = await restart(CLASSES);
    expect(await second.client.keys('*')).toEqual(['plain']);
    await second.client.mset('scratch:new', 'v', 'scratch:old', 'w', 'other', 'v');
    await second.rig.server.close();

    const third = await restart('classes: []');
    expect((await third.client.keys('*')).toSorted()).toEqual(['other', 'plain']);
  });
});
