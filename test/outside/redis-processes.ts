import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePorts } from '../support/free-ports.ts';
import { execute } from './execute.ts';

const HOST = '127.0.0.1';
const DEADLINE_MS = 30_000;
const LOOK_MS = 20;

/** Waits for a condition, and says what was awaited where it does not come. One that throws is not there yet: a failover cuts connections. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  const isThere = async (): Promise<boolean> => {
    try {
      return await condition();
    } catch {
      return false;
    }
  };
  while (!(await isThere())) {
    if (performance.now() > endMs) throw new Error(`not within ${DEADLINE_MS / 1000} s: ${what}`);
    await delay(LOOK_MS);
  }
}

/** Redis processes of a test, in a folder of their own; all end with it. */
export class RedisProcesses {
  readonly #folder: string = mkdtempSync(join(tmpdir(), 'causeway-redis-'));
  readonly #servers: RedisServer[] = [];

  /** A server, with options as on its command line: `['--requirepass', 'x']`. */
  async server(options: readonly string[] = [], port?: number): Promise<RedisServer> {
    const server = new RedisServer(port ?? (await freePorts()), this.#folder, [
      '--save',
      '',
      '--appendonly',
      'no',
      ...options,
    ]);
    this.#servers.push(server);
    await server.start();
    return server;
  }

  /** A server that speaks TLS alone, and the file with the certificate that its own is signed by. */
  async encrypted(
    options: readonly string[] = [],
  ): Promise<{ readonly server: RedisServer; readonly certificatesFile: string }> {
    const [key, certificatesFile] = [join(this.#folder, 'redis.key'), join(this.#folder, 'redis.crt')];
    const subject = ['-subj', '/CN=causeway-test', '-addext', `subjectAltName=IP:${HOST}`];
    const made = ['-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-x509', '-days', '1', '-out', certificatesFile];
    const { code, stderr } = await execute('openssl', ['req', ...made, ...subject], { deadlineMs: DEADLINE_MS });
    if (code !== 0) throw new Error(`openssl: ${stderr}`);
    const port = await freePorts();
    const files = ['--tls-cert-file', certificatesFile, '--tls-key-file', key, '--tls-ca-cert-file', certificatesFile];
    const tls = ['--tls-port', String(port), ...files, '--tls-auth-clients', 'no'];
    const all = ['--save', '', '--appendonly', 'no', ...tls, ...options, '--port', '0'];
    const server = new RedisServer(port, this.#folder, all, null, certificatesFile);
    this.#servers.push(server);
    await server.start();
    return { server, certificatesFile };
  }

  /** A sentinel of a master, with a file of its own that it rewrites. Passwords: of the master, and its own. */
  async sentinel(
    master: RedisServer,
    name: string,
    quorum: number,
    passwords: { readonly master?: string; readonly own?: string } = {},
  ): Promise<RedisServer> {
    const port = await freePorts();
    const file = join(this.#folder, `sentinel-${port}.conf`);
    const lines = [
      `sentinel monitor ${name} ${HOST} ${master.port} ${quorum}`,
      `sentinel down-after-milliseconds ${name} 1000`,
      `sentinel failover-timeout ${name} 4000`,
      `sentinel parallel-syncs ${name} 1`,
      ...(passwords.master === undefined ? [] : [`sentinel auth-pass ${name} ${passwords.master}`]),
      ...(passwords.own === undefined ? [] : [`requirepass ${passwords.own}`]),
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const sentinel = new RedisServer(port, this.#folder, ['--sentinel'], file);
    this.#servers.push(sentinel);
    await sentinel.start();
    return sentinel;
  }

  /** Three masters with all slots, and a replica of the first, in this order. */
  async cluster(): Promise<readonly RedisServer[]> {
    const nodes: RedisServer[] = [];
    for (let at = 0; at < 4; at++) {
      const port = await freePorts(2);
      const files = ['--cluster-config-file', `nodes-${port}.conf`, '--cluster-port', String(port + 1)];
      nodes.push(await this.server(['--cluster-enabled', 'yes', '--cluster-node-timeout', '1500', ...files], port));
    }
    const [first, second, third, replica] = nodes as [RedisServer, RedisServer, RedisServer, RedisServer];
    const bounds = [0, 5_461, 10_923, 16_384];
    for (const [at, node] of [first, second, third].entries()) {
      await node.client.call('CLUSTER', 'ADDSLOTSRANGE', bounds[at] ?? 0, (bounds[at + 1] ?? 0) - 1);
      await node.client.call('CLUSTER', 'SET-CONFIG-EPOCH', at + 1);
    }
    for (const node of nodes.slice(1)) await node.client.call('CLUSTER', 'MEET', HOST, first.port, first.port + 1);
    const id = String(await first.client.call('CLUSTER', 'MYID'));
    await until('the replica knows its master', async () =>
      replica.client.call('CLUSTER', 'REPLICATE', id).then(
        () => true,
        () => false,
      ),
    );
    for (const node of nodes)
      await until('all know the cluster', async () => {
        const info = String(await node.client.call('CLUSTER', 'INFO'));
        return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:4');
      });
    await until('the replica has its master', async () =>
      (await replica.client.info('replication')).includes('master_link_status:up'),
    );
    return nodes;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.kill()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  readonly #options: readonly string[];
  readonly #file: string | null;
  readonly #certificatesFile: string | null;
  #process: ChildProcess | null = null;
  #client: Redis | null = null;

  constructor(
    port: number,
    folder: string,
    options: readonly string[],
    file: string | null = null,
    certificatesFile: string | null = null,
  ) {
    this.port = port;
    this.#certificatesFile = certificatesFile;
    this.#folder = folder;
    this.#options = options;
    this.#file = file;
  }

  async start(): Promise<void> {
    const args = ['--port', String(this.port), '--bind', HOST, '--dir', this.#folder, ...this.#options];
    this.#process = spawn('redis-server', this.#file === null ? args : [this.#file, ...args], { stdio: 'ignore' });
    await until(`a Redis on port ${this.port}`, () => this.#answers());
  }

  async #answers(): Promise<boolean> {
    try {
      const reply = await this.client.ping();
      return reply === 'PONG';
    } catch (error) {
      return error instanceof Error && error.message.startsWith('NOAUTH');
    }
  }

  /** A client of it, for what the test itself asks. */
  get client(): Redis {
    const at = this.#options.indexOf('--requirepass');
    const password = at < 0 ? undefined : this.#options[at + 1];
    this.#client ??= new Redis({
      host: HOST,
      port: this.port,
      maxRetriesPerRequest: 0,
      enableReadyCheck: false,
      retryStrategy: () => 50,
      ...(password === undefined ? {} : { password }),
      ...(this.#certificatesFile === null ? {} : { tls: { ca: readFileSync(this.#certificatesFile) } }),
    }).on('error', () => undefined);
    return this.#client;
  }

  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  /** Ends it at once, with all that it held. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    this.#client?.disconnect();
    this.#client = null;
    if (child === null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
}
