import { request, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FastifyHttp } from '../../src/adapters/fastify-http.ts';
import { createApi } from '../../src/server/http-api.ts';
import { HttpFigures } from '../../src/server/http-figures.ts';
import type { LocalSessionOptions } from '../../src/server/in-process-session.ts';
import { until } from '../adapters/transport-rig.ts';
import { Rig } from '../commands-server/rig.ts';
import { configOf } from '../server/peer-rig.ts';
import { introduceServers, ServerRig } from '../server/server-rig.ts';
import { ask, Gateway, problemIn } from './asking.ts';

interface Event {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A reader of the stream, and what it was told. */
class Reader {
  readonly events: Event[] = [];
  readonly response: IncomingMessage;
  text = '';
  isEnded = false;

  private constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding('utf8').on('data', (chunk: string) => this.#take(chunk));
    response.on('close', () => (this.isEnded = true));
    response.on('error', () => undefined);
  }

  static async open(port: number, query = '', headers: Readonly<Record<string, string>> = {}): Promise<Reader> {
    const asking = request({ host: '127.0.0.1', port, path: `/v1/changes${query}`, headers, agent: false });
    asking.on('error', () => undefined);
    asking.end();
    onTestFinished(() => void asking.destroy());
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    const reader = new Reader(response);
    await until(() => reader.events.length > 0, 'the beginning');
    return reader;
  }

  #take(chunk: string): void {
    this.text += chunk;
    for (let end = this.text.indexOf('\n\n'); end >= 0; end = this.text.indexOf('\n\n')) {
      const fields = new Map(
        this.text
          .slice(0, end)
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const),
      );
      this.text = this.text.slice(end + 2);
      const event = fields.get('event') ?? 'heartbeat';
      const data = JSON.parse(fields.get('data') ?? '{}') as Record<string, unknown>;
      this.events.push({ id: fields.get('id'), event, data });
    }
  }

  /** What was told of keys, when there is so much of it. */
  async told(count: number): Promise<unknown[]> {
    const keys = (): Event[] => this.events.filter(({ event }) => event !== 'begin' && event !== 'heartbeat');
    await until(() => keys().length >= count, `${count} events`);
    return keys().map(({ event, data }) => [event, data['key'] ?? data['key64']]);
  }
}

async function one(): Promise<{ rig: ServerRig; port: number }> {
  const rig = await ServerRig.start(configOf(0, 1));
  await rig.server.ready;
  return { rig, port: rig.server.ports.http };
}

describe('changes as server-sent events', () => {
  test('below prefixes, in their order, whoever makes them', async () => {
    const rigs = await Promise.all([ServerRig.start(configOf(0, 2)), ServerRig.start(configOf(1, 2))]);
    await introduceServers(rigs);
    const reader = await Reader.open(rigs[0].server.ports.http, '?prefix=a%3A&prefix=b:');
    expect(reader.response.headers['content-type']).toBe('text/event-stream');
    expect(reader.response.headers['cache-control']).toBe('no-store');
    const here = rigs[0].client();
    await here.set('a:1', 'x');
    await here.set('c:1', 'x');
    await here.del('a:1');
    await new Gateway(rigs[0].server.ports.http).put('/v1/keys/b:%ff', 'x', { 'content-type': 'text/plain' });
    expect(await reader.told(3)).toEqual([
      ['set', 'a:1'],
      ['del', 'a:1'],
      ['set', Buffer.from('b:\xff', 'latin1').toString('base64')],
    ]);
    await rigs[1].client().set('a:2', 'x');
    expect((await reader.told(4)).at(-1)).toEqual(['set', 'a:2']);
    const data = reader.events.at(-1)?.data ?? {};
    expect(data).toMatchObject({ region: 'eu-west-1', version: expect.stringMatching(/^\d+-\d+-\d+$/) as unknown });
    const got = await new Gateway(rigs[0].server.ports.http).get('/v1/keys/a:2');
    expect(got.headers['etag'], 'the version is the entity tag').toBe(`"${String(data['version'])}"`);
  });

  test('goes on where a reader was, and says so where it cannot', async () => {
    const { rig, port } = await one();
    const client = rig.client();
    const first = await Reader.open(port);
    await client.set('key', '1');
    await first.told(1);
    first.response.destroy();
    await client.set('key', '2');
    await client.set('other', '1');
    const again = await Reader.open(port, '?prefix=', { 'last-event-id': first.events.at(-1)?.id ?? '' });
    expect(await again.told(2)).toEqual([
      ['set', 'key'],
      ['set', 'other'],
    ]);
    for (const position of ['nonsense', '1-1', '__proto__']) {
      const lost = await Reader.open(port, `?from=${position}`);
      expect(await lost.told(1), position).toEqual([['lost', undefined]]);
    }
  });

  test('is a client, which can be ended, and ends with the node', async () => {
    const { rig, port } = await one();
    const client = rig.client();
    const [one1, other] = [await Reader.open(port), await Reader.open(port)];
    const list = String(await client.call('CLIENT', 'LIST'));
    const [, id = ''] = /id=(\d+) .*name=changes .*lib-name=http/.exec(list) ?? [];
    expect(await client.call('CLIENT', 'KILL', 'ID', id)).toBe(1);
    await until(() => one1.isEnded || other.isEnded, 'the end of one');
    expect(one1.isEnded && other.isEnded).toBe(false);
    await rig.server.close();
    await until(() => one1.isEnded && other.isEnded, 'the end of both');
  });

  test('one that is gone is no client any more', async () => {
    const { rig, port } = await one();
    const reader = await Reader.open(port);
    reader.response.destroy();
    await expect.poll(async () => String(await rig.client().call('CLIENT', 'LIST'))).not.toContain('name=changes');
  });

  test('queries that are none', async () => {
    const { port } = await one();
    for (const query of ['?prefix=%zz', '?other=1', `?prefix=${'x'.repeat(1025)}`])
      expect(problemIn(await ask(port, 'GET', `/v1/changes${query}`))[0], query).toBe(400);
    const many = Array.from({ length: 200 }, (_, at) => `prefix=k${at + 1_000}`).join('&');
    expect(problemIn(await ask(port, 'GET', `/v1/changes?${many}`)).slice(0, 1)).toEqual([413]);
    expect(problemIn(await ask(port, 'GET', '/v1/changes?prefix=a&prefix=ab'))[0], 'one within the other').toBe(400);
    const head = await ask(port, 'HEAD', '/v1/changes');
    expect([head.status, head.headers['content-type'], head.text]).toEqual([200, 'text/event-stream', '']);
    expect((await ask(port, 'PUT', '/v1/changes', {}, 'x')).status).toBe(405);
  });
});

describe('limits of streams', () => {
  async function limited(limits: Parameters<typeof createApi>[3]): Promise<{ rig: Rig; port: number }> {
    const rig = await Rig.start();
    onTestFinished(() => rig.stop());
    const open = { openSession: (options: LocalSessionOptions) => rig.server.openSession(options) };
    const api = createApi({ ...open, policy: rig.node.classes.policy }, rig.server.state, new HttpFigures(), limits);
    const http = new FastifyHttp({ host: '127.0.0.1', port: 0, routes: {}, api });
    onTestFinished(() => http.close());
    return { rig, port: await http.listen() };
  }

  test('there are so many and no more, and heartbeats', async () => {
    const { port } = await limited({ streamsMax: 2, heartbeatMs: 20 });
    const [first] = [await Reader.open(port), await Reader.open(port)];
    expect(problemIn(await ask(port, 'GET', '/v1/changes')).slice(2)).toEqual([503, 'LIMIT']);
    await until(() => first.events.some(({ event }) => event === 'heartbeat'), 'a heartbeat');
    first.response.destroy();
    await expect.poll(async () => (await Reader.open(port).catch(() => null)) !== null).toBe(true);
  });

  test('whoever takes nothing is cut, and others are told', async () => {
    const { rig, port } = await limited({ heartbeatMs: 300 });
    const slow = await Reader.open(port);
    slow.response.pause();
    const session = rig.server.openSession({ address: 'local:writer' });
    const name = 'k'.repeat(10_000);
    const listed = async (): Promise<boolean> =>
      String(Buffer.from((await session.call(['CLIENT', 'LIST'])) as Uint8Array)).includes('name=changes');
    for (let at = 0; at < 100_000 && (await listed()); at++) {
      for (let key = 0; key < 20; key++) await session.call(['SET', `${name}${key}`, String(at)]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await listed()).toBe(false);
    const next = await Reader.open(port, '?prefix=x');
    await session.call(['SET', 'x', '1']);
    expect(await next.told(1)).toEqual([['set', 'x']]);
  });
});
