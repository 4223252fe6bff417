import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeNow } from '../../src/adapters/socket-write.ts';
import { adoptSocket, copyFromSocket, type AdoptSocket } from '../../src/server/resp-socket.ts';
import { request } from './raw-client.ts';
import { Rig } from './rig.ts';

/** A Node whose sockets have no handle of the kind that is known. */
const withoutHandle: AdoptSocket = (accepted, shared, received) => {
  const other = new Proxy(accepted, {
    get: (socket, name) => (name === '_handle' ? {} : (Reflect.get(socket, name, socket) as unknown)),
  });
  const adopted = adoptSocket(other, shared, received);
  expect(adopted?.descriptor).toBe(-1);
  return adopted === null ? null : { ...adopted, socket: accepted };
};

describe.each<[string, AdoptSocket]>([
  ['whose handle is taken over', adoptSocket],
  ['that is read by public means', copyFromSocket],
  ['of another Node', withoutHandle],
])('a socket %s', (_, adopt) => {
  const withRig = async (run: (rig: Rig) => Promise<void>): Promise<void> => {
    const rig = await Rig.start({ adopt });
    try {
      await run(rig);
    } finally {
      await rig.stop();
    }
  };

  test('answers requests in pieces, and those that come together, in their order', async () => {
    await withRig(async (rig) => {
      const client = await rig.client();
      const value = 'v'.repeat(300_000);
      const bytes = request('SET', 'k', value) + request('PING') + request('GET', 'k');
      for (let at = 0; at < bytes.length; at += 99_991) client.send(bytes.slice(at, at + 99_991));
      const expected = `+OK\r\n+PONG\r\n$${value.length}\r\n${value}\r\n`;
      expect((await client.take(expected.length)) === expected).toBe(true);
    });
  });

  test('two clients never see what the other sent', async () => {
    await withRig(async (rig) => {
      const [one, other] = [await rig.client(), await rig.client()];
      // halves of requests, kept while the other's use the same buffer
      const [first, second] = [request('ECHO', 'a'.repeat(5_000)), request('ECHO', 'b'.repeat(5_000))];
      one.send(first.slice(0, 3_000));
      other.send(second.slice(0, 2_000));
      expect(await (await rig.client()).text('ECHO', 'c')).toBe('c');
      one.send(first.slice(3_000));
      other.send(second.slice(2_000));
      expect(await one.take(5_009)).toBe(`$5000\r\n${'a'.repeat(5_000)}\r\n`);
      expect(await other.take(5_009)).toBe(`$5000\r\n${'b'.repeat(5_000)}\r\n`);
    });
  });

  test('a client that ends its side gets its answers, and is then let go', async () => {
    await withRig(async (rig) => {
      const client = await rig.client();
      client.send(request('PING') + request('ECHO', 'last'));
      client.socket.end();
      expect(await client.rest()).toBe('+PONG\r\n$4\r\nlast\r\n');
      await expect.poll(() => rig.server.state.clients.count).toBe(0);
    });
  });

  test('a client that takes nothing is not read from until it does', async () => {
    await withRig(async (rig) => {
      const client = await rig.client();
      const value = 'w'.repeat(1_000_000);
      await client.text('SET', 'k', value);
      client.socket.pause();
      const gets = 40;
      client.send(request('GET', 'k').repeat(gets));
      await expect.poll(() => [...rig.server.state.clients].some(outputWaits)).toBe(true);
      client.socket.resume();
      const replies = await client.take(gets * `$1000000\r\n${value}\r\n`.length);
      expect(replies.length).toBe(gets * 1_000_012);
      expect(await client.text('PING')).toBe('+PONG');
    });
  });
});

function outputWaits({ connection }: { readonly connection: { readonly outputBytes: number } }): boolean {
  return connection.outputBytes > 0;
}

test('a client that is gone again when it is accepted is not served', () => {
  const gone = { destroyed: true, _handle: null } as unknown as Socket;
  expect(adoptSocket(gone, {} as never, () => undefined)).toBeNull();
});

test('nothing is written past a stream that is closed, has bytes that come first, or has no number', () => {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-test-write-'));
  const descriptor = openSync(join(folder, 'written'), 'w+');
  try {
    const bytes = Uint8Array.of(1, 2, 3, 4);
    const taken = (state: object, of = descriptor): number =>
      writeNow({ socket: { destroyed: false, writableLength: 0, ...state } as Socket, descriptor: of }, bytes, 3);
    expect([taken({ destroyed: true }), taken({ writableLength: 1 }), taken({}, -1)]).toEqual([0, 0, 0]);
    expect(readFileSync(join(folder, 'written'))).toHaveLength(0);
    expect(taken({})).toBe(3);
    expect([...readFileSync(join(folder, 'written'))]).toEqual([1, 2, 3]);
  } finally {
    closeSync(descriptor);
    rmSync(folder, { recursive: true });
  }
});
