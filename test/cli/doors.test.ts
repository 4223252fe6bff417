import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectTo } from '../../src/cli/cluster-nodes.ts';
import { addressOf } from '../../src/server/address.ts';
import { REAL, runToEnd, Workshop } from './programs.ts';

const PASSWORD = 'one for the clients';

const workshop = new Workshop();
afterAll(async () => workshop.clean());

/** Files of a folder and the folders in it. */
function filesOf(folder: string): string[] {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return found.map((entry) => join(entry.parentPath, entry.name));
}

describe('a cluster with a password', () => {
  beforeAll(async () => {
    await workshop.up(
      ['--regions', 'us-east-1,eu-west-1', '--wan-scale', '0', '--data-dir', join(workshop.folder, 'data')],
      { CAUSEWAY_REQUIREPASS: PASSWORD },
      REAL,
    );
  });

  test('inspect says it by option or by environment, and tells what is wrong without', async () => {
    const inspect = ['inspect', 'k', '--ready-file', workshop.readyFile];
    const without = await runToEnd(REAL, inspect);
    expect(without.output).toContain('NOAUTH Authentication required.');
    expect(without.code).toBe(1);
    const wrong = await runToEnd(REAL, [...inspect, '--password', 'wrong']);
    expect(wrong.output).toContain('WRONGPASS invalid username-password pair');
    for (const [args, environment] of [
      [['--password', PASSWORD], {}],
      [[], { CAUSEWAY_PASSWORD: PASSWORD }],
    ] as const) {
      const said = await runToEnd(REAL, [...inspect, ...args], environment);
      expect(said).toMatchObject({ code: 0, errors: '' });
    }
  });

  test('replay says it too, and the nodes replicate behind a secret of their own', async () => {
    const prices = join(workshop.folder, 'prices.csv');
    writeFileSync(prices, readFileSync('examples/prices.csv', 'utf8').split('\n').slice(0, 30).join('\n'));
    const replay = ['replay', prices, '--speed', '1000', '--ready-file', workshop.readyFile];
    const without = await runToEnd(REAL, replay);
    expect(without).toMatchObject({ code: 1, errors: expect.stringMatching(/NOAUTH|unauthenticated/) as unknown });
    const said = await runToEnd(REAL, replay, { CAUSEWAY_PASSWORD: PASSWORD });
    expect(said.output).toMatch(/every region shows the last of all \d+ quotes/);
    for (const region of ['us-east-1', 'eu-west-1']) {
      expect(readFileSync(join(workshop.folder, 'data', 'config', `${region}.yaml`), 'utf8')).toMatch(
        /^peerSecret: [\w-]{43}$/m,
      );
    }
  });

  test('what is secret stands in files that only their owner reads, and in no log', async () => {
    const [node] = workshop.ready().nodes;
    const client = await connectTo(addressOf(node?.resp ?? '', 'resp'), { password: PASSWORD });
    await client.send('CONFIG', 'SET', 'slowlog-log-slower-than', '0');
    client.close();
    const secret = readFileSync(join(workshop.folder, 'data', 'peer-secret'), 'utf8').trim();
    const holders = filesOf(workshop.folder).filter((file) => {
      const text = readFileSync(file, 'latin1');
      return text.includes(secret) || text.includes(PASSWORD);
    });
    for (const file of holders) expect(statSync(file).mode & 0o077).toBe(0);
    expect(holders.map((file) => file.slice(workshop.folder.length)).toSorted()).toEqual([
      '/data/config/eu-west-1.yaml',
      '/data/config/us-east-1.yaml',
      '/data/peer-secret',
    ]);
  });
});

test('up takes the password as an option', async () => {
  const own = new Workshop();
  try {
    await own.up(['--regions', 'us-east-1', '--requirepass', PASSWORD], {}, REAL);
    const [node] = own.ready().nodes;
    const address = addressOf(node?.resp ?? '', 'resp');
    const stranger = await connectTo(address, {});
    await expect(stranger.send('GET', 'k')).rejects.toThrow('NOAUTH');
    stranger.close();
    const client = await connectTo(address, { password: PASSWORD });
    expect(await client.send('GET', 'k')).toBeNull();
    client.close();
  } finally {
    await own.clean();
  }
});
