import { createServer, type Server, type Socket } from 'node:net';
import { CausewayError } from '../../src/errors.ts';
import { run } from '../../src/cli/program.ts';
import { RespParser, type RespValue } from '../../src/cli/resp-client.ts';
import type { Address } from '../../src/server/address.ts';
import type { NodeConfig } from '../../src/server/config.ts';
import type { PeerAddress, RunningServer, StartServerOptions } from '../../src/server/server-types.ts';

/**
 * The whole command line on top of a node that only pretends: so that what `up` does with processes is tested apart from
 * what nodes do. CAUSEWAY_FAKE names what a node does wrong, `us-east-1/a:hang,…`.
 */
const faults = new Map(
  (process.env['CAUSEWAY_FAKE'] ?? '').split(',').map((fault) => fault.split(':') as [string, string]),
);

async function startFake(config: NodeConfig, options: StartServerOptions = {}): Promise<RunningServer> {
  const fault = faults.get(config.nodeId);
  if (fault === 'refuse') throw new CausewayError('STORE', 'the disk is not one');
  let peers: readonly PeerAddress[] = [];
  let commands = 0;
  const stored = new Map<string, string[]>();
  const answer = (command: RespValue): string => {
    commands += 1;
    const [name = '', argument = '', ...rest] = (command as string[]).map(String);
    switch (name.toUpperCase()) {
      case 'PEERS':
        return bulk(peers.map(({ id, url }) => `${id}=${url}`).join(' '));
      case 'ENVIRONMENT':
        return bulk(process.env[argument] ?? '');
      case 'FATAL':
        options.onFatal?.(new CausewayError('STORE', 'the disk is gone'));
        return '+OK\r\n';
      case 'CW.EXPLAIN': {
        const value = argument === 'differs' ? config.region : 'hello';
        return `*4\r\n${['key', argument, 'value', value].map(bulk).join('')}`;
      }
      case 'CW.HOME':
        return argument.startsWith('position:')
          ? `*3\r\n${['us-east-1', 'us-east-1/a', 'us-east-1/region'].map(bulk).join('')}`
          : '*-1\r\n';
      case 'CW.VERSION':
        if (argument === 'position:unknown') return '-NOQUORUM no quorum\r\n';
        return argument === 'position:absent' ? ':0\r\n' : ':7\r\n';
      case 'HSET':
        if (argument === 'quote:WRONG') return '-WRONGTYPE not a hash\r\n';
        stored.set(
          argument,
          rest.filter((_, index) => index % 2 === 1),
        );
        return ':6\r\n';
      case 'HMGET':
        return `*${rest.length}\r\n${rest.map((_, index) => bulk(stored.get(argument)?.[index] ?? '')).join('')}`;
      default:
        return '-ERR unknown command\r\n';
    }
  };
  const serve = (socket: Socket): void => {
    const parser = new RespParser();
    socket.on('data', (chunk) => {
      parser.push(chunk);
      for (let command = parser.next(); command !== undefined; command = parser.next()) socket.write(answer(command));
    });
  };
  const servers = [
    await listen(config.resp, serve),
    await listen(config.http, (socket) => socket.destroy()),
    await listen(config.peer, (socket) => socket.destroy()),
  ];
  const [resp = 0, http = 0, peer = 0] = servers.map(portOf);
  if (fault === 'hang') process.on('SIGTERM', () => undefined);
  return {
    ports: { resp, http, peer },
    ready: fault === 'never' ? new Promise(() => undefined) : Promise.resolve(),
    setPeers: (given) => (peers = given),
    stats: () => ({
      opsPerSecond: commands,
      keys: 1_234,
      lagMs: Object.fromEntries(config.members.map(({ region }) => [region, 7])),
      groups: [{ name: 'us-east-1/region', leader: 'us-east-1/a', term: 1 }],
    }),
    get: () => null,
    openSession: () => {
      throw new Error('nobody asks a fake program from within');
    },
    async close() {
      if (fault === 'hang') await new Promise((resolve) => setTimeout(resolve, 60_000));
      for (const server of servers) server.close();
    },
  };
}

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

async function listen(address: Address, onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.unref();
    onSocket(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new CausewayError('PORTBUSY', `cannot listen on ${address.host}:${address.port}`, { cause }));
    });
    server.listen(address, resolve);
  });
  return server;
}

function portOf(server: Server): number {
  const bound = server.address();
  return bound !== null && typeof bound === 'object' ? bound.port : 0;
}

process.exitCode = await run(process.argv.slice(2), { entry: import.meta.filename, startServer: startFake });
