import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { loadTopology } from '../../src/server/topology.ts';
import { Shaper, type ShaperOptions } from '../../src/wan/shaper.ts';

/** A node's peer port that keeps what arrives, and a shaper before it. */
export interface Rig {
  readonly shaper: Shaper;
  /** Connects as us-east-1/a to eu-west-1/a through the shaper. */
  dial(): Promise<Socket>;
  /** As `dial`, for a connection that may be refused. */
  connect(): Socket;
  /** The next connection that arrives in eu-west-1. */
  accepted(): Promise<Socket>;
  close(): Promise<void>;
}

export const EAST = 'us-east-1';
export const WEST = 'eu-west-1';
export const topology = loadTopology('regions');

export async function startRig(options: Partial<ShaperOptions> = {}): Promise<Rig> {
  const sockets: Socket[] = [];
  const waiting: Socket[] = [];
  const askers: ((socket: Socket) => void)[] = [];
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    const asker = askers.shift();
    if (asker === undefined) waiting.push(socket);
    else asker(socket);
  });
  const port = await listen(server);
  const shaper = new Shaper({ topology, ...options });
  const [forward] = await shaper.register([
    { from: `${EAST}/a`, to: `${WEST}/a`, target: { host: '127.0.0.1', port } },
  ]);
  const shaperPort = Number(forward?.listen.split(':')[1]);
  const dialShaper = (): Socket => {
    const socket = connect({ host: '127.0.0.1', port: shaperPort, noDelay: true, allowHalfOpen: true });
    sockets.push(socket);
    socket.on('error', () => undefined);
    return socket;
  };
  return {
    shaper,
    async dial() {
      const socket = dialShaper();
      await once(socket, 'connect');
      return socket;
    },
    connect: dialShaper,
    accepted() {
      const socket = waiting.shift();
      return socket === undefined ? new Promise((resolve) => askers.push(resolve)) : Promise.resolve(socket);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await shaper.stop();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export async function listen(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

/** Reads to the end, and says whether that was a reset. */
export async function wasReset(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('close', resolve);
    socket.resume();
  });
}

/** Fulfilled once `count` bytes have arrived, with all of them and when the last did. */
export async function receive(socket: Socket, count: number): Promise<{ bytes: Buffer; atMs: number }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk);
      length += chunk.length;
      if (length < count) return;
      socket.off('data', onData);
      resolve({ bytes: Buffer.concat(chunks), atMs: performance.now() });
    };
    socket.on('data', onData);
    socket.once('close', () => reject(new Error(`closed after ${length} of ${count} bytes`)));
  });
}

/** Fulfilled when the condition holds; the test's own timeout is the limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
