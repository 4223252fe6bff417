import { existsSync, rmSync } from 'node:fs';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { RunningServer } from '../../src/server/server-types.ts';
import { startServer } from '../../src/server/server.ts';
import { configOf } from '../server/peer-rig.ts';
import { introduceServers } from '../server/server-rig.ts';
import { freePorts } from '../support/free-ports.ts';
import { execute } from './execute.ts';
import { absentTool, Checks, type SuiteResult } from './suite-result.ts';

const APP = fileURLToPath(new URL('./next-app/', import.meta.url));
const NEXT = `${APP}node_modules/next/dist/bin/next`;
const BUILD_MS = 300_000;
const START_MS = 120_000;
const CHANGE_MS = 30_000;

/** Next itself on our cache handlers: two servers of one build, each at the node of another region (`npm ci --prefix test/outside/next-app` brings Next). */
export async function run(): Promise<SuiteResult> {
  if (!existsSync(NEXT)) return absentTool('next', 'next (npm ci --prefix test/outside/next-app)');
  const checks = new Checks('next');
  const world = await World.start();
  try {
    await checks.check('cacheHandler: pages and fetches are shared, and revalidated in all regions', async () => {
      await world.app('isr', checkRevalidation);
    });
    await checks.check('cacheHandlers: use cache is shared, and revalidated in all regions', async () => {
      await world.app('use-cache', checkRevalidation);
    });
  } finally {
    await world.stop();
  }
  return checks.result();
}

/** The same for both kinds of caches. */
async function checkRevalidation([one, other]: readonly [Site, Site]): Promise<void> {
  const first = await sameAt(one, other);
  if ((await one.page()) !== first || (await other.page()) !== first) throw new Error('it is made anew without cause');
  await one.revalidate('tag=quotes');
  const second = await sameAt(other, one, first);
  await other.revalidate('path=/');
  const third = await sameAt(one, other, second);
  // in the background: who asks first gets what was there
  await one.revalidate('tag=quotes&profile=max');
  await sameAt(other, one, third);
}

/** What two sites show alike, other than before. */
async function sameAt(one: Site, other: Site, before?: string): Promise<string> {
  const endMs = performance.now() + CHANGE_MS;
  let shown: readonly string[] = [];
  while (performance.now() < endMs) {
    shown = [await one.page(), await other.page()];
    const [text = ''] = shown;
    if (text === shown[1] && text !== before) return text;
  }
  throw new Error(`after ${CHANGE_MS} ms they show ${shown.join(' and ')}, before it was ${before ?? 'nothing'}`);
}

/** A server of Next. */
class Site {
  readonly #url: string;

  constructor(port: number) {
    this.#url = `http://127.0.0.1:${port}/`;
  }

  /** How often the origin had been asked when the page was made, and a number of that making. */
  async page(): Promise<string> {
    const response = await fetch(this.#url);
    const found = /asked (?:<!-- -->)?(\d+) made (?:<!-- -->)?([\d.e-]+)/.exec(await response.text());
    if (found === null) throw new Error(`it answers ${response.status}`);
    return `${found[1]} ${found[2]}`;
  }

  async revalidate(query: string): Promise<void> {
    const response = await fetch(`${this.#url}revalidate?${query}`);
    if ((await response.text()) !== 'done') throw new Error(`revalidate?${query} answers ${response.status}`);
  }
}

/** Two regions, and the origin of what the pages show. */
class World {
  readonly #nodes: readonly RunningServer[];
  readonly #origin: Server;
  readonly #processes: ChildProcess[] = [];

  private constructor(nodes: readonly RunningServer[], origin: Server) {
    this.#nodes = nodes;
    this.#origin = origin;
  }

  static async start(): Promise<World> {
    const configs = [configOf(0, 2), configOf(1, 2)];
    const nodes = await Promise.all(configs.map(async (config) => startServer(config)));
    await introduceServers(nodes.map((server, at) => ({ server, config: configs[at] ?? configOf(at, 2) })));
    let asked = 0;
    const origin = createServer((_request, response) => response.end(String(++asked))).listen(0, '127.0.0.1');
    await once(origin, 'listening');
    return new World(nodes, origin);
  }

  /** Builds an app and runs two servers of it while it is checked. */
  async app(name: string, check: (sites: readonly [Site, Site]) => Promise<void>): Promise<void> {
    const folder = `${APP}${name}`;
    rmSync(`${folder}/.next`, { recursive: true, force: true });
    const built = await execute(process.execPath, [NEXT, 'build'], {
      deadlineMs: BUILD_MS,
      cwd: folder,
      environment: this.#environment(0),
    });
    if (built.code !== 0) throw new Error(`next build: ${built.stdout.slice(-2_000)}${built.stderr.slice(-2_000)}`);
    const port = await freePorts(2);
    const servers = [0, 1].map((region) => this.#serve(folder, String(port + region), region));
    try {
      await Promise.all(servers.map(ready));
      await check([new Site(port), new Site(port + 1)]);
    } finally {
      await Promise.all(servers.map(ended));
      rmSync(`${folder}/.next`, { recursive: true, force: true });
    }
  }

  #serve(folder: string, port: string, region: number): ChildProcess {
    const child = spawn(process.execPath, [NEXT, 'start', '--port', port, '--hostname', '127.0.0.1'], {
      cwd: folder,
      env: this.#environment(region),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#processes.push(child);
    return child;
  }

  #environment(region: number): NodeJS.ProcessEnv {
    const { port } = this.#origin.address() as AddressInfo;
    return {
      ...process.env,
      NEXT_TELEMETRY_DISABLED: '1',
      NODE_ENV: 'production',
      CAUSEWAY_PORT: String(this.#nodes[region]?.ports.resp),
      ORIGIN: `http://127.0.0.1:${port}/`,
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map(ended));
    await Promise.all(this.#nodes.map(async (node) => node.close()));
    this.#origin.closeAllConnections();
    this.#origin.close();
  }
}

async function ready(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`next start: not ready within ${START_MS} ms`)), START_MS);
    let said = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (!said.includes('Ready in')) return;
      clearTimeout(timer);
      resolve();
    });
    child.once('exit', (code) => reject(new Error(`next start ended with ${code}: ${said}`)));
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
