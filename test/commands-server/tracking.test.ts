import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import {
  TRACKED_PREFIX_BYTES_MAX,
  TRACKED_PREFIXES_MAX,
  TRACKING_OUTPUT_BYTES_MAX,
} from '../../src/base/client-limits.ts';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { systemKey } from '../../src/base/system-keys.ts';
import { request, type RawClient } from './raw-client.ts';
import { Rig } from './rig.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await Rig.start();
});
afterEach(async () => rig.stop());

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;
const invalidate = (...keys: string[]): string =>
  `>2\r\n$10\r\ninvalidate\r\n*${keys.length}\r\n${keys.map(bulk).join('')}`;
const ALL = '>2\r\n$10\r\ninvalidate\r\n_\r\n';

/** Sends a request, and expects what comes of it. */
async function expectReply(client: RawClient, reply: string, ...words: string[]): Promise<void> {
  client.send(request(...words));
  expect(await client.take(reply.length)).toBe(reply);
}

/** Nothing else has come before the answer to a PING. */
async function expectNothing(client: RawClient): Promise<void> {
  await expectReply(client, '+PONG\r\n', 'PING');
}

async function resp3(...tracking: string[]): Promise<RawClient> {
  const client = await rig.client();
  client.send(request('HELLO', '3'));
  await client.takeTo('modules\r\n*0\r\n');
  if (tracking.length > 0) await expectReply(client, '+OK\r\n', 'CLIENT', 'TRACKING', ...tracking);
  return client;
}

async function info(client: RawClient): Promise<Record<string, number>> {
  const text = await client.text('INFO');
  const found = [...text.matchAll(/^(tracking_\w+):(\d+)/gm)];
  return Object.fromEntries(found.map(([, name = '', value]) => [name, Number(value)]));
}

describe('a push', () => {
  test('comes behind the reply of the request that caused it, wherever it goes', async () => {
    const target = await resp3();
    const id = (await target.text('CLIENT', 'ID')).slice(1);
    const reader = await rig.client();
    await expectReply(reader, '+OK\r\n', 'CLIENT', 'TRACKING', 'on', 'REDIRECT', id);
    await expectReply(reader, '$-1\r\n', 'GET', 'a');
    // a client that does nothing but plain requests, and a pipeline of them
    target.send(request('SET', 'b', '1') + request('SET', 'a', '1') + request('SET', 'c', '1'));
    const replies = `+OK\r\n+OK\r\n${invalidate('a')}+OK\r\n`;
    expect(await target.take(replies.length)).toBe(replies);
  });

  test('of a MULTI comes behind the whole EXEC', async () => {
    const client = await resp3('on');
    await expectReply(client, '_\r\n', 'GET', 'a');
    const requests = [['MULTI'], ['SET', 'a', '1'], ['GET', 'b'], ['EXEC'], ['PING']];
    client.send(requests.map((words) => request(...words)).join(''));
    const replies = `+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n_\r\n${invalidate('a')}+PONG\r\n`;
    expect(await client.take(replies.length)).toBe(replies);
    // what EXEC has read is tracked too
    await expectReply(client, `+OK\r\n${invalidate('b')}`, 'SET', 'b', '1');
  });

  test('comes while CLIENT REPLY is off', async () => {
    const client = await resp3('on');
    await expectReply(client, '_\r\n', 'GET', 'a');
    client.send(request('CLIENT', 'REPLY', 'off') + request('SET', 'a', '1'));
    expect(await client.take(invalidate('a').length)).toBe(invalidate('a'));
  });
});

describe('what is told', () => {
  test('is each change of a key once for each time that it was read', async () => {
    const reader = await resp3('on');
    const writer = await rig.client();
    await expectReply(reader, '*2\r\n_\r\n_\r\n', 'MGET', 'a', 'b');
    await expectReply(writer, ':1\r\n', 'INCR', 'a');
    await expectReply(writer, ':2\r\n', 'INCR', 'a');
    await expectReply(writer, ':1\r\n', 'INCR', 'c');
    expect(await reader.take(invalidate('a').length)).toBe(invalidate('a'));
    await expectNothing(reader);
    await expectReply(writer, ':1\r\n', 'SADD', 'b', 'm');
    expect(await reader.take(invalidate('b').length)).toBe(invalidate('b'));
  });

  test('is an expiry when it is found, FLUSHALL as everything, and no key of the product itself', async () => {
    const reader = await resp3('on', 'BCAST');
    const writer = await rig.client();
    await expectReply(writer, '+OK\r\n', 'SET', 'a', '1', 'PX', '50');
    expect(await reader.take(invalidate('a').length)).toBe(invalidate('a'));
    const wallMs = systemClock.wallMs();
    rig.node.transact(wallMs, (tx) => tx.set(latin1Range(systemKey('tag', 't')), 0, latin1Range('v'), Infinity));
    rig.node.tick({ wallMs: wallMs + 60, monotonicMs: systemClock.monotonicMs() });
    rig.server.progress();
    expect(await reader.take(invalidate('a').length)).toBe(invalidate('a'));
    await expectReply(writer, '+OK\r\n', 'FLUSHALL');
    expect(await reader.take(ALL.length)).toBe(ALL);
    await expectNothing(reader);
  });

  test('is below its prefixes to those who asked for them, together for a turn', async () => {
    const reader = await resp3('on', 'BCAST', 'PREFIX', 'a:', 'PREFIX', '__proto__');
    const other = await resp3('on', 'BCAST', 'PREFIX', 'a:', 'NOLOOP');
    other.send(request('MSET', 'a:1', '1', 'a:2', '2', 'a', '3', 'b:', '4', '__proto__x', '5'));
    const told = `${invalidate('a:1', 'a:2')}${invalidate('__proto__x')}`;
    expect(await reader.take(told.length)).toBe(told);
    expect(await other.take(5)).toBe('+OK\r\n');
    await expectNothing(other);
  });

  test('ends with TRACKING off and RESET, and what was kept of it with the last client', async () => {
    const [first, second] = [await resp3('on'), await resp3('on', 'BCAST', 'PREFIX', 'x')];
    const looker = await rig.client();
    await expectReply(first, '_\r\n', 'GET', 'a');
    expect(await info(looker)).toEqual({
      tracking_clients: 2,
      tracking_total_keys: 1,
      tracking_total_items: 1,
      tracking_total_prefixes: 1,
    });
    await expectReply(first, '+OK\r\n', 'CLIENT', 'TRACKING', 'off');
    await expectReply(looker, '+OK\r\n', 'SET', 'a', '1');
    await expectNothing(first);
    await expectReply(second, '+RESET\r\n', 'RESET');
    expect(Object.values(await info(looker))).toEqual([0, 0, 0, 0]);
  });

  test('is nothing of a connection that is gone', async () => {
    const gone = await resp3('on', 'BCAST');
    gone.destroy();
    const looker = await rig.client();
    await expect.poll(async () => (await info(looker))['tracking_clients']).toBe(0);
  });
});

describe('limits', () => {
  test('past tracking-table-max-keys the oldest keys are told as changed', async () => {
    const client = await resp3('on');
    await expectReply(client, '+OK\r\n', 'CONFIG', 'SET', 'tracking-table-max-keys', '3');
    const keys = Array.from({ length: 1_000 }, (_unused, at) => `k${at}`);
    const told = keys.slice(0, -3).map((key) => invalidate(key));
    client.send(request('EXISTS', ...keys));
    const replies = `:0\r\n${told.join('')}`;
    expect(await client.take(replies.length)).toBe(replies);
    expect((await info(client))['tracking_total_keys']).toBe(3);
  });

  test('keys that very many clients have read count for more', async () => {
    const clients = await Promise.all(Array.from({ length: 5 }, async () => resp3('on')));
    await expectReply(clients[0] as RawClient, '+OK\r\n', 'CONFIG', 'SET', 'tracking-table-max-keys', '1');
    for (const client of clients) await expectReply(client, '_\r\n', 'GET', 'a');
    for (const client of clients) expect(await client.take(invalidate('a').length)).toBe(invalidate('a'));
  });

  test('very long keys count for more', async () => {
    const client = await resp3('on');
    await expectReply(client, '+OK\r\n', 'CONFIG', 'SET', 'tracking-table-max-keys', '10');
    const key = 'k'.repeat(2_000);
    await expectReply(client, '_\r\n', 'GET', key);
    await expectReply(client, `_\r\n${invalidate(key)}`, 'GET', 'l'.repeat(2_000));
  });

  test('prefixes are few and short', async () => {
    const client = await rig.client();
    const prefixes = Array.from({ length: TRACKED_PREFIXES_MAX + 1 }, (_unused, at) => ['PREFIX', `p${at}:`]).flat();
    expect(await client.text('CLIENT', 'TRACKING', 'on', 'BCAST', ...prefixes)).toBe(
      `-ERR too many prefixes (limit tracked-prefixes-max ${TRACKED_PREFIXES_MAX})`,
    );
    const long = 'x'.repeat(TRACKED_PREFIX_BYTES_MAX + 1);
    expect(await client.text('CLIENT', 'TRACKING', 'on', 'BCAST', 'PREFIX', long)).toBe(
      `-ERR prefix is too long (limit tracked-prefix-bytes-max ${TRACKED_PREFIX_BYTES_MAX})`,
    );
  });

  test('a reader that takes nothing is told that everything has changed once it takes again', async () => {
    const reader = await resp3('on', 'BCAST');
    const writer = await rig.client();
    reader.socket.pause();
    const key = 'k'.repeat(200_000);
    const session = [...rig.server.state.clients].find((each) => each.tracking !== null);
    const untaken = (): number => session?.connection.outputBytes ?? 0;
    while (untaken() <= TRACKING_OUTPUT_BYTES_MAX) await expectReply(writer, '+OK\r\n', 'SET', key, '1');
    for (let at = 0; at < 100; at++) await expectReply(writer, '+OK\r\n', 'SET', `lost${at}`, '1');
    expect(untaken()).toBeLessThan(TRACKING_OUTPUT_BYTES_MAX + 2 * key.length);
    reader.socket.resume();
    await expect.poll(untaken).toBe(0);
    rig.server.progress();
    // what it had been sent before, and then one message for all that it had not
    const told = await reader.takeTo(ALL);
    expect(told).not.toContain('lost');
    await expectReply(writer, '+OK\r\n', 'SET', 'after', '1');
    expect(await reader.take(invalidate('after').length)).toBe(invalidate('after'));
  });
});

describe('CLIENT LIST', () => {
  test('shows who tracks, below prefixes, and to whom it is redirected', async () => {
    const client = await resp3('on', 'BCAST');
    expect(await client.text('CLIENT', 'INFO')).toMatch(/ flags=tB .* redir=0 /);
    const other = await rig.client();
    const target = await rig.client();
    const id = (await target.text('CLIENT', 'ID')).slice(1);
    await expectReply(other, '+OK\r\n', 'CLIENT', 'TRACKING', 'on', 'REDIRECT', id);
    expect(await other.text('CLIENT', 'INFO')).toMatch(new RegExp(` flags=t .* redir=${id} `));
    target.destroy();
    await expect.poll(async () => other.text('CLIENT', 'LIST', 'ID', id)).toBe('');
    await expectReply(other, '$-1\r\n', 'GET', 'a');
    await expectReply(other, '+OK\r\n', 'SET', 'a', '1');
    expect(await other.text('CLIENT', 'INFO')).toMatch(new RegExp(` flags=tR .* redir=${id} `));
  });
});
