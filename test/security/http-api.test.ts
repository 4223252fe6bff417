import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ask, Gateway, problemIn } from '../http/asking.ts';
import { configOf } from '../server/peer-rig.ts';
import { ServerRig } from '../server/server-rig.ts';

async function one(changes: Parameters<typeof configOf>[2] = {}): Promise<{ rig: ServerRig; http: Gateway }> {
  const rig = await ServerRig.start(configOf(0, 1, changes));
  await rig.server.ready;
  return { rig, http: new Gateway(rig.server.ports.http) };
}

const OPEN_DOORS = { requirepass: null, protectedMode: false, peerSecret: null, isPeerPortOpen: false };
const withPassword = { doors: { ...OPEN_DOORS, requirepass: 'sésame:1' } };
const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

describe('who may ask', () => {
  test('with a password only who says it, by Bearer or Basic', async () => {
    const { http } = await one({ doors: { ...OPEN_DOORS, requirepass: 'sesame:1' } });
    for (const authorization of [
      undefined,
      '',
      'Bearer',
      'Bearer wrong',
      'Bearer  ',
      basic('default', 'wrong'),
      basic('other', 'sesame:1'),
      'Basic !!!',
      'Basic c2VzYW1l',
    ]) {
      const answer = await http.get('/v1/keys/a', authorization === undefined ? {} : { authorization });
      expect(problemIn(answer), String(authorization)).toEqual([401, 'application/problem+json', 401, 'NOAUTH']);
      expect(answer.headers['www-authenticate']).toContain('Bearer');
    }
    for (const authorization of [
      'Bearer sesame:1',
      'bearer sesame:1',
      basic('default', 'sesame:1'),
      basic('', 'sesame:1'),
    ]) {
      expect((await http.put('/v1/keys/a', 'value', { authorization })).status, authorization).toBeLessThan(300);
    }
    expect((await http.get('/healthz')).status, 'health is open').toBe(200);
  });

  test('whoever guesses is refused unheard for a while', async () => {
    const { http } = await one(withPassword);
    for (let guess = 0; guess < 12; guess++) await http.get('/v1/keys/a', { authorization: `Bearer guess-${guess}` });
    const answer = await http.get('/v1/keys/a', {
      authorization: `Bearer ${Buffer.from('sésame:1').toString('latin1')}`,
    });
    expect(answer.status).toBe(401);
  });

  test('without one, only this machine where protected mode is on', async () => {
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((found) => found?.family === 'IPv4' && !found.internal)?.address;
    if (outside === undefined) return;
    const { rig } = await one({
      http: { host: '0.0.0.0', port: 0 },
      doors: { ...OPEN_DOORS, protectedMode: true },
    });
    const { port } = new Gateway(rig.server.ports.http);
    const refused = await fetch(`http://${outside}:${port}/v1/keys/a`);
    expect(refused.status).toBe(403);
    expect(await refused.text()).toContain('protected mode');
    expect((await ask(port, 'GET', '/v1/keys/a')).status).toBe(404);
  });

  test('a page of another origin gets nothing and changes nothing, by a name of its own neither', async () => {
    const { rig, http } = await one();
    for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }])
      expect((await http.put('/v1/keys/a', 'x', { ...headers, origin: 'https://evil.example' })).status).toBe(403);
    expect((await http.put('/v1/keys/a', 'x', { host: 'evil.example' })).status).toBe(421);
    const preflight = await ask(http.port, 'OPTIONS', '/v1/keys/a', {
      origin: 'https://evil.example',
      'access-control-request-method': 'PUT',
    });
    expect(preflight.status).toBe(204);
    expect(Object.keys(preflight.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect(await rig.client().dbsize()).toBe(0);
    // behind a password a gateway may come by any name
    const closed = await one({ doors: { ...OPEN_DOORS, requirepass: 'sesame' } });
    const named = { host: 'cache.example.com', authorization: 'Bearer sesame' };
    expect((await closed.http.get('/v1/keys/a', named)).status).toBe(404);
  });

  test('what was put is shown to no script', async () => {
    const { http } = await one();
    await http.put('/v1/keys/a', '<script>', { 'content-type': 'text/html' });
    const { headers } = await http.get('/v1/keys/a');
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['x-content-type-options']).toBe('nosniff');
  });
});

describe('what is asked', () => {
  test('methods that a path does not have', async () => {
    const { http } = await one();
    for (const method of ['POST', 'PATCH']) {
      const answer = await ask(http.port, method, '/v1/keys/a', {}, 'x');
      expect([problemIn(answer)[0], answer.headers['allow']], method).toEqual([405, 'OPTIONS, GET, HEAD, PUT, DELETE']);
    }
    const options = await ask(http.port, 'OPTIONS', '/v1/keys/a');
    expect([options.status, options.headers['allow'], options.text]).toEqual([
      204,
      'OPTIONS, GET, HEAD, PUT, DELETE',
      '',
    ]);
    for (const path of ['/v1', '/v1/', '/v1/keys', '/v1/other', '/v1/keysx', '/v1/..%2fmetrics'])
      expect((await http.get(path)).status, path).toBe(404);
    expect((await ask(http.port, 'PUT', '/metrics', {}, 'x')).status, 'operators have GET alone').toBe(405);
  });

  test('fields that split headers, or are no type', async () => {
    const { http } = await one();
    for (const type of ['x', 'text/plain; a="\u0001"', `text/${'x'.repeat(300)}`, 'a/b, c/d', 'text/plain;é=1']) {
      const answer = await http.put('/v1/keys/a', 'x', { 'content-type': type }).catch(() => null);
      if (answer !== null) expect([400, 415], type).toContain(answer.status);
    }
    expect((await http.get('/v1/keys/a')).status).toBe(404);
    const long = Array.from({ length: 300 }, (_, at) => `"${at}-1-1"`).join(',');
    expect((await http.put('/v1/keys/a', 'x', { 'if-match': long })).status).toBe(412);
    const longer = Array.from({ length: 900 }, (_, at) => `"${at}-100-100"`).join(',');
    expect([413, 431]).toContain((await http.put('/v1/keys/a', 'x', { 'if-match': longer })).status);
    expect((await http.put('/v1/keys/a', 'x', { 'content-range': 'bytes 0-0/2' })).status).toBe(400);
  });

  test('a body that is too long, by what it says and by what it is', async () => {
    const { rig, http } = await one({ limits: { bulkBytesMax: 2_000_000 } });
    expect((await http.put('/v1/keys/a', Buffer.alloc(2_000_000))).status).toBe(201);
    const said = await ask(
      http.port,
      'PUT',
      '/v1/keys/b',
      { 'content-length': '2000001' },
      Buffer.alloc(2_000_001),
    ).catch(() => null);
    if (said !== null) expect(problemIn(said)[0]).toBe(413);
    const asking = request({ host: '127.0.0.1', port: http.port, method: 'PUT', path: '/v1/keys/b', agent: false });
    asking.on('error', () => undefined);
    const answered = once(asking, 'response') as Promise<[IncomingMessage]>;
    const pour = (): void => {
      while (!asking.destroyed && asking.write(Buffer.alloc(100_000)));
    };
    asking.on('drain', pour);
    pour();
    const [answer] = await answered;
    expect(answer.statusCode).toBe(413);
    asking.destroy();
    expect(await rig.client().exists('b')).toBe(0);
  });

  test('more than a connection may have under way', async () => {
    const { rig, http } = await one();
    await rig.client().set('large', 'x'.repeat(100_000));
    const socket = connect({ host: '127.0.0.1', port: http.port });
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.pause();
    socket.write('GET /v1/keys/large HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(20_000));
    // whoever takes nothing sees no end of it either
    await http.get('/v1/keys/large');
    socket.resume();
    await closed;
    expect((await http.get('/v1/keys/large')).status).toBe(200);
  });

  test('a client that is gone leaves nothing behind', async () => {
    const { rig, http } = await one();
    const client = rig.client();
    await client.call('CLIENT', 'PAUSE', '60000', 'WRITE');
    const sockets = Array.from({ length: 20 }, () => {
      const socket = connect({ host: '127.0.0.1', port: http.port });
      socket.on('error', () => undefined);
      socket.write('PUT /v1/keys/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx');
      return socket;
    });
    const visitors = async (): Promise<number> =>
      String(await client.call('CLIENT', 'LIST')).split('lib-name=http ').length - 1;
    await expect.poll(visitors, { timeout: 20_000 }).toBe(20);
    for (const socket of sockets) socket.destroy();
    await expect.poll(visitors, { timeout: 20_000 }).toBe(0);
    await client.call('CLIENT', 'UNPAUSE');
    expect(await client.exists('a'), 'what waited was not run').toBe(0);
  });
});
