import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import { Redis } from 'ioredis';
import { Agent, interceptors, request, type Dispatcher } from 'undici';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { causewayFastify } from '../../src/integrations/fastify.ts';
import type { LoadedOnce } from '../../src/integrations/response-loads.ts';
import { CausewayCacheStore } from '../../src/integrations/undici.ts';
import { startServer } from '../../src/server/server.ts';
import type { RunningServer } from '../../src/server/server-types.ts';
import { configOf } from '../server/peer-rig.ts';
import { introduceServers } from '../server/server-rig.ts';

/** Nodes of two regions, and a connection to each, for all tests of the file. */
let servers: RunningServer[] = [];
let clients: Redis[] = [];
beforeAll(async () => {
  const rigs = await Promise.all(
    [configOf(0, 2), configOf(1, 2)].map(async (config) => ({ config, server: await startServer(config) })),
  );
  await introduceServers(rigs);
  servers = rigs.map(({ server }) => server);
  clients = servers.map(({ ports }) => new Redis(ports.resp, '127.0.0.1'));
});
afterAll(async () => {
  for (const client of clients) client.disconnect();
  await Promise.all(servers.map(async (server) => server.close()));
});

/** How often an origin has been asked; it answers when it is let. */
class Origin {
  asked = 0;
  readonly #waiting: (() => void)[] = [];

  /** Answers once `release` was called. */
  async answer<T>(make: (count: number) => T): Promise<T> {
    const count = ++this.asked;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return make(count);
  }

  get waits(): boolean {
    return this.#waiting.length > 0;
  }

  release(): void {
    for (const go of this.#waiting.splice(0)) go();
  }
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

/** Starts so many requests by turns through each of what answers them, lets the origin answer as often as it is asked, and says what came. */
async function together(
  count: number,
  origin: Origin,
  ask: readonly (() => Promise<string>)[],
): Promise<readonly string[]> {
  const answers = Promise.all(Array.from({ length: count }, async (_, at) => ask[at % ask.length]?.() ?? ''));
  let isOver = false;
  void answers.finally(() => (isOver = true));
  await until(() => origin.waits);
  while (!isOver) {
    origin.release();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return answers;
}

/** Of 30 requests through each of two processes all are asked for, although no more than the first of each has its answer. */
async function apart(origin: Origin, ask: readonly (() => Promise<string>)[]): Promise<readonly string[]> {
  const answers = Promise.all(Array.from({ length: 60 }, async (_, at) => ask[at % ask.length]?.() ?? ''));
  await until(() => origin.asked === 1);
  origin.release();
  // the others of its process, and the first of the other one
  await until(() => origin.asked === 31);
  origin.release();
  await until(() => origin.asked === 60);
  origin.release();
  return answers;
}

let page = 0;
const newPath = (): string => `/page-${++page}`;

async function originServer(origin: Origin, head: (response: ServerResponse) => void): Promise<string> {
  const http = createServer((incoming, response) => {
    incoming.resume();
    void origin.answer((count) => {
      head(response);
      response.end(`answer ${count}`);
    });
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

/** Agents of two processes, in a region each. */
function agents(options: { once?: LoadedOnce } = {}): Dispatcher[] {
  return clients.map((client) => {
    const store = new CausewayCacheStore(client, options);
    const agent = new Agent({ connections: 2_000 }).compose(store.collapse, interceptors.cache({ store }));
    onTestFinished(async () => agent.close());
    return agent;
  });
}

const asksOf = (dispatchers: readonly Dispatcher[], url: string, headers = {}): (() => Promise<string>)[] =>
  dispatchers.map((dispatcher) => async () => (await request(url, { dispatcher, headers })).body.text());

describe('Undici: what many ask for at once', () => {
  test('1,000 misses of a URL in two regions: its origin answers once', async () => {
    const origin = new Origin();
    const url = `${await originServer(origin, (response) => response.setHeader('cache-control', 'max-age=60'))}${newPath()}`;
    expect(new Set(await together(1_000, origin, asksOf(agents(), url)))).toEqual(new Set(['answer 1']));
    expect(origin.asked).toBe(1);
  });

  test('what varies is asked for once for each of what it varies by, and once a process without leases', async () => {
    const origin = new Origin();
    const base = await originServer(origin, (response) =>
      response.setHeader('cache-control', 'max-age=60').setHeader('vary', 'accept-language'),
    );
    const url = base + newPath();
    const both = agents();
    const asks = ['de', 'fr'].flatMap((language) => asksOf(both, url, { 'accept-language': language }));
    expect(new Set(await together(40, origin, asks)).size).toBe(2);
    expect(origin.asked).toBe(2);
    const other = base + newPath();
    await together(40, origin, asksOf(agents({ once: 'process' }), other));
    expect(origin.asked).toBe(4);
  });

  test('what is for nobody else, or fails, holds up nobody for long', async () => {
    const origin = new Origin();
    const url = `${await originServer(origin, (response) => response.setHeader('cache-control', 'private'))}${newPath()}`;
    expect(new Set(await apart(origin, asksOf(agents(), url))).size).toBe(60);
  });
});

describe('Fastify: what many ask for at once', () => {
  const apps = async (
    origin: Origin,
    path: string,
    headers: Record<string, string>,
  ): Promise<(() => Promise<string>)[]> =>
    Promise.all(
      clients.map(async (client) => {
        const app = fastify();
        await app.register(causewayFastify, { client });
        app.get(path, { config: { cache: true } }, async (_request, reply) =>
          origin.answer((count) => {
            if (headers['fails'] !== undefined) throw new Error('no answer');
            return reply.headers(headers).send(`answer ${count}`);
          }),
        );
        const url = `${await app.listen({ port: 0, host: '127.0.0.1' })}${path}`;
        const agent = new Agent({ connections: 2_000 });
        onTestFinished(async () => {
          await agent.close();
          await app.close();
        });
        // as behind one name
        const ask = asksOf([agent], url, { host: 'shop.example' })[0];
        return ask ?? (async () => '');
      }),
    );

  test('1,000 misses of a URL in two regions: the route answers once', async () => {
    const origin = new Origin();
    const asks = await apps(origin, newPath(), { 'cache-control': 'max-age=60' });
    expect(new Set(await together(1_000, origin, asks))).toEqual(new Set(['answer 1']));
    expect(origin.asked).toBe(1);
  });

  test.each([
    ['is for nobody else', { 'cache-control': 'private' }],
    ['fails', { fails: 'yes' }],
  ])('an answer that %s holds up nobody for long', async (_what, headers) => {
    const origin = new Origin();
    expect(await apart(origin, await apps(origin, newPath(), headers))).toHaveLength(60);
  });

  test('an answer that was on its way when its URL was invalidated is not kept', async () => {
    const origin = new Origin();
    const path = newPath();
    const [ask] = await apps(origin, path, { 'cache-control': 'max-age=60' });
    const first = ask?.();
    await until(() => origin.waits);
    await clients[0]?.call('CW.INVALIDATE', 'KEY', `fastify:GET http://shop.example${path}`);
    origin.release();
    expect(await first).toBe('answer 1');
    const second = ask?.();
    await until(() => origin.waits);
    origin.release();
    expect(await second).toBe('answer 2');
  });
});
