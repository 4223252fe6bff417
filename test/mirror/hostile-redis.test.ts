import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { IoredisSecondLevel } from '../../src/adapters/ioredis-second-level.ts';

/** A server that answers each chunk as it likes. */
async function hostileRedis(
  answer: (socket: Socket) => void,
): Promise<{ readonly port: number; readonly met: () => number }> {
  const sockets = new Set<Socket>();
  let met = 0;
  const server = createServer((socket) => {
    met++;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => answer(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, met: () => met };
}

function levelAt(port: number, troubled: string[]): IoredisSecondLevel {
  const level = new IoredisSecondLevel({
    kind: 'single',
    places: [{ host: '127.0.0.1', port }],
    masterName: '',
    database: 0,
    username: null,
    password: null,
    sentinelPassword: null,
    isEncrypted: false,
    certificatesFile: null,
    prefix: '',
    holder: 'test',
    changed: () => undefined,
    troubled: (reason) => troubled.push(reason),
  });
  onTestFinished(() => new Promise<void>((resolve) => level.close(resolve)));
  return level;
}

const held = (level: IoredisSecondLevel): Promise<unknown> =>
  new Promise((resolve) => level.hold(0, (error, lease) => resolve(error ?? lease)));

test('a Redis whose answer is deeper than the stack is left for a new connection, and ends no process', async () => {
  const deep = '*1\r\n'.repeat(300_000);
  const troubled: string[] = [];
  const { port, met } = await hostileRedis((socket) => socket.write(deep));
  const level = levelAt(port, troubled);
  await expect.poll(met, { timeout: 20_000 }).toBeGreaterThan(2);
  expect(troubled).toContain('it sent what cannot be read');
  expect(await held(level)).toMatchObject({ code: 'ERR' });
});

test('a Redis that says more than it was asked is left for a new connection: its next answers would be of other commands', async () => {
  const troubled: string[] = [];
  const { port, met } = await hostileRedis((socket) => socket.write('+OK\r\n'.repeat(100)));
  const level = levelAt(port, troubled);
  await expect.poll(met, { timeout: 20_000 }).toBeGreaterThan(2);
  expect(troubled.join('\n')).toContain('Command queue state error');
  expect(await held(level)).toMatchObject({ code: 'ERR' });
});
