import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { CausewayError } from '../../src/errors.ts';
import type { Engine, EngineEvents } from '../../src/commands/engine.ts';
import type { RegionNode } from '../../src/node/region-node.ts';
import { request } from './raw-client.ts';
import { Rig } from './rig.ts';

/** A node whose events can be made, as a transaction from elsewhere makes them, and that can refuse writes. */
class SteeredEngine implements Engine {
  events: EngineEvents | null = null;
  refused: CausewayError | null = null;
  readonly transactions: number[] = [];
  readonly inner: RegionNode;

  constructor(inner: RegionNode) {
    this.inner = inner;
  }
  get node() {
    return this.inner.node;
  }
  get writes() {
    return this.inner.writes;
  }

  get loads() {
    return this.inner.loads;
  }
  get keys() {
    return this.inner.keys;
  }
  get memory() {
    return this.inner.memory;
  }
  get origin() {
    return this.inner.origin;
  }
  get expiredKeys() {
    return this.inner.expiredKeys;
  }
  changing(...args: Parameters<Engine['changing']>) {
    return this.inner.changing(...args);
  }
  readFor(...args: Parameters<Engine['readFor']>) {
    this.inner.readFor(...args);
  }
  nowMs(wallMs: number) {
    return this.inner.nowMs(wallMs);
  }
  transact(...args: Parameters<Engine['transact']>) {
    const seq = this.inner.transact(...args);
    this.transactions.push(seq);
    return seq;
  }
  refusal(write: boolean, allowedWhileLoading: boolean) {
    return write ? this.refused : this.inner.refusal(write, allowedWhileLoading);
  }
  listen(events: EngineEvents) {
    this.events = events;
    this.inner.listen(events);
  }
}

let rig: Rig;
let engine: SteeredEngine;
beforeAll(async () => {
  rig = await Rig.start({ engine: (node) => (engine = new SteeredEngine(node)) });
});
afterAll(() => rig.stop());

/** What a session of inline requests is answered, up to the reply to a last PING. */
async function answers(...lines: string[]): Promise<string> {
  const client = await rig.client();
  client.send([...lines, 'PING end'].map((line) => `${line}\r\n`).join(''));
  return (await client.takeTo('$3\r\nend\r\n')).slice(0, -'$3\r\nend\r\n'.length);
}

describe('MULTI and EXEC', () => {
  test('run all at once, as one transaction', async () => {
    const before = engine.transactions.length;
    expect(await answers('MULTI', 'SET a 1', 'INCR a', 'HSET h f v', 'GET a', 'EXEC')).toBe(
      '+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*4\r\n+OK\r\n:2\r\n:1\r\n$1\r\n2\r\n',
    );
    expect(engine.transactions.length).toBe(before + 1);
  });

  test('a request that fails while it runs leaves the others', async () => {
    expect(await answers('MULTI', 'SET s x', 'INCR s', 'HSET s f v', 'STRLEN s', 'EXEC')).toBe(
      '+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*4\r\n+OK\r\n-ERR value is not an integer or out of range\r\n' +
        '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n:1\r\n',
    );
  });

  test('a request that is refused while it is queued spoils the whole', async () => {
    expect(await answers('MULTI', 'SET spoilt 1', 'GET', 'EXEC', 'EXISTS spoilt')).toBe(
      "+OK\r\n+QUEUED\r\n-ERR wrong number of arguments for 'get' command\r\n" +
        '-EXECABORT Transaction discarded because of previous errors.\r\n:0\r\n',
    );
    expect(await answers('MULTI', 'NOPE', 'EXEC')).toContain('EXECABORT');
  });

  test('DISCARD, nesting and what is out of place', async () => {
    expect(await answers('MULTI', 'SET d 1', 'DISCARD', 'EXISTS d')).toBe('+OK\r\n+QUEUED\r\n+OK\r\n:0\r\n');
    expect(await answers('EXEC')).toBe('-ERR EXEC without MULTI\r\n');
    expect(await answers('DISCARD')).toBe('-ERR DISCARD without MULTI\r\n');
    expect(await answers('MULTI', 'MULTI', 'EXEC')).toBe('+OK\r\n-ERR MULTI calls can not be nested\r\n*0\r\n');
    expect(await answers('MULTI', 'WATCH a', 'EXEC')).toBe('+OK\r\n-ERR WATCH inside MULTI is not allowed\r\n*0\r\n');
    expect(await answers('MULTI', 'SHUTDOWN', 'EXEC')).toMatch(
      /^\+OK\r\n-ERR Command not allowed inside a transaction\r\n-EXECABORT/,
    );
  });

  test('an empty one answers an empty array, and the connection is an ordinary one afterwards', async () => {
    expect(await answers('MULTI', 'EXEC', 'EXEC')).toBe('+OK\r\n*0\r\n-ERR EXEC without MULTI\r\n');
  });

  test('the queue is a copy: what comes after in the same buffer does not change it', async () => {
    const client = await rig.client();
    client.send(request('MULTI'));
    await client.takeTo('+OK\r\n');
    client.send(request('SET', 'copy', 'first'));
    await client.takeTo('+QUEUED\r\n');
    client.send(request('SET', 'else', 'XXXXX') + request('EXEC') + request('GET', 'copy'));
    expect(await client.takeTo('first\r\n')).toBe('+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n$5\r\nfirst\r\n');
  });

  test('a queue that grows over the limit is refused, and counts what its objects cost', async () => {
    const client = await rig.client();
    const other = await rig.client();
    expect(await other.text('CONFIG', 'SET', 'client-query-buffer-limit', '1mb')).toBe('+OK');
    client.send('MULTI\r\n');
    await client.takeTo('+OK\r\n');
    client.send('PING\r\n'.repeat(20_000) + 'EXEC\r\nPING end\r\n');
    const all = await client.takeTo('$3\r\nend\r\n');
    expect(await other.text('CONFIG', 'SET', 'client-query-buffer-limit', '256mb')).toBe('+OK');
    expect(all).toContain('-ERR transaction is too large (limit client-query-buffer-limit 1048576)\r\n');
    expect(all).toContain('-EXECABORT Transaction discarded because of previous errors.\r\n');
    expect(all.match(/QUEUED/g)?.length).toBeLessThan(10_000);
  });

  test('a node that refuses writes discards a transaction that has some', async () => {
    engine.refused = new CausewayError('CLOCKSKEW', 'the clock is wrong');
    try {
      expect(await answers('SET r 1')).toBe('-CLOCKSKEW the clock is wrong\r\n');
      expect(await answers('MULTI', 'GET r', 'EXEC')).toBe('+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n');
    } finally {
      engine.refused = null;
    }
    const client = await rig.client();
    client.send('MULTI\r\nSET r 1\r\n');
    await client.takeTo('+QUEUED\r\n');
    engine.refused = new CausewayError('CLOCKSKEW', 'the clock is wrong');
    client.send('EXEC\r\n');
    expect(await client.takeTo('wrong\r\n')).toBe(
      '-EXECABORT Transaction discarded because of: CLOCKSKEW the clock is wrong\r\n',
    );
    engine.refused = null;
    client.send('EXEC\r\nEXISTS r\r\n');
    expect(await client.takeTo(':0\r\n')).toBe('-ERR EXEC without MULTI\r\n:0\r\n');
  });

  test('in RESP3 a broken watch is a null, and pushes never split the replies', async () => {
    const client = await rig.client();
    const other = await rig.client();
    client.send(request('HELLO', '3'));
    await client.takeTo('*0\r\n');
    client.send('SUBSCRIBE self\r\nMULTI\r\nPUBLISH self m\r\nPING\r\nEXEC\r\n');
    expect(await client.takeTo('$1\r\nm\r\n')).toBe(
      '>3\r\n$9\r\nsubscribe\r\n$4\r\nself\r\n:1\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n+PONG\r\n' +
        '>3\r\n$7\r\nmessage\r\n$4\r\nself\r\n$1\r\nm\r\n',
    );
    client.send('WATCH w3\r\n');
    await client.takeTo('+OK\r\n');
    expect(await other.text('SET', 'w3', '1')).toBe('+OK');
    client.send('MULTI\r\nEXEC\r\n');
    expect(await client.takeTo('_\r\n')).toBe('+OK\r\n_\r\n');
  });
});

describe('WATCH', () => {
  /** What EXEC answers when `meanwhile` happens between WATCH key and EXEC; `first` is sent in one piece with the WATCH. */
  async function execAfter(key: string, meanwhile: () => Promise<unknown> | void, first = ''): Promise<string> {
    const client = await rig.client();
    client.send(`${first}WATCH ${key}\r\nPING watched\r\n`);
    await client.takeTo('watched\r\n');
    await meanwhile();
    client.send('MULTI\r\nPING\r\nEXEC\r\nPING end\r\n');
    const all = await client.takeTo('end\r\n');
    return all.slice('+OK\r\n+QUEUED\r\n'.length, -'$3\r\nend\r\n'.length);
  }
  const ran = '*1\r\n+PONG\r\n';
  const broken = '*-1\r\n';

  test.each([
    ['SET by another', 'w', 'SET w 2', broken],
    ['SET of another key', 'w', 'SET v 2', ran],
    ['a failed write', 'w', 'INCR w-text', ran],
    ['DEL of nothing', 'absent', 'DEL absent', ran],
    ['creation', 'created', 'SET created 1', broken],
    ['HSET', 'wh', 'HSET wh f 2', broken],
    ['SADD of a member there already', 'ws', 'SADD ws a', ran],
    ['EXPIRE', 'w', 'EXPIRE w 100', broken],
    ['RENAME onto it', 'w', 'RENAME w-other w', broken],
    ['a read', 'w', 'GET w', ran],
    ['FLUSHALL of what is there', 'w', 'FLUSHALL', broken],
    ['FLUSHALL of what is not', 'absent', 'FLUSHALL', ran],
  ])('%s', async (_name, key, line, expected) => {
    await answers('MSET w 1 w-text x w-other 1', 'HSET wh f 1', 'SADD ws a');
    expect(await execAfter(key, () => answers(line))).toBe(expected);
  });

  test('a write of another node breaks it', async () => {
    await answers('SET w 1');
    const remote = (): void => engine.events?.keyChanged(latin1Range('w'), { classLetter: '$', event: 'set' });
    expect(await execAfter('w', remote)).toBe(broken);
    const elsewhere = (): void => engine.events?.keyChanged(latin1Range('v'), { classLetter: '$', event: 'set' });
    expect(await execAfter('w', elsewhere)).toBe(ran);
  });

  test('a key that expires meanwhile breaks it, one that had expired before does not', async () => {
    const gone = async (): Promise<void> => {
      while ((await answers('EXISTS soon')) !== ':0\r\n');
    };
    expect(await execAfter('soon', gone, 'SET soon 1 PX 1000\r\n')).toBe(broken);
    expect(await execAfter('soon', () => undefined)).toBe(ran);
    const purged = (): void => engine.events?.keyChanged(latin1Range('soon'), { classLetter: 'x', event: 'expired' });
    expect(await execAfter('soon', purged)).toBe(ran);
  });

  test('its own write between WATCH and MULTI breaks it; UNWATCH, DISCARD and EXEC end it', async () => {
    expect(await answers('SET o 1', 'WATCH o', 'SET o 2', 'MULTI', 'EXEC')).toMatch(/\*-1\r\n$/);
    expect(await answers('WATCH o', 'SET o 2', 'UNWATCH', 'MULTI', 'EXEC')).toMatch(/\*0\r\n$/);
    expect(await answers('WATCH o', 'SET o 2', 'MULTI', 'DISCARD', 'MULTI', 'EXEC')).toMatch(/\*0\r\n$/);
    expect(await answers('WATCH o', 'MULTI', 'SET o 3', 'EXEC', 'SET o 4', 'MULTI', 'EXEC')).toMatch(/\*0\r\n$/);
  });

  test('a closed connection watches nothing', async () => {
    const client = await rig.client();
    client.send('WATCH left-1 left-2\r\n');
    await client.takeTo('+OK\r\n');
    const watched = rig.server.state.watches.keyCount;
    client.send('QUIT\r\n');
    await client.rest();
    expect(watched - rig.server.state.watches.keyCount).toBe(2);
  });
});
