import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RespClient } from '../../src/cli/resp-client.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';

const [EAST, WEST, ASIA] = ['us-east-1/a', 'eu-west-1/a', 'ap-southeast-1/a'];

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => cluster.stop());

const cutAsiaOff = async (): Promise<void> => {
  await Promise.all([cluster.cut('us-east-1', 'ap-southeast-1'), cluster.cut('eu-west-1', 'ap-southeast-1')]);
};
const heal = async (): Promise<void> => {
  await Promise.all([cluster.heal('us-east-1', 'ap-southeast-1'), cluster.heal('eu-west-1', 'ap-southeast-1')]);
};
const tokenOf = async (client: RespClient): Promise<string> => String(await client.send('CW.TOKEN'));

describe('S1: a session between real regions', () => {
  test('is behind in the region that is cut off, and reads its writes there as soon as that is over', async () => {
    const east = await cluster.connect(EAST);
    await cutAsiaOff();
    await east.send('SET', 'session:1', 'mine');
    expect(await east.send('GET', 'session:1')).toBe('mine');
    const token = await tokenOf(east);
    expect(token.length).toBeLessThan(200);

    // without the token it may read what was before
    const stranger = await cluster.connect(ASIA);
    expect(await stranger.send('GET', 'session:1')).toBeNull();
    const asia = await cluster.connect(ASIA);
    await expect(asia.send('CW.ATTACH', token, 'TIMEOUT', '150')).rejects.toThrow(
      /BEHIND ap-southeast-1\/a does not have us-east-1\/a#\d+:\d+ of the session after 150 ms/,
    );
    const attached = asia.send('CW.ATTACH', token, 'TIMEOUT', '60000');
    // sent behind it, so read after it; others are served meanwhile
    const read = asia.send('GET', 'session:1');
    expect(await stranger.send('GET', 'session:1')).toBeNull();
    await heal();
    expect(await attached).toBe('OK');
    expect(await read).toBe('mine');
  });

  test('at level session answers nothing from before, and what waits is answered in its turn', async () => {
    const [east, asia] = await Promise.all([cluster.connect(EAST), cluster.connect(ASIA)]);
    await east.send('SET', 'removed', 'old');
    await until(async () => (await asia.send('GET', 'removed')) === 'old');
    await cutAsiaOff();
    expect(await east.send('DEL', 'removed')).toBe(1);
    expect(await east.send('GET', 'removed')).toBeNull();
    const token = await tokenOf(east);
    const replies = await Promise.allSettled([
      asia.send('CW.LEVEL', 'session'),
      asia.send('CW.ATTACH', token, 'TIMEOUT', '100'),
      asia.send('GET', 'removed'),
      asia.send('PING'),
      asia.send('MULTI'),
      asia.send('GET', 'removed'),
      asia.send('EXEC'),
      asia.send('GET', 'removed'),
      asia.send('ECHO', 'last'),
    ]);
    const texts = replies.map((reply) =>
      reply.status === 'fulfilled'
        ? String(reply.value)
        : String(reply.reason)
            .replace(/^Error: /, '')
            .slice(0, 40),
    );
    expect(texts).toEqual([
      'OK',
      expect.stringContaining('BEHIND ap-southeast-1/a'),
      expect.stringContaining('BEHIND ap-southeast-1/a'),
      'PONG',
      'OK',
      'QUEUED',
      expect.stringContaining('EXECABORT'),
      expect.stringContaining('BEHIND ap-southeast-1/a'),
      'last',
    ]);
    await heal();
    await until(async () => {
      const [shown] = await Promise.allSettled([asia.send('GET', 'removed')]);
      // behind, or gone: never the old value
      if (shown.status === 'fulfilled') expect(shown.value).toBeNull();
      return shown.status === 'fulfilled';
    });
  });

  test('survives the node that it came from: what was read there is asked for elsewhere', async () => {
    const [east, west] = await Promise.all([cluster.connect(EAST), cluster.connect(WEST)]);
    await east.send('SET', 'moved', '1');
    const token = await tokenOf(east);
    await until(async () => (await west.send('GET', 'moved')) === '1');
    await cluster.act('kill', EAST);
    const moved = await cluster.connect(WEST);
    expect(await moved.send('CW.ATTACH', token)).toBe('OK');
    expect(await moved.send('GET', 'moved')).toBe('1');
    const carried = await tokenOf(moved);
    await cluster.act('start', EAST);
    const back = await cluster.connect(EAST);
    expect(await back.send('CW.ATTACH', carried, 'TIMEOUT', '20000')).toBe('OK');
    expect(await back.send('GET', 'moved')).toBe('1');
  });
});
