import { createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { encodeCommand, RespClient, RespError, RespParser, type RespValue } from '../../src/cli/resp-client.ts';
import { listen } from '../wan/sockets.ts';

/** A reply as a server writes it. */
function encode(value: RespValue): string {
  if (value === null) return '$-1\r\n';
  if (typeof value === 'number') return `:${value}\r\n`;
  if (typeof value === 'string') return `$${Buffer.byteLength(value)}\r\n${value}\r\n`;
  if (value instanceof RespError) return `-${value.message}\r\n`;
  return `*${value.length}\r\n${value.map(encode).join('')}`;
}

const reply: fc.Memo<RespValue> = fc.memo((depth) => {
  const leaf: fc.Arbitrary<RespValue> = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.constant(null),
    fc.stringMatching(/^[A-Z]{1,8} [a-z ]{1,20}$/).map((text) => new RespError(text)),
  );
  return depth <= 1 ? leaf : fc.oneof(leaf, fc.array(reply(depth - 1), { maxLength: 4 }));
});

describe('parser', () => {
  test('reads any replies, however they are cut into chunks', () => {
    fc.assert(
      fc.property(fc.array(reply(3), { maxLength: 5 }), fc.integer({ min: 1, max: 20 }), (replies, chunkBytes) => {
        const bytes = Buffer.from(replies.map(encode).join(''));
        const parser = new RespParser();
        const read: RespValue[] = [];
        for (let at = 0; at < bytes.length; at += chunkBytes) {
          parser.push(bytes.subarray(at, at + chunkBytes));
          for (let value = parser.next(); value !== undefined; value = parser.next()) read.push(value);
        }
        expect(read).toEqual(replies);
      }),
    );
  });

  test('refuses what is no reply', () => {
    const parser = new RespParser();
    parser.push(Buffer.from('HTTP/1.1 400 Bad Request\r\n'));
    expect(() => parser.next()).toThrow('not a reply: "HTTP/1.1 400');
    const deep = new RespParser();
    deep.push(Buffer.from('*1\r\n'.repeat(40)));
    expect(() => deep.next()).toThrow('nested too deeply');
  });

  test('writes arguments by their bytes', () => {
    expect(encodeCommand(['SET', 'é', 1, new Uint8Array([0, 255])])).toEqual(
      Buffer.concat([
        Buffer.from('*4\r\n$3\r\nSET\r\n$2\r\né\r\n$1\r\n1\r\n$2\r\n'),
        Buffer.from([0, 255]),
        Buffer.from('\r\n'),
      ]),
    );
  });
});

describe('client', () => {
  let server: Server;
  let client: RespClient;
  const start = async (onData: (socket: Socket, chunk: Buffer) => void, timeoutMs?: number): Promise<void> => {
    server = createServer((socket) => socket.on('error', () => undefined).on('data', (chunk) => onData(socket, chunk)));
    client = await RespClient.connect({ host: '127.0.0.1', port: await listen(server) }, timeoutMs);
  };
  afterEach(() => {
    client.close();
    server.close();
  });

  test('gives each command its own reply, an error as a rejection', async () => {
    let received = '';
    await start((socket, chunk) => {
      received += chunk.toString();
      if (received.includes('three')) socket.write('+one\r\n-ERR two\r\n:3\r\n');
    });
    const replies = await Promise.allSettled([client.send('one'), client.send('two'), client.send('three')]);
    expect(replies).toMatchObject([
      { value: 'one' },
      { reason: { name: 'RespError', message: 'ERR two' } },
      { value: 3 },
    ]);
  });

  test('fails what waits when the connection ends, and all after it', async () => {
    await start((socket) => socket.end());
    await expect(client.send('PING')).rejects.toThrow('closed the connection');
    await expect(client.send('PING')).rejects.toThrow('closed the connection');
  });

  test('does not wait for ever', async () => {
    await start(() => undefined, 50);
    await expect(client.send('PING')).rejects.toThrow('no reply within 50 ms');
  });

  test('names where nobody listens', async () => {
    await start(() => undefined);
    await expect(RespClient.connect({ host: '127.0.0.1', port: 1 })).rejects.toThrow('cannot connect to 127.0.0.1:1');
  });
});
