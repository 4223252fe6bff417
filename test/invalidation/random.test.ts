import { expect, test } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { SeededRandom } from '../../src/groups/seeded-random.ts';
import type { InvalidationTarget } from '../../src/commands/invalidation-view.ts';
import { recordKey, recordOf } from '../../src/node/invalidation-record.ts';
import type { VirtualNode } from '../support/virtual-cluster.ts';
import { VirtualRegions } from '../support/virtual-regions.ts';
import { REGIONS } from './invalidation-regions.ts';

const KEYS = ['p:1', 'p:2', 'q:1', 'q:2'] as const;
/** Each invalidates some of the keys: the tag is of `p:1` and `q:1`, and `q:2` depends on `p:2`. */
const TARGETS: readonly (readonly [InvalidationTarget, readonly string[]])[] = [
  [{ kind: 'key', name: 'p:1' }, ['p:1']],
  [{ kind: 'key', name: 'p:2' }, ['p:2', 'q:2']],
  [{ kind: 'tag', name: 'T' }, ['p:1', 'q:1']],
  [{ kind: 'pattern', name: 'q:*' }, ['q:1', 'q:2']],
];

const stampOf = (node: VirtualNode, key: string): number => {
  const { keys } = node.core;
  const slot = keys.find(latin1Range(key), 0, 0);
  if (slot < 0) return 0;
  const version = keys.versions.at(slot);
  return 'stamp' in version ? version.stamp : 0;
};

/**
 * Writes and invalidations in three regions that hear of each other late or not for a while. By their stamps it is clear what is to be left of a
 * key: its latest write, if no invalidation is later.
 */
function isLeftAsStampsSay(seed: number): boolean {
  const random = new SeededRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.unit() * list.length)] as T;
  const regions = new VirtualRegions({ delayMs: () => 5 + random.unit() * 200 });
  const clients = REGIONS.map((region) => regions.connect(region));
  const [first] = clients;
  for (const key of KEYS) first?.run(`SET ${key} first`);
  for (const key of ['p:1', 'q:1']) first?.run(`CW.TAG ${key} T`);
  first?.run('CW.DEPEND q:2 ON p:2');
  regions.sync();
  const writes = new Map<string, { stamp: number; value: string }>(
    KEYS.map((key) => [key, { stamp: stampOf(regions.node(REGIONS[0]), key), value: 'first' }]),
  );
  const invalidated = new Map<string, number>(KEYS.map((key) => [key, 0]));
  for (let step = 0; step < 40; step++) {
    const at = Math.floor(random.unit() * REGIONS.length);
    const client = clients[at];
    const node = regions.node(REGIONS[at] as string);
    const chance = random.unit();
    if (chance < 0.1) regions.isolate(pick(REGIONS));
    else if (chance < 0.2) regions.cluster.healAll();
    else if (chance < 0.6) {
      const key = pick(KEYS);
      client?.run(`SET ${key} v${step}`);
      const stamp = stampOf(node, key);
      if (stamp > (writes.get(key)?.stamp ?? 0)) writes.set(key, { stamp, value: `v${step}` });
      // its tags and dependencies go with it: who makes it says them again
      if (key === 'p:1' || key === 'q:1') client?.run(`CW.TAG ${key} T`);
      if (key === 'q:2') client?.run('CW.DEPEND q:2 ON p:2');
    } else if (chance < 0.8) {
      const [target, keys] = pick(TARGETS);
      client?.run(`CW.INVALIDATE ${target.kind} ${target.name}`);
      const record = recordOf(target, node.get(recordKey(target)) ?? '');
      for (const key of keys) invalidated.set(key, Math.max(invalidated.get(key) ?? 0, record?.stamp ?? 0));
    }
    regions.cluster.run(random.unit() * 150);
  }
  regions.sync();
  for (const key of KEYS) {
    const write = writes.get(key);
    const expected = (write?.stamp ?? 0) > (invalidated.get(key) ?? 0) ? write?.value : null;
    for (const region of REGIONS)
      expect([seed, region, key, regions.node(region).get(key)]).toEqual([seed, region, key, expected]);
  }
  return new Set(regions.cluster.nodes.map((each) => each.digest())).size === 1;
}

test('I2: what is left of a key is its latest write, if no invalidation is later, in every region', () => {
  for (let seed = 1; seed <= 40; seed++) expect([seed, isLeftAsStampsSay(seed)]).toEqual([seed, true]);
});
