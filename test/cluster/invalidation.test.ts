import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RespClient } from '../../src/cli/resp-client.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';

const [EAST, WEST, ASIA] = ['us-east-1/a', 'eu-west-1/a', 'ap-southeast-1/a'];

let cluster: TestCluster;
let regions: readonly RespClient[];
beforeAll(async () => {
  cluster = await startCluster();
  regions = await Promise.all([EAST, WEST, ASIA].map((id) => cluster.connect(id)));
});
afterAll(async () => cluster.stop());

/** Fulfilled once no region shows any of the keys, and each shows those that were to stay. */
async function untilGone(keys: readonly string[], staying: readonly string[]): Promise<void> {
  for (const region of regions) await until(async () => (await region.send('EXISTS', ...keys)) === 0);
  for (const region of regions) expect(await region.send('EXISTS', ...staying)).toBe(staying.length);
}

async function metric(id: string, line: string): Promise<number> {
  const text = await (await fetch(`${cluster.http(id)}/metrics`)).text();
  const found = text.split('\n').find((each) => each.startsWith(`${line} `));
  return Number(found?.slice(line.length));
}

test('tags, what depends on what, and a delayed one, over a stop of the node that was asked', async () => {
  const [east, west, asia] = regions as [RespClient, RespClient, RespClient];
  const keys = ['tagged:1', 'tagged:2', 'product:1', 'page:1', 'list', 'late:1', 'late:page', 'stays'];
  for (const key of keys) await east.send('SET', key, 'old');
  for (const key of ['tagged:1', 'tagged:2']) await east.send('CW.TAG', key, 'shop');
  await east.send('CW.DEPEND', 'page:1', 'ON', 'product:1');
  await east.send('CW.DEPEND', 'list', 'ON', 'page:1');
  await east.send('CW.DEPEND', 'late:page', 'ON', 'late:1');
  expect(await east.send('WAIT', 2, 30_000)).toBe(2);

  expect(await asia.send('CW.INVALIDATE', 'TAG', 'shop')).toBe(2);
  await untilGone(['tagged:1', 'tagged:2'], ['product:1', 'page:1', 'list', 'stays']);
  expect(await west.send('CW.INVALIDATE', 'KEY', 'product:1')).toBe(3);
  await untilGone(['product:1', 'page:1', 'list'], ['late:1', 'late:page', 'stays']);

  expect(await west.send('CW.INVALIDATE', 'DELAY', '3000', 'KEY', 'late:1')).toBe('OK');
  expect(await west.send('WAIT', 2, 30_000)).toBe(2);
  await cluster.act('kill', WEST ?? '');
  await cluster.act('start', WEST ?? '');
  regions = [east, await cluster.connect(WEST ?? ''), asia];
  await untilGone(['late:1', 'late:page'], ['stays']);

  expect(await metric(ASIA ?? '', 'causeway_invalidate_total{kind="tag",by="made"}')).toBe(1);
  expect(await metric(EAST ?? '', 'causeway_invalidate_total{kind="key",by="heard"}')).toBeGreaterThanOrEqual(1);
  expect(await metric(EAST ?? '', 'causeway_invalidate_lag_seconds_count')).toBeGreaterThanOrEqual(2);
  await until(async () => (await metric(EAST ?? '', 'causeway_invalidate_running')) === 0);
});
