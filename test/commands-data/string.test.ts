import { describe, expect, it } from 'vitest';
import { Harness } from './harness.ts';

describe('SET', () => {
  it('takes each option, refuses those that contradict each other', () => {
    const node = new Harness();
    expect(node.run('SET k v')).toBe('+OK');
    expect(node.events).toEqual(['$ set k']);
    expect(node.run('SET k w NX')).toBe('nil');
    expect(node.run('SET k w XX GET')).toBe('"v"');
    expect(node.run('SET absent w XX GET')).toBe('nil');
    expect(node.run('SET k x NX GET')).toBe('"w"');
    expect(node.run('GET k')).toBe('"w"');
    for (const bad of ['NX XX', 'EX 1 PX 1', 'EX', 'KEEPTTL EX 1', 'EX 1 KEEPTTL', 'EX 1 EXAT 1', 'PERSIST', 'FOO']) {
      expect(node.run(`SET k v ${bad}`)).toBe('-ERR syntax error');
    }
    expect(node.run('SET k v EX abc')).toBe('-ERR value is not an integer or out of range');
    for (const bad of ['0', '-1', '9223372036854775807', '9223370399119966']) {
      expect(node.run(`SET k v EX ${bad}`)).toBe("-ERR invalid expire time in 'set' command");
    }
    expect(node.run('GET k')).toBe('"w"');
  });

  it('sets, keeps and drops the expiry', () => {
    const node = new Harness();
    node.run('SET k v EX 100 EX 50');
    expect(node.events).toEqual(['$ set k', 'g expire k']);
    expect(node.run('TTL k')).toBe(':50');
    node.run('SET k w KEEPTTL');
    expect(node.run('PTTL k')).toBe(':50000');
    node.run('SET k w');
    expect(node.run('TTL k')).toBe(':-1');
    node.run(`SET k w PXAT ${node.nowMs + 10}`);
    expect(node.run('PEXPIRETIME k')).toBe(`:${node.nowMs + 10}`);
    node.nowMs += 10;
    expect(node.run('GET k')).toBe('nil');
    expect(node.run('TTL k')).toBe(':-2');
  });

  it('with an expiry that has passed leaves nothing', () => {
    const node = new Harness();
    node.run('SET k v');
    expect(node.run('SET k w PXAT 1')).toBe('+OK');
    expect(node.run('EXISTS k')).toBe(':0');
    expect(node.effects).toEqual([]);
    expect(node.run('SET k w PXAT 1')).toBe('+OK');
    expect(node.effects).toEqual([]);
  });

  it('replaces any type, but does not GET one', () => {
    const node = new Harness();
    node.run('SADD k a');
    expect(node.run('SET k v GET')).toBe('-WRONGTYPE Operation against a key holding the wrong kind of value');
    expect(node.run('SET k v')).toBe('+OK');
    expect(node.run('TYPE k')).toBe('+string');
  });
});

describe('reading a string', () => {
  it('of many keys is what each of them holds, whatever is between them', () => {
    const node = new Harness();
    const names = Array.from({ length: 50 }, (_unused, at) => `k${at}`);
    node.run('SADD k20 member');
    node.run('INCR k21');
    for (const [at, name] of names.entries()) if (at % 3 === 0 && at !== 21) node.run(`SET ${name} v${at}`);
    const shown = names.map((_name, at) => (at === 21 ? '"1"' : at % 3 === 0 ? `"v${at}"` : 'nil'));
    expect(node.run(`MGET ${names.join(' ')}`)).toBe(`[${shown.join(' ')}]`);
    expect(node.run(`MGET ${names.join(' ')} k0`)).toBe(`[${shown.join(' ')} "v0"]`);
  });

  it('of another type is an error, except for MGET', () => {
    const node = new Harness();
    node.run('HSET h f v');
    node.run('SET k v');
    for (const command of [
      'GET h',
      'STRLEN h',
      'GETRANGE h 0 1',
      'GETDEL h',
      'GETEX h',
      'GETSET h v',
      'APPEND h v',
      'INCR h',
    ]) {
      expect(node.run(command)).toBe('-WRONGTYPE Operation against a key holding the wrong kind of value');
    }
    expect(node.run('MGET k h absent k')).toBe('["v" nil nil "v"]');
    expect(node.run('LCS k h')).toBe('-ERR The specified keys must contain string values');
  });

  it('counts hits and misses and tells of a miss', () => {
    const node = new Harness();
    node.run('SET k v');
    node.run('GET k');
    node.run('GET absent');
    expect(node.events).toEqual(['m keymiss absent']);
    expect([node.stats.keyspaceHits, node.stats.keyspaceMisses]).toEqual([1, 1]);
  });

  it('GETRANGE and SUBSTR cut as Redis does', () => {
    const node = new Harness();
    node.run('SET k "This is a string"');
    const cases: [range: string, text: string][] = [
      ['0 3', 'This'],
      ['-3 -1', 'ing'],
      ['0 -1', 'This is a string'],
      ['10 100', 'string'],
      ['5 3', ''],
      ['-1 -5', ''],
      ['-100 -50', 'T'],
      ['0 9223372036854775807', 'This is a string'],
      ['-9223372036854775808 -1', 'This is a string'],
      ['-9223372036854775807 -9223372036854775808', ''],
    ];
    for (const [range, text] of cases) {
      expect(node.run(`GETRANGE k ${range}`)).toBe(`"${text}"`);
      expect(node.run(`SUBSTR k ${range}`)).toBe(`"${text}"`);
    }
    expect(node.run('GETRANGE absent 0 -1')).toBe('""');
    expect(node.run('GETRANGE k a 1')).toBe('-ERR value is not an integer or out of range');
  });
});

describe('changing a part of a string', () => {
  it('APPEND and SETRANGE write the whole as a register and keep the expiry', () => {
    const node = new Harness();
    expect(node.run('APPEND k ab')).toBe(':2');
    node.run('EXPIRE k 100');
    expect(node.run('APPEND k cd')).toBe(':4');
    expect(node.effects).toEqual(['Set k']);
    expect(node.events).toEqual(['$ append k']);
    expect(node.run('SETRANGE k 6 xy')).toBe(':8');
    expect(node.events).toEqual(['$ setrange k']);
    expect(node.run('GET k')).toBe('"abcd\\x00\\x00xy"');
    expect(node.run('SETRANGE k 1 ZZ')).toBe(':8');
    expect(node.run('GET k')).toBe('"aZZd\\x00\\x00xy"');
    expect(node.run('TTL k')).toBe(':100');
  });

  it('SETRANGE with nothing writes nothing', () => {
    const node = new Harness();
    expect(node.run('SETRANGE absent 5 ""')).toBe(':0');
    node.run('SET k abc');
    expect(node.run('SETRANGE k 5 ""')).toBe(':3');
    expect(node.effects).toEqual([]);
    expect(node.run('EXISTS absent')).toBe(':0');
  });

  it('refuses what grows past the limit of a string', () => {
    const node = new Harness();
    const tooLong = '-ERR string exceeds maximum allowed size (proto-max-bulk-len)';
    expect(node.run('SETRANGE k 9223372036854775807 a')).toBe(tooLong);
    expect(node.run('SETRANGE k 16777216 a')).toBe(tooLong);
    expect(node.run('SETRANGE k -1 a')).toBe('-ERR offset is out of range');
    node.settings.bulkBytesMax = 4;
    expect(node.run('APPEND k abcd')).toBe(':4');
    expect(node.run('APPEND k e')).toBe(tooLong);
  });
});

describe('GETDEL, GETSET, GETEX', () => {
  it('reply the old value and change the key', () => {
    const node = new Harness();
    node.run('SET k v EX 10');
    expect(node.run('GETSET k w')).toBe('"v"');
    expect(node.run('TTL k')).toBe(':-1');
    expect(node.run('GETEX k EX 20')).toBe('"w"');
    expect(node.events).toEqual(['g expire k']);
    expect(node.run('TTL k')).toBe(':20');
    expect(node.run('GETEX k')).toBe('"w"');
    expect(node.effects).toEqual([]);
    expect(node.run('GETEX k PERSIST')).toBe('"w"');
    expect(node.events).toEqual(['g persist k']);
    expect(node.run('GETEX k PERSIST')).toBe('"w"');
    expect(node.effects).toEqual([]);
    expect(node.run('GETEX k PXAT 1')).toBe('"w"');
    expect(node.events).toEqual(['g del k']);
    expect(node.run('EXISTS k')).toBe(':0');
    node.run('SET k v');
    expect(node.run('GETDEL k')).toBe('"v"');
    expect(node.events).toEqual(['g del k']);
    expect(node.run('GETDEL k')).toBe('nil');
    expect(node.run('GETSET k v')).toBe('nil');
  });

  it('GETEX looks at the key before the time', () => {
    const node = new Harness();
    expect(node.run('GETEX absent EX abc')).toBe('nil');
    expect(node.run('GETEX absent EX 1 PERSIST')).toBe('-ERR syntax error');
    node.run('SET k v');
    expect(node.run('GETEX k EX 0')).toBe("-ERR invalid expire time in 'getex' command");
  });
});

describe('MSET and MSETNX', () => {
  it('set all or nothing', () => {
    const node = new Harness();
    expect(node.run('MSET a 1 b 2 a 3')).toBe('+OK');
    expect(node.run('MGET a b')).toBe('["3" "2"]');
    expect(node.run('MSETNX c 1 b 9')).toBe(':0');
    expect(node.run('EXISTS c')).toBe(':0');
    expect(node.run('MSETNX c 1 c 2')).toBe(':1');
    expect(node.run('MSET a')).toBe("-ERR wrong number of arguments for 'mset' command");
    expect(node.run('MSETNX a 1 b')).toBe("-ERR wrong number of arguments for 'msetnx' command");
  });

  it('refuses a key over the limit before anything is set', () => {
    const node = new Harness();
    const long = 'x'.repeat(512 * 1024 + 1);
    expect(node.reply('MSET', 'a', '1', long, '2')).toEqual({
      kind: 'error',
      text: 'ERR key is too long (limit key-bytes-max 524288)',
    });
    expect(node.run('EXISTS a')).toBe(':0');
    expect(node.reply('SET', long.slice(1), 'v')).toEqual({ kind: 'simple', text: 'OK' });
  });
});

describe('counters', () => {
  it('count exactly in 64 bits', () => {
    const node = new Harness();
    expect(node.run('INCR n')).toBe(':1');
    expect(node.effects).toEqual(['Increment n']);
    expect(node.events).toEqual(['$ incrby n']);
    expect(node.run('INCRBY n 9223372036854775806')).toBe(':9223372036854775807');
    expect(node.run('INCR n')).toBe('-ERR increment or decrement would overflow');
    expect(node.run('DECRBY n -9223372036854775808')).toBe('-ERR decrement would overflow');
    expect(node.run('GET n')).toBe('"9223372036854775807"');
    expect(node.run('DECRBY n 9223372036854775807')).toBe(':0');
    expect(node.run('DECR n')).toBe(':-1');
    for (const text of ['abc', '01', '+1', ' 1', '1.0', '', '-0', '9223372036854775808']) {
      node.reply('SET', 's', text);
      expect(node.run('INCR s')).toBe('-ERR value is not an integer or out of range');
      expect(node.reply('INCRBY', 'n', text)).toEqual({
        kind: 'error',
        text: 'ERR value is not an integer or out of range',
      });
    }
  });

  it('keep the expiry', () => {
    const node = new Harness();
    node.run('SET n 5 EX 100');
    node.run('INCR n');
    expect(node.run('TTL n')).toBe(':100');
    expect(node.run('GET n')).toBe('"6"');
    node.nowMs += 100_000;
    expect(node.run('INCR n')).toBe(':1');
    expect(node.run('TTL n')).toBe(':-1');
  });

  it('INCRBYFLOAT adds decimals without an error of rounding', () => {
    const node = new Harness();
    node.run('SET n 10.50');
    expect(node.run('INCRBYFLOAT n 0.1')).toBe('"10.6"');
    expect(node.run('GET n')).toBe('"10.6"');
    expect(node.run('INCRBYFLOAT n -5')).toBe('"5.6"');
    node.run('SET n 5.0e3');
    expect(node.run('INCRBYFLOAT n 2.0e2')).toBe('"5200"');
    expect(node.run('INCR n')).toBe(':5201');
    expect(node.run('INCRBYFLOAT n -5201')).toBe('"0"');
    expect(node.run('GET n')).toBe('"0"');
  });

  it('INCRBYFLOAT refuses what is no finite number', () => {
    const node = new Harness();
    for (const text of ['abc', '', ' 1', '1 ', 'nan', '1e', '--1', '1e9999']) {
      expect(node.reply('INCRBYFLOAT', 'n', text)).toEqual({ kind: 'error', text: 'ERR value is not a valid float' });
    }
    expect(node.run('INCRBYFLOAT n inf')).toBe('-ERR increment would produce NaN or Infinity');
    expect(node.run('INCRBYFLOAT n -Infinity')).toBe('-ERR increment would produce NaN or Infinity');
    node.run('SET n inf');
    expect(node.run('INCRBYFLOAT n 1')).toBe('-ERR increment would produce NaN or Infinity');
    node.run(`SET n 9e399`);
    expect(node.run('INCRBYFLOAT n 9e399')).toBe('-ERR increment would produce NaN or Infinity');
    expect(node.run('GET n')).toBe('"9e399"');
  });
});
