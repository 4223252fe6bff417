import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startLoneServer } from '../conformance/own-server.ts';
import { findRedisServer, RealRedis } from '../conformance/real-redis.ts';
import { quoted } from '../conformance/reply-value.ts';
import { RespConnection } from '../conformance/resp-connection.ts';
import { nameOf, type Words } from './comparison.ts';
import { randomSessions } from './random-commands.ts';

const SEED = 20_261_122;
const END = 'end of the session';

/** Runs sessions on a server and hears its keyspace notifications. */
class Listener {
  readonly #speaker: RespConnection;
  readonly #subscriber: RespConnection;

  private constructor(speaker: RespConnection, subscriber: RespConnection) {
    this.#speaker = speaker;
    this.#subscriber = subscriber;
  }

  static async open(port: number): Promise<Listener> {
    const speaker = await RespConnection.open(port);
    const subscriber = await RespConnection.open(port);
    // All but `x`: when an expired key is noticed is a matter of time.
    await speaker.request('CONFIG', 'SET', 'notify-keyspace-events', 'KEg$shm');
    await subscriber.request('PSUBSCRIBE', '__keyevent@0__:*');
    await subscriber.request('SUBSCRIBE', END);
    return new Listener(speaker, subscriber);
  }

  async events(requests: readonly Words[]): Promise<string[]> {
    await this.#speaker.pipeline([['FLUSHALL'], ...requests, ['PUBLISH', END, '']]);
    const events: string[] = [];
    for (;;) {
      const push = await this.#subscriber.push();
      const texts = 'items' in push ? push.items.map((item) => ('text' in item ? item.text : '')) : [];
      if (texts[0] === 'message') return events;
      events.push(`${texts[2]?.replace('__keyevent@0__:', '') ?? ''} ${quoted(texts[3] ?? '')}`);
    }
  }

  close(): void {
    this.#speaker.close();
    this.#subscriber.close();
  }
}

const executable = findRedisServer();

test.runIf(executable !== null)('random commands cause the notifications of a real Redis', async () => {
  const real = await RealRedis.start(executable ?? '');
  const own = await startLoneServer();
  const redis = await Listener.open(real.port);
  const ours = await Listener.open(own.ports.resp);
  const seen = new Set<string>();
  process.stdout.write(`notifications, seed ${SEED}\n`);
  try {
    const property = fc.asyncProperty(randomSessions({ requestsMax: 60, withServer: false }), async (session) => {
      // What is popped is chosen at random, and what is watched would have to be known.
      const requests = session.requests.filter((words) => nameOf(words) !== 'SPOP');
      const [theirs, mine] = await Promise.all([redis.events(requests), ours.events(requests)]);
      for (const event of theirs) seen.add(event.split(' ')[0] ?? '');
      expect(mine).toEqual(theirs);
    });
    await fc.assert(property, {
      seed: SEED,
      numRuns: 200,
      interruptAfterTimeLimit: 50_000,
      markInterruptAsFailure: true,
    });
  } finally {
    redis.close();
    ours.close();
    await own.close();
    await real.stop();
  }
  const events =
    'append copy_to del expire hdel hincrby hincrbyfloat hset incrby incrbyfloat keymiss persist rename_from';
  expect([...seen].sort()).toEqual(
    expect.arrayContaining([
      ...events.split(' '),
      'rename_to',
      'sadd',
      'sdiffstore',
      'set',
      'setrange',
      'sinterstore',
      'srem',
      'sunionstore',
    ]),
  );
});
