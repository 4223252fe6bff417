import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';

/** A node under test: its region and where it speaks RESP and HTTP, each `host:port`. */
export interface SmokeNode {
  readonly region: string;
  readonly resp: string;
  readonly http: string;
}

/** One thing that was checked: `problem` is null when it held. */
export interface SmokeCheck {
  readonly name: string;
  readonly problem: string | null;
}

/** What was checked so far, whether it held or not. */
export class SmokeChecks {
  readonly all: SmokeCheck[] = [];

  /** Does not throw: the next thing is checked, too. */
  async check(name: string, body: () => Promise<void>): Promise<void> {
    try {
      await body();
      this.all.push({ name, problem: null });
    } catch (error) {
      this.all.push({ name, problem: error instanceof Error ? error.message : String(error) });
    }
  }
}

/**
 * What a cluster of three regions with the WAN between them must do, however it was brought up: answer, carry writes to
 * the other regions no faster than the ocean, merge what was written at once, and agree in the end.
 *
 * @param nodes one ready node a region, us-east-1, eu-west-1 and ap-southeast-1 among them
 * @param deadlineMs how long any of the conditions may take to come true
 */
export async function smoke(nodes: readonly SmokeNode[], deadlineMs: number): Promise<SmokeCheck[]> {
  const clients = new Map(nodes.map((node) => [node.region, connect(node)]));
  const client = (region: string): Redis => {
    const found = clients.get(region);
    if (found === undefined) throw new Error(`the smoke needs a node in ${region}`);
    return found;
  };
  const us = client('us-east-1');
  const eu = client('eu-west-1');
  const ap = client('ap-southeast-1');
  // Keys of its own, so that it may run again on the same cluster.
  const own = `smoke:${randomUUID()}`;
  const checks = new SmokeChecks();

  try {
    await checks.check('every region answers', async () => {
      for (const [region, redis] of clients) equal(await redis.ping(), 'PONG', region);
    });
    await checks.check('every region says that it is ready', async () => {
      for (const node of nodes) {
        const response = await fetch(`http://${node.http}/readyz`);
        equal(response.status, 200, `${node.region}: ${await response.text()}`);
      }
    });
    await checks.check('a write in us-east-1 is read in eu-west-1 and ap-southeast-1', async () => {
      await us.set(`${own}:string`, 'from us-east-1');
      for (const redis of [eu, ap]) {
        await eventually(deadlineMs, async () => equal(await redis.get(`${own}:string`), 'from us-east-1', 'value'));
      }
    });
    await checks.check('the ocean lies between: a write does not arrive sooner than light would bring it', async () => {
      const written = performance.now();
      await us.set(`${own}:ocean`, 'x');
      await eventually(deadlineMs, async () => equal(await ap.get(`${own}:ocean`), 'x', 'value'), 1);
      const tookMs = performance.now() - written;
      // Half of the measured round trip is 117 ms; Virginia to Singapore is 15,500 km, 78 ms in glass.
      if (tookMs < 78) throw new Error(`it took ${tookMs.toFixed(1)} ms`);
    });
    await checks.check('increments made at once in all regions are summed', async () => {
      await Promise.all([us.incrby(`${own}:count`, 1), eu.incrby(`${own}:count`, 10), ap.incrby(`${own}:count`, 100)]);
      for (const redis of [us, eu, ap]) {
        await eventually(deadlineMs, async () => equal(await redis.get(`${own}:count`), '111', 'sum'));
      }
    });
    await checks.check('members added and fields set at once in all regions are all there', async () => {
      await Promise.all([us.sadd(`${own}:set`, 'us'), eu.sadd(`${own}:set`, 'eu'), ap.sadd(`${own}:set`, 'ap')]);
      await Promise.all([us.hset(`${own}:hash`, 'us', '1'), ap.hset(`${own}:hash`, 'ap', '3')]);
      for (const redis of [us, eu, ap]) {
        await eventually(deadlineMs, async () => {
          equal((await redis.smembers(`${own}:set`)).toSorted().join(), 'ap,eu,us', 'members');
          const { us: first, ap: third, ...others } = await redis.hgetall(`${own}:hash`);
          equal(`${first} ${third} ${Object.keys(others).length}`, '1 3 0', 'fields us and ap, and no others');
        });
      }
    });
    await checks.check('all regions agree on the digest', async () => {
      await eventually(deadlineMs, async () => {
        const digests = await Promise.all([us, eu, ap].map(async (redis) => digestOf(redis)));
        if (new Set(digests).size !== 1) throw new Error(`digests differ: ${digests.join(' ')}`);
      });
    });
  } finally {
    for (const redis of clients.values()) redis.disconnect();
  }
  return checks.all;
}

/** A client that says in its errors what is wrong. */
export function connect(node: SmokeNode): Redis {
  const colon = node.resp.lastIndexOf(':');
  const redis = new Redis({
    host: node.resp.slice(0, colon),
    port: Number(node.resp.slice(colon + 1)),
    connectionName: 'smoke',
    maxRetriesPerRequest: 3,
  });
  // Without a listener ioredis prints what the failing request says anyway.
  redis.on('error', () => undefined);
  return redis;
}

async function digestOf(redis: Redis): Promise<string> {
  return JSON.stringify(await redis.call('CW.DIGEST'));
}

/** Repeats `body` until it does not throw. Throws its last error once the deadline is over. */
export async function eventually(deadlineMs: number, body: () => Promise<void>, pauseMs = 25): Promise<void> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await body();
    } catch (error) {
      if (performance.now() > end) throw error;
      await delay(pauseMs);
    }
  }
}

/** Throws unless both are the same. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: expected ${String(expected)}, got ${String(actual)}`);
}
