import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { findRedisServer, RealRedis } from '../conformance/real-redis.ts';
import { differenceText, runSession, Tally } from './lockstep.ts';
import { randomSessions } from './random-commands.ts';
import { InProcessTarget, RespTarget, type Target } from './targets.ts';

/**
 * Random commands to a real redis-server and to us until so many were compared, or one differs:
 * `node test/differential/main.ts [--commands 100000] [--seed 1] [--port ours]`. Without a port the commands run in this process.
 */
const { values } = parseArgs({
  options: {
    commands: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    port: { type: 'string' },
    length: { type: 'string', default: '80' },
  },
});

const executable = findRedisServer();
if (executable === null) throw new Error('there is no redis-server on the path to compare with');
const server = await RealRedis.start(executable);
const wanted = Number(values.commands);
const seed = Number(values.seed);
const redis = await RespTarget.open(server.port);
const ours: Target = values.port === undefined ? new InProcessTarget() : await RespTarget.open(Number(values.port));
const sessions = randomSessions({ requestsMax: Number(values.length), withServer: values.port !== undefined });
let compared = 0;
let round = 0;
const tally = new Tally();
try {
  for (; compared < wanted; round++) {
    const property = fc.asyncProperty(sessions, async (session) => {
      const result = await runSession(session, redis, ours, tally);
      compared += result.compared;
      if (result.difference !== null) throw new Error(differenceText(session, result.difference));
    });
    process.stderr.write(`seed ${seed + round}, ${compared} compared\n`);
    await fc.assert(property, {
      seed: seed + round,
      numRuns: 200,
      interruptAfterTimeLimit: 60_000,
      markInterruptAsFailure: true,
    });
  }
  for (const [name, replies] of [...tally.replies].sort(([left], [right]) => (left < right ? -1 : 1))) {
    process.stdout.write(
      `${name.padEnd(14)} ${replies} replies, ${tally.successes.get(name) ?? 0} of them no errors\n`,
    );
  }
  process.stdout.write(
    `${compared} replies compared, no difference (redis ${await server.version()}, seeds ${seed} to ${seed + round - 1})\n`,
  );
} catch (error) {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n`);
  process.exitCode = 1;
} finally {
  redis.close();
  ours.close();
  await server.stop();
}
