import { afterAll, beforeAll, expect, test } from 'vitest';
import { askMembers, askProgress } from '../../src/cli/member-answers.ts';
import type { RespClient } from '../../src/cli/resp-client.ts';
import { REAL, runToEnd } from '../cli/programs.ts';
import { startCluster, until, type TestCluster } from '../cluster/cluster.ts';

const LOST = 'ap-southeast-1/a';
const KEPT = ['us-east-1/a', 'eu-west-1/a'] as const;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ args: ['--wan-scale', '0'] });
}, 60_000);
afterAll(async () => cluster.stop());

const member = (...args: readonly string[]): ReturnType<typeof runToEnd> =>
  runToEnd(REAL, ['member', ...args, '--ready-file', cluster.readyFile]);

async function gauge(id: string, name: string): Promise<number> {
  const text = await (await fetch(`${cluster.http(id)}/metrics`)).text();
  const line = text
    .split('\n')
    .find((each) => each.startsWith(`causeway_${name}{`) || each.startsWith(`causeway_${name} `));
  return Number(line?.split(' ').at(-1));
}

test('a member that is lost for good is removed, and the survivors forget again', async () => {
  const lost = await cluster.connect(LOST);
  await lost.send('SET', 'from the lost', 'kept');
  const clients: RespClient[] = [];
  for (const id of KEPT) clients.push(await cluster.connect(id));
  for (const client of clients) await until(async () => (await client.send('GET', 'from the lost')) === 'kept');

  const early = await member('remove', LOST);
  expect(early).toMatchObject({ code: 1 });
  expect(early.errors).toContain(`${LOST} is live`);
  expect((await member('remove', 'ap-southeast-1/z')).code).toBe(2);

  for (const id of KEPT) await cluster.cut('ap-southeast-1', id.slice(0, -2));
  await lost.send('SET', 'alone', 'only here');
  await until(async () => (await askProgress(lost, LOST)).durable === 1);
  await cluster.act('kill', LOST);
  for (const id of KEPT) await cluster.heal('ap-southeast-1', id.slice(0, -2));
  const [first] = clients;
  for (let at = 0; at < 50; at++) {
    await first?.send('SET', `k${at}`, 'v'.repeat(100));
    await first?.send('DEL', `k${at}`);
  }
  for (const id of KEPT)
    await until(async () => (await gauge(id, 'tombstones')) >= 50 && (await gauge(id, 'log_bytes')) > 5_000);

  // a survivor that is not reached: nothing is changed
  const some = await runToEnd(REAL, ['member', 'remove', LOST, '--nodes', cluster.resp(KEPT[0])]);
  expect(some).toMatchObject({ code: 1 });
  expect(some.errors).toContain(`nothing was changed: ${KEPT[1]} must be reached too`);

  await until(async () => {
    const members = await askMembers(first as RespClient);
    return members.find((each) => each.id === LOST)?.state === 'silent';
  });
  const removed = await member('remove', LOST);
  expect(removed).toMatchObject({ code: 0, errors: '' });
  expect(removed.output).toContain(`${LOST} is removed at epoch 1`);
  expect(await member('remove', LOST)).toMatchObject({ code: 0 });
  for (const id of KEPT)
    await until(async () => (await gauge(id, 'tombstones')) === 0 && (await gauge(id, 'log_bytes')) === 0);
  for (const client of clients) {
    expect(await client.send('GET', 'from the lost')).toBe('kept');
    const vector = (await client.send('CW.VECTOR')) as readonly (string | number)[];
    expect(vector.filter((name) => String(name).startsWith(LOST))).toEqual([]);
  }
  const list = await member('list');
  expect(list.output).toMatch(/^epoch 1\n/);
  expect(list.output).toMatch(new RegExp(`${LOST} +\\d+ +removed +at epoch 1`));
  expect(list.output).toMatch(new RegExp(`${KEPT[0]} +\\d+ +live`));

  // its disk comes back: a new incarnation, that is told, and says what it alone has. It does not get ready, so `start` does not end
  void cluster.act('start', LOST).catch(() => {});
  const back = await backAgain();
  await until(async () => (await askMembers(back)).every((each) => each.epoch === 1));
  await expect(back.send('SET', 'k', 'v')).rejects.toThrow(/removed from the cluster at epoch 1|LOADING/);
  const shown = await member('list', '--lost');
  expect(shown.output).toMatch(/alone +string +ap-southeast-1\/a#\d+:\d+ +only here/);
  expect(shown.output).toContain(`${LOST} alone has 1 writes`);
  expect(await Promise.all(clients.map((client) => client.send('GET', 'alone')))).toEqual([null, null]);
  back.close();
}, 120_000);

/** The first connection that the node takes after its start. */
async function backAgain(): Promise<RespClient> {
  let client: RespClient | null = null;
  await until(async () => {
    client = await cluster.connect(LOST).catch(() => null);
    return client !== null;
  });
  if (client === null) throw new Error('connected');
  return client;
}
