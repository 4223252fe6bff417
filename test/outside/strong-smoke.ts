import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { connect, equal, eventually, SmokeChecks, type SmokeCheck, type SmokeNode } from './smoke.ts';

/** What the strong smoke does to the cluster, whatever that is made of. */
export interface StrongControls {
  /** Ends the home region's node at once, as a power cut would. */
  readonly kill: () => Promise<void>;
  /** Starts it again, and says where it is then, ready. */
  readonly start: () => Promise<SmokeNode>;
}

const HOME_NODE = 'us-east-1/a';

/**
 * Keys of class `position:*`, at home in us-east-1: written and read from everywhere, also while the home region is away, and
 * nothing that was acknowledged is lost on the way there and back.
 *
 * @param nodes one ready node in each of us-east-1, eu-west-1 and ap-southeast-1
 * @param deadlineMs how long any of the conditions may take to come true
 */
export async function strongSmoke(
  nodes: readonly SmokeNode[],
  controls: StrongControls,
  deadlineMs: number,
): Promise<SmokeCheck[]> {
  const key = `position:smoke:${randomUUID()}`;
  const acknowledged: string[] = [];
  const clients = new Map(nodes.map((node) => [node.region, connect(node)]));
  /** One member more in the set, from a region; asked again until it is acknowledged, which adding to a set allows. */
  const add = async (region: string): Promise<void> => {
    const member = `${region} ${acknowledged.length}`;
    await eventually(deadlineMs, async () => void (await of(clients, region).sadd(key, member)));
    acknowledged.push(member);
  };
  const checks = new SmokeChecks();
  try {
    await checks.check('a strong write from each region is read in all, linearizably', async () => {
      for (const { region } of nodes) await add(region);
      for (const { region } of nodes) await readsAll(of(clients, region), key, acknowledged, deadlineMs);
    });
    await checks.check('the home region leads', async () => {
      await eventually(deadlineMs, async () =>
        equal(await leaderOf(of(clients, 'eu-west-1'), key), HOME_NODE, 'leader'),
      );
    });
    await checks.check('with the home region killed another one leads, and writes go on', async () => {
      await controls.kill();
      await add('eu-west-1');
      await add('ap-southeast-1');
      await eventually(deadlineMs, async () => {
        const leader = await leaderOf(of(clients, 'eu-west-1'), key);
        if (leader === null || leader === HOME_NODE) throw new Error(`the leader is said to be ${String(leader)}`);
      });
    });
    await checks.check('the home region takes the lead when it is back, and nothing acknowledged is lost', async () => {
      clients.get('us-east-1')?.disconnect();
      clients.set('us-east-1', connect(await controls.start()));
      await eventually(deadlineMs, async () =>
        equal(await leaderOf(of(clients, 'eu-west-1'), key), HOME_NODE, 'leader'),
      );
      for (const { region } of nodes) await add(region);
      for (const { region } of nodes) await readsAll(of(clients, region), key, acknowledged, deadlineMs);
    });
  } finally {
    for (const redis of clients.values()) redis.disconnect();
  }
  return checks.all;
}

function of(clients: ReadonlyMap<string, Redis>, region: string): Redis {
  const found = clients.get(region);
  if (found === undefined) throw new Error(`the strong smoke needs a node in ${region}`);
  return found;
}

async function leaderOf(redis: Redis, key: string): Promise<string | null> {
  const home = (await redis.call('CW.HOME', key)) as readonly (string | null)[] | null;
  return home?.[1] ?? null;
}

/** Errors are asked again, but the first answer counts: a linearizable read that shows less is wrong, and not to be asked again. */
async function readsAll(redis: Redis, key: string, acknowledged: readonly string[], deadlineMs: number): Promise<void> {
  let members: readonly string[] = [];
  await eventually(deadlineMs, async () => void (members = await redis.smembers(key)));
  equal(members.toSorted().join(), acknowledged.toSorted().join(), 'members');
}
