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
  else
    process.stderr.write(
      `\nNO redis-server ON THE PATH: compared only with replies of Redis ${COMPARED_VERSION} in the scripts\n\n`,
    );
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

test.runIf(executable !== null)('the real Redis is of the version that the scripts were written with', async () => {
  expect(await redis?.version()).toMatch(new RegExp(`^${COMPARED_VERSION}\\.`));
});
