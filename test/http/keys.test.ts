import { describe, expect, onTestFinished, test } from 'vitest';
import { clusterHash } from '../../src/causal/session-token.ts';
import { planGroup } from '../../src/groups/group-plan.ts';
import { tokenCodec } from '../../src/wire/token-codec.ts';
import { configOf } from '../server/peer-rig.ts';
import { introduceServers, ServerRig } from '../server/server-rig.ts';
import { RealSource } from '../sources/real-source.ts';
import { ask, Gateway, problemIn } from './asking.ts';

const CLASSES = `
classes:
  - match: ["page:*"]
    http: { type: text/html, max-age: 10s, stale-while-revalidate: 30s, stale-if-error: 1h }
  - match: ["mine:*"]
    http: { private: true }
  - match: ["limit:*"]
    consistency: strong
    home: us-east-1
    survive: zone
  - match: ["local:*"]
    consistency: weak
`;

async function one(changes: Parameters<typeof configOf>[2] = {}): Promise<{ rig: ServerRig; http: Gateway }> {
  const config = configOf(0, 1, { classes: { file: 'classes.yaml', text: CLASSES }, ...changes });
  const home = { nodeNumber: config.nodeNumber, region: config.region };
  const rig = await ServerRig.start({ ...config, groups: [planGroup(config.region, 1, 'zone', [home], () => 0)] });
  await rig.server.ready;
  return { rig, http: new Gateway(rig.server.ports.http) };
}

describe('a key over HTTP', () => {
  test('is put, read, replaced and deleted', async () => {
    const { rig, http } = await one();
    expect((await http.get('/v1/keys/a')).status).toBe(404);
    const made = await http.put('/v1/keys/a', '{"n":1}', { 'content-type': 'application/json' });
    expect([made.status, made.text]).toEqual([201, '']);
    const got = await http.get('/v1/keys/a');
    expect([got.status, got.text, got.headers['content-type']]).toEqual([200, '{"n":1}', 'application/json']);
    expect(got.headers['etag']).toBe(made.headers['etag']);
    const head = await ask(http.port, 'HEAD', '/v1/keys/a');
    expect([head.status, head.text, head.headers['content-length'], head.headers['etag']]).toEqual([
      200,
      '',
      '7',
      made.headers['etag'],
    ]);
    const replaced = await http.put('/v1/keys/a', 'two', { 'content-type': 'text/plain; charset=utf-8' });
    expect(replaced.status).toBe(204);
    expect(replaced.headers['etag']).not.toBe(made.headers['etag']);
    expect((await http.get('/v1/keys/a')).headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(await rig.client().get('a')).toBe('two');
    expect((await http.delete('/v1/keys/a')).status).toBe(204);
    expect((await http.delete('/v1/keys/a')).status).toBe(404);
    expect(await rig.client().exists('a')).toBe(0);
    expect(await rig.client().dbsize(), 'nothing of it is left').toBe(0);
  });

  test('may be any bytes, and so may its value', async () => {
    const { rig, http } = await one();
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const every = [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
    const keys: [path: string, key: Uint8Array][] = [
      [every, bytes],
      ['a/b//c', Buffer.from('a/b//c')],
      ['%2e%2e%2fetc', Buffer.from('../etc')],
      ['', Buffer.from('')],
      ['__proto__', Buffer.from('__proto__')],
      ['a+b;c=d', Buffer.from('a+b;c=d')],
      ['q%3Fttl%3D1s', Buffer.from('q?ttl=1s')],
      ['%F0%9F%90%98', Buffer.from('🐘')],
    ];
    for (const [path, key] of keys) {
      expect((await http.put(`/v1/keys/${path}`, bytes)).status, path).toBe(201);
      expect(await rig.client().getBuffer(Buffer.from(key)), path).toEqual(Buffer.from(bytes));
      const got = await http.get(`/v1/keys/${path}`);
      expect([got.bytes, got.headers['content-type']], path).toEqual([Buffer.from(bytes), 'application/octet-stream']);
    }
    expect(await rig.client().dbsize()).toBe(keys.length);
    for (const path of ['%', '%4', '%zz', 'a%'])
      expect(problemIn(await http.get(`/v1/keys/${path}`)), path).toEqual([
        400,
        'application/problem+json',
        400,
        undefined,
      ]);
  });

  test('loses its type with a value that comes another way, and gets that of its class', async () => {
    const { rig, http } = await one();
    const client = rig.client();
    for (const key of ['other', 'page:1']) {
      await http.put(`/v1/keys/${key}`, '<p>', { 'content-type': 'image/svg+xml' });
      expect((await http.get(`/v1/keys/${key}`)).headers['content-type'], key).toBe('image/svg+xml');
      await client.set(key, 'plain');
    }
    expect((await http.get('/v1/keys/other')).headers['content-type']).toBe('application/octet-stream');
    expect((await http.get('/v1/keys/page:1')).headers['content-type']).toBe('text/html');
    await http.put('/v1/keys/other', 'a', { 'content-type': 'text/plain' });
    await http.put('/v1/keys/other', 'b');
    expect((await http.get('/v1/keys/other')).headers['content-type'], 'of a PUT without one').toBe(
      'application/octet-stream',
    );
    // what cannot be kept beside it is not: of strong keys and of those that stay on their node
    for (const key of ['limit:1', 'local:1']) {
      await http.put(`/v1/keys/${key}`, 'a', { 'content-type': 'text/plain' });
      const got = await http.get(`/v1/keys/${key}`);
      expect([got.text, got.headers['content-type']], key).toEqual(['a', 'application/octet-stream']);
    }
  });

  test('of another type, or that is no key of clients, is refused', async () => {
    const { rig, http } = await one();
    await rig.client().hset('h', 'f', 'v');
    expect(problemIn(await http.get('/v1/keys/h'))).toEqual([409, 'application/problem+json', 409, 'WRONGTYPE']);
    expect((await http.put('/v1/keys/h', 'now a string')).status).toBe(204);
    for (const path of ['%00cw:http:a', '%00cw:x']) {
      expect(problemIn(await http.put(`/v1/keys/${path}`, 'x')).at(-1), path).toBe('ERR');
      expect(problemIn(await http.get(`/v1/keys/${path}`)).at(-1), path).toBe('ERR');
    }
  });

  test('goes with its type to the other regions', async () => {
    const rigs = await Promise.all([ServerRig.start(configOf(0, 2)), ServerRig.start(configOf(1, 2))]);
    await introduceServers(rigs);
    const [here, there] = rigs.map(({ server }) => new Gateway(server.ports.http));
    if (here === undefined || there === undefined) throw new Error('two regions');
    const put = await here.put('/v1/keys/a', 'value', { 'content-type': 'text/plain' });
    const session = String(put.headers['causeway-session']);
    const got = await there.get('/v1/keys/a', { 'causeway-session': session, prefer: 'wait=20' });
    expect([got.status, got.text, got.headers['content-type'], got.headers['etag']]).toEqual([
      200,
      'value',
      'text/plain',
      put.headers['etag'],
    ]);
  });
});

describe('conditions', () => {
  test('of a read: 304 and 412', async () => {
    const { rig, http } = await one();
    const { headers } = await http.put('/v1/keys/a', 'value');
    const etag = String(headers['etag']);
    for (const field of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const same = await http.get('/v1/keys/a', { 'if-none-match': field });
      expect([same.status, same.text, same.headers['etag']], field).toEqual([304, '', etag]);
    }
    for (const field of ['"other"', '"0"', 'nonsense', '']) {
      expect((await http.get('/v1/keys/a', { 'if-none-match': field })).status, field).toBe(200);
    }
    await rig.client().set('a', 'value');
    expect((await http.get('/v1/keys/a', { 'if-none-match': etag })).status, 'written again').toBe(200);
    expect((await http.get('/v1/keys/a', { 'if-match': etag })).status).toBe(412);
    expect((await http.get('/v1/keys/nothing', { 'if-match': '*' })).status).toBe(412);
    const { headers: now } = await http.get('/v1/keys/a', { 'if-match': '*' });
    expect((await http.get('/v1/keys/a', { 'if-match': String(now['etag']) })).status).toBe(200);
    expect((await http.get('/v1/keys/a', { 'if-match': `W/${String(now['etag'])}` })).status, 'a weak tag').toBe(412);
  });

  test('of a write by a weak tag: it happens never', async () => {
    const { http } = await one();
    const { headers } = await http.put('/v1/keys/a', '1');
    expect((await http.put('/v1/keys/a', '2', { 'if-match': `W/${String(headers['etag'])}` })).status).toBe(412);
    expect((await http.delete('/v1/keys/a', { 'if-match': `W/${String(headers['etag'])}` })).status).toBe(412);
    expect((await http.get('/v1/keys/a')).text).toBe('1');
  });

  test.each(['a', 'limit:a'])('of a write to %s: it happens, or it does not', async (key) => {
    const { http } = await one();
    const path = `/v1/keys/${key}`;
    expect((await http.put(path, '1', { 'if-match': '*' })).status, 'it is not there').toBe(412);
    expect((await http.put(path, '1', { 'if-match': '"1-2-3"' })).status).toBe(412);
    const first = await http.put(path, '1', { 'if-none-match': '*' });
    expect(first.status).toBe(201);
    const etag = String(first.headers['etag']);
    const refused = await http.put(path, '2', { 'if-none-match': '*' });
    expect([refused.status, refused.headers['etag']]).toEqual([412, etag]);
    expect((await http.put(path, '2', { 'if-none-match': etag })).status).toBe(412);
    const second = await http.put(path, '2', { 'if-match': `"9-9-9", ${etag}` });
    expect(second.status).toBe(204);
    expect((await http.put(path, '3', { 'if-match': etag })).status, 'of what was before').toBe(412);
    expect((await http.delete(path, { 'if-match': etag })).status).toBe(412);
    expect((await http.get(path)).text).toBe('2');
    expect((await http.get(path)).headers['etag']).toBe(second.headers['etag']);
    expect((await http.delete(path, { 'if-match': String(second.headers['etag']) })).status).toBe(204);
    expect((await http.get(path)).status).toBe(404);
  });

  test('of many that write at a time one is told that it did', async () => {
    const { http } = await one();
    for (const key of ['a', 'limit:a']) {
      const { headers } = await http.put(`/v1/keys/${key}`, '0');
      const conditions = { 'if-match': String(headers['etag']) };
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, at) => http.put(`/v1/keys/${key}`, String(at), conditions)),
      );
      expect(
        answers.map(({ status }) => status).toSorted((left, right) => left - right),
        key,
      ).toEqual([204, ...Array.from({ length: 9 }, () => 412)]);
    }
  });
});

describe('what caches are told', () => {
  test('the life of a key as max-age, and how much of it is over as Age', async () => {
    const { rig, http } = await one();
    await http.put('/v1/keys/a?ttl=100s', 'value');
    expect(await rig.client().pttl('a')).toBeGreaterThan(90_000);
    const got = await http.get('/v1/keys/a');
    const [, maxAge] = /^max-age=(\d+)$/.exec(String(got.headers['cache-control'])) ?? [];
    const left = Number(maxAge) - Number(got.headers['age']);
    expect(Number(maxAge)).toBeLessThanOrEqual(100);
    expect(left).toBeLessThanOrEqual((await rig.client().pttl('a')) / 1000 + 60);
    expect(left).toBeGreaterThan(0);
    await http.put('/v1/keys/b', 'value', { 'causeway-ttl': '1h' });
    expect((await rig.client().pttl('b')) > 3_000_000).toBe(true);
    await http.put('/v1/keys/b', 'value');
    expect(await rig.client().pttl('b'), 'a PUT without one lives for ever').toBe(-1);
    expect((await http.get('/v1/keys/b')).headers['cache-control']).toBe('no-cache');
    for (const ttl of ['10', 'x', '-1s', '0s', '9999999999d'])
      expect((await http.put(`/v1/keys/a?ttl=${ttl}`, 'value')).status, ttl).toBe(400);
    for (const query of ['TTL=1h', 'ex=60', 'ttl=1h&ttl=2h', 'ttl=1h&x', '__proto__=1'])
      expect((await http.put(`/v1/keys/never?${query}`, 'value')).status, query).toBe(400);
    expect((await http.get('/v1/keys/never')).status, 'nothing was written without its expiry').toBe(404);
  });

  test('what the class says of stale answers, and of whose they are', async () => {
    const { http } = await one();
    await http.put('/v1/keys/page:1', 'a');
    expect((await http.get('/v1/keys/page:1')).headers['cache-control']).toBe(
      'max-age=10, stale-while-revalidate=30, stale-if-error=3600',
    );
    await http.put('/v1/keys/mine:1', 'a');
    expect((await http.get('/v1/keys/mine:1')).headers['cache-control']).toBe('no-cache, private');
    await http.put('/v1/keys/limit:1?ttl=1h', 'a');
    const strong = await http.get('/v1/keys/limit:1');
    expect([strong.headers['cache-control'], strong.headers['age']]).toEqual(['no-cache', undefined]);
    expect(strong.headers['vary']).toBe('Prefer, Causeway-Session');
    expect((await http.get('/v1/keys/nothing')).headers['cache-control'], 'errors are nobody’s to keep').toBe(
      'no-store',
    );
  });
});

test('what the door answered is in the metrics: by path, method and status, and what reads found', async () => {
  const { rig, http } = await one();
  await http.put('/v1/keys/a', 'x');
  const { headers } = await http.get('/v1/keys/a');
  await http.get('/v1/keys/a', { 'if-none-match': String(headers['etag']) });
  await http.get('/v1/keys/none');
  await http.get('/v1/keys/%');
  await http.get('/v1/keys/a', { 'sec-fetch-site': 'cross-site' });
  const metrics = await (await rig.http('/metrics')).text();
  const counts = metrics.split('\n').filter((line) => line.startsWith('causeway_http_'));
  expect(counts.toSorted()).toEqual([
    'causeway_http_reads_total{outcome="hit"} 1',
    'causeway_http_reads_total{outcome="miss"} 1',
    'causeway_http_reads_total{outcome="not-modified"} 1',
    'causeway_http_reads_total{outcome="stale"} 0',
    'causeway_http_requests_total{path="/v1/keys/",method="GET",status="200"} 1',
    'causeway_http_requests_total{path="/v1/keys/",method="GET",status="304"} 1',
    'causeway_http_requests_total{path="/v1/keys/",method="GET",status="400"} 1',
    'causeway_http_requests_total{path="/v1/keys/",method="GET",status="403"} 1',
    'causeway_http_requests_total{path="/v1/keys/",method="GET",status="404"} 1',
    'causeway_http_requests_total{path="/v1/keys/",method="PUT",status="201"} 1',
  ]);
});

test('a value that was loaded and is past its freshness is counted as stale', async () => {
  const source = await RealSource.start();
  onTestFinished(() => source.stop());
  const rule = `{ url: "${source.url}/{key}", ttl: 50ms, jitter: 0, early: 0, stale-while-loading: 1h }`;
  const text = `${CLASSES}  - match: ["loaded:*"]\n    source: ${rule}\n`;
  const { rig, http } = await one({ classes: { file: 'classes.yaml', text } });
  const count = async (outcome: string): Promise<number> => {
    const metrics = await (await rig.http('/metrics')).text();
    return Number(new RegExp(`reads_total.outcome="${outcome}". (\\d+)`).exec(metrics)?.[1]);
  };
  expect((await http.get('/v1/keys/loaded:1')).text).toBe('value of /loaded%3A1');
  // from now on it is not loaded anew
  source.answer = () => undefined;
  await expect
    .poll(
      async () => {
        await http.get('/v1/keys/loaded:1');
        return count('stale');
      },
      { timeout: 20_000 },
    )
    .toBeGreaterThan(0);
  await http.put('/v1/keys/loaded:1', 'written');
  const [hits, stale] = [await count('hit'), await count('stale')];
  await http.get('/v1/keys/loaded:1');
  expect([await count('hit'), await count('stale')], 'what a client wrote is as good as it says').toEqual([
    hits + 1,
    stale,
  ]);
});

test('Prefer: level=strong of a cached source: what the source says now, which others read from then on', async () => {
  const source = await RealSource.start();
  onTestFinished(() => source.stop());
  let answered = 0;
  source.answer = (_path, response) => response.end(`value ${++answered}`);
  const rule = `{ url: "${source.url}/{key}", ttl: 1h, jitter: 0, early: 0 }`;
  const text = `${CLASSES}  - match: ["loaded:*"]\n    source: ${rule}\n`;
  const { http } = await one({ classes: { file: 'classes.yaml', text } });
  const read = async (headers = {}): Promise<unknown[]> => {
    const answer = await http.get('/v1/keys/loaded:1', headers);
    return [answer.status, answer.text, answer.headers['preference-applied']];
  };
  const strong = { prefer: 'level=strong' };
  expect(await read()).toEqual([200, 'value 1', undefined]);
  expect(await read()).toEqual([200, 'value 1', undefined]);
  expect(await read(strong)).toEqual([200, 'value 2', 'level=strong']);
  expect(await read()).toEqual([200, 'value 2', undefined]);
  const [shown, kept] = [await http.get('/v1/keys/loaded:1', strong), await http.get('/v1/keys/loaded:1')];
  expect(shown.headers['etag'], 'of what is kept as it came').toBe(kept.headers['etag']);
  expect(shown.headers['cache-control']).toMatch(/^max-age=3[56]\d\d$/);
  source.answer = (_path, response) => response.writeHead(500).end();
  expect((await read(strong))[0], 'never what may be old').toBe(503);
  expect(await read()).toEqual([200, 'value 3', undefined]);
});

describe('tags', () => {
  test('are given by a PUT, said by a GET, and invalidate', async () => {
    const { rig, http } = await one();
    await http.put('/v1/keys/a', 'x', { 'surrogate-key': 'news  %C3%BC%20x', 'cache-tag': 'one, two' });
    const got = await http.get('/v1/keys/a');
    expect(got.headers['surrogate-key']).toBe('news one two %C3%BC%20x');
    expect(got.headers['cache-tag']).toBe('news,one,two,%C3%BC%20x');
    expect(await rig.client().call('CW.TAGS', 'a')).toEqual(['news', 'one', 'two', 'ü x']);
    await http.put('/v1/keys/a', 'y');
    expect((await http.get('/v1/keys/a')).headers['surrogate-key'], 'a PUT that says nothing of them').toContain(
      'news',
    );
    await http.put('/v1/keys/a', 'z', { 'cache-tag': 'other' });
    expect((await http.get('/v1/keys/a')).headers['surrogate-key']).toBe('other');
    expect((await http.get('/v1/keys/a', { 'if-none-match': '*' })).headers['cache-tag'], 'of a 304 too').toBe('other');
    await rig.client().call('CW.INVALIDATE', 'TAG', 'other');
    expect((await http.get('/v1/keys/a')).status).toBe(404);
    await http.put('/v1/keys/b', 'x');
    expect((await http.get('/v1/keys/b')).headers['cache-tag']).toBeUndefined();
  });

  test('that cannot be are refused before anything is written', async () => {
    const { rig, http } = await one();
    for (const headers of [
      { 'cache-tag': '%zz' },
      { 'surrogate-key': 'x'.repeat(600) },
      { 'cache-tag': Array.from({ length: 129 }, (_, at) => `t${at}`).join(',') },
    ])
      expect((await http.put('/v1/keys/a', 'x', headers)).status).toBe(400);
    expect(problemIn(await http.put('/v1/keys/limit:1', 'x', { 'cache-tag': 'a' })).at(-1)).toBe('CROSSCLASS');
    expect(await rig.client().dbsize()).toBe(0);
    const many = Array.from({ length: 100 }, (_, at) => `${at}-${'x'.repeat(90)}`);
    await http.put('/v1/keys/a', 'x');
    await rig.client().call('CW.TAG', 'a', ...many);
    const got = await http.get('/v1/keys/a');
    expect([got.headers['surrogate-key'], got.headers['cache-control']]).toEqual([undefined, 'no-store']);
  });
});

describe('sessions and levels', () => {
  test('a write gives a token, a read one where it was asked', async () => {
    const { http } = await one();
    const put = await http.put('/v1/keys/a', 'value');
    const token = String(put.headers['causeway-session']);
    expect(token).toMatch(/^[\w-]+$/);
    expect((await http.get('/v1/keys/a')).headers['causeway-session']).toBeUndefined();
    const read = await http.get('/v1/keys/a', { 'causeway-session': token });
    expect([read.text, read.headers['causeway-session']]).toEqual(['value', expect.stringMatching(/^[\w-]+$/)]);
    expect((await http.get('/v1/keys/a', { 'causeway-session': '' })).headers['causeway-session']).toMatch(/^[\w-]+$/);
  });

  test('of tokens that are none', async () => {
    const { http } = await one();
    for (const token of ['nonsense', '!', 'A'.repeat(2000), 'A'.repeat(3000)])
      expect([400, 413], token).toContain((await http.get('/v1/keys/a', { 'causeway-session': token })).status);
  });

  test('a token of what is not here yet: 503, and to be tried again', async () => {
    const rigs = await Promise.all([ServerRig.start(configOf(0, 2)), ServerRig.start(configOf(1, 2))]);
    await introduceServers(rigs);
    const writer = rigs[0].server.openSession({ address: 'local:test' });
    await writer.call(['SET', 'a', '1']);
    const { lastWriteOrigin, lastWriteSeq } = writer.session;
    if (lastWriteOrigin === null) throw new Error('nothing was written');
    const dots = [[lastWriteOrigin, lastWriteSeq + 1000]] as const;
    const token = tokenCodec.encode({ cluster: clusterHash('test'), epoch: 0, dots });
    const http = new Gateway(rigs[1].server.ports.http);
    const answer = await http.get('/v1/keys/a', { 'causeway-session': token, prefer: 'wait=0' });
    expect([...problemIn(answer), answer.headers['retry-after']]).toEqual([
      503,
      'application/problem+json',
      503,
      'BEHIND',
      '1',
    ]);
  });

  test('a level that is preferred is said where it was applied', async () => {
    const { http } = await one();
    await http.put('/v1/keys/a', 'value');
    await http.put('/v1/keys/limit:a', 'value');
    const applied = async (key: string, prefer: string): Promise<unknown> =>
      (await http.get(`/v1/keys/${key}`, { prefer })).headers['preference-applied'];
    expect(await applied('limit:a', 'level=strong')).toBe('level=strong');
    expect(await applied('limit:a', 'respond-async, level="session"; x=1')).toBe('level=session');
    expect(await applied('a', 'level=causal')).toBe('level=causal');
    expect(await applied('a', 'level=strong'), 'of a causal key nobody can say it').toBeUndefined();
    expect(await applied('a', 'level=nonsense')).toBeUndefined();
  });
});
