import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { FETCH_AHEAD_MAX } from '../../src/base/client-limits.ts';
import { RawClient, request } from '../commands-server/raw-client.ts';
import { configOf } from '../server/peer-rig.ts';
import { ServerRig } from '../server/server-rig.ts';
import { RealSource } from './real-source.ts';

const PATIENCE = { timeout: 30_000 };

let source: RealSource;
/** Answers that the source keeps back, by path. */
const held = new Map<string, ServerResponse>();

beforeAll(async () => {
  source = await RealSource.start();
});
afterAll(() => source.stop());
beforeEach(() => {
  source.asked.length = 0;
  held.clear();
  source.answer = (path, response) => void held.set(path, response);
});

async function rigOf(rest = 'ttl: 10m'): Promise<ServerRig> {
  const text = `classes:
  - match: ["s:*"]
    source: { url: "${source.url}/{key}", timeout: 20s, failures: 1000, ${rest} }
    missing: { within: 30s }
`;
  const rig = await ServerRig.start(configOf(0, 1, { classes: { file: 'classes.yaml', text } }));
  await rig.server.ready;
  return rig;
}

async function rawOf(rig: ServerRig): Promise<RawClient> {
  const client = await RawClient.open(rig.server.ports.resp);
  onTestFinished(() => void client.socket.destroy());
  return client;
}

const pathOf = (key: string): string => `/${encodeURIComponent(key)}`;
async function askedFor(...keys: string[]): Promise<void> {
  await expect.poll(() => source.asked.toSorted(), PATIENCE).toEqual(keys.map(pathOf).toSorted());
}

function give(key: string, status = 200): void {
  const response = held.get(pathOf(key));
  held.delete(pathOf(key));
  if (status === 200) response?.end(`value of ${key}`);
  else response?.writeHead(status).end();
}

/** What a client is replied for values of keys. */
const bulks = (...keys: string[]): string => keys.map((key) => `$${key.length + 9}\r\nvalue of ${key}\r\n`).join('');

const gets = (...keys: string[]): string => keys.map((key) => request('GET', key)).join('');

describe('reads that come together and are not here', () => {
  test('are loaded together, whatever comes first, and answered in their order', async () => {
    const client = await rawOf(await rigOf());
    client.send(gets('s:a', 's:b') + request('MGET', 's:c', 's:d') + gets('s:e', 's:a'));
    await askedFor('s:a', 's:b', 's:c', 's:d', 's:e');
    for (const key of ['s:e', 's:d', 's:c', 's:b', 's:a']) give(key);
    const answer = `${bulks('s:a', 's:b')}*2\r\n${bulks('s:c', 's:d', 's:e', 's:a')}`;
    expect(await client.take(answer.length)).toBe(answer);
    await askedFor('s:a', 's:b', 's:c', 's:d', 's:e');
  });

  test('also those that come while one waits', async () => {
    const rig = await rigOf();
    const client = await rawOf(rig);
    client.send(gets('s:a'));
    await askedFor('s:a');
    client.send(gets('s:b'));
    await askedFor('s:a', 's:b');
    client.send(gets('s:c').slice(0, 9));
    client.send(gets('s:c').slice(9));
    await askedFor('s:a', 's:b', 's:c');
    for (const key of ['s:c', 's:b', 's:a']) give(key);
    const answer = bulks('s:a', 's:b', 's:c');
    expect(await client.take(answer.length)).toBe(answer);
    expect(await rig.client().info('sources')).toContain('fetches_started:3\r\nfetches_ahead:2\r\n');
  });

  test('not those behind a write: it may be what the load is to see', async () => {
    const client = await rawOf(await rigOf());
    client.send(gets('s:a', 's:b') + request('SET', 'other', '1') + gets('s:c'));
    await askedFor('s:a', 's:b');
    for (const key of ['s:a', 's:b']) give(key);
    await askedFor('s:a', 's:b', 's:c');
    give('s:c');
    const answer = `${bulks('s:a', 's:b')}+OK\r\n${bulks('s:c')}`;
    expect(await client.take(answer.length)).toBe(answer);
  });

  test('so many at a time, and then the next', async () => {
    const keys = Array.from({ length: FETCH_AHEAD_MAX + 10 }, (_, at) => `s:${at}`);
    const client = await rawOf(await rigOf());
    client.send(gets(...keys));
    await askedFor(...keys.slice(0, FETCH_AHEAD_MAX + 1));
    source.answer = (path, response) => response.end(`value of ${decodeURIComponent(path.slice(1))}`);
    for (const key of keys) give(key);
    const answer = bulks(...keys);
    expect(await client.take(answer.length)).toBe(answer);
    await askedFor(...keys);
  });

  test('of a client in the process too', async () => {
    const rig = await rigOf();
    const session = rig.server.openSession({ address: 'local:test' });
    const replies = ['s:a', 's:b', 's:c'].map((key) => session.call(['GET', key]));
    await askedFor('s:a', 's:b', 's:c');
    for (const key of ['s:c', 's:b', 's:a']) give(key);
    const values = await Promise.all(replies);
    expect(values.map((value) => Buffer.from(value as Uint8Array).toString())).toEqual([
      'value of s:a',
      'value of s:b',
      'value of s:c',
    ]);
  });
});

describe('what was asked ahead and is not in the keyspace', () => {
  test('is asked for once: that there is none, and that there is no answer', async () => {
    const client = await rawOf(await rigOf('ttl: 10m, absent: 0s'));
    client.send(gets('s:a', 's:none', 's:bad'));
    await askedFor('s:a', 's:none', 's:bad');
    give('s:none', 404);
    give('s:bad', 500);
    await expect.poll(() => held.size, PATIENCE).toBe(1);
    give('s:a');
    const answer = `${bulks('s:a')}$-1\r\n-UNAVAILABLE `;
    expect(await client.take(answer.length)).toBe(answer);
    await askedFor('s:a', 's:none', 's:bad');
    // what comes later asks anew
    await client.takeTo('\r\n');
    source.answer = (path, response) => response.end(`value of ${decodeURIComponent(path.slice(1))}`);
    client.send(gets('s:none', 's:bad'));
    const later = bulks('s:none', 's:bad');
    expect(await client.take(later.length)).toBe(later);
  });

  test('is not believed of a key that was written, or written and removed, meanwhile', async () => {
    const rig = await rigOf('ttl: 10m, absent: 0s');
    const client = await rawOf(rig);
    const other = rig.client();
    client.send(gets('s:a', 's:set', 's:gone'));
    await askedFor('s:a', 's:set', 's:gone');
    give('s:set', 500);
    give('s:gone', 500);
    await expect.poll(() => other.info('sources'), PATIENCE).toContain('source_loads_running:1\r\n');
    await other.set('s:set', 'new');
    await other.set('s:gone', 'new');
    await other.del('s:gone');
    give('s:a');
    const answer = `${bulks('s:a')}$3\r\nnew\r\n`;
    expect(await client.take(answer.length)).toBe(answer);
    await askedFor('s:a', 's:set', 's:gone', 's:gone');
    give('s:gone');
    expect(await client.take(bulks('s:gone').length)).toBe(bulks('s:gone'));
  });
});
