import { expect, onTestFinished, test } from 'vitest';
import { connect, type Client } from '../../src/client/connect.ts';
import { ask, problemIn, type Asked } from '../http/asking.ts';
import { configOf } from '../server/peer-rig.ts';
import { introduceServers, ServerRig } from '../server/server-rig.ts';
import { classesIn, folderWith } from './rule-folder.ts';

const RULES = 'classes:\n  - match: ["sib:*"]\n    conflict: siblings\n';

interface Told {
  readonly rule: string;
  readonly view: string;
  readonly siblings: readonly { readonly value?: string; readonly value64?: string; readonly dot: string }[];
}

class Door {
  readonly rig: ServerRig;
  constructor(rig: ServerRig) {
    this.rig = rig;
  }

  get(key: string): Promise<Asked> {
    return ask(this.rig.server.ports.http, 'GET', `/v1/siblings/${key}`);
  }

  post(key: string, decision: unknown, type = 'application/json'): Promise<Asked> {
    const body = typeof decision === 'string' ? decision : JSON.stringify(decision);
    return ask(this.rig.server.ports.http, 'POST', `/v1/siblings/${key}`, { 'content-type': type }, body);
  }

  async told(key: string): Promise<Told> {
    const { status, text } = await this.get(key);
    expect(status, text).toBe(200);
    return JSON.parse(text) as Told;
  }

  async client(): Promise<Client> {
    const nodes = [`127.0.0.1:${this.rig.server.ports.resp}`];
    const client = await connect({ regions: [{ name: 'here', nodes }], deadlineMs: 20_000 });
    onTestFinished(() => client.close());
    return client;
  }
}

/** Two regions that wrote each of some keys without having seen the other's write, and have both by now. */
async function twoRegions(values: Readonly<Record<string, readonly [string | Buffer, string]>>): Promise<[Door, Door]> {
  const folder = folderWith('export const resolve = () => "";');
  const rigs = await Promise.all([0, 1].map((at) => ServerRig.start(configOf(at, 2, classesIn(folder, RULES)))));
  await Promise.all(rigs.map(({ server }) => server.ready));
  for (const [at, rig] of rigs.entries())
    for (const [key, each] of Object.entries(values)) await rig.client().set(key, each[at] ?? '');
  await introduceServers(rigs);
  const [one, other] = rigs.map((rig) => new Door(rig)) as [Door, Door];
  for (const key of Object.keys(values))
    for (const door of [one, other]) await expect.poll(async () => (await door.told(key)).siblings.length).toBe(2);
  return [one, other];
}

test('a person sees all concurrent writes over HTTP and ends them, if they are those that were seen', async () => {
  const [here, there] = await twoRegions({
    'sib:a': ['one', 'two'],
    'sib:__proto__': ['x', 'y'],
    'sib:bytes': [Buffer.from([255]), 'text'],
  });
  const { rule, view, siblings } = await here.told('sib:a');
  expect([rule, view, siblings.map(({ value }) => value)]).toEqual(['siblings', 'two', ['two', 'one']]);
  expect(await there.told('sib:a')).toEqual(await here.told('sib:a'));
  expect((await here.told('sib:bytes')).siblings.map(({ value64 }) => value64)).toContain('/w==');

  for (const wrong of ['', '[]', '{', {}, { view: false }, { pick: 5 }, { value: 'a', view: true }, { value: {} }])
    expect(problemIn(await here.post('sib:a', wrong)).slice(0, 1), JSON.stringify(wrong)).toEqual([400]);
  for (const wrong of [
    { view: true, if: [] },
    { view: true, if: 'x' },
    { view: true, unless: ['x'] },
  ])
    expect(problemIn(await here.post('sib:a', wrong)).slice(0, 1), JSON.stringify(wrong)).toEqual([400]);
  expect((await here.post('sib:a', { view: true }, 'text/plain')).status).toBe(415);
  expect((await here.post('sib:nothing', { view: true })).status).toBe(404);
  expect((await here.get('sib:nothing')).status).toBe(404);
  expect((await ask(here.rig.server.ports.http, 'PUT', '/v1/siblings/sib:a')).status).toBe(405);
  expect(problemIn(await here.post('sib:a', { pick: siblings[1]?.dot, if: [siblings[1]?.dot] }))).toEqual([
    409,
    'application/problem+json',
    409,
    'CHANGED',
  ]);
  expect((await here.told('sib:a')).siblings, 'nothing of that did anything').toEqual(siblings);

  const ended = await here.post('sib:a', { pick: siblings[1]?.dot, if: siblings.map(({ dot }) => dot) });
  expect([ended.status, ended.text]).toEqual([204, '']);
  expect(ended.headers['causeway-session']).toMatch(/^[\w-]+$/);
  await expect.poll(async () => (await there.told('sib:a')).siblings.map(({ value }) => value)).toEqual(['one']);
  expect((await there.post('sib:__proto__', { value64: '/w==' })).status).toBe(204);
  expect(await there.told('sib:__proto__')).toMatchObject({ view64: '/w==' });
  expect((await here.post('sib:bytes', { view: true })).status).toBe(204);
});

test('so does a program with the client', async () => {
  const [here, there] = await twoRegions({ 'sib:a': ['{"lot":1}', '{"lot":2}'] });
  const client = await here.client();
  const { rule, view, siblings, error } = await client.siblings<{ lot: number }>('sib:a');
  expect([rule, view, error]).toEqual(['siblings', { lot: 2 }, null]);
  expect(siblings.map(({ value, expiresMs }) => [value, expiresMs])).toEqual([
    [{ lot: 2 }, null],
    [{ lot: 1 }, null],
  ]);
  expect(await client.siblings('sib:nothing')).toEqual({ rule: 'siblings', view: null, siblings: [], error: null });
  const dots = siblings.map(({ dot }) => dot);
  const first = dots.slice(0, 1);
  await expect(client.resolve('sib:a', { view: true }, { ifSiblings: first })).rejects.toMatchObject({
    code: 'CHANGED',
  });
  await client.resolve('sib:a', { pick: dots[1] ?? '' }, { ifSiblings: dots });
  expect(await client.get('sib:a')).toEqual({ lot: 1 });
  await client.resolve('sib:a', { value: { lot: 3 } });
  await expect.poll(async () => (await there.told('sib:a')).view).toBe('{"lot":3}');
});
