import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunningServer } from '../../src/server/server-types.ts';
import { dataCommands } from '../commands-data/harness.ts';
import { startLoneServer } from '../conformance/own-server.ts';
import { findRedisServer, RealRedis } from '../conformance/real-redis.ts';
import { differenceText, runSession, Tally } from './lockstep.ts';
import { randomSessions } from './random-commands.ts';
import { RecordedTarget, type Recording } from './recording.ts';
import { RespTarget, type Target } from './targets.ts';

const SEED = 20_261_121;
const executable = findRedisServer();
const recordedFile = join(import.meta.dirname, '../conformance/recorded/random-sessions.json');

let own: RunningServer;
let ours: RespTarget;

beforeAll(async () => {
  own = await startLoneServer();
  ours = await RespTarget.open(own.ports.resp);
});

afterAll(async () => {
  ours.close();
  await own.close();
});

describe('random commands get the replies of a real Redis', () => {
  test('as it was recorded', async () => {
    const recording = JSON.parse(readFileSync(recordedFile, 'utf8')) as Recording;
    if (executable === null) {
      process.stderr.write(
        `\nNO redis-server ON THE PATH: compared only with replies recorded of Redis ${recording.redisVersion} (${recordedFile})\n\n`,
      );
    }
    let compared = 0;
    for (const recorded of recording.sessions) {
      const result = await runSession(recorded.session, new RecordedTarget(recorded), ours);
      if (result.difference !== null) expect.fail(differenceText(recorded.session, result.difference));
      compared += result.compared;
    }
    expect(compared).toBeGreaterThan(500);
  });

  test.runIf(executable !== null)('as it replies now', async () => {
    const real = await RealRedis.start(executable ?? '');
    const redis: Target = await RespTarget.open(real.port);
    const tally = new Tally();
    process.stdout.write(`random commands, seed ${SEED}\n`);
    try {
      const property = fc.asyncProperty(randomSessions({ requestsMax: 80, withServer: true }), async (session) => {
        const { difference } = await runSession(session, redis, ours, tally);
        if (difference !== null) throw new Error(differenceText(session, difference));
      });
      await fc.assert(property, {
        seed: SEED,
        numRuns: 300,
        interruptAfterTimeLimit: 50_000,
        markInterruptAsFailure: true,
      });
    } finally {
      redis.close();
      await real.stop();
    }
    for (const { name } of dataCommands) {
      expect(tally.successes.get(name.toUpperCase()) ?? 0, `${name} without an error`).toBeGreaterThan(10);
    }
  });
});
