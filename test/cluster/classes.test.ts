import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { REAL, runToEnd } from '../cli/programs.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';

const CLASSES = `classes:
  - match: ["quote:*"]
    ttl: 5m
  - match: ["scratch:*"]
    consistency: weak
`;

const folder = mkdtempSync(join(tmpdir(), 'causeway-classes-'));
const file = join(folder, 'classes.yaml');
let cluster: TestCluster;
beforeAll(async () => {
  writeFileSync(file, CLASSES);
  cluster = await startCluster({ args: ['--regions', 'us-east-1,eu-west-1', '--classes', file] });
});
afterAll(async () => {
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('`up` gives its classes to every region, where they hold for what any of them writes', async () => {
  const [here, there] = [await cluster.connect('us-east-1/a'), await cluster.connect('eu-west-1/a')];
  await here.send('HSET', 'quote:1', 'bid', '1');
  await here.send('SET', 'scratch:1', 'here');
  await there.send('SET', 'scratch:1', 'there');
  expect(await here.send('WAIT', 1, 20_000)).toBe(1);
  expect(await there.send('PEXPIRETIME', 'quote:1')).toBe(await here.send('PEXPIRETIME', 'quote:1'));
  expect(await there.send('PTTL', 'quote:1')).toBeGreaterThan(0);
  expect(await here.send('GET', 'scratch:1')).toBe('here');
  expect(await there.send('GET', 'scratch:1')).toBe('there');
  expect(await there.send('CW.DIGEST')).toBe(await here.send('CW.DIGEST'));
});

test('weak keys die with their node; the others come back', async () => {
  const here = await cluster.connect('us-east-1/a');
  await here.send('SET', 'scratch:2', 'v');
  await here.send('SET', 'plain', 'v');
  expect(await here.send('WAIT', 1, 20_000)).toBe(1);
  await cluster.act('kill', 'us-east-1/a');
  await cluster.act('start', 'us-east-1/a');
  const again = await cluster.connect('us-east-1/a');
  expect(await again.send('MGET', 'scratch:2', 'plain')).toEqual([null, 'v']);
});

test('`classes check` puts a ttl into force in all regions, and changes none when one does not run', async () => {
  writeFileSync(file, CLASSES.replace('5m', '1h'));
  const check = (): ReturnType<typeof runToEnd> =>
    runToEnd(REAL, ['classes', 'check', file, '--ready-file', cluster.readyFile]);
  await cluster.act('stop', 'eu-west-1/a');
  const refused = await check();
  expect(refused.code).toBe(1);
  expect(refused.output).toContain('eu-west-1/a  refuses: does not run');
  expect(refused.output).toContain('No node was changed.');
  const here = await cluster.connect('us-east-1/a');
  await here.send('SET', 'quote:2', 'v');
  expect(await here.send('PTTL', 'quote:2')).toBeLessThanOrEqual(300_000);

  await cluster.act('start', 'eu-west-1/a');
  const taken = await check();
  expect(taken).toMatchObject({ code: 0, errors: '' });
  // the one that was started has read the new file already
  expect(taken.output).toContain('us-east-1/a  changed:\n  "quote:*": causal, ttl 1h');
  expect(taken.output).toContain('eu-west-1/a  changed: nothing');
  for (const id of ['us-east-1/a', 'eu-west-1/a']) {
    const client = await cluster.connect(id);
    await client.send('SET', 'quote:3', 'v');
    expect(await client.send('PTTL', 'quote:3')).toBeGreaterThan(3_500_000);
  }

  // what members must agree on keeps a node out that was started with another file
  writeFileSync(file, 'classes: []\n');
  await cluster.act('stop', 'eu-west-1/a');
  await cluster.act('start', 'eu-west-1/a').catch(() => undefined);
  await until(async () => {
    const peers = JSON.stringify(await here.send('CW.PEERS'));
    return peers.includes('"connected",0');
  });
});
