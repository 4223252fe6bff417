import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addressOf } from '../../src/server/address.ts';
import { withClient } from '../../src/cli/cluster-nodes.ts';
import type { ReadyFile } from '../../src/cli/ready-file.ts';
import { freePorts } from '../support/free-ports.ts';
import { isAlive, untilGone, Workshop } from './programs.ts';

/** Six times what `up` promises, for a busy machine; what is waited for in vain here goes on for longer than that. */
const STOP_WITHIN_MS = 30_000;

let workshop: Workshop;
beforeEach(() => {
  workshop = new Workshop();
});
afterEach(async () => workshop.clean());

async function ask(ready: ReadyFile, id: string, ...command: string[]) {
  const node = ready.nodes.find((candidate) => candidate.id === id);
  return withClient(addressOf(node?.resp ?? '', id), async (client) => client.send(...command));
}

/** Every process of a cluster but `up` itself: the nodes in their order, and the shaper. */
function pidsOf(ready: ReadyFile): number[] {
  return [...ready.nodes.map((node) => node.pid), ready.wanPid].filter((pid) => pid !== null);
}

describe('up', () => {
  test('starts a process a node and says where to connect, in the ready file and on the terminal', async () => {
    const up = await workshop.up();
    const ready = workshop.ready();
    expect(ready.pid).toBe(up.pid);
    expect(ready.wan).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(ready.nodes.map(({ id, region, state }) => ({ id, region, state }))).toEqual([
      { id: 'us-east-1/a', region: 'us-east-1', state: 'running' },
      { id: 'eu-west-1/a', region: 'eu-west-1', state: 'running' },
      { id: 'ap-southeast-1/a', region: 'ap-southeast-1', state: 'running' },
    ]);
    expect(new Set([up.pid, ...pidsOf(ready)]).size).toBe(5);
    await up.until(() => up.output.includes('Ctrl-C'));
    for (const node of ready.nodes)
      expect(up.output).toMatch(new RegExp(`${node.id} +${node.resp} +http://${node.http}/`));
    expect(up.output).toContain('us-east-1 to eu-west-1: 35.3 ms one way');
    const port = ready.nodes[0]?.resp.split(':')[1];
    expect(up.output).toContain(`redis-cli -p ${port} SET greeting hello`);
    expect(up.output).toContain(`node test/cli/fake-program.ts inspect greeting --ready-file ${workshop.readyFile}`);
    await up.until(() =>
      /^us-east-1 \d+ ops\/s, 1,234 keys, lag eu 7 ap 7 ms \| eu-west-1 .* \| ap-southeast-1 /m.test(up.output),
    );
    expect(up.output).not.toContain('\u001b');
  });

  test('tells each node which nodes it dials: other regions through the shaper, its own directly', async () => {
    await workshop.up(['--regions', 'eu-west-1,us-east-1', '--nodes-per-region', '2']);
    const ready = workshop.ready();
    const peers = async (id: string) => {
      const text = String(await ask(ready, id, 'PEERS'));
      return new Map(text === '' ? [] : text.split(' ').map((pair) => pair.split('=') as [string, string]));
    };
    const [eastA, eastB] = [await peers('us-east-1/a'), await peers('us-east-1/b')];
    expect([...eastA.keys()].toSorted()).toEqual(['eu-west-1/a', 'eu-west-1/b', 'us-east-1/b']);
    expect([...eastB.keys()].toSorted()).toEqual(['eu-west-1/a', 'eu-west-1/b']);
    expect([...(await peers('eu-west-1/a')).keys()]).toEqual(['eu-west-1/b']);
    expect([...(await peers('eu-west-1/b')).keys()]).toEqual([]);
    // Both dial the same node, each at a door of its own.
    expect(eastA.get('eu-west-1/a')).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
    expect(eastA.get('eu-west-1/a')).not.toBe(eastB.get('eu-west-1/a'));
  });

  test('takes fixed ports in base … base+49, RESP first', async () => {
    const base = await freePorts(50);
    const up = workshop.start(['up', '--port-base', String(base), '--ready-file', workshop.readyFile]);
    await up.until(() => existsSync(workshop.readyFile));
    const { nodes } = workshop.ready();
    expect(nodes.map((node) => node.resp)).toEqual([base, base + 1, base + 2].map((port) => `127.0.0.1:${port}`));
    expect(nodes.map((node) => node.http)).toEqual(
      [base + 25, base + 26, base + 27].map((port) => `127.0.0.1:${port}`),
    );
  });

  test('a busy port is named, and nothing is left', async () => {
    const base = await freePorts(50);
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(base + 26, '127.0.0.1', resolve));
    const up = workshop.start(['up', '--port-base', String(base)]);
    const { code, errors } = await up.finished;
    squatter.close();
    expect(code).toBe(1);
    expect(errors).toBe(
      `causeway: PORTBUSY port ${base + 26} is in use; it is for HTTP of eu-west-1/a. Choose other ports with --port-base\n`,
    );
    expect(readdirSync(workshop.folder)).toEqual([]);
  });

  test('a node that cannot start says why, and nothing is left', async () => {
    const up = workshop.start(['up', '--port-base', '0'], { CAUSEWAY_FAKE: 'eu-west-1/a:refuse' });
    const { code, errors } = await up.finished;
    expect(code).toBe(1);
    expect(errors).toBe('causeway: STORE eu-west-1/a: the disk is not one\n');
    expect(readdirSync(workshop.folder)).toEqual([]);
  });

  test.each([
    [['--regions', 'us-east-1,mars'], 2, /CONFIG --regions: unknown region "mars"; there are us-east-1, eu-west-1/],
    [
      ['--nodes-per-region', '9'],
      2,
      /CONFIG 3 regions of 9 nodes are 27 nodes, and 25 fit into .* --port-base 0 takes free ones/,
    ],
    [['--nodes-per-region', '0'], 2, /CONFIG option '--nodes-per-region <count>' argument '0' is invalid/],
    [['--port-base', '65500'], 2, /Expected a whole number of 0 to 65486/],
    [['--regions', ''], 2, /Expected names/],
    [['--speed', '1'], 2, /CONFIG unknown option '--speed'/],
    [['--ready-file', '/none/ready.json'], 2, /CONFIG --ready-file: there is no folder \/none/],
    [['--data-dir', '/dev/null/data'], 1, /ERR ENOTDIR: not a directory, mkdir/],
  ])('up %j is refused with exit code %d', async (args, expectedCode, message) => {
    const { code, errors } = await workshop.start(['up', ...args]).finished;
    expect(errors).toMatch(message);
    expect(errors.trimEnd().split('\n')).toHaveLength(1);
    expect(code).toBe(expectedCode);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s stops everything, data and ready file gone',
    async (signal) => {
      const up = await workshop.up();
      const pids = pidsOf(workshop.ready());
      const askedMs = performance.now();
      up.process.kill(signal);
      const { code } = await up.finished;
      expect(performance.now() - askedMs).toBeLessThan(STOP_WITHIN_MS);
      expect(code).toBe(0);
      expect(pids.filter(isAlive)).toEqual([]);
      expect(readdirSync(workshop.folder)).toEqual([]);
    },
  );

  test('a node that does not end, and one that stands still, do not keep it', async () => {
    const up = await workshop.up([], { CAUSEWAY_FAKE: 'eu-west-1/a:hang' });
    const pids = pidsOf(workshop.ready());
    process.kill(pids[0] ?? 0, 'SIGSTOP');
    const askedMs = performance.now();
    up.process.kill('SIGTERM');
    const { code } = await up.finished;
    expect(performance.now() - askedMs).toBeLessThan(STOP_WITHIN_MS);
    expect(code).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  test('a second signal ends it at once, the same one passed on by npm does not', async () => {
    const up = await workshop.up([], { CAUSEWAY_FAKE: 'eu-west-1/a:hang' });
    const pids = pidsOf(workshop.ready());
    up.process.kill('SIGINT');
    up.process.kill('SIGINT');
    await up.until(() => up.output.includes('stopping (SIGINT)'));
    expect(pids.filter(isAlive).length).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    up.process.kill('SIGINT');
    const { code } = await up.finished;
    expect(code).toBe(130);
    await untilGone(pids);
    expect(readdirSync(workshop.folder)).toEqual([]);
  });

  test('nodes and shaper end when it is killed', async () => {
    const up = await workshop.up([], { CAUSEWAY_FAKE: 'eu-west-1/a:hang' });
    const ready = workshop.ready();
    up.process.kill('SIGKILL');
    await up.finished;
    await untilGone(pidsOf(ready));
    expect(pidsOf(ready)).toHaveLength(4);
  });

  test('ends with an error when the shaper dies', async () => {
    const up = await workshop.up();
    const ready = workshop.ready();
    process.kill(ready.wanPid ?? 0, 'SIGKILL');
    const { code, errors } = await up.finished;
    expect(code).toBe(1);
    expect(errors).toContain('the WAN shaper: ended with SIGKILL');
    expect(pidsOf(ready).filter(isAlive)).toEqual([]);
  });

  test('keeps a data folder that was asked for, and starts again from it as the same cluster', async () => {
    const dataDir = join(workshop.folder, 'data');
    const clusterIds: string[] = [];
    for (let i = 0; i < 2; i += 1) {
      const up = await workshop.up(['--data-dir', dataDir]);
      expect(workshop.ready().dataDir).toBe(dataDir);
      const config = readFileSync(join(dataDir, 'config', 'us-east-1.yaml'), 'utf8');
      clusterIds.push(/clusterId: (\S+)/.exec(config)?.[1] ?? '');
      expect(config).toContain(join(dataDir, 'nodes', 'us-east-1', 'a'));
      if (i === 0) {
        const second = await workshop.start(['up', '--port-base', '0', '--data-dir', dataDir]).finished;
        expect(second.code).toBe(2);
        expect(second.errors).toContain(`another \`causeway up\` runs in ${dataDir}`);
      }
      up.process.kill('SIGTERM');
      await up.finished;
      expect(existsSync(workshop.readyFile)).toBe(false);
    }
    expect(clusterIds[0]).toMatch(/^local-[0-9a-f]{8}$/);
    expect(clusterIds[1]).toBe(clusterIds[0]);
  });

  test('replaces a ready file that a killed one has left', async () => {
    writeFileSync(workshop.readyFile, '{"pid":1}');
    const up = workshop.start(['up', '--port-base', '0', '--ready-file', workshop.readyFile], {
      CAUSEWAY_FAKE: 'us-east-1/a:never',
    });
    // The old file goes before anything starts, and no new one comes while a node is not ready.
    await up.until(() => !existsSync(workshop.readyFile));
    expect(up.output).toBe('');
  });

  test('hands what is for one node alone to none', async () => {
    await workshop.up([], { CAUSEWAY_RESP: '127.0.0.1:1', CAUSEWAY_LOG_LEVEL: 'debug' });
    const ready = workshop.ready();
    expect(await ask(ready, 'us-east-1/a', 'ENVIRONMENT', 'CAUSEWAY_RESP')).toBe('');
    expect(await ask(ready, 'us-east-1/a', 'ENVIRONMENT', 'CAUSEWAY_LOG_LEVEL')).toBe('debug');
  });

  test('ends when npm, which started it, has ended', async () => {
    // A shell that starts `up` as npm does, and goes.
    const shell = spawn(
      'sh',
      [
        '-c',
        `"$@" >/dev/null 2>&1 & while [ ! -e "$READY" ]; do sleep 0.05; done`,
        'sh',
        process.execPath,
        ...upArgs(),
      ],
      {
        env: { ...process.env, npm_lifecycle_event: 'start', READY: workshop.readyFile, TMPDIR: workshop.folder },
        stdio: 'ignore',
      },
    );
    // listened for from the start: the shell may be gone before the file is seen here
    const closed = new Promise((resolve) => shell.once('close', resolve));
    while (!existsSync(workshop.readyFile)) await new Promise((resolve) => setTimeout(resolve, 10));
    const ready = workshop.ready();
    await closed;
    await untilGone([ready.pid, ...pidsOf(ready)]);
    expect(existsSync(workshop.readyFile)).toBe(false);
  });
});

function upArgs(): string[] {
  return [join(import.meta.dirname, 'fake-program.ts'), 'up', '--port-base', '0', '--ready-file', workshop.readyFile];
}
