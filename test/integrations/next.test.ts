import { describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import type { CacheClient } from '../../src/integrations/byte-cache.ts';
import {
  causewayCacheHandler,
  causewayUseCacheHandler,
  type NextCacheHandler,
  type NextUseCacheEntry,
} from '../../src/integrations/next.ts';
import { StoreRig } from './store-rig.ts';

// The handlers by Next's contract; with Next itself they are tried by `npm run test:outside -- next`.
const rig = StoreRig.forFile();
let prefixes = 0;

/** What is made within half a second of the removal of all keys before a test is not kept. */
async function settled(): Promise<string> {
  const prefix = `next${++prefixes}:`;
  await expect.poll(async () => await kept(`${prefix}probe`), { timeout: 20_000 }).toBe(true);
  return prefix;
}

async function kept(key: string): Promise<boolean> {
  const token = String(await rig.redis.call('CW.LEASE', key, 1_000, 'REFRESH'));
  return (await rig.redis.call('CW.FILL', key, token, 'x')) === 1;
}

async function clientOf(kind: 'ioredis' | 'session' | 'client'): Promise<CacheClient> {
  if (kind === 'ioredis') return rig.redis;
  if (kind === 'session') return rig.session();
  const regions = [{ name: 'us-east-1', nodes: [`127.0.0.1:${rig.server.ports.resp}`] }];
  const client = await connect({ regions, codec: 'raw', deadlineMs: 20_000 });
  onTestFinished(async () => client.close());
  return client;
}

/** Handlers of two processes. */
async function handlers(
  kind: 'ioredis' | 'session' | 'client' = 'ioredis',
): Promise<[NextCacheHandler, NextCacheHandler]> {
  const prefix = await settled();
  const client = await clientOf(kind);
  const [One, Other] = [causewayCacheHandler({ client, prefix }), causewayCacheHandler({ client: rig.redis, prefix })];
  return [new One(), new Other()];
}

const PAGE = {
  kind: 'APP_PAGE',
  html: '<p>ü</p>',
  rscData: Buffer.from([0, 255]),
  headers: { 'x-next-cache-tags': '_N_T_/a,quotes' },
  status: 200,
  postponed: undefined,
  segmentData: new Map([['/_tree', Buffer.from('tree')]]),
};
const FETCH = { kind: 'FETCH', data: { headers: {}, body: 'YQ==', url: 'http://x/', status: 200 }, revalidate: 3600 };
const CONTROL = { cacheControl: { revalidate: 3600, expire: 7200 } };

describe.each(['ioredis', 'session', 'client'] as const)('cacheHandler, by %s', (kind) => {
  test('what one server made the other serves as it was', async () => {
    const [one, other] = await handlers(kind);
    const beforeMs = Date.now();
    expect(await one.get('/a', { kind: 'APP_PAGE' })).toBeNull();
    await one.set('/a', PAGE, CONTROL);
    const found = await other.get('/a', { kind: 'APP_PAGE' });
    expect(found).toEqual({ lastModified: expect.any(Number) as number, value: PAGE, ...CONTROL });
    expect(found?.lastModified).toBeGreaterThanOrEqual(beforeMs);
    await other.set('/none', null, {});
    expect(await one.get('/none', { kind: 'PAGES' })).toMatchObject({ value: null });
    one.resetRequestCache();
  });

  test('what is revalidated at once is gone, by tags of entries, of fetches and of paths', async () => {
    const [one, other] = await handlers(kind);
    const softTags = ['_N_T_/a'];
    for (const [tag, isPageGone] of [
      ['quotes', true],
      ['_N_T_/a', true],
      ['data', false],
    ] as const) {
      await one.set('/a', PAGE, CONTROL);
      await one.set('fetch', FETCH, { fetchCache: true, tags: ['data'] });
      await one.revalidateTag(tag);
      expect((await other.get('/a', { kind: 'APP_PAGE' })) === null, tag).toBe(isPageGone);
      const fetched = await other.get('fetch', { kind: 'FETCH', tags: ['data'], softTags });
      expect(fetched === null, tag).toBe(tag !== 'quotes');
      expect(await one.get('fetch', { kind: 'FETCH', tags: ['data'] }), 'on another path').toEqual(
        tag === 'data' ? null : expect.anything(),
      );
    }
  });
});

describe('cacheHandler', () => {
  test('what may be served while it is made anew is told to be stale, and to be over at its end', async () => {
    const [one, other] = await handlers();
    await one.set('/a', PAGE, CONTROL);
    await one.set('fetch', FETCH, { fetchCache: true, tags: ['quotes'] });
    await new Promise((resolve) => setTimeout(resolve, 2));
    await one.revalidateTag(['quotes'], { expire: 3600 });
    const page = await other.get('/a', { kind: 'APP_PAGE' });
    expect(page?.value).toEqual(PAGE);
    const age = Date.now() - (page?.lastModified ?? 0);
    expect([age > CONTROL.cacheControl.revalidate * 1000, age < CONTROL.cacheControl.expire * 1000]).toEqual([
      true,
      true,
    ]);
    const fetched = await other.get('fetch', { kind: 'FETCH', tags: ['quotes'] });
    expect((Date.now() - (fetched?.lastModified ?? 0)) / 1000).toBeGreaterThan(0xfffffffe);
    await one.set('/never', PAGE, { cacheControl: { revalidate: false, expire: undefined } });
    expect(await other.get('/never', { kind: 'APP_PAGE' })).not.toBeNull();
    await one.revalidateTag('quotes', {});
    expect(await other.get('/never', { kind: 'APP_PAGE' }), 'Next cannot be told that it is stale').toBeNull();
    await one.revalidateTag('quotes', { expire: 0.001 });
    await expect.poll(async () => await other.get('/a', { kind: 'APP_PAGE' })).toBeNull();
  });

  test('what is revalidated while it is made is not what is kept', async () => {
    const [one, other] = await handlers();
    expect(await one.get('/a', { kind: 'APP_PAGE' })).toBeNull();
    // asked for by another request of the same server
    expect(await one.get('/a', { kind: 'APP_PAGE' })).toBeNull();
    await other.revalidateTag('quotes');
    await one.set('/a', PAGE, CONTROL);
    expect(await other.get('/a', { kind: 'APP_PAGE' })).toBeNull();
    // two that make it: the first to ask keeps it
    await one.get('/b', { kind: 'APP_PAGE' });
    await other.get('/b', { kind: 'APP_PAGE' });
    await other.set('/b', { ...PAGE, html: 'other' }, CONTROL);
    expect(await one.get('/b', { kind: 'APP_PAGE' })).toBeNull();
    await one.set('/b', PAGE, CONTROL);
    expect(await other.get('/b', { kind: 'APP_PAGE' })).toMatchObject({ value: { html: PAGE.html } });
  });

  test('bytes of somebody else are no entries, and a client that fails makes misses', async () => {
    const prefix = await settled();
    const handler = new (causewayCacheHandler({ client: rig.redis, prefix }))();
    for (const junk of ['', 'x', '\xc1', '{"value":1}', '\x93\x01\x02\x03']) {
      await rig.redis.set(`${prefix}/a`, Buffer.from(junk, 'latin1'));
      await rig.redis.set(`${prefix}tag:t`, Buffer.from(junk, 'latin1'));
      expect(await handler.get('/a', { softTags: ['t'] }), JSON.stringify(junk)).toBeNull();
      await handler.set('/a', PAGE, CONTROL);
    }
    const errors: Error[] = [];
    const broken = new (causewayCacheHandler({
      client: { callBuffer: () => Promise.reject(new Error('no connection')) },
      errorCallback: (error) => errors.push(error),
    }))();
    expect(await broken.get('/a', {})).toBeNull();
    await broken.set('/a', PAGE, CONTROL);
    await expect(broken.revalidateTag('t'), 'who revalidates is to know').rejects.toThrow('no connection');
    expect(errors).toHaveLength(2);
  });
});

describe('cacheHandlers, of use cache', () => {
  function entry(text: string, changes: Partial<NextUseCacheEntry> = {}): Promise<NextUseCacheEntry> {
    const timestamp = Date.now();
    const value = new Response(text).body as ReadableStream<Uint8Array>;
    return Promise.resolve({
      value,
      tags: ['quotes'],
      stale: 30,
      timestamp,
      expire: 3600,
      revalidate: 900,
      ...changes,
    });
  }
  const textOf = async (found: NextUseCacheEntry | undefined): Promise<string | null> =>
    found === undefined ? null : new Response(found.value).text();

  test('what one server made the other serves, each time by a stream of its own, until its tags are revalidated', async () => {
    const prefix = await settled();
    const [one, other] = [rig.redis, rig.session()].map((client) => causewayUseCacheHandler({ client, prefix }));
    if (one === undefined || other === undefined) throw new Error('two handlers');
    await one.set('k', entry('first'));
    for (let times = 0; times < 2; times++) expect(await textOf(await other.get('k', []))).toBe('first');
    expect(await other.get('k', [])).toMatchObject({ tags: ['quotes'], stale: 30, expire: 3600, revalidate: 900 });
    await new Promise((resolve) => setTimeout(resolve, 2));
    await one.updateTags(['quotes'], { expire: 3600 });
    expect(await other.get('k', [])).toMatchObject({ revalidate: -1 });
    await one.updateTags(['quotes']);
    expect(await other.get('k', [])).toBeUndefined();
    await one.set('k2', entry('second', { tags: [] }));
    expect(await textOf(await other.get('k2', ['_N_T_/a']))).toBe('second');
    await new Promise((resolve) => setTimeout(resolve, 2));
    await one.updateTags(['_N_T_/a']);
    expect([
      await textOf(await other.get('k2', ['_N_T_/a'])),
      await textOf(await other.get('k2', ['_N_T_/b'])),
    ]).toEqual([null, 'second']);
    expect(await one.getExpiration(['quotes'])).toBe(Infinity);
    await one.refreshTags();
  });

  test('who asks for what is being made waits for it; what breaks off, or is not to be kept, is not stored', async () => {
    const handler = causewayUseCacheHandler({ client: rig.redis, prefix: await settled() });
    let make = (_entry: NextUseCacheEntry): void => undefined;
    const stored = handler.set('k', new Promise<NextUseCacheEntry>((resolve) => (make = resolve)));
    const asked = handler.get('k', []);
    make(await entry('made'));
    expect(await textOf(await asked)).toBe('made');
    await stored;
    const broken = new ReadableStream<Uint8Array>({
      start(controller): void {
        controller.enqueue(Buffer.from('part'));
        controller.error(new Error('broken off'));
      },
    });
    await handler.set('broken', entry('', { value: broken }));
    await handler.set('dynamic', entry('x', { expire: 0 }));
    expect([await handler.get('broken', []), await handler.get('dynamic', [])]).toEqual([undefined, undefined]);
  });
});
