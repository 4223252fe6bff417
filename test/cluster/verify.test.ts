import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { checkCausalConvergence } from '../../src/verify/causal-convergence.ts';
import { parseHistory } from '../../src/verify/history.ts';
import { checkLinearizability } from '../../src/verify/linearizability.ts';
import { askAdmin } from '../../src/wan/admin-client.ts';
import { REAL, runToEnd, type Finished } from '../cli/programs.ts';
import { startCluster, type TestCluster } from './cluster.ts';

let cluster: TestCluster;
afterEach(async () => cluster.stop());

const verify = async (...args: readonly string[]): Promise<Finished & { readonly history: string }> => {
  const history = join(cluster.folder, 'history.jsonl');
  const all = ['verify', '--ready-file', cluster.readyFile, '--history', history, ...args];
  return { ...(await runToEnd(REAL, all)), history };
};

describe('causeway verify on real processes', () => {
  test('under all faults every promise holds, and the cluster is as it was', async () => {
    cluster = await startCluster();
    const { code, errors, history, output } = await verify('--minutes', '0.6', '--faults', 'all', '--seed', '1');
    expect(errors).toBe('');
    expect(output).not.toContain('BROKEN');
    expect(output).toMatch(/^ {2}holds +causal: /m);
    expect(output).toMatch(/^ {2}holds +linearizable: /m);
    expect(output).toMatch(/^ {2}holds +convergence: .* keys on 3 nodes$/m);
    for (const kind of ['kill', 'pause', 'cut', 'slow', 'clock', 'disk']) {
      expect(output).toMatch(new RegExp(`^\\d+ operations, .* faults: .*\\d × ${kind}`, 'm'));
    }
    expect(code).toBe(0);

    const operations = parseHistory(readFileSync(history, 'utf8'));
    expect(operations.length).toBeGreaterThan(1_000);
    expect(operations.some(({ ok }) => ok === null)).toBe(true);
    expect(checkCausalConvergence(operations)).toMatchObject({ holds: true });
    expect(checkLinearizability(operations)).toMatchObject({ holds: true });
    const { nodes, wan } = cluster.ready();
    expect(nodes.map(({ state }) => state)).toEqual(['running', 'running', 'running']);
    const { links } = (await askAdmin(wan, '/links')) as { links: readonly { state: string }[] };
    expect(links.filter(({ state }) => state !== 'open')).toEqual([]);
    for (const { id } of nodes) expect(await (await cluster.connect(id)).send('DBSIZE')).toBe(0);
  });

  test('nodes that take what arrives last for the latest are found out', async () => {
    const plant = new URL('../faults/plant.ts', import.meta.url).href;
    cluster = await startCluster({
      environment: { CAUSEWAY_FAULT: 'last-delivered-wins', NODE_OPTIONS: `--import ${plant}` },
    });
    // real time makes the moment that shows it in most runs of twelve seconds, and not in each
    let { code, output } = await verify('--minutes', '0.2', '--seed', '1');
    for (let seed = 2; code === 0 && seed <= 6; seed++)
      ({ code, output } = await verify('--minutes', '0.2', '--seed', String(seed)));
    expect(output).toMatch(/^ {2}BROKEN +causal: \d+ violations? in /m);
    expect(output).toMatch(/^ {2}holds +linearizable: /m);
    expect(code).toBe(1);
  });

  test('a node of `up` may be started with another time, and has the right one again after that', async () => {
    cluster = await startCluster();
    const id = 'eu-west-1/a';
    const aheadSeconds = async (): Promise<number> => {
      const reply = (await (await cluster.connect(id)).send('TIME')) as readonly string[];
      return Math.round(Number(reply[0]) - Date.now() / 1_000);
    };
    await cluster.act('kill', id);
    await askAdmin(cluster.ready().admin, '/nodes', { id, action: 'start', conditions: { clockAheadMs: -3_600_000 } });
    expect(await aheadSeconds()).toBeLessThan(-3_500);
    await cluster.act('kill', id);
    await cluster.act('start', id);
    expect(Math.abs(await aheadSeconds())).toBeLessThan(100);
  });
});
