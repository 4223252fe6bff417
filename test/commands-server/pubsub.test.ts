import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import type { EngineEvents } from '../../src/commands/engine.ts';
import { request, type RawClient } from './raw-client.ts';
import { Rig } from './rig.ts';

let rig: Rig;
let events: EngineEvents;
beforeAll(async () => {
  rig = await Rig.start({
    engine: (node) => {
      const listen = node.listen.bind(node);
      node.listen = (told) => {
        events = told;
        listen(told);
      };
      return node;
    },
  });
});
afterAll(() => rig.stop());

async function subscriber(...words: string[]): Promise<RawClient> {
  const client = await rig.client();
  client.send(request(...words));
  for (let i = 1; i < words.length; i++) await client.takeTo(`:${i}\r\n`);
  return client;
}

function message(...parts: string[]): string {
  return `*${parts.length}\r\n${parts.map((part) => `$${part.length}\r\n${part}\r\n`).join('')}`;
}

describe('PUBLISH', () => {
  test('reaches channels and patterns, once for each that fits', async () => {
    const client = await subscriber('SUBSCRIBE', 'news.eu', '__proto__');
    client.send(request('PSUBSCRIBE', 'news.*', '*.eu', 'x*'));
    await client.takeTo(':5\r\n');
    const publisher = await rig.client();
    expect(await publisher.text('PUBLISH', 'news.eu', 'hi')).toBe(':3');
    const expected =
      message('message', 'news.eu', 'hi') +
      message('pmessage', 'news.*', 'news.eu', 'hi') +
      message('pmessage', '*.eu', 'news.eu', 'hi');
    expect(await client.take(expected.length)).toBe(expected);
    expect(await publisher.text('PUBLISH', '__proto__', 'p')).toBe(':1');
    expect(await client.take(message('message', '__proto__', 'p').length)).toBe(message('message', '__proto__', 'p'));
    expect(await publisher.text('PUBLISH', 'constructor', 'p')).toBe(':0');
  });

  test('of another node reaches the subscribers here', async () => {
    const client = await subscriber('SUBSCRIBE', 'far');
    events.message(latin1Range('far'), latin1Range('from elsewhere'));
    const expected = message('message', 'far', 'from elsewhere');
    expect(await client.take(expected.length)).toBe(expected);
  });

  test('a subscriber in RESP3 gets pushes and may send anything', async () => {
    const client = await rig.client();
    client.send(request('HELLO', '3') + request('SUBSCRIBE', 'three') + request('GET', 'none'));
    expect(await client.takeTo('_\r\n')).toMatch(/>3\r\n\$9\r\nsubscribe\r\n\$5\r\nthree\r\n:1\r\n_\r\n$/);
    const publisher = await rig.client();
    expect(await publisher.text('PUBLISH', 'three', 'm')).toBe(':1');
    expect(await client.takeTo('$1\r\nm\r\n')).toBe('>3\r\n$7\r\nmessage\r\n$5\r\nthree\r\n$1\r\nm\r\n');
  });

  test('a subscriber in RESP2 may only listen, ping and leave', async () => {
    const client = await subscriber('SUBSCRIBE', 'two');
    client.send(
      request('GET', 'k') + request('PING') + request('PING', 'x') + request('UNSUBSCRIBE') + request('PING'),
    );
    expect(await client.takeTo('+PONG\r\n')).toBe(
      "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n" +
        '*2\r\n$4\r\npong\r\n$0\r\n\r\n*2\r\n$4\r\npong\r\n$1\r\nx\r\n*3\r\n$11\r\nunsubscribe\r\n$3\r\ntwo\r\n:0\r\n+PONG\r\n',
    );
  });

  test('unsubscribing from nothing is answered', async () => {
    const client = await rig.client();
    client.send(request('UNSUBSCRIBE') + request('PUNSUBSCRIBE', 'a', 'b') + request('PING'));
    expect(await client.takeTo('+PONG\r\n')).toBe(
      '*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n*3\r\n$12\r\npunsubscribe\r\n$1\r\na\r\n:0\r\n*3\r\n$12\r\npunsubscribe\r\n$1\r\nb\r\n:0\r\n+PONG\r\n',
    );
  });

  test('PUBSUB counts, and what a closed connection had is gone', async () => {
    const client = await subscriber('SUBSCRIBE', 'count.a', 'count.b');
    client.send(request('PSUBSCRIBE', 'count.p*'));
    await client.takeTo(':3\r\n');
    const other = await rig.client();
    other.send(request('PUBSUB', 'CHANNELS', 'count.*') + request('PUBSUB', 'NUMSUB', 'count.a', 'nobody'));
    const expected = '*2\r\n$7\r\ncount.a\r\n$7\r\ncount.b\r\n*4\r\n$7\r\ncount.a\r\n:1\r\n$6\r\nnobody\r\n:0\r\n';
    expect(await other.take(expected.length)).toBe(expected);
    const patterns = rig.server.state.hub.patternCount;
    client.send(request('QUIT'));
    await client.rest();
    other.send(request('PUBSUB', 'CHANNELS', 'count.*'));
    expect(await other.take(4)).toBe('*0\r\n');
    expect(rig.server.state.hub.patternCount).toBe(patterns - 1);
  });

  test('a pattern that is too long is refused before anything is subscribed', async () => {
    const client = await rig.client();
    expect(await client.text('PSUBSCRIBE', 'ok', 'x'.repeat(131_073))).toBe(
      '-ERR pattern is too long (limit pattern-bytes-max 131072)',
    );
    expect(await client.text('PING')).toBe('+PONG');
  });
});

describe('keyspace notifications', () => {
  /** The events that some requests cause while `classes` are asked for. */
  async function notified(classes: string, ...lines: string[]): Promise<string[]> {
    const admin = await rig.client();
    await admin.text('CONFIG', 'SET', 'notify-keyspace-events', '');
    await admin.text('FLUSHALL');
    await admin.text('CONFIG', 'SET', 'notify-keyspace-events', classes);
    const listener = await subscriber('PSUBSCRIBE', '__key*__:*');
    admin.send([...lines, 'PUBLISH __keyend__:x end'].map((line) => `${line}\r\n`).join(''));
    const all = await listener.takeTo('$3\r\nend\r\n');
    listener.destroy();
    return [...all.matchAll(/\$\d+\r\n(__key[a-z]+@0__:[^\r]*)\r\n\$\d+\r\n([^\r]*)\r\n/g)].map(
      (match) => `${match[1]} ${match[2]}`,
    );
  }

  test('none unless they are asked for', async () => {
    expect(await notified('', 'SET k 1', 'DEL k')).toEqual([]);
    expect(await notified('$g', 'SET k 1', 'DEL k')).toEqual([]);
  });

  test('under the key, the event, or both', async () => {
    expect(await notified('K$', 'SET k 1')).toEqual(['__keyspace@0__:k set']);
    expect(await notified('E$', 'SET k 1')).toEqual(['__keyevent@0__:set k']);
    expect(await notified('KE$', 'SET k 1')).toEqual(['__keyspace@0__:k set', '__keyevent@0__:set k']);
  });

  test('by class', async () => {
    const lines = ['SET k 1 EX 100', 'HSET h f 1', 'SADD s a', 'DEL k', 'GET none'];
    expect(await notified('E$', ...lines)).toEqual(['__keyevent@0__:set k']);
    expect(await notified('Eg', ...lines)).toEqual(['__keyevent@0__:expire k', '__keyevent@0__:del k']);
    expect(await notified('Eh', ...lines)).toEqual(['__keyevent@0__:hset h']);
    expect(await notified('Es', ...lines)).toEqual(['__keyevent@0__:sadd s']);
    expect(await notified('Em', ...lines)).toEqual(['__keyevent@0__:keymiss none']);
    expect(await notified('En', ...lines, 'SET k 2', 'SET k 3')).toEqual([
      '__keyevent@0__:new k',
      '__keyevent@0__:new h',
      '__keyevent@0__:new s',
      '__keyevent@0__:new k',
    ]);
  });

  test('of what another node did', async () => {
    const admin = await rig.client();
    await admin.text('CONFIG', 'SET', 'notify-keyspace-events', 'KEA');
    const listener = await subscriber('PSUBSCRIBE', '__key*__:far');
    events.keyChanged(latin1Range('far'), { classLetter: 'h', event: 'hset' });
    const expected = message('pmessage', '__key*__:far', '__keyspace@0__:far', 'hset');
    expect(await listener.take(expected.length)).toBe(expected);
    await admin.text('CONFIG', 'SET', 'notify-keyspace-events', '');
  });
});
