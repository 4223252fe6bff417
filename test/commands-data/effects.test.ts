import { describe, expect, it } from 'vitest';
import { Harness } from './harness.ts';

/** What each command writes: the updates that travel, not only what it replies. */
describe('effects', () => {
  it('of RENAME are the removal of both keys and the writes of what moves, expiry included', () => {
    const node = new Harness();
    node.run('HSET hash a 1 b 2');
    node.run('EXPIREAT hash 4102444800');
    node.run('SADD target x');
    expect(node.run('RENAME hash target')).toBe('+OK');
    expect(node.effects).toEqual([
      'Delete target',
      'HashSet target a',
      'HashSet target b',
      'Expire target',
      'Delete hash',
    ]);
    expect(node.events).toEqual(['g rename_from hash', 'g rename_to target']);
    expect(node.run('EXPIRETIME target')).toBe(':4102444800');
    expect(node.run('TYPE target')).toBe('+hash');
  });

  it('of RENAME of a string onto anything are one register and a tombstone', () => {
    const node = new Harness();
    node.run('INCRBY n 5');
    node.run('SADD target x');
    node.run('RENAME n target');
    expect(node.effects).toEqual(['Set target', 'Delete n']);
    expect(node.run('GET target')).toBe('"5"');
  });

  it('of COPY leave the source alone', () => {
    const node = new Harness();
    node.run('SADD set a b');
    expect(node.run('COPY set other')).toBe(':1');
    expect(node.effects).toEqual(['SetAdd other a', 'SetAdd other b']);
    expect(node.events).toEqual(['g copy_to other']);
    expect(node.run('COPY set other')).toBe(':0');
    expect(node.effects).toEqual([]);
    node.run('COPY set other REPLACE');
    expect(node.effects).toEqual(['Delete other', 'SetAdd other a', 'SetAdd other b']);
    expect(node.run('SCARD set')).toBe(':2');
  });

  it('of a STORE replace the target by members, also where it is a source', () => {
    const node = new Harness();
    node.run('SADD a 1 2 3');
    node.run('SADD b 2 3 4');
    expect(node.run('SINTERSTORE a a b')).toBe(':2');
    expect(node.effects).toEqual(['Delete a', 'SetAdd a 2', 'SetAdd a 3']);
    expect(node.events).toEqual(['s sinterstore a']);
    expect(node.run('SDIFFSTORE a a b')).toBe(':0');
    expect(node.effects).toEqual(['Delete a']);
    expect(node.events).toEqual(['g del a']);
    expect(node.run('SUNIONSTORE a nothing')).toBe(':0');
    expect(node.effects).toEqual([]);
  });

  it('of SADD and HSET are fresh writes even of what is there', () => {
    const node = new Harness();
    node.run('SADD set a');
    expect(node.run('SADD set a')).toBe(':0');
    expect(node.effects).toEqual(['SetAdd set a']);
    expect(node.events).toEqual([]);
    node.run('HSET hash f v');
    expect(node.run('HSET hash f v')).toBe(':0');
    expect(node.effects).toEqual(['HashSet hash f']);
    expect(node.events).toEqual(['h hset hash']);
    expect(node.run('HSETNX hash f w')).toBe(':0');
    expect(node.effects).toEqual([]);
  });

  it('of SPOP are removals of what was chosen here', () => {
    const node = new Harness();
    node.run('SADD set a b c');
    const popped = node.reply('SPOP', 'set');
    expect(node.effects).toEqual([`SetRemove set ${'text' in popped ? popped.text : ''}`]);
    expect(node.events).toEqual(['s spop set']);
    node.run('SPOP set 5');
    expect(node.effects).toHaveLength(2);
    expect(node.events).toEqual(['s spop set', 'g del set']);
    expect(node.run('EXISTS set')).toBe(':0');
  });

  it('of removals say when a container is gone', () => {
    const node = new Harness();
    node.run('HSET hash a 1 b 2');
    expect(node.run('HDEL hash a z')).toBe(':1');
    expect(node.effects).toEqual(['HashDelete hash a']);
    expect(node.events).toEqual(['h hdel hash']);
    node.run('HDEL hash b');
    expect(node.events).toEqual(['h hdel hash', 'g del hash']);
    node.run('SADD set a');
    expect(node.run('SREM set z')).toBe(':0');
    expect(node.effects).toEqual([]);
    node.run('SREM set a');
    expect(node.events).toEqual(['s srem set', 'g del set']);
    node.run('SADD set a');
    node.run('SMOVE set other a');
    expect(node.effects).toEqual(['SetRemove set a', 'SetAdd other a']);
    expect(node.events).toEqual(['s srem set', 'g del set', 's sadd other']);
  });

  it('of expiry commands are expiries, or a removal where the time has passed', () => {
    const node = new Harness();
    node.run('SET key value');
    node.run('EXPIRE key 10');
    expect(node.effects).toEqual(['Expire key']);
    expect(node.events).toEqual(['g expire key']);
    node.run('PERSIST key');
    expect(node.effects).toEqual(['Expire key']);
    expect(node.events).toEqual(['g persist key']);
    // it wins over an EXPIRE made elsewhere at the same time, so it is an effect also where there is nothing to remove
    expect(node.run('PERSIST key')).toBe(':0');
    expect(node.effects).toEqual(['Expire key']);
    expect(node.events).toEqual([]);
    node.run('EXPIRE key -1');
    expect(node.effects).toEqual(['DeleteString key']);
    expect(node.events).toEqual(['g del key']);
    expect(node.run('EXPIRE key 10')).toBe(':0');
  });

  it('of counters in hashes are increments', () => {
    const node = new Harness();
    node.run('HINCRBY hash n 5');
    expect(node.effects).toEqual(['HashIncrement hash n']);
    expect(node.run('HINCRBYFLOAT hash n 0.5')).toBe('"5.5"');
    expect(node.effects).toEqual(['HashIncrement hash n']);
    expect(node.run('HGET hash n')).toBe('"5.5"');
  });

  it('a write on an expired key begins anew', () => {
    const node = new Harness();
    node.run('SADD set old');
    node.run('PEXPIRE set 100');
    node.nowMs += 100;
    expect(node.run('SADD set new')).toBe(':1');
    expect(node.run('SMEMBERS set')).toBe('~["new"]');
    expect(node.run('TTL set')).toBe(':-1');
    node.run('PEXPIRE set 100');
    node.nowMs += 100;
    expect(node.run('RENAME set other')).toBe('-ERR no such key');
    expect(node.run('APPEND set text')).toBe(':4');
    expect(node.run('TTL set')).toBe(':-1');
  });
});
