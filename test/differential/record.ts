import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { startLoneServer } from '../conformance/own-server.ts';
import { findRedisServer, RealRedis } from '../conformance/real-redis.ts';
import { differenceText, runSession } from './lockstep.ts';
import { randomSessions } from './random-commands.ts';
import { NotingTarget, type RecordedSession, type Recording } from './recording.ts';
import { RespTarget } from './targets.ts';

/**
 * Records what a real Redis replies to some random sessions, for machines without one:
 * `node test/differential/record.ts` writes test/conformance/recorded/random-sessions.json.
 */
const SEED = 20_261_121;
const SESSIONS = 30;

const executable = findRedisServer();
if (executable === null) throw new Error('there is no redis-server on the path to record');
const real = await RealRedis.start(executable);
const own = await startLoneServer();
const ours = await RespTarget.open(own.ports.resp);
const sessions: RecordedSession[] = [];
for (const session of fc.sample(randomSessions({ requestsMax: 40, withServer: true }), {
  seed: SEED,
  numRuns: SESSIONS,
})) {
  const redis = new NotingTarget(await RespTarget.open(real.port));
  const { difference } = await runSession(session, redis, ours);
  redis.close();
  if (difference !== null) throw new Error(differenceText(session, difference));
  sessions.push({ session, recordedAtMs: redis.recordedAtMs, exchanges: redis.exchanges });
}
const recording: Recording = { redisVersion: await real.version(), seed: SEED, sessions };
ours.close();
await own.close();
await real.stop();
writeFileSync(
  join(import.meta.dirname, '../conformance/recorded/random-sessions.json'),
  `${JSON.stringify(recording)}\n`,
);
