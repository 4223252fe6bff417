import { expect, onTestFinished, test, vi } from 'vitest';
import { configOf, temporaryFolder } from '../server/peer-rig.ts';
import { introduceServers, ServerRig } from '../server/server-rig.ts';
import { RealSource } from '../sources/real-source.ts';

const WITHIN = { timeout: 60_000 };

test('nodes compare keys as they run: INFO and the metrics tell how many, and one that is told not to does not', async () => {
  const often = { limits: { monitorKeysPerSecond: 200 } };
  const rigs = await Promise.all([
    ServerRig.start(configOf(0, 2, often)),
    ServerRig.start(configOf(1, 2, { limits: { monitorKeysPerSecond: 0 } })),
  ]);
  await introduceServers(rigs);
  const [first, second] = rigs.map((rig) => rig.client());
  const [here] = rigs;
  for (let at = 0; at < 20; at++) await first?.set(`k${at}`, 'v');
  // the other one looks at nothing and answers nothing
  await vi.waitFor(
    async () => expect(await first?.info('monitor')).toMatch(/compared0:name="default",.*age_ms=\d/),
    WITHIN,
  );
  expect(await second?.info('monitor')).toMatch(/monitor_on:0\r\n$/);
  const metrics = await (await here.http('/metrics')).text();
  expect(metrics).toMatch(/causeway_value_age_seconds\{.*class="default".*\} \d/);
  expect(metrics).toMatch(/causeway_different_total\{.*with="regions".*\} 0/);
});

test('what one node shows the other has looked at', async () => {
  const often = { limits: { monitorKeysPerSecond: 200 } };
  const rigs = await Promise.all([ServerRig.start(configOf(0, 2, often)), ServerRig.start(configOf(1, 2, often))]);
  await introduceServers(rigs);
  const [first, second] = rigs.map((rig) => rig.client());
  await first?.hset('h', 'f', '1');
  await vi.waitFor(async () => expect(await second?.info('monitor')).toMatch(/regions=[1-9]/), WITHIN);
  expect(await second?.info('monitor')).toMatch(/different_regions=0,/);
});

test('a node some of whose values are evicted compares the others, and brings none back', async () => {
  const often = { limits: { monitorKeysPerSecond: 200 } };
  const rigs = await Promise.all([
    ServerRig.start(configOf(0, 2, { ...often, dataDir: temporaryFolder() })),
    ServerRig.start(configOf(1, 2, often)),
  ]);
  await introduceServers(rigs);
  const [first, second] = rigs.map((rig) => rig.client());
  const pairs = Array.from({ length: 600 }, (_, at) => [`k${at}`, `${at}`.padEnd(10_000, 'v')]).flat();
  await first?.config('SET', 'maxmemory', '5mb');
  await first?.mset(...pairs);
  const figure = async (name: string): Promise<number> =>
    Number(new RegExp(`^${name}:(\\d+)`, 'm').exec((await first?.info()) ?? '')?.[1]);
  const compared = async (): Promise<number> =>
    Number(/regions=(\d+)/.exec((await second?.info('monitor')) ?? '')?.[1] ?? 0);
  await vi.waitFor(async () => expect(await figure('evicted_values')).toBeGreaterThan(100), WITHIN);
  const [stubs, before] = [await figure('evicted_values'), await compared()];
  // what it says, and what it answers the other one
  await vi.waitFor(async () => expect(await compared()).toBeGreaterThan(before + 600), WITHIN);
  expect(await first?.info('monitor')).toMatch(/regions=[1-9]\d\d,/);
  expect(await figure('evicted_values')).toBe(stubs);
  expect(await figure('refilled_keys')).toBe(0);
  expect(await first?.info('monitor')).toMatch(/different_regions=0,/);
});

test('what was loaded is compared with its source, and what that says by now takes its place', async () => {
  const source = await RealSource.start();
  onTestFinished(async () => source.stop());
  source.answer = (_path, response) => response.end('old');
  const text = `classes:\n  - match: ["p:*"]\n    source: { url: "${source.url}/{key}", ttl: 10m, early: 0 }\n`;
  const rig = await ServerRig.start(
    configOf(0, 1, {
      classes: { file: 'classes.yaml', text },
      limits: { monitorKeysPerSecond: 200, monitorSourceKeysPerSecond: 10 },
    }),
  );
  await rig.server.ready;
  const client = rig.client();
  expect(await client.get('p:a')).toBe('old');
  const counted = async (what: string): Promise<number> => {
    const metrics = await (await rig.http('/metrics')).text();
    const row = metrics
      .split('\n')
      .find((line) => line.startsWith(`causeway_${what}_total{`) && /p:.*source/.test(line));
    return Number(row?.split(' ').at(-1) ?? 0);
  };
  await vi.waitFor(async () => expect(await counted('compared')).toBeGreaterThan(0), WITHIN);
  expect(await counted('different')).toBe(0);
  source.answer = (_path, response) => response.end('new');
  // nobody says that it changed, and the value is good for ten minutes
  await vi.waitFor(async () => expect(await client.get('p:a')).toBe('new'), WITHIN);
  await vi.waitFor(async () => expect(await counted('repaired')).toBeGreaterThan(0), WITHIN);
});
