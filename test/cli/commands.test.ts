import { createServer, type Server } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addressOf } from '../../src/server/address.ts';
import { askAdmin } from '../../src/wan/admin-client.ts';
import type { ForwardStatus } from '../../src/wan/shaper.ts';
import { withClient } from '../../src/cli/cluster-nodes.ts';
import { FAKE, isAlive, REAL, runToEnd, Workshop, type RunningProgram } from './programs.ts';

let workshop: Workshop;
let up: RunningProgram;
beforeAll(async () => {
  workshop = new Workshop();
  up = await workshop.up();
});
afterAll(async () => workshop.clean());

const nodeOf = (id: string) => {
  const node = workshop.ready().nodes.find((candidate) => candidate.id === id);
  if (node === undefined) throw new Error(id);
  return node;
};

/** Takes the port of `host:port` away. */
async function squat(address: string): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(addressOf(address, 'squat'), resolve));
  return server;
}

describe('node', () => {
  const ID = 'eu-west-1/a';

  test('list shows every node', async () => {
    const { code, output } = await workshop.command(['node', 'list']);
    const rows = output.trimEnd().split('\n');
    expect(rows).toHaveLength(4);
    for (const node of workshop.ready().nodes) {
      expect(output).toMatch(new RegExp(`${node.id} +running +${node.pid} +${node.resp} +${node.http}`));
    }
    expect(code).toBe(0);
  });

  test('kill ends the process before it returns; start brings it back on the same ports; both may be repeated', async () => {
    const before = nodeOf(ID);
    expect(await workshop.command(['node', 'kill', ID])).toMatchObject({ code: 0, output: `${ID} is killed\n` });
    expect(isAlive(before.pid)).toBe(false);
    expect(nodeOf(ID)).toEqual({ ...before, pid: null, state: 'stopped' });
    expect((await workshop.command(['node', 'kill', ID])).code).toBe(0);

    expect(await workshop.command(['node', 'start', ID])).toMatchObject({ code: 0, output: `${ID} is ready\n` });
    const after = nodeOf(ID);
    expect(after).toEqual({ ...before, pid: after.pid });
    expect(after.pid).not.toBe(before.pid);
    expect(isAlive(after.pid)).toBe(true);
    expect(await workshop.command(['node', 'start', ID])).toMatchObject({ code: 0, output: `${ID} is running\n` });
    expect(nodeOf(ID).pid).toBe(after.pid);
  });

  test('stop lets it end in order', async () => {
    const { pid } = nodeOf(ID);
    expect(await workshop.command(['node', 'stop', ID])).toMatchObject({ code: 0, output: `${ID} is stopped\n` });
    expect(isAlive(pid)).toBe(false);
    expect((await workshop.command(['node', 'start', ID])).code).toBe(0);
  });

  test('pause makes it stand still, resume go on; what makes no sense is refused', async () => {
    expect((await workshop.command(['node', 'pause', ID])).code).toBe(0);
    expect(nodeOf(ID).state).toBe('paused');
    const asked = await runToEnd(FAKE, ['node', 'start', ID, '--ready-file', workshop.readyFile]);
    expect(asked).toMatchObject({ code: 1, errors: `causeway: ERR ${ID} is paused; resume it\n` });
    expect((await workshop.command(['node', 'resume', ID])).code).toBe(0);
    expect(nodeOf(ID).state).toBe('running');
    expect((await workshop.command(['inspect', 'greeting'])).code).toBe(0);

    await workshop.command(['node', 'kill', ID]);
    expect(await workshop.command(['node', 'pause', ID])).toMatchObject({
      code: 1,
      errors: `causeway: ERR ${ID} is stopped\n`,
    });
    expect((await workshop.command(['node', 'start', ID])).code).toBe(0);
  });

  test('a node whose process was killed from elsewhere is noticed', async () => {
    process.kill(nodeOf(ID).pid ?? 0, 'SIGKILL');
    await up.until(() => nodeOf(ID).pid === null);
    const { output } = await workshop.command(['node', 'list']);
    expect(output).toMatch(new RegExp(`${ID} +stopped +- `));
    expect((await workshop.command(['node', 'start', ID])).code).toBe(0);
  });

  test('a node that cannot go on says why, and up with it', async () => {
    await withClient(addressOf(nodeOf(ID).resp, ID), async (client) => client.send('FATAL'));
    // said through a pipe, which may be later than the ready file
    const said = /eu-west-1\/a has ended \(exit code 1, STORE the disk is gone\); its log: \S+eu-west-1-a\.log/;
    await up.until(() => nodeOf(ID).pid === null && said.test(up.output));
    expect((await workshop.command(['node', 'start', ID])).code).toBe(0);
  });

  test('two starts at once are one', async () => {
    await workshop.command(['node', 'kill', ID]);
    const both = await Promise.all([workshop.command(['node', 'start', ID]), workshop.command(['node', 'start', ID])]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(isAlive(nodeOf(ID).pid)).toBe(true);
  });

  test('start says which of its ports was taken meanwhile; a taken peer port is replaced and everyone told', async () => {
    const { resp } = nodeOf(ID);
    const forwardsTo = async (): Promise<string> => {
      const { forwards } = (await askAdmin(workshop.ready().wan, '/links')) as { forwards: ForwardStatus[] };
      return forwards.find((forward) => forward.to === ID)?.target ?? '';
    };
    const peer = await forwardsTo();
    await workshop.command(['node', 'kill', ID]);
    const squatters = [await squat(resp), await squat(peer)];
    const refused = await workshop.command(['node', 'start', ID]);
    expect(refused).toMatchObject({ code: 1, errors: `causeway: PORTBUSY ${ID}: cannot listen on ${resp}\n` });
    expect(nodeOf(ID)).toMatchObject({ state: 'stopped', pid: null });

    squatters[0]?.close();
    expect((await workshop.command(['node', 'start', ID])).output).toBe(`${ID} is ready\n`);
    squatters[1]?.close();
    expect(nodeOf(ID).resp).toBe(resp);
    expect(await forwardsTo()).not.toBe(peer);
  });

  test('an unknown node and a missing ready file are named', async () => {
    expect(await workshop.command(['node', 'kill', 'mars/a'])).toMatchObject({
      code: 2,
      errors: 'causeway: CONFIG unknown node "mars/a"; there are us-east-1/a, eu-west-1/a, ap-southeast-1/a\n',
    });
    const missing = await runToEnd(REAL, ['node', 'list', '--ready-file', join(workshop.folder, 'none.json')]);
    expect(missing.code).toBe(2);
    expect(missing.errors).toMatch(
      /^causeway: CONFIG cannot read the ready file .*none.json \(is `causeway up` running\?\)/,
    );
    const broken = join(workshop.folder, 'broken.json');
    writeFileSync(broken, '{"pid":1}');
    const { errors } = await runToEnd(REAL, ['node', 'list', '--ready-file', broken]);
    expect(errors).toMatch(/^causeway: CONFIG .*broken.json: wan: /);
    expect(errors.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('wan', () => {
  const PAIR = ['us-east-1', 'eu-west-1'];
  const states = async (): Promise<string[]> => {
    const { output } = await workshop.command(['wan', 'links']);
    return output
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((row) => row.split(/ +/).slice(0, 4).join(' '));
  };

  test('links, cut, slow and heal', async () => {
    expect(await states()).toEqual([
      'us-east-1 eu-west-1 open 35.3',
      'eu-west-1 us-east-1 open 35.3',
      'us-east-1 ap-southeast-1 open 117.9',
      'ap-southeast-1 us-east-1 open 117.9',
      'eu-west-1 ap-southeast-1 open 93.3',
      'ap-southeast-1 eu-west-1 open 93.3',
    ]);
    expect((await workshop.command(['wan', 'cut', ...PAIR, '--one-direction'])).code).toBe(0);
    expect((await states()).slice(0, 2)).toEqual(['us-east-1 eu-west-1 cut -', 'eu-west-1 us-east-1 open 35.3']);
    expect((await workshop.command(['wan', 'cut', ...PAIR])).code).toBe(0);
    expect((await states()).slice(0, 2)).toEqual(['us-east-1 eu-west-1 cut -', 'eu-west-1 us-east-1 cut -']);
    expect((await workshop.command(['wan', 'heal', ...PAIR])).code).toBe(0);
    const slowed = await runToEnd(REAL, [
      'wan',
      'slow',
      ...PAIR,
      '--one-way-ms',
      '5000',
      '--admin',
      workshop.ready().wan,
    ]);
    expect(slowed.output).toMatch(/us-east-1 +eu-west-1 +slow +5000\.0 +35\.3/);
    expect((await states()).slice(0, 2)).toEqual([
      'us-east-1 eu-west-1 slow 5000.0',
      'eu-west-1 us-east-1 slow 5000.0',
    ]);
    expect((await workshop.command(['wan', 'heal', ...PAIR])).code).toBe(0);
    expect((await states()).slice(0, 2)).toEqual(['us-east-1 eu-west-1 open 35.3', 'eu-west-1 us-east-1 open 35.3']);
  });

  test.each([
    [['wan', 'cut', 'us-east-1'], 2, /missing required argument 'b'/],
    [['wan', 'slow', ...PAIR], 2, /required option '--one-way-ms <ms>' not specified/],
    [['wan', 'slow', ...PAIR, '--one-way-ms', '-1'], 2, /Expected a number of 0 to 600000/],
    [['wan', 'cut', 'us-east-1', 'mars'], 1, /^causeway: CONFIG unknown region "mars"; the topology has/],
    [['wan', 'cut', 'us-east-1', 'sa-east-1'], 1, /^causeway: CONFIG no link from us-east-1 to sa-east-1; there are: /],
  ])('%j is refused', async (args, code, message) => {
    const finished = await workshop.command(args);
    expect(finished.errors).toMatch(message);
    expect(finished.code).toBe(code);
  });

  test('asks which WAN is meant, and says when it is not there', async () => {
    const neither = await runToEnd(REAL, ['wan', 'links']);
    expect(neither).toMatchObject({ code: 2, errors: expect.stringContaining('--ready-file FILE') });
    const absent = await runToEnd(REAL, ['wan', 'links', '--admin', 'http://127.0.0.1:1']);
    expect(absent).toMatchObject({ code: 1, errors: expect.stringContaining('ERR no answer from http://127.0.0.1:1') });
  });
});

describe('replay and inspect', () => {
  test('replay spreads shares over the regions and says what it did', async () => {
    const file = join(workshop.folder, 'prices.csv');
    const rows = ['A', 'B', 'C', 'D'].flatMap((symbol) => [
      `2020-01-02,1,2,3,4,5,${symbol}`,
      `2020-01-01,1,1,1,1,1,${symbol}`,
    ]);
    writeFileSync(file, ['Date,Open,High,Low,Close,Volume,Stock', ...rows].join('\n'));
    const nodes = workshop.ready().nodes.map((node) => node.resp);
    // A single pretended node holds all, so that its regions agree.
    const alone = await runToEnd(REAL, ['replay', file, '--speed', '1000', '--nodes', nodes[0] ?? '']);
    expect(alone.output).toContain('8 rows of 4 shares, 2020-01-01 to 2020-01-02');
    expect(alone.output).toContain('every region shows the last of all 4 quotes');
    expect(alone.code).toBe(0);
  });

  test('replay ends with what a node answered, when it refuses', async () => {
    const file = join(workshop.folder, 'wrong.csv');
    writeFileSync(file, 'Date,Open,High,Low,Close,Volume,Stock\n2020-01-01,1,1,1,1,1,WRONG\n');
    const refused = await workshop.command(['replay', file]);
    expect(refused).toMatchObject({ code: 1, errors: 'causeway: WRONGTYPE not a hash\n' });
  });

  test('inspect prints what each node says and ends with 1 when they differ', async () => {
    const same = await workshop.command(['inspect', 'greeting']);
    expect(same.output).toBe(
      `${['us-east-1/a', 'eu-west-1/a', 'ap-southeast-1/a']
        .map((id) => `${id}\n  key    greeting\n  value  hello\n\n`)
        .join('')}All 3 nodes agree.\n`,
    );
    expect(same.code).toBe(0);
    const strong = await workshop.command(['inspect', 'position:1']);
    expect(strong.output).toContain(
      'eu-west-1/a\n  key      position:1\n  value    hello\n  leader   us-east-1/a\n  version  7 in the log of us-east-1/region\n',
    );
    expect(strong.code).toBe(0);
    const gone = await workshop.command(['inspect', 'position:absent']);
    expect(gone.output).toContain('  version  none: the key is not there\n');
    const stuck = await workshop.command(['inspect', 'position:unknown']);
    expect(stuck.output).toContain('  value    hello\n  leader   us-east-1/a\n  version  NOQUORUM no quorum\n');
    const different = await workshop.command(['inspect', 'differs']);
    expect(different.output).toContain('The nodes differ in: value.');
    expect(different.code).toBe(1);
    const hostile = await workshop.command(['inspect', '\u001b[2Jkey']);
    expect(hostile.output).not.toContain('\u001b');
    const absent = await runToEnd(REAL, ['inspect', 'x', '--nodes', '127.0.0.1:1']);
    expect(absent).toMatchObject({ code: 1, output: expect.stringContaining('cannot connect to 127.0.0.1:1') });
  });

  test('both ask which cluster is meant', async () => {
    for (const command of [
      ['inspect', 'x'],
      ['replay', 'examples/prices.csv'],
    ]) {
      const { code, errors } = await runToEnd(REAL, command);
      expect(code).toBe(2);
      expect(errors).toContain('say which cluster: --ready-file FILE');
    }
  });
});
