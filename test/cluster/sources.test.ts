import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RealSource } from '../sources/real-source.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';

const NODES = ['us-east-1/a', 'eu-west-1/a', 'ap-southeast-1/a'];
const folder = mkdtempSync(join(tmpdir(), 'causeway-sources-'));
let cluster: TestCluster;
let source: RealSource;

beforeAll(async () => {
  source = await RealSource.start();
  writeFileSync(
    join(folder, 'classes.yaml'),
    `classes:
  - match: ["price:*"]
    missing: { within: 20s }
    source: { url: "${source.url}/{key}", ttl: 10m, timeout: 10s, stampede: cluster }
  - match: ["made:*"]
    source: { module: ./made.mjs, ttl: 10m, timeout: 10s }
`,
  );
  writeFileSync(join(folder, 'made.mjs'), `export const load = (key) => (key === 'made:none' ? null : 'made ' + key);`);
  cluster = await startCluster({
    args: ['--regions', 'us-east-1,eu-west-1,ap-southeast-1', '--classes', join(folder, 'classes.yaml')],
  });
});
afterAll(async () => {
  await cluster.stop();
  await source.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('1,000 concurrent misses of a key in three regions ask the source once', async () => {
  source.answer = (_path, response) => void setTimeout(() => response.end('12.5'), 300);
  const clients = await Promise.all(Array.from({ length: 1_000 }, (_, at) => cluster.connect(NODES[at % 3] ?? '')));
  const answers = await Promise.all(clients.map((client) => client.send('GET', 'price:AAPL')));
  expect(new Set(answers)).toEqual(new Set(['12.5']));
  expect(source.asked).toEqual(['/price%3AAAPL']);
});

test('what is removed anywhere is loaded anew everywhere, and what was on its way is not kept', async () => {
  source.asked.length = 0;
  let price = 'old';
  const release: (() => void)[] = [];
  source.answer = (_path, response) => {
    const read = price;
    release.push(() => response.end(read));
  };
  const [east, west, asia] = await Promise.all(NODES.map((id) => cluster.connect(id)));
  const early = east?.send('GET', 'price:MSFT');
  await until(() => release.length > 0);
  price = 'new';
  await west?.send('DEL', 'price:MSFT');
  await west?.send('WAIT', 2, 20_000);
  source.answer = (_path, response) => void response.end(price);
  for (const answer of release) answer();
  expect(await early).toBe('new');
  for (const client of [east, west, asia]) expect(await client?.send('GET', 'price:MSFT')).toBe('new');
});

test('a module loads in real nodes, and INFO tells of it', async () => {
  const west = await cluster.connect('eu-west-1/a');
  expect(await west.send('MGET', 'made:1', 'made:2', 'made:none')).toEqual(['made made:1', 'made made:2', null]);
  expect(String(await west.send('INFO', 'sources'))).toContain('source_made:*:loaded=2,absent=1,failed=0');
  const metrics = await (await fetch(`${cluster.http('eu-west-1/a')}/metrics`)).text();
  expect(metrics).toContain('causeway_source_loads_total{class="made:*"} 2');
});
