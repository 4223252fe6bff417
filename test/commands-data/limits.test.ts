import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningServer } from '../../src/server/server-types.ts';
import { startLoneServer } from '../conformance/own-server.ts';
import { replyText } from '../conformance/reply-value.ts';
import { RespConnection } from '../conformance/resp-connection.ts';
import { dataCommands, Harness } from './harness.ts';

describe('limits of data commands', () => {
  it('every command that creates a key refuses one that is too long, and changes nothing', () => {
    const node = new Harness();
    const long = 'k'.repeat(512 * 1024 + 1);
    node.run('SET string 1');
    node.run('HSET hash f 1');
    node.run('SADD set m');
    const requests = [
      ['SET', long, 'v'],
      ['SETNX', long, 'v'],
      ['SETEX', long, '10', 'v'],
      ['GETSET', long, 'v'],
      ['APPEND', long, 'v'],
      ['SETRANGE', long, '0', 'v'],
      ['INCR', long],
      ['INCRBYFLOAT', long, '1'],
      ['MSETNX', 'fresh', 'v', long, 'v'],
      ['HSET', long, 'f', 'v'],
      ['HSETNX', long, 'f', 'v'],
      ['HINCRBY', long, 'f', '1'],
      ['HINCRBYFLOAT', long, 'f', '1'],
      ['SADD', long, 'm'],
      ['SMOVE', 'set', long, 'm'],
      ['SUNIONSTORE', long, 'set'],
      ['RENAME', 'string', long],
      ['RENAMENX', 'hash', long],
      ['COPY', 'set', long],
    ];
    for (const words of requests) {
      expect(replyText(node.reply(...words)), `reply to ${words[0]}`).toBe(
        '-ERR key is too long (limit key-bytes-max 524288)',
      );
    }
    expect(node.keyspace.count).toBe(3);
    expect(node.run('SMEMBERS set')).toBe('~["m"]');
    expect(node.run(`GET ${long}`)).toBe('nil');
  });

  it('LCS refuses what would take too much memory', () => {
    const node = new Harness();
    node.reply('SET', 'long', 'x'.repeat(5000));
    expect(node.run('LCS long long')).toBe('-ERR the strings are too long for LCS (limit lcs-cells-max 16777216)');
    node.reply('SET', 'shorter', 'x'.repeat(2000));
    expect(node.run('LCS long shorter LEN')).toBe(':2000');
  });

  it('patterns have a length', () => {
    const node = new Harness();
    node.run('SET key value');
    const long = '*'.repeat(131_073);
    expect(replyText(node.reply('KEYS', long))).toBe('-ERR pattern is too long (limit pattern-bytes-max 131072)');
    expect(replyText(node.reply('SCAN', '0', 'MATCH', long))).toContain('limit pattern-bytes-max');
    expect(replyText(node.reply('KEYS', long.slice(1)))).toBe('["key"]');
  });

  it('names on the prototype of an object are ordinary keys, fields and members', () => {
    const node = new Harness();
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(node.run(`EXISTS ${name}`)).toBe(':0');
      expect(node.run(`SET ${name} v`)).toBe('+OK');
      expect(node.run(`HGET hash ${name}`)).toBe('nil');
      expect(node.run(`HSET hash ${name} v`)).toBe(':1');
      expect(node.run(`SISMEMBER set ${name}`)).toBe(':0');
      expect(node.run(`SADD set ${name}`)).toBe(':1');
    }
    expect(node.run('SUNION set')).toBe('~["__proto__" "constructor" "toString" "hasOwnProperty"]');
    expect(node.keyspace.count).toBe(6);
  });

  it('every row says what it is: writes write, reads have their keys', () => {
    expect(new Set(dataCommands.map(({ name }) => name)).size).toBe(dataCommands.length);
    for (const { name, flags, keys } of dataCommands) {
      expect(flags.includes('write') !== flags.includes('readonly'), `row of ${name}`).toBe(true);
      expect(keys !== undefined || ['keys', 'randomkey', 'scan', 'sintercard'].includes(name), `row of ${name}`).toBe(
        true,
      );
    }
  });
});

describe('a reply', () => {
  let server: RunningServer;
  let client: RespConnection;

  beforeAll(async () => {
    server = await startLoneServer();
    client = await RespConnection.open(server.ports.resp);
  });

  afterAll(async () => {
    client.close();
    await server.close();
  });

  it('that would be longer than the limit is an error, and the connection goes on', async () => {
    const value = 'x'.repeat(8 * 1024 * 1024);
    await client.request('SET', 'long', value);
    const tooLarge = '-ERR reply is too large (limit reply-bytes-max 402653184)';
    const many = new Array<string>(50);
    expect(replyText(await client.request('MGET', ...many.fill('long')))).toBe(tooLarge);
    expect(replyText(await client.request('STRLEN', 'long'))).toBe(`:${value.length}`);
  });
});
