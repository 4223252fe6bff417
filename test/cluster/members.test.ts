import { afterAll, beforeAll, expect, test } from 'vitest';
import { askMembers, askProgress } from '../../src/cli/member-answers.ts';
import type { RespClient } from '../../src/cli/resp-client.ts';
import { REAL, runToEnd } from '../cli/programs.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';

const LOST = 'ap-southeast-1/a';
const KEPT = ['us-east-1/a', 'eu-west-1/a'] as const;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ args: ['--wan-scale', '0'] });
});
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

test('a member that is lost for good is removed, the survivors forget again, and it joins again', async () => {
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

  // only the lost one is reached: nothing is changed
  const none = await runToEnd(REAL, ['member', 'remove', LOST, '--nodes', cluster.resp(LOST)]);
  expect(none).toMatchObject({ code: 1 });
  // what operators did before there was a group is refused
  await expect((first as RespClient).send('CW.MEMBER', 'FENCE', LOST, 0, 1)).rejects.toThrow('CW.MEMBER CHANGE');

  await until(async () => {
    const members = await askMembers(first as RespClient);
    return members.find((each) => each.id === LOST)?.state === 'silent';
  });
  // any one that stays is enough to ask
  const removed = await runToEnd(REAL, ['member', 'remove', LOST, '--nodes', cluster.resp(KEPT[1])]);
  expect(removed).toMatchObject({ code: 0, errors: '' });
  expect(removed.output).toContain(`${LOST} is removed at epoch 1`);
  expect(await member('remove', LOST)).toMatchObject({ code: 0 });
  for (const id of KEPT)
    await until(async () => (await gauge(id, 'tombstones')) === 0 && (await gauge(id, 'log_bytes')) === 0);
  for (const client of clients) {
    expect(await client.send('GET', 'from the lost')).toBe('kept');
    await until(async () => {
      const vector = (await client.send('CW.VECTOR')) as readonly (string | number)[];
      return !vector.some((name) => String(name).startsWith(LOST));
    });
  }
  const list = await member('list');
  expect(list.output).toMatch(/^epoch 1\n/);
  expect(list.output).toMatch(new RegExp(`${LOST} +\\d+ +removed +at epoch 1`));
  expect(list.output).toMatch(new RegExp(`${KEPT[0]} +\\d+ +live`));

  // its disk comes back: a new incarnation, that is told, and says what it alone has
  const started = await runToEnd(REAL, ['node', 'start', LOST, '--ready-file', cluster.readyFile]);
  expect(started).toMatchObject({ code: 1 });
  expect(started.errors).toContain(`${LOST} is removed from the cluster at epoch 1: it runs for what it alone has`);
  const back = await backAgain();
  await until(async () => (await askMembers(back)).every((each) => each.epoch === 1));
  await expect(back.send('SET', 'k', 'v')).rejects.toThrow(/removed from the cluster at epoch 1|LOADING/);
  const shown = await member('list', '--lost');
  expect(shown.output).toMatch(/alone +string +ap-southeast-1\/a#\d+:\d+ +only here/);
  expect(shown.output).toContain(`${LOST} alone has 1 transactions, of which 1 left something that can be listed`);
  expect(await Promise.all(clients.map((client) => client.send('GET', 'alone')))).toEqual([null, null]);
  back.close();

  // it joins: it starts again by itself, with what the others have, and is one of them
  const joined = await member('join', LOST);
  expect(joined).toMatchObject({ code: 0, errors: '' });
  expect(joined.output).toContain(`${LOST} is a member again at epoch 2`);
  expect((await member('join', LOST)).output).toContain(`${LOST} is a member, since it joined at epoch 2`);
  await until(async () => (await fetch(`${cluster.http(LOST)}/readyz`).catch(() => null))?.status === 200);
  await until(() => cluster.ready().nodes.find(({ id }) => id === LOST)?.state === 'running');
  await until(() => cluster.output().includes(`${LOST} joined again and is ready`));
  const again = await cluster.connect(LOST);
  expect(await again.send('GET', 'from the lost')).toBe('kept');
  expect(await again.send('GET', 'alone')).toBeNull();
  await again.send('SET', 'new life', '1');
  for (const client of clients) await until(async () => (await client.send('GET', 'new life')) === '1');
  const areEqual = async (): Promise<boolean> => {
    const digests = await Promise.all([...clients, again].map((client) => client.send('CW.DIGEST')));
    return new Set(digests.map((digest) => JSON.stringify(digest))).size === 1;
  };
  await until(areEqual);

  // what it alone had is still listed, and offered only on demand where it cannot be told whether it was removed since
  expect((await member('list', '--lost')).output).toMatch(/alone +string .* only here/);
  const kept = await member('offer', LOST);
  expect(kept).toMatchObject({ code: 0, errors: '' });
  expect(kept.output).toContain(`${LOST} has written 0 again; 0 were there already, 1 stay in its list`);
  expect(kept.output).toContain('nothing is there');
  expect((await member('offer', LOST, '--absent')).output).toContain(`${LOST} has written 1 again`);
  for (const client of clients) await until(async () => (await client.send('GET', 'alone')) === 'only here');
  expect((await member('offer', LOST, '--absent')).output).toContain(`${LOST} has written 0 again; 0 were there`);
  expect((await member('list', '--lost')).output).toContain('1 writes were offered again, 0 are left');
  for (const id of [...KEPT, LOST])
    await until(async () => (await gauge(id, 'tombstones')) === 0 && (await gauge(id, 'log_bytes')) === 0);
  await until(areEqual);
});

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
