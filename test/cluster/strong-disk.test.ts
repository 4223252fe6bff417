import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RespClient } from '../../src/cli/resp-client.ts';
import { REAL } from '../cli/programs.ts';
import { freePorts } from '../support/free-ports.ts';
import { until } from './cluster.ts';
import { differencesOf } from './strong-load.ts';

let folder: string;
let node: ChildProcess | null = null;
let output = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'causeway-disk-'));
});
afterEach(async () => {
  if (node !== null && node.exitCode === null) {
    node.kill('SIGKILL');
    await once(node, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
});

/** A region of one node, which is all of the quorum; `limit` is said to its shell before it is started. */
async function start(respPort: number, limit: string): Promise<RespClient> {
  const strong = { match: ['position:*'], consistency: 'strong', home: 'us-east-1', survive: 'region' };
  writeFileSync(join(folder, 'classes.yaml'), JSON.stringify({ classes: [strong] }));
  const places = { resp: `127.0.0.1:${respPort}`, http: '127.0.0.1:0', peer: '127.0.0.1:0' };
  const nodes = { a: { ...places, dataDir: join(folder, 'data') } };
  const config = { clusterId: 'disk', region: 'us-east-1', nodes, members: {}, classes: 'classes.yaml' };
  writeFileSync(join(folder, 'region.yaml'), JSON.stringify(config));
  const script = `${limit}; exec "${process.execPath}" "${REAL}" serve --config "${folder}/region.yaml" --node a`;
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });
  node = child;
  output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const address = { host: '127.0.0.1', port: respPort };
  let client: RespClient | null = null;
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`the node has ended:\n${output}`);
    client = await RespClient.connect(address, 30_000).catch(() => null);
    return client !== null;
  });
  if (client === null) throw new Error('no connection');
  return client;
}

test('a disk that takes no more ends a voter with a message that says what to do; nothing acknowledged is lost', async () => {
  const port = await freePorts();
  const client = await start(port, 'ulimit -f 4096');
  if (node === null) throw new Error('nothing was started');
  const child: ChildProcess = node;
  // not `exit`, which may be told before the last of what it said
  const closed = once(child, 'close');
  const written = new Map<string, string>();
  for (let count = 0; child.exitCode === null && count < 100_000; count++) {
    const value = `${count}`.padEnd(10_000, 'x');
    const answer = await client.send('SET', `position:${count}`, value).catch(() => null);
    if (answer === 'OK') written.set(`position:${count}`, value);
    else await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await closed)[0]).toBe(1);
  expect(output).toMatch(/the store in .* failed: .*start again/);
  expect(written.size).toBeGreaterThan(10);

  const again = await start(port, 'true');
  expect(await differencesOf(again, written)).toEqual([]);
  expect(await again.send('SET', 'position:after', '1')).toBe('OK');
  again.close();
});
