import { afterAll, beforeAll, expect, test } from 'vitest';
import { askMembers } from '../../src/cli/member-answers.ts';
import { REAL, runToEnd } from '../cli/programs.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';

const LOST = 'eu-west-1/a';
const LEFT = 'us-east-1/a';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ args: ['--wan-scale', '0', '--regions', 'us-east-1,eu-west-1'] });
});
afterAll(async () => cluster.stop());

const member = (...args: readonly string[]): ReturnType<typeof runToEnd> =>
  runToEnd(REAL, ['member', ...args, '--ready-file', cluster.readyFile]);

test('one of two is removed only alone, and joins again', async () => {
  const client = await cluster.connect(LEFT);
  await client.send('SET', 'k', 'v');
  expect((await member('status')).output).toContain('fewer than three nodes');
  await expect(client.send('CW.MEMBER', 'CHANGE', 'REMOVE', 0, LOST)).rejects.toThrow('fewer than three nodes');
  await cluster.act('kill', LOST);
  const stateOf = async (): Promise<string | undefined> =>
    (await askMembers(client)).find(({ id }) => id === LOST)?.state;
  await until(async () => (await stateOf()) === 'silent');
  const refused = await member('remove', LOST);
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.errors).toContain('no majority of the 2 members');
  expect(await member('remove', LOST, '--alone')).toMatchObject({ code: 0, errors: '' });
  expect(await stateOf()).toBe('removed');
  const joined = await member('join', LOST);
  expect(joined).toMatchObject({ code: 0, errors: '' });
  expect(joined.output).toContain(`${LOST} is a member again at epoch 2`);
  await cluster.act('start', LOST);
  const back = await cluster.connect(LOST);
  await until(async () => (await back.send('GET', 'k').catch(() => null)) === 'v');
});
