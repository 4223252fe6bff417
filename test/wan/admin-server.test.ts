import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startAdminServer, type AdminServer } from '../../src/wan/admin-server.ts';
import { askAdmin } from '../../src/wan/admin-client.ts';
import { shaperRoutes } from '../../src/wan/shaper-admin.ts';
import { WAN_LIMITS } from '../../src/wan/limits.ts';
import { EAST, startRig, WEST, type Rig } from './sockets.ts';

let rig: Rig;
let server: AdminServer;

beforeEach(async () => {
  rig = await startRig();
  server = await startAdminServer({
    listen: { host: '127.0.0.1', port: 0 },
    routes: shaperRoutes(rig.shaper),
    allowedHosts: ['wan'],
  });
});

afterEach(async () => {
  await server.close();
  await rig.close();
});

/** A request as it is, with headers that `fetch` would not send. */
async function raw(options: { method?: string; path?: string; headers?: Record<string, string>; body?: string }) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const { method = 'POST', path = '/cut', headers = {}, body } = options;
    const outgoing = request(server.url + path, { method, agent: false, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const JSON_TYPE = { 'content-type': 'application/json' };
const PAIR = JSON.stringify({ from: EAST, to: WEST });

describe('admin of the shaper', () => {
  test('shows, cuts, slows and heals links; the answer says what is in force', async () => {
    expect(await askAdmin(server.url, '/links')).toMatchObject({
      links: [
        { from: EAST, to: WEST, state: 'open', oneWayMs: 70.508 / 2 },
        { from: WEST, to: EAST },
      ],
      forwards: [{ from: 'us-east-1/a', to: 'eu-west-1/a', connections: 0 }],
    });
    const pair = { from: EAST, to: WEST };
    expect(await askAdmin(server.url, '/cut', { ...pair, oneDirection: true })).toMatchObject({
      links: [{ from: EAST, to: WEST, state: 'cut' }],
    });
    expect(await askAdmin(server.url, '/heal', pair)).toMatchObject({ links: [{ state: 'open' }, { state: 'open' }] });
    expect(await askAdmin(server.url, '/slow', { ...pair, oneWayMs: 5_000 })).toMatchObject({
      links: [{ state: 'slow', oneWayMs: 5_000 }, { oneWayMs: 5_000 }],
    });
  });

  test('registers forwards', async () => {
    const answer = await askAdmin(server.url, '/links', {
      forwards: [{ from: 'us-east-1/a', to: 'ap-southeast-1/a', target: '127.0.0.1:9' }],
    });
    expect(answer).toMatchObject({
      forwards: [{ from: 'us-east-1/a', target: '127.0.0.1:9', listen: expect.stringMatching(/^127\.0\.0\.1:\d+$/) }],
    });
    expect(rig.shaper.links()).toHaveLength(4);
  });

  test.each([
    ['/slow', { from: EAST, to: WEST }, /CONFIG: body: oneWayMs/],
    ['/slow', { from: EAST, to: WEST, oneWayMs: -1 }, /CONFIG: body: oneWayMs/],
    ['/slow', { from: EAST, to: WEST, oneWayMs: WAN_LIMITS.oneWayMsMax + 1 }, /CONFIG: body: oneWayMs/],
    ['/cut', { from: EAST, to: WEST, forever: true }, /CONFIG: body: .*forever/],
    ['/cut', { from: EAST, to: 'mars' }, /CONFIG: unknown region "mars"/],
    ['/cut', ['__proto__'], /CONFIG: body/],
    ['/links', { forwards: [{ from: 'x', to: 'us-east-1/a', target: '127.0.0.1:9' }] }, /CONFIG: expected a node/],
    ['/links', { forwards: [{ from: 'us-east-1/a', to: 'eu-west-1/b', target: '9' }] }, /CONFIG: target: expected/],
  ])('%s %j is refused and says why', async (path, body, message) => {
    const refusal = await askAdmin(server.url, path, body).catch((error: unknown) => error);
    expect(`${(refusal as { code: string }).code}: ${(refusal as Error).message}`).toMatch(message);
  });

  test.each([
    ['no name of ours that ends like one', { headers: { ...JSON_TYPE, host: 'evil-localhost:80' }, body: PAIR }, 403],
    ['a foreign Host', { headers: { ...JSON_TYPE, host: 'evil.example' }, body: PAIR }, 403],
    ['a page in a browser', { headers: { ...JSON_TYPE, origin: 'http://127.0.0.1' }, body: PAIR }, 403],
    ['a form', { headers: { 'content-type': 'text/plain' }, body: PAIR }, 415],
    ['no JSON', { headers: JSON_TYPE, body: '{' }, 400],
    ['an unknown path', { headers: JSON_TYPE, path: '/../etc/passwd', body: PAIR }, 404],
    ['another method', { method: 'DELETE', headers: JSON_TYPE }, 405],
    ['a long body', { headers: JSON_TYPE, body: ' '.repeat(WAN_LIMITS.adminBodyBytesMax + 1) }, 413],
  ])('refuses %s', async (_, options, status) => {
    expect((await raw(options)).status).toBe(status);
    expect(rig.shaper.links().map((link) => link.state)).toEqual(['open', 'open']);
  });

  test('takes a Host that was allowed', async () => {
    expect((await raw({ headers: { ...JSON_TYPE, host: 'wan:7000' }, body: PAIR })).status).toBe(200);
  });

  test('an address where nobody answers is named', async () => {
    await expect(askAdmin('http://127.0.0.1:1', '/links')).rejects.toThrow('no answer from http://127.0.0.1:1');
    await expect(askAdmin('127.0.0.1:1', '/links')).rejects.toThrow('expected http://host:port');
  });
});
