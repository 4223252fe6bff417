import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { expect, test, describe } from 'vitest';
import { isLoopback } from '../../src/server/address.ts';
import { configOf } from '../server/peer-rig.ts';
import { ServerRig } from '../server/server-rig.ts';

const OPEN = { requirepass: null, protectedMode: true, peerSecret: null, isPeerPortOpen: false };

/** An address of this machine by which it is a stranger to itself. */
function outerAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outer = all.find(({ internal, family }) => !internal && family === 'IPv4');
  if (outer === undefined) throw new Error('this test needs a network interface besides the loopback');
  return outer.address;
}

/** Sends to a node from outside and gives all that it answers until the connection ends. */
async function ask(host: string, port: number, request: string): Promise<string> {
  const socket = connect({ host, port });
  socket.on('error', () => undefined);
  socket.end(request);
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
  await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}

describe('protected mode', () => {
  test('without a password a client of another machine is told why it is not served, and what to do', async () => {
    const host = outerAddress();
    const rig = await ServerRig.start(configOf(0, 1, { resp: { host, port: 0 }, http: { host, port: 0 } }));
    await rig.server.ready;
    const { resp, http } = rig.server.ports;
    const denied = await ask(host, resp, 'SET k v\r\n');
    expect(denied).toMatch(
      /^-DENIED Causeway is running in protected mode because protected mode is enabled and no password is set/,
    );
    for (const way of ['requirepass', 'CAUSEWAY_REQUIREPASS', 'protectedMode: false', 'CONFIG SET protected-mode no']) {
      expect(denied).toContain(way);
    }
    expect(denied.indexOf('\r\n')).toBe(denied.length - 2);
    const answers = new Map<string, string>();
    for (const path of ['/healthz', '/readyz', '/metrics', '/', '/healthz?x', '/healthz/../metrics', '//metrics']) {
      const answer = await ask(host, http, `GET ${path} HTTP/1.0\r\n\r\n`);
      answers.set(path, answer.split(' ')[1] ?? '');
      if (answers.get(path) === '403') expect(answer).toContain('protected mode: only /healthz and /readyz');
    }
    expect(Object.fromEntries(answers)).toEqual({
      '/healthz': '200',
      '/readyz': '200',
      '/metrics': '403',
      '/': '403',
      '/healthz?x': '403',
      '/healthz/../metrics': '403',
      '//metrics': '403',
    });
  });

  test.each([
    ['a password', { ...OPEN, requirepass: 'pass' }, '-NOAUTH Authentication required.\r\n'],
    ['protectedMode: false', { ...OPEN, protectedMode: false }, '+PONG\r\n'],
  ])('with %s clients of other machines come in', async (_, doors, reply) => {
    const host = outerAddress();
    const rig = await ServerRig.start(configOf(0, 1, { resp: { host, port: 0 }, http: { host, port: 0 }, doors }));
    await rig.server.ready;
    expect(await ask(host, rig.server.ports.resp, 'PING\r\n')).toBe(reply);
    expect(await ask(host, rig.server.ports.http, 'GET /metrics HTTP/1.0\r\n\r\n')).toContain('causeway_');
  });

  test('CONFIG SET from the node itself opens and closes the door', async () => {
    const rig = await ServerRig.start(configOf(0, 1, { resp: { host: '0.0.0.0', port: 0 } }));
    await rig.server.ready;
    const outer = outerAddress();
    const own = rig.client();
    expect(await own.call('CONFIG', 'GET', 'protected-mode')).toEqual(['protected-mode', 'yes']);
    expect(await ask(outer, rig.server.ports.resp, 'PING\r\n')).toMatch(/^-DENIED/);
    await own.call('CONFIG', 'SET', 'protected-mode', 'no');
    expect(await ask(outer, rig.server.ports.resp, 'PING\r\n')).toBe('+PONG\r\n');
    await own.call('CONFIG', 'SET', 'protected-mode', 'yes', 'requirepass', 'x');
    expect(await ask(outer, rig.server.ports.resp, 'PING\r\n')).toMatch(/^-NOAUTH/);
  });

  test.each([
    ['127.0.0.1', true],
    ['127.8.9.10', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['localhost', true],
    ['0.0.0.0', false],
    ['::', false],
    ['10.0.0.1', false],
    ['127.0.0.1.example.com', false],
    ['1127.0.0.1', false],
    ['::ffff:10.0.0.1', false],
    ['localhost.example.com', false],
    [undefined, false],
  ])('%s is of this machine: %s', (address, expected) => {
    expect(isLoopback(address)).toBe(expected);
  });
});
