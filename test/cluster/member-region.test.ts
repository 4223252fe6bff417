import { afterAll, beforeAll, expect, test } from 'vitest';
import { askAgreement, askMembers } from '../../src/cli/member-answers.ts';
import type { RespClient } from '../../src/cli/resp-client.ts';
import { REAL, RunningProgram, runToEnd } from '../cli/programs.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';

const GONE = ['ap-southeast-1/a', 'ap-southeast-1/b'] as const;
const AWAY = 'eu-west-1/b';
const REMOVE = ['remove', '--region', 'ap-southeast-1'] as const;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ args: ['--wan-scale', '0', '--nodes-per-region', '2'] });
});
afterAll(async () => cluster.stop());

const member = (...args: readonly string[]): ReturnType<typeof runToEnd> =>
  runToEnd(REAL, ['member', ...args, '--ready-file', cluster.readyFile]);

const statesOf = async (client: RespClient, ids: readonly string[]): Promise<string[]> =>
  (await askMembers(client)).filter(({ id }) => ids.includes(id)).map(({ state }) => state);

test('a region that is gone goes in one change, which says who holds it up and is taken back or goes on; and it joins in one', async () => {
  const client = await cluster.connect('us-east-1/a');
  const other = await cluster.connect(GONE[1]);
  await other.send('SET', 'of the lost', '1');
  await until(async () => (await client.send('GET', 'of the lost')) === '1');
  other.close();
  for (const id of [...GONE, AWAY]) await cluster.act('kill', id);
  await until(async () => (await statesOf(client, GONE)).every((state) => state === 'silent'));

  const late = await member(...REMOVE, '--timeout', '15');
  expect(late).toMatchObject({ code: 1 });
  expect(late.errors).toContain(`remove of ${GONE.join(', ')}: fence, waiting for ${AWAY} takes too long`);
  expect((await member('status')).output).toContain(`remove of ${GONE.join(', ')}: fence, waiting for ${AWAY}`);
  await until(async () => (await statesOf(client, GONE)).every((state) => state === 'fenced'));

  expect(await member('unfence', GONE[0])).toMatchObject({
    code: 0,
    output: `${GONE.join(', ')} are no longer fenced\n`,
  });
  await until(async () => (await statesOf(client, GONE)).every((state) => state === 'silent'));
  expect((await member('unfence', GONE[0])).output).toBe(`${GONE[0]} is neither fenced nor waited for\n`);

  const asking = new RunningProgram(REAL, ['member', ...REMOVE, '--ready-file', cluster.readyFile]);
  await until(async () => (await statesOf(client, GONE)).every((state) => state === 'fenced'));
  asking.process.kill('SIGKILL');
  await asking.finished;
  // nobody asks any more: it goes on when the last one is back
  await cluster.act('start', AWAY);
  await until(async () => (await statesOf(client, GONE)).every((state) => state === 'removed'));
  const again = await member(...REMOVE);
  expect(again).toMatchObject({ code: 0, errors: '' });
  expect(again.output).toBe(
    `${GONE.join(', ')} are removed at epoch 1; what they alone had is on their disks, if anywhere\n`,
  );
  // the region counts in no quorum
  await until(async () => ((await askAgreement(client))?.voters ?? []).every((id) => !id.startsWith('ap-')));

  const joined = await member('join', '--region', 'ap-southeast-1');
  expect(joined).toMatchObject({ code: 0, errors: '' });
  expect(joined.output).toContain(`${GONE.join(', ')} are members again at epoch 2`);
  for (const id of GONE) await cluster.act('start', id);
  for (const id of GONE)
    await until(async () => (await fetch(`${cluster.http(id)}/readyz`).catch(() => null))?.status === 200);
  const back = await cluster.connect(GONE[0]);
  expect(await back.send('GET', 'of the lost')).toBe('1');
  await until(async () => ((await askAgreement(client))?.voters ?? []).includes(GONE[0]));
});
