import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, interceptors, request, type Dispatcher } from 'undici';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CacheClient } from '../../src/integrations/byte-cache.ts';
import { CausewayCacheStore } from '../../src/integrations/undici.ts';
import { StoreRig } from './store-rig.ts';

const rig = StoreRig.forFile();

/** A server whose answers the test gives, and what it was asked. */
async function origin(
  answer: (response: ServerResponse, headers: IncomingHttpHeaders, asked: number) => void,
): Promise<{ url: string; asked: () => number }> {
  let asked = 0;
  const http: Server = createServer((incoming, response) => {
    incoming.resume();
    answer(response, incoming.headers, ++asked);
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  onTestFinished(() => void http.close());
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, asked: () => asked };
}

/** An agent of its own, as another process has one. */
function agentOn(
  client: CacheClient = rig.redis,
  options: ConstructorParameters<typeof CausewayCacheStore>[1] = {},
): Dispatcher {
  const agent = new Agent().compose(interceptors.cache({ store: new CausewayCacheStore(client, options) }));
  onTestFinished(async () => {
    await agent.close();
  });
  return agent;
}

async function get(
  dispatcher: Dispatcher,
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string; age: unknown }> {
  const answer = await request(url, { dispatcher, headers });
  return { status: answer.statusCode, text: await answer.body.text(), age: answer.headers['age'] };
}

describe('a cache store of Undici', () => {
  test('what one process got the other finds, until it is no longer good', async () => {
    const { url, asked } = await origin((response, _headers, count) => {
      response.setHeader('cache-control', 'max-age=60').end(`answer ${count} ünd bytes`);
    });
    const [one, other] = [agentOn(), agentOn(rig.session())];
    expect((await get(one, `${url}/a?x=1`)).text).toBe('answer 1 ünd bytes');
    await rig.stored(1);
    const again = await get(other, `${url}/a?x=1`);
    expect([again.text, again.age]).toEqual(['answer 1 ünd bytes', expect.anything()]);
    expect(asked()).toBe(1);
    const [key = ''] = await rig.redis.keys('*');
    expect(await rig.redis.pttl(key)).toBeGreaterThan(30_000);
    await rig.redis.del(key);
    expect((await get(one, `${url}/a?x=1`)).text).toBe('answer 2 ünd bytes');
  });

  test('what varies is found by the headers that count, and by no others', async () => {
    const { url, asked } = await origin((response, headers) => {
      response
        .setHeader('cache-control', 'max-age=60')
        .setHeader('vary', 'Accept-Language')
        .end(`in ${headers['accept-language'] ?? 'none'}`);
    });
    const agent = agentOn();
    for (const language of ['de', 'fr'])
      expect((await get(agent, url, { 'accept-language': language })).text).toBe(`in ${language}`);
    await rig.stored(3);
    for (const language of ['de', 'fr', 'de'])
      expect((await get(agent, url, { 'accept-language': language, 'x-other': language })).text).toBe(`in ${language}`);
    expect(asked()).toBe(2);
    expect((await get(agent, url)).text).toBe('in none');
    await rig.stored(4);
  });

  test('an unsafe method makes all forget, also what varies and comes again', async () => {
    const { url } = await origin((response, headers, count) => {
      response
        .setHeader('cache-control', 'max-age=60')
        .setHeader('vary', 'accept')
        .end(`${headers['accept'] ?? ''} ${count}`);
    });
    const [one, other] = [agentOn(), agentOn()];
    expect((await get(one, url, { accept: 'a' })).text).toBe('a 1');
    expect((await get(one, url, { accept: 'b' })).text).toBe('b 2');
    await rig.stored(3);
    await (await request(url, { dispatcher: other, method: 'POST', body: 'x' })).body.dump();
    // the URL's own key is gone, so the variants cannot be found
    await rig.stored(2);
    expect((await get(one, url, { accept: 'a' })).text).toBe('a 4');
    await rig.stored(4);
    expect((await get(other, url, { accept: 'b' })).text, 'not that of before').toBe('b 5');
    await rig.stored(5);
  });

  test.each([
    ['ioredis', (): CacheClient => rig.redis],
    ['a session', (): CacheClient => rig.session()],
  ])('what has a tag is purged in all processes, by %s', async (_name, clientOf) => {
    const { url, asked } = await origin((response, _headers, count) => {
      response.setHeader('cache-control', 'max-age=60').setHeader('surrogate-key', 'a b').end(`answer ${count}`);
    });
    const agent = agentOn(clientOf(), { tags: ({ path }) => [`path ${path}`] });
    for (const tag of ['a', 'b', 'path /']) {
      const before = asked();
      expect((await get(agent, url)).text).toBe(`answer ${before + 1}`);
      await rig.stored(1);
      expect((await get(agent, url)).text).toBe(`answer ${before + 1}`);
      await expect.poll(async () => await rig.redis.call('CW.INVALIDATE', 'TAG', tag)).toBe(1);
    }
  });

  test('is asked again by its entity tag, and answered 304', async () => {
    const { url, asked } = await origin((response, headers) => {
      response.setHeader('cache-control', 'no-cache').setHeader('etag', '"one"');
      if (headers['if-none-match'] === '"one"') response.writeHead(304).end();
      else response.end('the body');
    });
    const agent = agentOn();
    expect((await get(agent, url)).text).toBe('the body');
    await rig.stored(1);
    expect(await get(agent, url)).toMatchObject({ status: 200, text: 'the body' });
    expect(asked()).toBe(2);
  });

  test('what is too large is answered and not stored', async () => {
    const { url, asked } = await origin((response) => {
      response.setHeader('cache-control', 'max-age=60').end('x'.repeat(2_000));
    });
    const agent = agentOn(rig.redis, { maxEntrySize: 1_000 });
    for (let times = 0; times < 2; times++) expect((await get(agent, url)).text).toHaveLength(2_000);
    expect(asked()).toBe(2);
    expect(await rig.redis.dbsize()).toBe(0);
  });

  test('a client that fails lets requests go to their origin', async () => {
    const { url, asked } = await origin((response) => {
      response.setHeader('cache-control', 'max-age=60').end('answer');
    });
    const errors: Error[] = [];
    const broken = { callBuffer: () => Promise.reject(new Error('no connection')) };
    const agent = agentOn(broken, { errorCallback: (error) => errors.push(error) });
    for (let times = 0; times < 2; times++) expect((await get(agent, url)).text).toBe('answer');
    expect(asked()).toBe(2);
    await (await request(url, { dispatcher: agent, method: 'DELETE' })).body.dump();
    expect(errors.map(({ message }) => message)).toContain('no connection');
  });

  test('bytes of somebody else at its keys are no responses', async () => {
    const { url, asked } = await origin((response) => {
      response.setHeader('cache-control', 'max-age=60').end('answer');
    });
    const agent = agentOn();
    for (const junk of ['', 'x', '\xff\xff\xff\xff{}', '\0\0\0\x02{x', '\0\0\0\x02[]', '\0\0\0\x04null']) {
      await rig.redis.set(`http:GET ${url}/`, Buffer.from(junk, 'latin1'));
      expect((await get(agent, `${url}/`)).text, JSON.stringify(junk)).toBe('answer');
    }
    expect(asked()).toBe(6);
  });
});
