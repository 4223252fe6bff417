import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REAL, runToEnd } from '../cli/programs.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';

const GROUP = 'us-east-1/region';
const CLASSES = `classes:
  - match: ["position:*"]
    consistency: strong
    home: us-east-1
    survive: region
`;

const folder = mkdtempSync(join(tmpdir(), 'causeway-groups-'));
const file = join(folder, 'classes.yaml');
let cluster: TestCluster;
beforeAll(async () => {
  writeFileSync(file, CLASSES);
  cluster = await startCluster({ args: ['--wan-scale', '0.1', '--classes', file] });
});
afterAll(async () => {
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
});

const group = (...words: string[]): ReturnType<typeof runToEnd> =>
  runToEnd(REAL, ['group', ...words, '--ready-file', cluster.readyFile]);

async function untilLedBy(id: string): Promise<void> {
  const client = await cluster.connect(id);
  await until(async () => {
    const home = await client.send('CW.HOME', 'position:1');
    return Array.isArray(home) && home[1] === id;
  });
}

describe('causeway group, and commands on strong keys over real connections', () => {
  test('status shows the group, its leader and how far every node is', async () => {
    await untilLedBy('us-east-1/a');
    const asia = await cluster.connect('ap-southeast-1/a');
    expect(await asia.send('SET', 'position:1', '100')).toBe('OK');
    // the members' group elects its leader in its own time
    let status = await group('status');
    while (/^members {2}no leader/m.test(status.output)) status = await group('status');
    expect(status).toMatchObject({ code: 0, errors: '' });
    expect(status.output).toMatch(/us-east-1\/region {2}led by us-east-1\/a, term \d+, commit \d+ \(home us-east-1/);
    for (const line of [/us-east-1\/a +leader/, /eu-west-1\/a +voter/, /ap-southeast-1\/a +voter/])
      expect(status.output).toMatch(line);
    const members = /^members {2}led by (\S+), term \d+, commit \d+ \(decides who is a member\)\n(?:.*\n)+/m.exec(
      status.output,
    );
    expect(members?.[0]).toMatch(new RegExp(`${members?.[1]} +leader`));
    for (const id of ['us-east-1/a', 'eu-west-1/a', 'ap-southeast-1/a']) expect(members?.[0]).toContain(id);
    expect((await group('transfer', 'members', 'eu-west-1/a')).errors).toMatch(
      /who votes on the members follows from who is one/,
    );
  });

  test('transfer hands leadership over and back; the commands go on', async () => {
    const there = await group('transfer', GROUP, 'eu-west-1/a');
    expect(there).toMatchObject({ code: 0, errors: '' });
    expect(there.output).toContain('us-east-1/region is led by eu-west-1/a\nHome is us-east-1: ');
    const asia = await cluster.connect('ap-southeast-1/a');
    await until(async () => {
      const home = await asia.send('CW.HOME', 'position:1');
      return String(home) === String(['us-east-1', 'eu-west-1/a', GROUP]);
    });
    expect(await asia.send('INCR', 'position:1')).toBe(101);
    const back = await group('transfer', GROUP, 'us-east-1/a');
    expect(back).toMatchObject({ code: 0, errors: '', output: 'us-east-1/region is led by us-east-1/a\n' });
  });

  test('what clients ask of strong keys has the same shape over a socket', async () => {
    const asia = await cluster.connect('ap-southeast-1/a');
    const version = Number(await asia.send('CW.VERSION', 'position:1'));
    expect(version).toBeGreaterThan(0);
    expect(await asia.send('CW.IFVERSION', 'position:1', version, 'SET', 'position:1', '7')).toBe('OK');
    expect(await asia.send('CW.IFVERSION', 'position:1', version, 'SET', 'position:1', '8')).toBeNull();
    expect(await asia.send('CW.CAS', 'position:1', '7', '9')).toBe(1);
    expect(await asia.send('SET', 'position:1', '10', 'IFEQ', '7')).toBeNull();
    const once = ['CW.ONCE', 'order-1', Date.now(), 'INCR', 'position:1'] as const;
    expect(await asia.send(...once)).toBe(10);
    const east = await cluster.connect('us-east-1/a');
    expect(await east.send(...once)).toBe(10);
    expect(await asia.send('CW.GET', 'position:1', 'LEVEL', 'strong')).toEqual(['10', 0, 'us-east-1/a']);
    await until(async () => {
      const got = await asia.send('CW.GET', 'position:1', 'MAXSTALE', 5_000);
      return Array.isArray(got) && got[2] === 'ap-southeast-1/a' && got[0] === '10';
    });
    expect(await asia.send('CW.FORWARD', 'off')).toBe('OK');
    await expect(asia.send('GET', 'position:1')).rejects.toThrow(/^HOMEREGION us-east-1 /);
  });

  test('metrics have the group, and /readyz says what is degraded', async () => {
    const metrics = await (await fetch(`${cluster.http('us-east-1/a')}/metrics`)).text();
    expect(metrics).toContain(`causeway_group_leader{group="${GROUP}"} 1`);
    expect(metrics).toMatch(/causeway_group_quorum_duration_seconds_count\{group="us-east-1\/region"\} [1-9]/);
    expect(metrics).toMatch(/causeway_group_sync_duration_seconds_count\{group="us-east-1\/region"\} [1-9]/);
    const ready = (await (await fetch(`${cluster.http('us-east-1/a')}/readyz`)).json()) as { degraded: string[] };
    expect(ready.degraded).toEqual([]);
  });

  test('add and remove change the members, with what it means', async () => {
    const learner = await group('add', GROUP, 'ap-southeast-1/a', '--learner');
    expect(learner).toMatchObject({ code: 0, errors: '' });
    expect(learner.output).toContain('ap-southeast-1/a is a learner of us-east-1/region\n');
    expect(learner.output).toContain('voters: us-east-1/a, eu-west-1/a; 0 of them may be lost\nOne voter fewer');
    const voter = await group('add', GROUP, 'ap-southeast-1/a');
    expect(voter.output).toContain('1 of them may be lost\n');
    const refused = await group('remove', GROUP, 'eu-west-1/a');
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.errors).toMatch(/^causeway: ERR eu-west-1\/a runs: /);
    const forced = await group('remove', GROUP, 'eu-west-1/a', '--force');
    expect(forced).toMatchObject({ code: 0, errors: '' });
    const again = await group('add', GROUP, 'eu-west-1/a');
    expect(again.output).toMatch(/eu-west-1\/a is a learner of .*eu-west-1\/a is a voter of .*1 of them may be lost/s);
    expect(again).toMatchObject({ code: 0, errors: '' });
  });

  test('says what there is, where something unknown is named', async () => {
    expect((await group('transfer', 'mars/region', 'us-east-1/a')).errors).toBe(
      'causeway: CONFIG unknown group "mars/region"; there are us-east-1/region\n',
    );
    expect((await group('transfer', GROUP, 'mars/a')).errors).toMatch(/^causeway: ERR unknown node; there are /);
    const help = await runToEnd(REAL, ['group', '--help']);
    for (const command of ['status', 'transfer', 'add', 'remove']) expect(help.output).toContain(command);
  });

  test('status is 1 where a group has no leader', async () => {
    await cluster.act('kill', 'us-east-1/a');
    await cluster.act('kill', 'eu-west-1/a');
    const asia = await cluster.connect('ap-southeast-1/a');
    await until(async () => {
      const home = await asia.send('CW.HOME', 'position:1');
      return Array.isArray(home) && home[1] === null;
    });
    // the members' group is slower to notice
    let status = await group('status');
    while (!/^members {2}no leader/m.test(status.output)) status = await group('status');
    expect(status.output).toMatch(/^members {2}no leader for \d+\.\d s: no member can be removed or joined/m);
    expect(status.code).toBe(1);
    expect(status.output).toMatch(/no leader for \d+\.\d s: its keys are not served/);
    expect(status.output).toContain('not asked: us-east-1/a');
  });
});
