import { fastify, type FastifyInstance } from 'fastify';
import { describe, expect, onTestFinished, test } from 'vitest';
import { causewayFastify, type CausewayFastifyOptions } from '../../src/integrations/fastify.ts';
import { StoreRig } from './store-rig.ts';

const rig = StoreRig.forFile();

/** An app whose route answers with headers and counts; as another process has one. */
async function appOf(
  headers: Record<string, string>,
  options: Partial<CausewayFastifyOptions> = {},
  ttlMs?: number,
  tags?: readonly string[],
): Promise<FastifyInstance> {
  const app = fastify();
  onTestFinished(() => app.close());
  await app.register(causewayFastify, { client: rig.redis, ...options });
  let asked = 0;
  const more = tags === undefined ? {} : { tags };
  const config = { cache: ttlMs === undefined ? true : { ttlMs, ...more } };
  app.get('/page', { config }, async (request, reply) =>
    reply.headers(headers).send(`${request.headers['accept-language'] ?? 'none'} ${++asked}`),
  );
  app.post('/page', async (_request, reply) => reply.code(204).send());
  app.get('/plain', async (_request, reply) => reply.headers(headers).send(`plain ${++asked}`));
  return app;
}

async function get(
  app: FastifyInstance,
  headers: Record<string, string> = {},
  url = '/page',
  method: 'GET' | 'HEAD' = 'GET',
): Promise<[number, string, unknown]> {
  const answer = await app.inject({ method, url, headers });
  return [answer.statusCode, answer.body, answer.headers['cache-status']];
}

const HIT = 'causeway; hit';
const STORED = 'causeway; fwd=miss; stored';
const MISS = 'causeway; fwd=miss';

describe('a cache before the routes of Fastify', () => {
  test('what one process answered another answers again, with its headers and its age', async () => {
    await rig.takesLoads();
    const headers = { 'cache-control': 'max-age=60', etag: '"one"', 'content-type': 'text/x-test' };
    const [one, other] = [await appOf(headers), await appOf(headers)];
    expect(await get(one)).toEqual([200, 'none 1', STORED]);
    await rig.stored(1);
    const again = await other.inject('/page');
    expect([again.body, again.headers['cache-status'], again.headers['content-type'], again.headers['age']]).toEqual([
      'none 1',
      HIT,
      'text/x-test',
      expect.stringMatching(/^\d+$/),
    ]);
    expect(await get(other, { 'if-none-match': 'W/"one"' })).toEqual([304, '', HIT]);
    expect(await get(other, {}, '/page', 'HEAD')).toEqual([200, '', HIT]);
    expect(await get(other, { 'cache-control': 'no-cache' })).toEqual([200, 'none 1', STORED]);
    expect(await get(one, {}, '/page?x')).toEqual([200, 'none 2', STORED]);
    expect(await get(one, { host: 'another.example' })).toEqual([200, 'none 3', STORED]);
    expect((await get(one, {}, '/plain'))[2], 'a route that did not ask').toBeUndefined();
    await rig.stored(3);
  });

  test('an unsafe method that succeeds makes all processes forget, and what varies is told apart', async () => {
    const headers = { 'cache-control': 's-maxage=60', vary: 'Accept-Language' };
    const [one, other] = [await appOf(headers), await appOf(headers)];
    for (const language of ['de', 'fr']) expect((await get(one, { 'accept-language': language }))[2]).toBe(STORED);
    await rig.stored(3);
    expect(await get(other, { 'accept-language': 'fr' })).toEqual([200, 'fr 2', HIT]);
    expect((await other.inject({ method: 'POST', url: '/page' })).statusCode).toBe(204);
    await rig.stored(2);
    expect(await get(one, { 'accept-language': 'fr' })).toEqual([200, 'fr 3', STORED]);
    await rig.stored(4);
  });

  test.each([
    ['no freshness', {}],
    ['no-store', { 'cache-control': 'no-store, max-age=60' }],
    ['private', { 'cache-control': 'private, max-age=60' }],
    ['no-cache', { 'cache-control': 'no-cache, max-age=60' }],
    ['a cookie', { 'cache-control': 'max-age=60', 'set-cookie': 'a=b' }],
    ['an age that is over', { 'cache-control': 'max-age=60', age: '60' }],
    ['a life that cannot be read', { 'cache-control': 'max-age=x' }],
    ['an end that is over', { expires: 'Thu, 01 Jan 1970 00:00:00 GMT' }],
    ['an end that cannot be read', { expires: '0' }],
    ['Vary: *', { 'cache-control': 'max-age=60', vary: '*' }],
  ])('is not for an answer with %s', async (_what, headers) => {
    const app = await appOf(headers);
    for (const count of [1, 2]) expect(await get(app)).toEqual([200, `none ${count}`, MISS]);
    expect(await rig.redis.dbsize()).toBe(0);
  });

  test('keeps what was asked with a password only where it is said to be for all', async () => {
    const authorization = { authorization: 'Bearer x' };
    expect((await get(await appOf({ 'cache-control': 'max-age=60' }), authorization))[2]).toBe(MISS);
    expect((await get(await appOf({ 'cache-control': 'public, max-age=60' }), authorization))[2]).toBe(STORED);
    await rig.stored(1);
  });

  test('the route says how long, where the answer does not; and a body has a bound', async () => {
    await rig.takesLoads();
    const app = await appOf({}, {}, 60_000);
    expect((await get(app))[2]).toBe(STORED);
    await rig.stored(1);
    expect((await get(app))[2]).toBe(HIT);
    expect((await get(await appOf({}, { bodyBytesMax: 3, prefix: 'other:' }, 60_000)))[2]).toBe(MISS);
  });

  test('is purged by the tags of the answer and of its route', async () => {
    const headers = { 'surrogate-key': 'page%20one all', 'cache-tag': 'x, all', vary: 'Accept-Language' };
    const app = await appOf(headers, {}, 60_000, ['route']);
    for (const tag of ['page one', 'all', 'x', 'route']) {
      // for half a second after it was purged what is made is not kept
      await expect.poll(async () => (await get(app))[2]).toBe(HIT);
      // a variant, beside what leads to it
      await rig.stored(2);
      await expect.poll(async () => await rig.redis.call('CW.INVALIDATE', 'TAG', tag)).toBe(1);
    }
    expect((await get(await appOf({ 'cache-tag': 'x'.repeat(513) }, {}, 60_000)))[2], 'nobody could purge it').toBe(
      MISS,
    );
  });

  test('a client that fails leaves the routes to answer', async () => {
    const errors: Error[] = [];
    const client = { callBuffer: () => Promise.reject(new Error('no connection')) };
    const app = await appOf(
      { 'cache-control': 'max-age=60' },
      { client, errorCallback: (error: Error) => errors.push(error) },
    );
    expect((await get(app)).slice(0, 2)).toEqual([200, 'none 1']);
    expect((await app.inject({ method: 'POST', url: '/page' })).statusCode).toBe(204);
    await expect.poll(() => errors.length).toBe(3);
  });
});
