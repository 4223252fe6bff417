import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { NodeConfig } from '../../src/server/node-config.ts';
import { RawClient, request } from '../commands-server/raw-client.ts';
import { startChild } from '../server/child-node.ts';
import { configOf, temporaryFolder } from '../server/peer-rig.ts';
import { clientOf, ServerRig } from '../server/server-rig.ts';
import { RealSource, type GivenWrite } from './real-source.ts';

const folder = mkdtempSync(join(tmpdir(), 'causeway-writes-'));
let source: RealSource;

beforeAll(async () => {
  source = await RealSource.start();
});
afterAll(async () => {
  await source.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  source.given.length = 0;
  source.take = (_write, response) => response.writeHead(204).end();
  source.answer = (_path, response) => response.writeHead(404).end();
});

function configWith(classes: string, changes: Partial<NodeConfig> = {}): NodeConfig {
  return configOf(0, 1, { classes: { file: join(folder, 'classes.yaml'), text: `classes:\n${classes}` }, ...changes });
}

const section = (pattern: string, rest: string): string =>
  `  - match: ["${pattern}"]\n    source: { url: "${source.url}/{key}", ttl: 10m, timeout: 10s, ${rest} }\n`;

const isGiven = async (expected: readonly Partial<GivenWrite>[]): Promise<void> => {
  await expect.poll(() => source.given, { timeout: 30_000 }).toMatchObject(expected);
};

describe('a node whose source is an HTTP server', () => {
  test('answers a write through when the server took it, over RESP and HTTP, and what it refuses with that', async () => {
    const rig = await ServerRig.start(configWith(section('t:*', 'write: through')));
    await rig.server.ready;
    const client = rig.client();
    const release: (() => void)[] = [];
    source.take = (_write, response) => void release.push(() => response.writeHead(204).end());
    let isAnswered = false;
    const answer = client.set('t:a', '1').then((reply) => {
      isAnswered = true;
      return reply;
    });
    await expect.poll(() => release.length, { timeout: 30_000 }).toBe(1);
    expect(isAnswered).toBe(false);
    for (const give of release) give();
    expect(await answer).toBe('OK');
    await isGiven([{ method: 'PUT', path: '/t%3Aa', body: '1' }]);
    source.take = (_write, response) => response.writeHead(422).end();
    await expect(client.set('t:a', 'bad')).rejects.toThrow('REFUSED t:*: the source refused it: it answered 422');
    const put = await fetch(`http://127.0.0.1:${rig.server.ports.http}/v1/keys/t:b`, { method: 'PUT', body: 'bad' });
    expect([put.status, await put.json()]).toMatchObject([422, { code: 'REFUSED' }]);
    expect(await client.get('t:b')).toBeNull();
    source.take = (_write, response) => response.writeHead(204).end();
    await client.del('t:a');
    expect(source.given.at(-1)).toMatchObject({ method: 'DELETE', path: '/t%3Aa' });
    expect(await client.info('sources')).toContain('source_writes_t:*:unstored=0,oldest_ms=0,stored=2,failed=0');
    const metrics = await (await rig.http('/metrics')).text();
    expect(metrics).toContain('causeway_source_stores_total{class="t:*"} 2');
    expect(metrics).toContain('causeway_source_store_refused_total{class="t:*"} 2');
    expect(metrics).toContain('causeway_source_unstored_keys{class="t:*"} 0');
  });

  test('pushes that come to a client while it waits for the source are not lost with a refused answer', async () => {
    const rig = await ServerRig.start(configWith(section('t:*', 'write: through')));
    await rig.server.ready;
    const other = rig.client();
    const listener = await RawClient.open(rig.server.ports.resp);
    onTestFinished(() => void listener.socket.destroy());
    source.take = (_write, response) => void other.publish('news', 'now').then(() => response.writeHead(422).end());
    const answer = '-REFUSED t:*: the source refused it: it answered 422\r\n';
    const push = '>3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\nnow\r\n';
    listener.send(request('HELLO', '3') + request('SUBSCRIBE', 'news') + request('SET', 't:a', 'bad'));
    expect(await listener.takeTo(answer)).toContain(`$4\r\nnews\r\n:1\r\n${push}`);
  });

  test('stores in a module, several at once', async () => {
    const told = join(folder, 'told.txt');
    writeFileSync(
      join(folder, 'store.mjs'),
      `import { appendFileSync } from 'node:fs';
export const load = () => null;
export const storeMany = (writes) => appendFileSync(${JSON.stringify(told)}, writes.map(({ key, value }) => key + '=' + value).join(' ') + '\\n');`,
    );
    writeFileSync(told, '');
    const classes = `  - match: ["m:*"]\n    source: { module: ./store.mjs, ttl: 1m, timeout: 10s, write: through }\n`;
    const rig = await ServerRig.start(configWith(classes));
    await rig.server.ready;
    const client = rig.client();
    await client.mset('m:a', '1', 'm:b', '2');
    expect(readFileSync(told, 'utf8')).toBe('m:a=1 m:b=2\n');
  });

  test('does not start with a module that cannot store what is to be written', async () => {
    writeFileSync(join(folder, 'loads.mjs'), 'export const load = () => null;');
    const classes = '  - match: ["m:*"]\n    source: { module: ./loads.mjs, ttl: 1m, write: behind }\n';
    await expect(ServerRig.start(configWith(classes))).rejects.toThrow('exports neither store nor storeMany');
  });

  test('stores what waits before it stops, and says what is left when the source does not take it', async () => {
    const config = configWith(section('b:*', 'write: behind, delay: 200ms') + section('bad:*', 'write: behind'), {
      log: { level: 'error', format: 'json' },
    });
    source.take = ({ path }, response) => response.writeHead(path.startsWith('/bad') ? 503 : 204).end();
    const node = await startChild(config);
    const client = clientOf(node.ports.resp);
    for (let at = 0; at < 50; at++) await client.set(`b:${at}`, at);
    await client.set('bad:1', 'x');
    node.process.kill('SIGTERM');
    await once(node.process, 'close');
    expect(source.given.filter(({ path }) => path.startsWith('/b%3A'))).toHaveLength(50);
    expect(node.errors()).toContain('writes are left that their sources did not take');
    expect(node.errors()).toContain('"keys":1');
  });
});

test('kill -9: durable writes that were answered reach the source in the next life, the last of each key', async () => {
  const config = configWith(section('d:*', 'write: behind, durable: true'), { dataDir: temporaryFolder() });
  source.take = (_write, response) => response.writeHead(503).end();
  const first = await startChild(config);
  const client = clientOf(first.ports.resp);
  for (const value of ['old', 'new']) await Promise.all(['a', 'b', 'c'].map((key) => client.set(`d:${key}`, value)));
  expect(await client.del('d:c')).toBe(1);
  first.process.kill('SIGKILL');
  await once(first.process, 'close');
  source.given.length = 0;
  const kept = new Map([['/d%3Ac', 'old']]);
  source.take = ({ method, path, body }, response) => {
    if (method === 'PUT') kept.set(path, body);
    else kept.delete(path);
    response.writeHead(204).end();
  };
  const second = await startChild(
    configWith(section('d:*', 'write: behind, durable: true'), { dataDir: config.dataDir }),
  );
  await expect.poll(() => Object.fromEntries(kept), { timeout: 60_000 }).toEqual({ '/d%3Aa': 'new', '/d%3Ab': 'new' });
  const reader = clientOf(second.ports.resp);
  expect(await reader.get('d:c')).toBeNull();
  await expect.poll(() => reader.info('sources'), { timeout: 30_000 }).toContain('source_writes_d:*:unstored=0');
});
