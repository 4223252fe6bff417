import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RespClient } from '../../src/cli/resp-client.ts';
import { REAL, runToEnd } from '../cli/programs.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';
import { differencesOf, StrongLoad } from './strong-load.ts';

const [HOME, WEST, ASIA] = ['us-east-1/a', 'eu-west-1/a', 'ap-southeast-1/a'];
const ALL = [HOME, WEST, ASIA];
const GROUP = 'us-east-1/region';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => cluster.stop());

/** Whether a node knows one of these as the leader. */
const isLedBy = async (client: RespClient, ...ids: readonly unknown[]): Promise<boolean> =>
  ids.includes(((await client.send('CW.HOME', 'position:1')) as readonly unknown[])[1]);

/** `position:*` are at home in us-east-1 with a voter in each region, by the classes file of the package. */
describe('strong keys under the measured delays', () => {
  test('killed at home under load: writes go on elsewhere, none lost, none twice, and the home takes the lead again', async () => {
    const clients = await Promise.all([WEST, ASIA, WEST, ASIA].map(async (id) => cluster.connect(id)));
    const [west] = clients as [RespClient];
    await until(async () => isLedBy(west, HOME));
    const load = new StrongLoad(clients);
    await until(() => load.written.size > 20);

    const probe = await cluster.connect(WEST);
    await cluster.act('kill', HOME);
    const killedMs = performance.now();
    await until(async () =>
      probe.send('SET', 'risk:probe', '1').then(
        () => true,
        () => false,
      ),
    );
    const outageMs = performance.now() - killedMs;
    console.info(`first write acknowledged ${outageMs.toFixed(0)} ms after the home was killed`);
    expect(outageMs).toBeLessThan(20_000);
    await until(async () => isLedBy(west, WEST, ASIA));
    const before = load.written.size;
    await until(() => load.written.size > before + 20);

    const errorsBefore = load.errors.length;
    await cluster.act('start', HOME);
    await until(async () => isLedBy(west, HOME));
    const led = load.written.size;
    await until(() => load.written.size > led + 20);
    expect(load.errors.slice(errorsBefore)).toEqual([]);

    await load.stop();
    expect(load.increments).toBe(load.written.size);
    for (const id of ALL) expect(await load.differences(await cluster.connect(id))).toEqual([]);
  });

  test('all nodes killed at once under load: what was acknowledged is there when they are back', async () => {
    const asia = await cluster.connect(ASIA);
    await until(async () => isLedBy(asia, HOME));
    const written = new Map<string, string>();
    const writers = await Promise.all(ALL.map(async (id) => cluster.connect(id)));
    const writing = writers.map(async (client, writer) => {
      for (let count = 0; ; count++) {
        const key = `risk:${writer}:${count}`;
        // what has no answer counts for nothing
        const answer = await client.send('SET', key, `${count}`).catch(() => null);
        if (answer === null) return;
        written.set(key, `${count}`);
      }
    });
    await until(() => written.size > 100);
    await Promise.all(ALL.map(async (id) => cluster.act('kill', id)));
    await Promise.all(writing);
    await Promise.all(ALL.map(async (id) => cluster.act('start', id)));
    const back = await cluster.connect(ASIA);
    await until(async () => isLedBy(back, HOME));
    expect(await differencesOf(back, written)).toEqual([]);
  });

  test('a voter that has lost its quorum folder is refused, and comes back as the message says', async () => {
    const home = await cluster.connect(HOME);
    await home.send('SET', 'position:kept', '1');
    const folder = join(cluster.ready().dataDir, 'nodes', ASIA);
    await cluster.act('kill', ASIA);
    renameSync(join(folder, 'quorum'), join(cluster.folder, 'lost-quorum'));
    await expect(cluster.act('start', ASIA)).rejects.toThrow(/remove this node from its quorum groups/);
    expect(await home.send('INCR', 'position:kept')).toBe(2);

    // who was heard a moment ago may still run: then it takes a FORCE
    await until(async () => {
      const { code } = await runToEnd(REAL, ['group', 'remove', GROUP, ASIA, '--ready-file', cluster.readyFile]);
      return code === 0;
    });
    renameSync(folder, join(cluster.folder, 'lost-node'));
    await cluster.act('start', ASIA);
    const added = await runToEnd(REAL, ['group', 'add', GROUP, ASIA, '--ready-file', cluster.readyFile]);
    expect(added).toMatchObject({ code: 0, errors: '' });
    expect(existsSync(join(folder, 'quorum'))).toBe(true);

    // it counts: with the home gone the two others are a quorum
    const asia = await cluster.connect(ASIA);
    await cluster.act('kill', WEST);
    expect(await asia.send('INCR', 'position:kept')).toBe(3);
    await cluster.act('start', WEST);
  });
});
