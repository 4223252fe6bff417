import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { createLog } from '../../src/adapters/pino-log.ts';
import { systemClock } from '../../src/adapters/system-clock.ts';
import type { WarmConfig } from '../../src/server/warm-config.ts';
import { WarmUp, type WarmUpOptions } from '../../src/server/warm-up.ts';
import { REAL, runToEnd } from '../cli/programs.ts';
import { configOf, temporaryFolder } from './peer-rig.ts';
import { ServerRig } from './server-rig.ts';

const KEYS = 6_000;
const HOT = 200;
/** Some may have gone before it was their turn to be used once more. */
const FEW = 20;
/** About half of what the values take. */
const MEMORY_MAX = 4 * 1024 * 1024;
const LONG_MS = 60_000;

const keysFrom = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `key:${from + at}`);
const valueOf = (key: string): string => `${key}:`.padEnd(1_000, 'v');

async function start(dataDir: string, changes: Partial<WarmConfig>): Promise<[ServerRig, Redis]> {
  const warm = { hot: true, recordEveryMs: 50, keysFile: null, waitMs: LONG_MS, ...changes };
  const limits = { memoryBytesMax: MEMORY_MAX };
  const rig = await ServerRig.start(configOf(0, 1, { dataDir, limits, warm }));
  await rig.server.ready;
  return [rig, rig.client()];
}

const readsFromDisk = async (client: Redis): Promise<number> =>
  Number(/^refilled_keys:(\d+)/m.exec(await client.info('stats'))?.[1]);

/** How many values a read of some keys takes from disk; they are right. */
async function readsOf(client: Redis, keys: readonly string[]): Promise<number> {
  const before = await readsFromDisk(client);
  expect(await client.mget(...keys)).toEqual(keys.map(valueOf));
  return (await readsFromDisk(client)) - before;
}

test('a node that starts again has in memory what was used most before, and what a list names', async () => {
  const dataDir = temporaryFolder();
  const [rig, client] = await start(dataDir, {});
  for (let from = 0; from < KEYS; from += 100)
    await client.mset(...keysFrom(from, 100).flatMap((key) => [key, valueOf(key)]));
  const hot = keysFrom(0, HOT);
  for (let time = 0; time < 4; time++) await client.mget(...hot);
  const recorded = (): string[] => readFileSync(join(dataDir, 'hot-keys'), 'utf8').split('\n');
  await expect.poll(() => hot.every((key) => recorded().includes(key)), { timeout: LONG_MS }).toBe(true);
  await rig.server.close();

  const [again, second] = await start(dataDir, {});
  expect(await readsOf(second, hot)).toBeLessThan(FEW);
  // they are hot still, though each was read only once and by the node itself, or twice
  const rounds = (): number => statSync(join(dataDir, 'hot-keys')).mtimeMs;
  const before = rounds();
  await expect.poll(rounds, { timeout: LONG_MS }).toBeGreaterThan(before);
  expect(hot.filter((key) => !recorded().includes(key))).toEqual([]);
  await again.server.close();

  // without it they are on disk
  const [cold, third] = await start(dataDir, { hot: false });
  expect(await readsOf(third, hot)).toBeGreaterThan(HOT / 2);
  await cold.server.close();

  const keysFile = join(temporaryFolder(), 'keys.txt');
  const named = keysFrom(300, HOT);
  writeFileSync(keysFile, `${named.join('\r\n')}\n\nmissing\n`);
  const [, fourth] = await start(dataDir, { hot: false, keysFile });
  expect(await readsOf(fourth, named)).toBeLessThan(FEW);
});

test('causeway warm reads the keys of a file at nodes that run, and says what came of it', async () => {
  const [rig, client] = await start(temporaryFolder(), { hot: false });
  const keys = keysFrom(0, 100);
  await client.mset(...keys.flatMap((key) => [key, valueOf(key)]));
  await client.hset('hash', 'f', 'v');
  const file = join(temporaryFolder(), 'keys.txt');
  writeFileSync(file, `${keys.join('\n')}\nhash\nmissing\n`);
  const node = `127.0.0.1:${rig.server.ports.resp}`;
  const hits = async (): Promise<number> => Number(/^keyspace_hits:(\d+)/m.exec(await client.info('stats'))?.[1]);
  const before = await hits();
  const { code, output } = await runToEnd(REAL, ['warm', file, '--nodes', node]);
  expect(output).toContain(`${node}: 100 of 102 keys have a value`);
  expect(code).toBe(0);
  expect((await hits()) - before).toBeGreaterThanOrEqual(100);
  await client.config('SET', 'requirepass', 'secret');
  const refused = await runToEnd(REAL, ['warm', file, '--nodes', node]);
  expect(refused.code).toBe(1);
  expect(refused.output).toContain('NOAUTH');
  expect((await runToEnd(REAL, ['warm', `${file}.not`, '--nodes', node])).code).toBe(2);
});

test('what a list names stays in memory where it is more than what was used once gets of it', async () => {
  const [rig, client] = await start(temporaryFolder(), { hot: false });
  for (let from = 0; from < KEYS; from += 100)
    await client.mset(...keysFrom(from, 100).flatMap((key) => [key, valueOf(key)]));
  const named = keysFrom(4_000, 1_000);
  const file = join(temporaryFolder(), 'keys.txt');
  writeFileSync(file, `${named.join('\n')}\n`);
  const { output } = await runToEnd(REAL, ['warm', file, '--nodes', `127.0.0.1:${rig.server.ports.resp}`]);
  expect(output).toContain('1000 of 1000 keys have a value');
  expect(await readsOf(client, named)).toBeLessThan(named.length / 10);
});

test('readiness waits for it, and not for ever', async () => {
  const keysFile = join(temporaryFolder(), 'keys.txt');
  writeFileSync(keysFile, 'a\nb\n');
  let nowMs = 0;
  let isStarted = false;
  let answer: () => void = () => undefined;
  const answered = new Promise<null>((resolve) => (answer = () => resolve(null)));
  const asked: unknown[] = [];
  const options = (waitMs: number): WarmUpOptions => ({
    config: { hot: false, recordEveryMs: LONG_MS, keysFile, waitMs },
    dataDir: null,
    engine: {
      keys: { scan: () => 0 },
      nowMs: () => nowMs,
      refusal: () => (isStarted ? null : new Error('loading')),
      node: { classes: { policy: { classOf: () => ({}) } } },
    } as unknown as WarmUpOptions['engine'],
    clock: { ...systemClock, monotonicMs: () => nowMs },
    log: createLog({ level: 'silent', format: 'json', fields: {} }),
    openSession: () => ({
      call: async (args) => {
        asked.push(args.map(String));
        return await answered;
      },
      close: () => undefined,
    }),
  });
  const warm = new WarmUp(options(1_000));
  warm.look();
  expect([asked, warm.unreadyReasons()]).toEqual([[], ['warming: not begun']]);
  isStarted = true;
  warm.look();
  expect(warm.unreadyReasons()).toEqual(['warming: 0 of 2 keys read']);
  nowMs = 1_000;
  expect(warm.unreadyReasons()).toEqual([]);
  nowMs = 500;
  answer();
  await expect.poll(() => warm.unreadyReasons()).toEqual([]);
  expect(asked.slice(1)).toEqual([['TOUCH', 'a', 'b']]);
  warm.close();
});
