import { describe, expect, test } from 'vitest';
import { clusterHash } from '../../src/causal/session-token.ts';
import { planGroup } from '../../src/groups/group-plan.ts';
import type { InProcessSession, LocalSessionOptions } from '../../src/server/in-process-session.ts';
import { ReplyError, type ReplyValue } from '../../src/wire/resp/reply-values.ts';
import { tokenCodec } from '../../src/wire/token-codec.ts';
import { configOf } from './peer-rig.ts';
import { introduceServers, ServerRig } from './server-rig.ts';

const STRONG_CLASS = `
classes:
  - match: ["limit:*"]
    consistency: strong
    home: us-east-1
    survive: zone
`;

async function one(changes: Parameters<typeof configOf>[2] = {}): Promise<ServerRig> {
  const rig = await ServerRig.start(configOf(0, 1, changes));
  await rig.server.ready;
  return rig;
}

function open(rig: ServerRig, options: Partial<LocalSessionOptions> = {}): InProcessSession {
  return rig.server.openSession({ address: 'local:test', ...options });
}

/** A session that has something to WAIT for. */
async function written(rig: ServerRig, options: Partial<LocalSessionOptions> = {}): Promise<InProcessSession> {
  const session = open(rig, options);
  await asked(session, 'SET', 'written', 'value');
  return session;
}

/** Nodes of two regions, with a session each. */
async function two(): Promise<[InProcessSession, InProcessSession]> {
  const rigs = await Promise.all([ServerRig.start(configOf(0, 2)), ServerRig.start(configOf(1, 2))]);
  await introduceServers(rigs);
  return [open(rigs[0]), open(rigs[1])];
}

/** Lets a session have seen the write that one in another region makes next: until then its requests are deferred. */
async function behind(session: InProcessSession, writer: InProcessSession): Promise<void> {
  await asked(writer, 'SET', 'key', 'before');
  const { lastWriteOrigin, lastWriteSeq } = writer.session;
  if (lastWriteOrigin === null) throw new Error('nothing was written');
  const token = tokenCodec.encode({
    cluster: clusterHash('test'),
    epoch: 0,
    dots: [[lastWriteOrigin, lastWriteSeq + 1]],
  });
  await asked(session, 'CW.LEVEL', 'session');
  expect(await asked(session, 'CW.ATTACH', token, 'TIMEOUT', 2_000)).toMatch(/^-BEHIND /);
}

/** Replies as one can read them: bytes as text, errors with their code. */
function shown(value: ReplyValue): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (value instanceof ReplyError) return `-${value.code} ${value.message}`;
  return Array.isArray(value) ? value.map((item) => shown(item as ReplyValue)) : value;
}

async function asked(session: InProcessSession, ...args: (string | number | Uint8Array)[]): Promise<unknown> {
  return shown(await session.call(args));
}

describe('a session in the process', () => {
  test('runs requests as a connection does, and replies become values', async () => {
    const rig = await one();
    const session = open(rig);
    expect(await asked(session, 'SET', 'key', 'välue')).toBe('OK');
    expect(await session.call(['GET', 'key'])).toEqual(new Uint8Array(Buffer.from('välue')));
    expect(await asked(session, 'GET', 'nothing')).toBeNull();
    expect(await asked(session, 'INCRBY', 'n', '9007199254740993')).toBe(9007199254740993n);
    expect(await asked(session, 'INCRBY', 'm', 41)).toBe(41);
    await asked(session, 'HSET', 'h', 'a', '1', 'b', '2');
    expect(await asked(session, 'HGETALL', 'h')).toEqual(['a', '1', 'b', '2']);
    await asked(session, 'SADD', 's', 'x');
    expect(await asked(session, 'SMEMBERS', 's')).toEqual(['x']);
    expect(await asked(session, 'INCR', 'h')).toMatch(/^-WRONGTYPE /);
    expect(await asked(session, 'NOSUCH')).toMatch(/^-ERR unknown command/);
    expect(await asked(session, 'CLIENT', 'INFO')).toMatch(/^id=\d+ addr=local:test .*resp=3/);
    expect(await rig.client().get('key')).toBe('välue');
  });

  test('any bytes are a key and a value, and the caller may use its own again', async () => {
    const session = open(await one());
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const set = session.call(['SET', bytes, bytes]);
    const key = bytes.slice();
    bytes.fill(7);
    expect(await set).toBe('OK');
    expect(await session.call(['GET', key])).toEqual(key);
  });

  test('is a client of CLIENT LIST and goes by CLIENT KILL', async () => {
    const rig = await one();
    const client = rig.client();
    let reason = '';
    const session = open(rig, {
      address: 'local:worker',
      name: 'worker-1',
      libraryName: 'test',
      onClose: (why) => (reason = why),
    });
    const list = String(await client.call('CLIENT', 'LIST'));
    expect(list).toMatch(/addr=local:worker .*name=worker-1 .*lib-name=test/);
    expect(await client.call('CLIENT', 'KILL', 'ADDR', 'local:worker')).toBe(1);
    expect(reason).toBe('CLIENT KILL');
    await expect(session.call(['PING'])).rejects.toMatchObject({ code: 'ERR' });
    expect(String(await client.call('CLIENT', 'LIST'))).not.toContain('local:worker');
  });

  test('MULTI, EXEC and WATCH belong to the session', async () => {
    const rig = await one();
    const [session, other] = [open(rig), open(rig)];
    await asked(session, 'WATCH', 'key');
    expect(await asked(session, 'MULTI')).toBe('OK');
    expect(await asked(session, 'SET', 'key', '1')).toBe('QUEUED');
    await asked(other, 'SET', 'key', '2');
    expect(await asked(session, 'EXEC')).toBeNull();
    expect(await asked(other, 'GET', 'key')).toBe('2');
    await asked(session, 'MULTI');
    await asked(session, 'SET', 'key', '3');
    await asked(session, 'HGET', 'key', 'f');
    expect(await asked(session, 'EXEC')).toEqual(['OK', expect.stringMatching(/^-WRONGTYPE/)]);
  });

  test('what is called together is answered in its order', async () => {
    const session = open(await one());
    const answers = await Promise.all(Array.from({ length: 100 }, () => session.call(['INCR', 'n'])));
    expect(answers).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  test('a request called by an answer runs after it, in its turn', async () => {
    const session = open(await one());
    const heard: unknown[] = [];
    await new Promise<void>((resolve) => {
      session.send(['SET', 'key', 'first'], (answer) => {
        heard.push(answer);
        session.send(['GET', 'key'], (next) => {
          heard.push('value' in next ? shown(next.value) : next);
          resolve();
        });
        heard.push('sent');
      });
    });
    expect(heard).toEqual([{ value: 'OK' }, 'sent', 'first']);
  });

  test('a caller that throws harms nobody', async () => {
    const rig = await one();
    const session = open(rig);
    session.send(['SET', 'key', 'value'], () => {
      throw new Error('of the caller');
    });
    expect(await asked(session, 'GET', 'key')).toBe('value');
    expect(rig.failures).toEqual([]);
  });
});

describe('waiting', () => {
  test('a request that blocks is answered later, and those behind it wait', async () => {
    const [session, there] = await two();
    await asked(session, 'SET', 'key', 'value');
    const order: string[] = [];
    const waited = session.call(['WAIT', 1, 20_000]).then((value) => {
      order.push('wait');
      return value;
    });
    const got = session.call(['GET', 'key']).then(() => order.push('get'));
    expect(await waited).toBe(1);
    await got;
    expect(order).toEqual(['wait', 'get']);
    expect(await asked(there, 'GET', 'key')).toBe('value');
  });

  test('a wait ends at its time', async () => {
    const session = open(await one());
    await asked(session, 'SET', 'key', 'value');
    expect(await asked(session, 'WAIT', 3, 20)).toBe(0);
  });

  test('a request that is deferred runs when what its session has seen is here, and those behind it after it', async () => {
    const [session, writer] = await two();
    await behind(session, writer);
    const order: unknown[] = [];
    const first = session.call(['GET', 'key']).then((value) => order.push(shown(value)));
    const second = session.call(['STRLEN', 'key']).then((value) => order.push(value));
    await asked(writer, 'PING');
    expect(order).toEqual([]);
    await asked(writer, 'SET', 'key', 'value');
    await Promise.all([first, second]);
    expect(order).toEqual(['value', 5]);
  });

  test('whoever gives up is told at once, and the next request is not refused for it', async () => {
    const [session, writer] = await two();
    await behind(session, writer);
    const giving = new AbortController();
    const [first, queued] = [session.call(['GET', 'key'], giving), session.call(['SET', 'queued', '1'], giving)];
    const next = session.call(['GET', 'key']);
    giving.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    await expect(queued).rejects.toThrow('enough');
    await asked(writer, 'SET', 'key', 'value');
    expect(shown(await next)).toBe('value');
    expect(await asked(session, 'EXISTS', 'queued')).toBe(0);
    await expect(session.call(['PING'], { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
  });

  test('one that gives up on a request behind another leaves that alone', async () => {
    const session = await written(await one());
    const giving = new AbortController();
    const waits = session.call(['WAIT', 3, 50]);
    const queued = session.call(['PING'], giving);
    giving.abort(new Error('enough'));
    await expect(queued).rejects.toThrow('enough');
    expect(await waits).toBe(0);
  });

  test('CLIENT PAUSE holds requests back until it is over', async () => {
    const rig = await one();
    const [session, operator] = [open(rig), rig.client()];
    await operator.call('CLIENT', 'PAUSE', '60000', 'WRITE');
    const order: string[] = [];
    const set = session.call(['SET', 'key', 'value']).then(() => order.push('set'));
    const get = session.call(['GET', 'key']).then((value) => order.push(`got ${String(shown(value))}`));
    await operator.ping();
    expect(order).toEqual([]);
    await operator.call('CLIENT', 'UNPAUSE');
    await Promise.all([set, get]);
    expect(order).toEqual(['set', 'got value']);
  });

  test('requests on strong keys go to their group', async () => {
    const config = configOf(0, 1, { classes: { file: 'classes.yaml', text: STRONG_CLASS } });
    const home = { nodeNumber: config.nodeNumber, region: config.region };
    const rig = await ServerRig.start({ ...config, groups: [planGroup(config.region, 1, 'zone', [home], () => 0)] });
    await rig.server.ready;
    const session = open(rig);
    const answers = Promise.all([
      asked(session, 'SET', 'limit:1', '10'),
      asked(session, 'GET', 'limit:1'),
      asked(session, 'CW.VERSION', 'limit:1'),
    ]);
    expect(await answers).toEqual(['OK', '10', expect.any(Number)]);
  });
});

describe('pushes', () => {
  test('come by the callback, behind the answer to the request that was before them', async () => {
    const rig = await one();
    const heard: unknown[] = [];
    const session = open(rig, { onPush: (push) => heard.push(shown(push)) });
    expect(await session.call(['SUBSCRIBE', 'news', 'sport'])).toBeNull();
    session.send(['PUBLISH', 'news', 'own'], (answer) => heard.push(answer));
    await expect.poll(() => heard.length).toBe(4);
    expect(heard).toEqual([
      ['subscribe', 'news', 1],
      ['subscribe', 'sport', 2],
      { value: 1 },
      ['message', 'news', 'own'],
    ]);
    await rig.client().publish('sport', 'other');
    await expect.poll(() => heard.at(-1)).toEqual(['message', 'sport', 'other']);
    expect(await asked(session, 'SET', 'key', 'value'), 'of RESP3: it may also ask').toBe('OK');
  });

  test('that are more than a client may leave untaken end the session', async () => {
    const rig = await one();
    let reason = '';
    const session = open(rig, { onPush: () => undefined, onClose: (why) => (reason = why) });
    await session.call(['SUBSCRIBE', 'news']);
    const client = rig.client();
    await client.config('SET', 'client-output-buffer-limit', 'pubsub 100000 0 0');
    const large = 'x'.repeat(60_000);
    await asked(open(rig), 'PUBLISH', 'news', large);
    expect(reason, 'each turn begins anew').toBe('');
    await client.multi().publish('news', large).publish('news', large).exec();
    expect(reason).toMatch(/over the hard limit of 100000/);
  });
});

describe('limits', () => {
  test('of requests that wait, of arguments and of clients', async () => {
    const rig = await one({ limits: { bulkBytesMax: 2_000_000 } });
    const session = await written(rig, { callsMax: 2 });
    const waits = session.call(['WAIT', 3, 100]);
    const queued = [session.call(['PING']), session.call(['PING'])];
    await expect(session.call(['PING'])).rejects.toMatchObject({ code: 'LIMIT', message: '2 requests wait' });
    expect(await waits).toBe(0);
    expect(await Promise.all(queued)).toEqual(['PONG', 'PONG']);
    await expect(asked(session, 'SET', 'key', new Uint8Array(2_000_001))).rejects.toMatchObject({
      code: 'LIMIT',
      message: 'an argument of 2000001 bytes is too long (limit proto-max-bulk-len 2000000)',
    });
    expect(await session.call([])).toMatchObject({ code: 'ERR', message: expect.stringContaining('got 0') as unknown });
    await rig.client().config('SET', 'maxclients', '2');
    expect(() => open(rig)).toThrow(/maxclients 2/);
  });

  test('a request that is not one of Redis is an error, like any other', async () => {
    const session = open(await one());
    expect(await asked(session, 'POST', '/')).toMatch(/^-ERR /);
    expect(await asked(session, 'PING')).toBe('PONG');
  });
});

describe('the end', () => {
  test('a request that was not run is an error, one that was is uncertain', async () => {
    const rig = await one();
    const session = await written(rig);
    const [running, queued] = [session.call(['WAIT', 3, 0]), session.call(['PING'])];
    session.close('enough');
    session.close('again');
    await expect(running).rejects.toMatchObject({ code: 'UNCERTAIN' });
    await expect(queued).rejects.toMatchObject({ code: 'ERR', message: 'enough' });
  });

  test('QUIT is answered before it', async () => {
    const session = open(await one());
    expect(await session.call(['QUIT'])).toBe('OK');
    await expect(session.call(['PING'])).rejects.toMatchObject({ code: 'ERR' });
  });

  test('the stop of the node ends all', async () => {
    const rig = await one();
    const session = await written(rig);
    const waits = session.call(['WAIT', 3, 0]);
    const refused = waits.catch((error: unknown) => error);
    await rig.server.close();
    expect(await refused).toMatchObject({ code: 'UNCERTAIN' });
    expect(() => open(rig)).toThrow('the node stops');
  });
});
