import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import { ServerRig, introduceServers } from '../server/server-rig.ts';
import { configOf } from '../server/peer-rig.ts';
import type { NodeConfig } from '../../src/server/node-config.ts';

/** A node of so many regions with the classes that the text gives. */
export async function startWithClasses(
  text: string,
  index = 0,
  size = 1,
  changes: Partial<NodeConfig> = {},
): Promise<ServerRig> {
  return ServerRig.start(configOf(index, size, { classes: { file: 'classes.yaml', text }, ...changes }));
}

/** Nodes of two regions, ready, with a client each, and nothing of their own still on its way. */
export async function twoRegions(
  text: string,
  changes: Partial<NodeConfig> = {},
): Promise<{ readonly rigs: readonly ServerRig[]; readonly here: Redis; readonly there: Redis }> {
  const first = await startWithClasses(text, 0, 2, changes);
  const second = await startWithClasses(text, 1, 2);
  await introduceServers([first, second]);
  const regions = { rigs: [first, second], here: first.client(), there: second.client() };
  // a node's first transaction closes its earlier lives: with both of them everywhere a vector changes by writes alone
  for (const client of [regions.here, regions.there]) {
    await expect.poll(async () => await client.call('CW.VECTOR')).toHaveLength(4);
  }
  return regions;
}

/** Fulfilled once what was written by a client is applied in the other region. */
export async function written(client: Redis): Promise<void> {
  if ((await client.wait(1, 20_000)) !== 1) throw new Error('the other region did not get it');
}
