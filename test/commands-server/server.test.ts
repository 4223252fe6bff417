import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from './raw-client.ts';
import { Rig } from './rig.ts';

let rig: Rig;
let shutdowns = 0;
beforeAll(async () => {
  rig = await Rig.start({ facts: { shutdown: () => void shutdowns++ } });
});
afterAll(() => rig.stop());

/** The lines of INFO as a map. */
async function info(...sections: string[]): Promise<Map<string, string>> {
  const client = await rig.client();
  const text = await client.text('INFO', ...sections);
  client.destroy();
  const lines = text.split('\r\n').filter((line) => line.includes(':'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

describe('INFO', () => {
  test('has the sections and fields that monitoring reads', async () => {
    const all = await info('everything');
    expect(all.get('redis_version')).toBe('7.0.15');
    expect(all.get('causeway_version')).toBe('9.8.7');
    expect(all.get('tcp_port')).toBe(String(rig.port));
    for (const field of [
      'uptime_in_seconds',
      'process_id',
      'connected_clients',
      'blocked_clients',
      'maxclients',
      'used_memory',
      'used_memory_rss',
      'used_memory_peak',
      'maxmemory',
      'mem_fragmentation_ratio',
      'loading',
      'rdb_last_save_time',
      'aof_enabled',
      'total_connections_received',
      'total_commands_processed',
      'instantaneous_ops_per_sec',
      'total_net_input_bytes',
      'total_net_output_bytes',
      'rejected_connections',
      'expired_keys',
      'evicted_keys',
      'keyspace_hits',
      'keyspace_misses',
      'pubsub_channels',
      'pubsub_patterns',
      'latest_fork_usec',
      'connected_slaves',
      'master_repl_offset',
      'used_cpu_sys',
      'used_cpu_user',
      'cluster_enabled',
    ]) {
      expect(all.get(field), field).toMatch(/^[\d.]+$/);
    }
    expect(all.get('role')).toBe('master');
    expect(all.get('origin')).toBe('us-east-1/a#1');
  });

  test('gives the sections that are asked for, in any case, and nothing for unknown ones', async () => {
    const client = await rig.client();
    const text = await client.text('INFO', 'CPU', 'nosuch', 'cluster');
    expect(text.match(/^# .*/gm)).toEqual(['# CPU', '# Cluster']);
    expect(await client.text('INFO', 'nosuch')).toBe('');
    expect(await client.text('INFO')).not.toContain('# Commandstats');
    expect(await client.text('INFO', 'all')).toContain('# Commandstats');
  });

  test('counts calls, failures, refusals, errors, hits and misses', async () => {
    const client = await rig.client();
    expect(await client.text('CONFIG', 'RESETSTAT')).toBe('+OK');
    client.send(
      request('SET', 'i', 'x') + request('INCR', 'i') + request('INCR') + request('GET', 'i') + request('GET', 'none'),
    );
    await client.takeTo('$-1\r\n');
    const all = await info('everything');
    expect(all.get('cmdstat_incr')).toMatch(/^calls=1,usec=\d+,usec_per_call=[\d.]+,rejected_calls=1,failed_calls=1$/);
    expect(all.get('cmdstat_config|resetstat')).toMatch(/^calls=1,/);
    expect(all.get('errorstat_ERR')).toBe('count=2');
    expect(all.get('keyspace_hits')).toBe('1');
    expect(all.get('keyspace_misses')).toBe('1');
    expect(all.get('latency_percentiles_usec_incr')).toMatch(/^p50=[\d.]+,p99=[\d.]+,p99.9=[\d.]+$/);
  });

  test('counts keys and those that expire', async () => {
    const client = await rig.client();
    await client.text('FLUSHALL');
    expect((await info('keyspace')).has('db0')).toBe(false);
    await client.text('MSET', 'a', '1', 'b', '2');
    await client.text('EXPIRE', 'a', '100');
    expect((await info('keyspace')).get('db0')).toBe('keys=2,expires=1,avg_ttl=0');
    expect(await client.text('DBSIZE')).toBe(':2');
  });
});

describe('CONFIG', () => {
  test('GET takes patterns, in any case', async () => {
    const client = await rig.client();
    client.send(request('CONFIG', 'GET', 'SLOWLOG-*', 'time?ut', 'nosuch'));
    const expected =
      '*6\r\n$23\r\nslowlog-log-slower-than\r\n$5\r\n10000\r\n$15\r\nslowlog-max-len\r\n$3\r\n128\r\n$7\r\ntimeout\r\n$1\r\n0\r\n';
    expect(await client.take(expected.length)).toBe(expected);
  });

  test('SET sets all or none', async () => {
    const client = await rig.client();
    expect(await client.text('CONFIG', 'SET', 'slowlog-max-len', '7', 'timeout', 'x')).toBe(
      "-ERR CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer",
    );
    expect(rig.server.state.settings.slowlogLengthMax).toBe(128);
    expect(await client.text('CONFIG', 'SET', 'slowlog-max-len', '7', 'hash-max-ziplist-entries', '9')).toBe('+OK');
    expect(rig.server.state.settings.slowlogLengthMax).toBe(7);
    expect(rig.server.state.parameters.get('hash-max-listpack-entries')).toBe('9');
    expect(await client.text('CONFIG', 'SET', 'slowlog-max-len', '128')).toBe('+OK');
  });

  test.each([
    [['nosuch', '1'], "Unknown option or number of arguments for CONFIG SET - 'nosuch'"],
    [['__proto__', '1'], "Unknown option or number of arguments for CONFIG SET - '__proto__'"],
    [['port', '1'], "CONFIG SET failed (possibly related to argument 'port') - can't set immutable config"],
    [
      ['maxclients', '0'],
      "CONFIG SET failed (possibly related to argument 'maxclients') - argument must be between 1 and 1000000 inclusive",
    ],
    [
      ['timeout', '1', 'timeout', '2'],
      "CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter",
    ],
    [
      ['appendonly', 'yes'],
      "CONFIG SET failed (possibly related to argument 'appendonly') - there is no append-only file: the node has a store of its own",
    ],
    [
      ['maxmemory-policy', 'allkeys-lru'],
      "CONFIG SET failed (possibly related to argument 'maxmemory-policy') - argument(s) must be one of the following: s3-fifo, noeviction",
    ],
    [
      ['notify-keyspace-events', 'KQ'],
      "CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
    ],
    [
      ['client-output-buffer-limit', 'nosuch 1 1 1'],
      "CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - Invalid client class specified in buffer limit configuration.",
    ],
  ])('SET %j is refused with the reason', async (words, reason) => {
    const client = await rig.client();
    expect(await client.text('CONFIG', 'SET', ...words)).toBe(`-ERR ${reason}`);
  });

  test('memory values have units, and limits are merged class by class', async () => {
    const client = await rig.client();
    expect(await client.text('CONFIG', 'SET', 'client-query-buffer-limit', '2MB')).toBe('+OK');
    expect(rig.server.state.settings.queryBufferBytesMax).toBe(2 * 1024 * 1024);
    expect(await client.text('CONFIG', 'SET', 'client-query-buffer-limit', '256mb')).toBe('+OK');
    const before = rig.server.state.settings.outputLimits;
    expect(await client.text('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1mb 0 0')).toBe('+OK');
    expect(rig.server.state.settings.outputLimits.pubsub.hardBytes).toBe(1024 * 1024);
    expect(rig.server.state.settings.outputLimits.normal).toEqual(before.normal);
    rig.server.state.settings.outputLimits = before;
  });
});

describe('COMMAND', () => {
  test('INFO, COUNT, LIST and DOCS come from the table', async () => {
    const client = await rig.client();
    expect(await client.text('COMMAND', 'COUNT')).toBe(`:${rig.server.state.commands.size}`);
    client.send(request('COMMAND', 'INFO', 'echo', 'nosuch', 'config|get'));
    expect(await client.takeTo('$-1\r\n')).toBe(
      '*3\r\n*10\r\n$4\r\necho\r\n:2\r\n*3\r\n+loading\r\n+stale\r\n+fast\r\n:0\r\n:0\r\n:0\r\n' +
        '*2\r\n+@connection\r\n+@fast\r\n*0\r\n*0\r\n*0\r\n$-1\r\n',
    );
    expect(await client.takeTo('*0\r\n*0\r\n*0\r\n')).toContain('$10\r\nconfig|get\r\n:-3\r\n');
    client.send(
      request('COMMAND', 'DOCS', 'ping', 'nosuch') + request('COMMAND', 'LIST', 'FILTERBY', 'PATTERN', 'h*all'),
    );
    const expected =
      '*2\r\n$4\r\nping\r\n*4\r\n$7\r\nsummary\r\n$15\r\nPing the server\r\n$5\r\ngroup\r\n$10\r\nconnection\r\n*1\r\n$7\r\nhgetall\r\n';
    expect(await client.take(expected.length)).toBe(expected);
  });

  test('every row is well formed', () => {
    const entries = [...rig.server.state.commands].flatMap((entry) => [entry, ...(entry.subcommands ?? [])]);
    expect(entries.length).toBeGreaterThan(150);
    for (const { spec } of entries) {
      expect(spec.name).toBe(spec.name.toLowerCase());
      expect(spec.summary.length, spec.name).toBeGreaterThan(3);
      expect(Number.isInteger(spec.arity) && spec.arity !== 0, spec.name).toBe(true);
      if (spec.keys !== undefined) expect(spec.keys[0] > 0 && spec.keys[2] > 0, spec.name).toBe(true);
    }
  });

  test.each([
    [['get', 'a'], ['a']],
    [
      ['mset', 'a', '1', 'b', '2'],
      ['a', 'b'],
    ],
    [
      ['del', 'a', 'b', 'c'],
      ['a', 'b', 'c'],
    ],
    [
      ['sintercard', '2', 'a', 'b', 'LIMIT', '1'],
      ['a', 'b'],
    ],
    [['object', 'encoding', 'k'], ['k']],
    [
      ['rename', 'a', 'b'],
      ['a', 'b'],
    ],
  ])('GETKEYS %j', async (words, keys) => {
    const client = await rig.client();
    client.send(request('COMMAND', 'GETKEYS', ...words));
    const expected = request(...keys);
    expect(await client.take(expected.length)).toBe(expected);
  });

  test.each([
    [['nosuch', 'a'], 'Invalid command specified'],
    [['ping', 'a'], 'The command has no key arguments'],
    [['get', 'a', 'b'], 'Invalid number of arguments specified for command'],
    [['sintercard', '5', 'a'], 'Invalid arguments specified for command'],
  ])('GETKEYS %j is refused', async (words, reason) => {
    const client = await rig.client();
    expect(await client.text('COMMAND', 'GETKEYS', ...words)).toBe(`-ERR ${reason}`);
  });
});

describe('SLOWLOG, LATENCY, MONITOR', () => {
  test('SLOWLOG keeps what took long, shortened', async () => {
    const client = await rig.client();
    await client.text('CLIENT', 'SETNAME', 'slow');
    await client.text('CONFIG', 'SET', 'slowlog-log-slower-than', '0');
    await client.text('SLOWLOG', 'RESET');
    await client.text('ECHO', 'y'.repeat(200));
    await client.text('DEL', ...Array.from({ length: 40 }, (_, index) => `k${index}`));
    // nothing more, however long the machine takes
    await client.text('CONFIG', 'SET', 'slowlog-log-slower-than', '-1');
    client.send(request('SLOWLOG', 'GET', '2'));
    const text = await client.takeTo('$4\r\nECHO\r\n');
    expect(text).toContain('$23\r\n... (10 more arguments)\r\n');
    expect(text).toContain(`$${client.address.length}\r\n${client.address}\r\n$4\r\nslow\r\n`);
    expect(await client.takeTo('more bytes)\r\n')).toContain(`${'y'.repeat(128)}... (72 more bytes)`);
    await client.takeTo('$4\r\nslow\r\n');
    expect(await client.text('SLOWLOG', 'RESET')).toBe('+OK');
    expect(await client.text('SLOWLOG', 'LEN')).toBe(':0');
  });

  test('LATENCY HISTOGRAM counts every call', async () => {
    const client = await rig.client();
    await client.text('CONFIG', 'RESETSTAT');
    for (let i = 0; i < 3; i++) await client.text('ECHO', 'x');
    client.send(request('LATENCY', 'HISTOGRAM', 'echo', 'nosuch') + request('LATENCY', 'LATEST'));
    expect(await client.takeTo('*0\r\n')).toMatch(
      /^\*2\r\n\$4\r\necho\r\n\*4\r\n\$5\r\ncalls\r\n:3\r\n\$14\r\nhistogram_usec\r\n\*\d+\r\n(:\d+\r\n:\d+\r\n)+\*0\r\n$/,
    );
  });

  test('MONITOR shows requests, quoted, without those of operators', async () => {
    const monitor = await rig.client();
    monitor.send(request('MONITOR'));
    await monitor.takeTo('+OK\r\n');
    const client = await rig.client();
    client.send(request('SET', 'm"\\\n\0\xff', 'v') + request('CONFIG', 'GET', 'x') + 'MULTI\r\nGET a\r\nEXEC\r\n');
    await client.takeTo('*1\r\n');
    const lines = (await monitor.takeTo('"EXEC"\r\n')).split('\r\n').slice(0, -1);
    expect(lines.map((line) => line.replace(/^\+\d+\.\d{6} \[0 [^\]]+\] /, ''))).toEqual([
      '"SET" "m\\"\\\\\\n\\x00\\xff" "v"',
      '"MULTI"',
      '"GET" "a"',
      '"EXEC"',
    ]);
    expect(lines[0]).toContain(`[0 ${client.address}]`);
    expect(rig.server.state.clients.monitors.size).toBe(1);
    monitor.send(request('QUIT'));
    await monitor.rest();
    expect(rig.server.state.clients.monitors.size).toBe(0);
  });
});

describe('the rest', () => {
  test('TIME is now', async () => {
    const client = await rig.client();
    client.send(request('TIME') + request('PING'));
    const [, , seconds, , micros] = (await client.takeTo('+PONG\r\n')).split('\r\n');
    expect(Math.abs(Number(seconds) * 1000 - Date.now())).toBeLessThan(10_000);
    expect(Number(micros)).toBeLessThan(1_000_000);
  });

  test('OBJECT and MEMORY describe values', async () => {
    const client = await rig.client();
    await client.text('FLUSHALL');
    await client.text('MSET', 'int', '12', 'short', 'x'.repeat(44), 'long', 'x'.repeat(45));
    await client.text('HSET', 'h', 'f', 'v');
    await client.text('HSET', 'h2', 'f', 'v'.repeat(65));
    await client.text('SADD', 's', '1', '2');
    await client.text('SADD', 's2', '1', 'x');
    const encodings = await Promise.all(
      ['int', 'short', 'long', 'h', 'h2', 's', 's2'].map(async (key) => {
        const asker = await rig.client();
        return asker.text('OBJECT', 'ENCODING', key);
      }),
    );
    expect(encodings).toEqual(['int', 'embstr', 'raw', 'listpack', 'hashtable', 'intset', 'hashtable']);
    expect(await client.text('OBJECT', 'ENCODING', 'none')).toBe('$-1');
    const small = Number((await client.text('MEMORY', 'USAGE', 'int')).slice(1));
    const large = Number((await client.text('MEMORY', 'USAGE', 'h2', 'SAMPLES', '0')).slice(1));
    expect(small).toBeGreaterThan(0);
    expect(large).toBeGreaterThan(small);
  });

  test('FLUSHALL takes SYNC and ASYNC only', async () => {
    const client = await rig.client();
    expect(await client.text('FLUSHALL', 'ASYNC')).toBe('+OK');
    expect(await client.text('FLUSHDB', 'SYNC')).toBe('+OK');
    expect(await client.text('FLUSHALL', 'NOW')).toBe('-ERR syntax error');
    expect(await client.text('FUNCTION', 'FLUSH')).toBe('+OK');
  });

  test('CW.DIGEST of many keys is made turn by turn, of the moment at which it was asked for', async () => {
    const [asker, other] = [await rig.client(), await rig.client()];
    const keys = 20_000;
    for (let from = 0; from < keys; from += 1_000) {
      const pairs = Array.from({ length: 1_000 }, (_unused, at) => [`digest:${from + at}`, 'v']).flat();
      await other.text('MSET', ...pairs);
    }
    const atFirst = rig.node.digest(Date.now());
    let answer: string | null = null;
    const answered = asker.text('CW.DIGEST').then((text) => (answer = text));
    await other.text('SET', `digest:${keys - 1}`, 'later');
    // who came after it did not wait for it
    expect(answer).toBeNull();
    expect(await answered).toBe(atFirst);
    expect(rig.node.digest(Date.now())).not.toBe(atFirst);
    // inside MULTI it is of that moment, and whole
    await other.text('MULTI');
    await other.text('CW.DIGEST');
    other.send(request('EXEC'));
    await other.takeTo(rig.node.digest(Date.now()));
    for (let from = 0; from < keys; from += 1_000)
      await other.text('DEL', ...Array.from({ length: 1_000 }, (_unused, at) => `digest:${from + at}`));
  });

  test('CW commands tell of the node', async () => {
    const client = await rig.client();
    await client.text('SET', 'explained', 'v');
    client.send(request('CW.NODE') + request('PING'));
    expect(await client.takeTo('+PONG\r\n')).toContain(
      '$2\r\nid\r\n$11\r\nus-east-1/a\r\n$6\r\nregion\r\n$9\r\nus-east-1\r\n$7\r\nversion\r\n$5\r\n9.8.7\r\n',
    );
    client.send(request('CW.VECTOR') + request('PING'));
    expect(await client.takeTo('+PONG\r\n')).toMatch(/^\*2\r\n\$13\r\nus-east-1\/a#1\r\n:\d+\r\n\+PONG/);
    expect(await client.text('CW.DIGEST')).toBe(rig.node.digest(Date.now()));
    client.send(request('CW.PEERS') + request('CW.EXPLAIN', 'explained') + request('PING'));
    const text = await client.takeTo('+PONG\r\n');
    expect(text.startsWith('*0\r\n*')).toBe(true);
    expect(text).toContain('us-east-1/a#1:');
  });

  test('SHUTDOWN asks the process to stop and answers by closing', async () => {
    const client = await rig.client();
    expect(await client.text('SHUTDOWN', 'ABORT')).toBe('-ERR No shutdown in progress.');
    expect(await client.text('SHUTDOWN', 'SAVE', 'NOSAVE')).toBe('-ERR syntax error');
    client.send(request('SHUTDOWN', 'NOSAVE'));
    expect(await client.rest()).toBe('');
    expect(shutdowns).toBe(1);
  });
});
