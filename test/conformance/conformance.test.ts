import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunningServer } from '../../src/server/server-types.ts';
import { startLoneServer } from './own-server.ts';
import { COMPARED_VERSION, findRedisServer, RealRedis } from './real-redis.ts';
import { playScript, readScript } from './script.ts';

const executable = findRedisServer();
const scripts = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.txt'))
  .map((name) => ({ name, text: readFileSync(join(import.meta.dirname, name), 'utf8') }));

let own: RunningServer;
let redis: RealRedis | null = null;

beforeAll(async () => {
  own = await startLoneServer();
  if (executable !== null) redis = await RealRedis.start(executable);
});

afterAll(async () => {
  await own.close();
  await redis?.stop();
});

describe.each(scripts)('conformance script $name', ({ text }) => {
  test('is what we reply', async () => {
    expect(readScript(text).requests.length).toBeGreaterThan(10);
    expect(await playScript(readScript(text), own.ports.resp)).toBe(text);
  });

  test.runIf(executable !== null)('is what a real Redis replies', async () => {
    expect(await playScript(readScript(text), redis?.port ?? 0)).toBe(text);
  });
});

test('says what it was compared with', async () => {
  if (redis === null) {
    process.stderr.write(
      '\nNO redis-server ON THE PATH: the scripts hold the replies that Redis 7.0.15 gave when they were written\n\n',
    );
  }
  const version = (await redis?.version()) ?? `${COMPARED_VERSION}.15`;
  expect(version.startsWith(`${COMPARED_VERSION}.`), `redis ${version} is the version to compare with`).toBe(true);
});
