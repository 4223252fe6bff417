import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from './raw-client.ts';
import { Rig } from './rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

describe('requests over a socket', () => {
  test('pipelined requests are answered in order', async () => {
    const client = await rig.client();
    client.send(request('SET', 'p', '0') + request('INCR', 'p') + 'get p\r\n' + request('NOPE') + request('GET', 'p'));
    const expected = "+OK\r\n:1\r\n$1\r\n1\r\n-ERR unknown command 'NOPE', with args beginning with: \r\n$1\r\n1\r\n";
    expect(await client.take(expected.length)).toBe(expected);
  });

  test('binary keys and values, and names that objects have', async () => {
    const client = await rig.client();
    const key = '\0\r\n\xff"__proto__';
    client.send(request('SET', key, '\0\xff\r\n') + request('GET', key) + request('SET', '__proto__', 'v'));
    client.send(request('GET', '__proto__') + request('EXISTS', 'constructor') + request('DEL', '__proto__', key));
    const expected = '+OK\r\n$4\r\n\0\xff\r\n\r\n+OK\r\n$1\r\nv\r\n:0\r\n:2\r\n';
    expect(await client.take(expected.length)).toBe(expected);
  });

  test('a large value arrives in pieces and comes back whole', async () => {
    const client = await rig.client();
    const value = 'v'.repeat(3_000_000);
    expect(await client.text('SET', 'large', value)).toBe('+OK');
    expect(await client.text('GET', 'large')).toBe(value);
    expect(await client.text('DEL', 'large')).toBe(':1');
  });

  test('however a stream is cut, the replies are the same', async () => {
    const stream =
      request('SET', 'cut', 'a\r\nb') +
      'get cut\r\n' +
      request('MGET', 'cut', 'none') +
      request('PING') +
      '\r\n' +
      request('DEL', 'cut');
    const expected = '+OK\r\n$4\r\na\r\nb\r\n*2\r\n$4\r\na\r\nb\r\n$-1\r\n+PONG\r\n:1\r\n';
    const client = await rig.client();
    for (let at = 1; at < stream.length; at++) {
      client.send(stream.slice(0, at));
      // A reply to what is complete so far, so that the halves really arrive apart.
      await new Promise((resolve) => setImmediate(resolve));
      client.send(stream.slice(at));
      expect(await client.take(expected.length)).toBe(expected);
    }
  });

  test.each([
    ['*x\r\n', 'invalid multibulk length'],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*2\r\n$3\r\nGET\r\n+', "expected '$', got '+'"],
    ['set "a\r\n', 'unbalanced quotes in request'],
    ['x'.repeat(70_000), 'too big inline request'],
    ['\x16\x03\x01\x02', 'this port does not speak TLS'],
  ])('broken stream %# is answered with the reason and the connection ends', async (stream, reason) => {
    const client = await rig.client();
    client.send(request('PING') + stream + request('PING'));
    expect(await client.rest()).toBe(`+PONG\r\n-ERR Protocol error: ${reason}\r\n`);
  });

  test.each(['POST / HTTP/1.1\r\nHost: x\r\n\r\n', 'Host: localhost\r\n', 'post x\r\n'])(
    'foreign request %# ends the connection with nothing run after it',
    async (stream) => {
      const client = await rig.client();
      client.send(`${stream}SET from-a-browser 1\r\n`);
      expect(await client.rest()).toBe('');
      const other = await rig.client();
      expect(await other.text('EXISTS', 'from-a-browser')).toBe(':0');
    },
  );

  test('what was asked for before the client ended its side is answered', async () => {
    const client = await rig.client();
    client.send(request('PING') + request('ECHO', 'last'));
    client.socket.end();
    expect(await client.rest()).toBe('+PONG\r\n$4\r\nlast\r\n');
  });

  test('random bytes never stop the server', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 80 }), { minLength: 1, maxLength: 4 }),
        async (pieces) => {
          const client = await rig.client();
          for (const piece of pieces) client.send(Buffer.from(piece).toString('latin1'));
          client.socket.end();
          const replies = await client.rest();
          expect(replies === '' || /^[-+:$*]/.test(replies)).toBe(true);
        },
      ),
      { numRuns: 150 },
    );
    const client = await rig.client();
    expect(await client.text('PING')).toBe('+PONG');
  });

  test('random requests made of what commands take never stop the server', async () => {
    const word = fc.constantFrom(
      'client',
      'config',
      'command',
      'get',
      'set',
      'list',
      'kill',
      'multi',
      'exec',
      'watch',
      'info',
      'hello',
      '2',
      'k',
      'object',
      'encoding',
      'memory',
      'usage',
      'slowlog',
      '-1',
      '99999999999999999999',
      'subscribe',
      'publish',
      'id',
      'reply',
      'pause',
      '0',
      'write',
      'docs',
      'getkeys',
      'latency',
      'histogram',
      'pubsub',
      'numsub',
      '',
      '\0',
      'reset',
    );
    const requests = fc.array(fc.array(word, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(requests, async (all) => {
        const client = await rig.client();
        client.send(all.map((words) => request(...words)).join(''));
        client.socket.end();
        expect(await client.rest()).not.toContain('-Internal');
      }),
      { numRuns: 300 },
    );
    expect(rig.failures).toEqual([]);
  });
});

describe('limits', () => {
  test('clients over maxclients are told so', async () => {
    const small = await Rig.start({ parameters: { maxclients: '1' } });
    try {
      const first = await small.client();
      expect(await first.text('PING')).toBe('+PONG');
      const second = await small.client();
      expect(await second.rest()).toBe('-ERR max number of clients reached\r\n');
      expect(await first.text('INFO', 'stats')).toContain('rejected_connections:1');
    } finally {
      await small.stop();
    }
  });

  test('a request over the query buffer limit ends its connection', async () => {
    const client = await rig.client();
    const other = await rig.client();
    expect(await other.text('CONFIG', 'SET', 'client-query-buffer-limit', '1mb')).toBe('+OK');
    const part = 'x'.repeat(600_000);
    client.send(`*3\r\n$3\r\nSET\r\n$600000\r\n${part}\r\n$600000\r\n${part}`);
    expect(await client.rest()).toBe('');
    expect(await other.text('CONFIG', 'SET', 'client-query-buffer-limit', '256mb')).toBe('+OK');
    expect(await other.text('INFO', 'stats')).toContain('client_query_buffer_limit_disconnections:1');
  });

  test('an argument over proto-max-bulk-len is refused', async () => {
    const client = await rig.client();
    expect(await client.text('CONFIG', 'SET', 'proto-max-bulk-len', '1mb')).toBe('+OK');
    client.send('*2\r\n$4\r\nECHO\r\n$1048577\r\n');
    expect(await client.rest()).toBe('-ERR Protocol error: invalid bulk length\r\n');
    const other = await rig.client();
    expect(await other.text('CONFIG', 'SET', 'proto-max-bulk-len', '16mb')).toBe('+OK');
  });

  test('a client that takes no replies is not served until it does', async () => {
    const client = await rig.client();
    expect(await client.text('SET', 'mebibyte', 'm'.repeat(1_048_576))).toBe('+OK');
    client.socket.pause();
    const asked = 200;
    client.send(request('GET', 'mebibyte').repeat(asked));
    const other = await rig.client();
    // The requests stop being run while the output is not taken: far fewer than asked for are.
    let calls = -1;
    for (;;) {
      const now = Number(/cmdstat_get:calls=(\d+)/.exec(await other.text('INFO', 'commandstats'))?.[1] ?? 0);
      if (now === calls) break;
      calls = now;
    }
    expect(calls).toBeLessThan(asked);
    client.socket.resume();
    const replies = await client.take((1_048_576 + '$1048576\r\n\r\n'.length) * asked);
    expect(replies.length).toBe((1_048_576 + '$1048576\r\n\r\n'.length) * asked);
  });

  test('nor is one that asks for one large reply after the other', async () => {
    const client = await rig.client();
    const other = await rig.client();
    expect(await other.text('SET', 'half', 'h'.repeat(524_288))).toBe('+OK');
    client.socket.pause();
    const id = Number((await other.text('CLIENT', 'LIST')).match(new RegExp(`id=(\\d+) addr=${client.address} `))?.[1]);
    const asked = 300;
    for (let i = 0; i < asked; i++) {
      client.send(request('GET', 'half'));
      // One request an event of the server: it answers this one in between.
      expect(await other.text('PING')).toBe('+PONG');
    }
    const waiting = Number((await other.text('CLIENT', 'LIST', 'ID', String(id))).match(/ omem=(\d+) /)?.[1]);
    expect(waiting).toBeLessThan(4 * 1_048_576);
    client.socket.resume();
    const length = (524_288 + '$524288\r\n\r\n'.length) * asked;
    expect((await client.take(length)).length).toBe(length);
  });

  test('a subscriber that takes no messages is disconnected at its limit', async () => {
    const subscriber = await rig.client();
    const publisher = await rig.client();
    await publisher.text('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 4mb 0 0');
    subscriber.send(request('SUBSCRIBE', 'flood'));
    await subscriber.takeTo(':1\r\n');
    subscriber.socket.pause();
    const message = 'm'.repeat(500_000);
    let receivers = 1;
    let sent = 0;
    while (receivers > 0) {
      receivers = Number((await publisher.text('PUBLISH', 'flood', message)).slice(1));
      sent++;
      expect(sent).toBeLessThan(1000);
    }
    expect(await publisher.text('INFO', 'stats')).toContain('client_output_buffer_limit_disconnections:1');
    await publisher.text('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 32mb 8mb 60');
    expect(await publisher.text('PING')).toBe('+PONG');
  });

  test('an idle client is disconnected after timeout, a subscriber is not', async () => {
    const idle = await rig.client();
    const subscriber = await rig.client();
    const other = await rig.client();
    subscriber.send(request('SUBSCRIBE', 'patience'));
    await subscriber.takeTo(':1\r\n');
    expect(await idle.text('PING')).toBe('+PONG');
    expect(await other.text('CONFIG', 'SET', 'timeout', '1')).toBe('+OK');
    expect(await idle.rest()).toBe('');
    const last = await rig.client();
    expect(await last.text('CONFIG', 'SET', 'timeout', '0')).toBe('+OK');
    expect(await last.text('PUBLISH', 'patience', 'x')).toBe(':1');
  });
});
