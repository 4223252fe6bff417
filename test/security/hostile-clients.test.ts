import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NAMES_BYTES_MAX, SUBSCRIPTIONS_MAX, WATCHED_KEYS_MAX } from '../../src/base/client-limits.ts';
import { request, type RawClient } from '../commands-server/raw-client.ts';
import { Rig } from '../commands-server/rig.ts';

let rig: Rig;
let client: RawClient;

beforeAll(async () => {
  rig = await Rig.start();
});
beforeEach(async () => {
  client = await rig.client();
  await client.text('FLUSHALL');
});
afterAll(async () => rig.stop());

let ends = 0;

/** All that comes back for some requests. Each time another word says where it ends: SLOWLOG may show those before. */
async function replies(...requests: readonly (readonly string[])[]): Promise<string> {
  const end = `the-end-${1e6 + ends++}`;
  client.send(requests.map((words) => request(...words)).join('') + request('ECHO', end));
  const last = `$${end.length}\r\n${end}\r\n`;
  return (await client.takeTo(last)).slice(0, -last.length);
}

describe('patterns', () => {
  // As a regular expression this one takes minutes for ten stars, and far longer than anybody waits for a hundred.
  const pattern = `${'*a'.repeat(100)}*b`;
  const name = 'a'.repeat(1000);

  test.each([
    [
      'KEYS',
      [
        ['SET', name, 'v'],
        ['KEYS', pattern],
      ],
      '+OK\r\n*0\r\n',
    ],
    [
      'SCAN',
      [
        ['SET', name, 'v'],
        ['SCAN', '0', 'MATCH', pattern, 'COUNT', '100'],
      ],
      '+OK\r\n*2\r\n$1\r\n0\r\n*0\r\n',
    ],
    [
      'HSCAN',
      [
        ['HSET', 'h', name, 'v'],
        ['HSCAN', 'h', '0', 'MATCH', pattern],
      ],
      ':1\r\n*2\r\n$1\r\n0\r\n*0\r\n',
    ],
    [
      'SSCAN',
      [
        ['SADD', 's', name],
        ['SSCAN', 's', '0', 'MATCH', pattern],
      ],
      ':1\r\n*2\r\n$1\r\n0\r\n*0\r\n',
    ],
    ['PUBSUB CHANNELS', [['PUBSUB', 'CHANNELS', pattern]], '*0\r\n'],
    ['COMMAND LIST', [['COMMAND', 'LIST', 'FILTERBY', 'PATTERN', pattern]], '*0\r\n'],
    ['CONFIG GET', [['CONFIG', 'GET', `${'*a'.repeat(1000)}*b`]], '*0\r\n'],
  ])('%s answers however a pattern is made', async (_, requests, expected) => {
    expect(await replies(...requests)).toBe(expected);
  });

  test('PSUBSCRIBE delivers however a pattern is made', async () => {
    expect(await client.text('PSUBSCRIBE', pattern)).toBe('*3');
    const other = await rig.client();
    expect(await other.text('PUBLISH', name, 'm')).toBe(':0');
  });

  test('one over the limit is refused', async () => {
    expect(await client.text('KEYS', '*'.repeat(131_073))).toMatch(/^-ERR .*131072/);
  });
});

describe('names that objects have', () => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', 'valueOf', '__defineGetter__'];

  test.each(names)('%s is a key, a field, a member, a channel and a client like any other', async (name) => {
    const run = await replies(
      ['EXISTS', name],
      ['GET', name],
      ['SET', name, 'v'],
      ['EXISTS', name],
      ['GET', name],
      ['TYPE', name],
      ['HGET', 'h', name],
      ['HSET', 'h', name, 'f'],
      ['HGETALL', 'h'],
      ['SISMEMBER', 's', name],
      ['SADD', 's', name],
      ['SMEMBERS', 's'],
      ['DEL', name],
      ['EXISTS', name],
      ['CLIENT', 'SETNAME', name],
      ['CLIENT', 'GETNAME'],
      ['PUBSUB', 'NUMSUB', name],
    );
    const bulk = `$${name.length}\r\n${name}\r\n`;
    expect(run).toBe(
      `:0\r\n$-1\r\n+OK\r\n:1\r\n$1\r\nv\r\n+string\r\n$-1\r\n:1\r\n*2\r\n${bulk}$1\r\nf\r\n:0\r\n:1\r\n*1\r\n${bulk}` +
        `:1\r\n:0\r\n+OK\r\n${bulk}*2\r\n${bulk}:0\r\n`,
    );
  });

  test.each(names)('%s is a member of a document and a step of a path like any other', async (name) => {
    const run = await replies(
      ['JSON.SET', 'd', '$', '{}'],
      ['JSON.GET', 'd', `$.${name}`],
      ['JSON.SET', 'd', `$.${name}`, `{"${name}":1}`],
      ['JSON.MERGE', 'd', '$', `{"${name}":{"polluted":2}}`],
      ['JSON.GET', 'd'],
      ['JSON.OBJKEYS', 'd', '.'],
      ['JSON.DEL', 'd', `$["${name}"]`],
      ['JSON.GET', 'd'],
    );
    const document = `{"${name}":{"${name}":1,"polluted":2}}`;
    expect(run).toBe(
      `+OK\r\n$2\r\n[]\r\n+OK\r\n+OK\r\n$${document.length}\r\n${document}\r\n` +
        `*1\r\n$${name.length}\r\n${name}\r\n:1\r\n$2\r\n{}\r\n`,
    );
    expect('polluted' in {}).toBe(false);
  });

  test.each(names)('%s is no command, no subcommand, no parameter and no option', async (name) => {
    expect(await client.text(name)).toMatch(/^-ERR unknown command/);
    expect(await client.text('CLIENT', name)).toMatch(/^-ERR unknown subcommand/);
    expect(await client.text('CONFIG', 'GET', name)).toBe('*0');
    expect(await client.text('CONFIG', 'SET', name, '1')).toMatch(/^-ERR Unknown option/);
    expect(await client.text('SET', 'k', 'v', name)).toBe('-ERR syntax error');
    expect(await client.text('HELLO', '2', name)).toMatch(/^-ERR Syntax error in HELLO/);
    expect(await client.text('COMMAND', 'INFO', name)).toBe('*1');
    expect(await client.takeTo('\r\n')).toMatch(/^(\$|\*)-1\r\n$/);
  });
});

describe('numbers', () => {
  const numbers = [
    '9223372036854775807',
    '-9223372036854775808',
    '9223372036854775808',
    '4294967296',
    '-1',
    '1e308',
    'nan',
    '-0',
    '0x10',
  ];

  test('of any size where a count, an offset or a time is meant are answered, and cost nothing', async () => {
    await replies(['SET', 'k', '1'], ['SADD', 's', 'a', 'b'], ['HSET', 'h', 'f', '1']);
    const before = process.memoryUsage();
    for (const number of numbers) {
      const answers = await replies(
        ['SETRANGE', 'k', number, 'x'],
        ['GETRANGE', 'k', number, number],
        ['SRANDMEMBER', 's', number],
        ['HRANDFIELD', 'h', number],
        ['SPOP', 'none', number],
        ['SCAN', number, 'COUNT', number],
        ['EXPIRE', 'k', number],
        ['PEXPIREAT', 'none', number],
        ['SET', 'k', '1', 'EX', number],
        ['INCRBY', 'k', number],
        ['DECRBY', 'k', number],
        ['HINCRBYFLOAT', 'h', 'f', number],
        ['INCRBYFLOAT', 'k', number],
        ['SLOWLOG', 'GET', number],
        ['CLIENT', 'KILL', 'ID', number],
        ['WAIT', '0', number],
      );
      expect(answers).toMatch(/^[-+:$*]/);
      expect(answers).not.toMatch(/Internal/);
    }
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(64 * 1024 * 1024);
    expect(await client.text('PING')).toBe('+PONG');
  });
});

describe('documents', () => {
  test('of brackets alone, without end, and paths that multiply are refused, and others are served', async () => {
    const deep = `${'{"a":'.repeat(100)}[${'0,'.repeat(20_000)}0]${'}'.repeat(100)}`;
    expect(await client.text('JSON.SET', 'd', '$', deep)).toBe('+OK');
    expect(await client.text('JSON.SET', 'bad', '$', '['.repeat(900_000))).toMatch(/^-ERR expected JSON/);
    expect(await client.text('JSON.SET', 'bad', '$', `[${'[],'.repeat(600_000)}1]`)).toMatch(/^-ERR .*json-values-max/);
    expect(await client.text('JSON.GET', 'd', '$..*..*')).toMatch(/^-ERR .*visits more than/);
    expect(await client.text('JSON.GET', 'd', `$${'.a'.repeat(20_000)}`)).toMatch(/^-ERR .*at most 128 steps/);
    expect(await client.text('EXISTS', 'bad')).toBe(':0');
  });
});

describe('who piles up', () => {
  test.each([
    ['WATCH', WATCHED_KEYS_MAX, 'watched-keys-max'],
    ['SUBSCRIBE', SUBSCRIPTIONS_MAX, 'subscriptions-max'],
    ['PSUBSCRIBE', SUBSCRIPTIONS_MAX, 'subscriptions-max'],
  ])('more than there may be by %s is refused whole', async (command, most, limit) => {
    const words = [command, ...Array.from({ length: most + 1 }, (_, index) => String(index))];
    client.send(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`);
    expect(await client.takeTo('\r\n')).toMatch(new RegExp(`^-ERR .*${limit} ${most}`));
    expect(await replies(['CLIENT', 'INFO'])).toMatch(/ sub=0 psub=0 /);
    expect([...rig.server.state.clients].every(({ watched }) => watched.size === 0)).toBe(true);
  });

  test.each(['WATCH', 'SUBSCRIBE', 'PSUBSCRIBE'])(
    'names that are long together, by %s, are refused',
    async (command) => {
      const names = Array.from({ length: NAMES_BYTES_MAX / 131_072 + 1 }, (_, at) => String(at).padEnd(131_072, 'x'));
      client.send(request(command, ...names));
      expect(await client.takeTo('\r\n')).toMatch(/^-ERR .*names-bytes-max 67108864/);
      expect(await replies(['CLIENT', 'INFO'])).toMatch(/ sub=0 psub=0 /);
      expect([...rig.server.state.clients].every(({ watched }) => watched.size === 0)).toBe(true);
    },
  );
});

describe('who asks to be told and takes nothing', () => {
  test('of MONITOR is disconnected at its limit', async () => {
    await client.text('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 4mb 0 0');
    const monitor = await rig.client();
    expect(await monitor.text('MONITOR')).toBe('+OK');
    monitor.socket.pause();
    const value = 'v'.repeat(500_000);
    await expect
      .poll(
        async () => {
          await client.text('SET', 'k', value);
          return [...rig.server.state.clients.monitors].length;
        },
        { timeout: 30_000, interval: 0 },
      )
      .toBe(0);
    expect(await client.text('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 256mb 0 0')).toBe('+OK');
  });
});

describe('what is said back', () => {
  test('is one line, however many the client made of its words', async () => {
    const evil = 'x\r\n+OK\r\n$5\r\nhello';
    for (const words of [
      [evil],
      ['CLIENT', evil],
      ['HELLO', '2', evil],
      ['CONFIG', 'SET', evil, '1'],
      ['GET', 'a', evil],
      ['OBJECT', evil, 'k'],
    ]) {
      client.send(request(...words) + request('PING'));
      const [error, pong, ...more] = (await client.takeTo('+PONG\r\n')).split('\r\n');
      expect(error).toMatch(/^-ERR /);
      expect([pong, ...more]).toEqual(['+PONG', '']);
    }
    expect((await client.text('CLIENT', 'SETNAME', 'a\nb')).startsWith('-ERR')).toBe(true);
  });

  test('is short, however long the words were', async () => {
    const error = await client.text('x'.repeat(100_000), 'y'.repeat(100_000));
    expect(error).toMatch(/^-ERR unknown command 'x{128}'/);
    expect(error.length).toBeLessThan(400);
  });
});

describe('the files of the machine', () => {
  test.each([
    [['CONFIG', 'SET', 'dir', '/tmp'], /^-ERR CONFIG SET failed .* can't set immutable config$/],
    [['CONFIG', 'SET', 'dbfilename', 'x'], /^-ERR CONFIG SET failed .* can't set immutable config$/],
    [['CONFIG', 'SET', 'logfile', 'x'], /^-ERR CONFIG SET failed .* can't set immutable config$/],
    [['CONFIG', 'SET', 'unixsocket', 'x'], /^-ERR CONFIG SET failed .* can't set immutable config$/],
    [['CONFIG', 'REWRITE'], /^-ERR The configuration file is not written by the server/],
    [['SAVE'], /^-ERR/],
    [['BGSAVE'], /^-ERR/],
    [['MODULE', 'LOAD', '/tmp/x.so'], /^-ERR/],
    [['DEBUG', 'RELOAD'], /^-ERR/],
    [['SLAVEOF', '127.0.0.1', '1'], /^-ERR/],
    [['REPLICAOF', '127.0.0.1', '1'], /^-ERR/],
    [['MIGRATE', '127.0.0.1', '1', 'k', '0', '1'], /^-ERR/],
    [['EVAL', 'return 1', '0'], /^-ERR/],
  ])('are not reached by %j', async (words, refusal) => {
    expect(await client.text(...words)).toMatch(refusal);
  });
});

describe('those who speak something else, or hardly', () => {
  test.each([
    ['a request of a browser', 'POST / HTTP/1.1\r\nHost: x\r\n\r\nSET stolen 1\r\n'],
    ['the Host line of one', 'GET / HTTP/1.1\r\nHost: x\r\nSET stolen 1\r\n'],
    ['TLS', '\x16\x03\x01\x02\x00\x01\r\nSET stolen 1\r\n'],
  ])('%s is ended at its first line, and nothing behind it is run', async (_, bytes) => {
    await client.send(bytes).rest();
    const other = await rig.client();
    expect(await other.text('EXISTS', 'stolen')).toBe(':0');
  });

  test('a thousand requests that never end take little, and nobody waits for them', async () => {
    const slow: RawClient[] = [];
    const before = process.memoryUsage();
    for (let i = 0; i < 1000; i++) slow.push(await rig.client());
    // The largest that may be declared, and only the beginning of each.
    for (const each of slow) each.send('*1048576\r\n$16777216\r\nx');
    expect(await client.text('SET', 'k', 'v')).toBe('+OK');
    await expect
      .poll(() => [...rig.server.state.clients].filter(({ connection }) => connection.queryBytes > 0).length)
      .toBe(1000);
    const after = process.memoryUsage();
    expect(after.arrayBuffers + after.external - before.arrayBuffers - before.external).toBeLessThan(128 * 1024 * 1024);
    for (const each of slow) each.destroy();
    await expect.poll(() => rig.server.state.clients.count).toBeLessThan(100);
  });
});
