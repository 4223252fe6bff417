import { expect, test } from 'vitest';
import { introduceServers } from '../server/server-rig.ts';
import { startWithClasses } from '../classes/class-rig.ts';

const CLASSES = 'classes:\n  - match: ["quote:*"]\n    ttl: 1h\n  - match: ["scratch:*"]\n    consistency: weak\n';

test('S4: over RESP2 and HTTP: the same conflicts in both regions, counted by class', async () => {
  const rigs = [await startWithClasses(CLASSES, 0, 2), await startWithClasses(CLASSES, 1, 2)] as const;
  await Promise.all(rigs.map(async ({ server }) => server.ready));
  const [here, there] = [rigs[0].client(), rigs[1].client()];
  // nobody has told them of each other yet
  for (const [index, client] of [here, there].entries()) {
    for (const key of ['quote:A', 'quote:B', '__proto__', 'scratch:x']) await client.set(key, `from ${index}`);
    await client.hset('h', '__proto__', `from ${index}`);
  }
  await introduceServers(rigs);
  for (const client of [here, there]) {
    await expect.poll(async () => await client.call('CW.CONFLICTS', 'COUNT', '100')).toHaveLength(4);
  }
  const [mine, theirs] = await Promise.all(
    [here, there].map(async (client) => {
      const records = (await client.call('CW.CONFLICTS', 'COUNT', '100')) as unknown[][];
      return records.map((record) => record.slice(2));
    }),
  );
  expect(mine).toEqual(theirs);
  expect(mine?.[3]?.slice(0, 10)).toEqual([
    'key',
    'quote:A',
    'class',
    'quote:*',
    'kind',
    'string',
    'field',
    null,
    'rule',
    'lww',
  ]);

  for (const rig of rigs) {
    const metrics = (await (await rig.http('/metrics')).text()).split('\n');
    expect(metrics.filter((line) => line.startsWith('causeway_conflicts_total{'))).toEqual([
      'causeway_conflicts_total{class="quote:*"} 2',
      'causeway_conflicts_total{class="scratch:*"} 0',
      'causeway_conflicts_total{class="default"} 2',
    ]);
  }
  // forgetting the list is not forgetting the count, and a class keeps its count where the classes are replaced
  expect(await here.call('CW.CONFLICTS', 'RESET')).toBe('OK');
  const reordered = 'classes:\n  - match: ["scratch:*"]\n    consistency: weak\n  - match: ["quote:*"]\n    ttl: 2h\n';
  await here.call('CW.CLASSES', 'RELOAD', reordered);
  const after = await (await rigs[0].http('/metrics')).text();
  expect(after).toContain('causeway_conflicts_total{class="quote:*"} 2\n');
  expect(after).toContain('causeway_conflicts_total{class="scratch:*"} 0\n');
  expect(await here.info('classes')).toMatch(/class1:name="quote:\*".*,conflicts=2\r\n/);
});

test('it is for administrators, as it shows values of any key', async () => {
  const rig = await startWithClasses(CLASSES);
  await rig.server.ready;
  const [info] = (await rig.client().call('COMMAND', 'INFO', 'CW.CONFLICTS')) as [unknown[]];
  expect(info[6]).toEqual(['@admin', '@dangerous', '@slow']);
  expect(await rig.client().call('CW.CONFLICTS')).toEqual([]);
});
