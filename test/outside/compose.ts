import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { askAdmin } from '../../src/wan/admin-client.ts';
import { REAL } from '../cli/programs.ts';
import { smoke, type SmokeCheck, type SmokeNode } from './smoke.ts';
import { strongSmoke } from './strong-smoke.ts';
import { absentTool, type SuiteResult } from './suite-result.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const COMPOSE_FILE = join(ROOT, 'docker-compose.yml');
const REGIONS = ['us-east-1', 'eu-west-1', 'ap-southeast-1'] as const;
const RESP_PORT = 6379;
const HTTP_PORT = 8080;
const WAN_PORT = 6520;
/** Building the image fetches packages; a slow machine takes minutes. */
const UP_DEADLINE_MS = 600_000;
const READY_DEADLINE_MS = 120_000;
const CONDITION_DEADLINE_MS = 30_000;
/** A node dials one that is gone again after seconds. */
const DIAL_DEADLINE_MS = 10_000;
/** Long enough for each fault that containers know, twice. */
const VERIFY_MINUTES = 0.8;

const forwardsAnswer = z.object({ forwards: z.array(z.object({ to: z.string(), connections: z.number() })) });

interface Finished {
  readonly code: number | null;
  /** What it printed as its answer. */
  readonly output: string;
  /** That and its complaints. */
  readonly log: string;
}

/** Ports of this machine by the variables of docker-compose.yml, free a moment ago: containers that are started again have the same. */
const PORTS: Readonly<Record<string, string>> = await freePorts();

/** Brings docker-compose.yml up as it is, on free ports, runs the smoke and more, and takes it down again. */
export async function run(): Promise<SuiteResult> {
  const compose = await findCompose();
  if (compose === null) return absentTool('compose', 'container engine with compose');
  const cluster = new ComposeCluster(compose, `causeway-test-${process.pid}`);
  const checks: SmokeCheck[] = [];
  try {
    checks.push(...(await checkCluster(cluster)));
  } catch (error) {
    checks.push({ name: 'the cluster comes up', problem: error instanceof Error ? error.message : String(error) });
    checks.push({ name: 'logs', problem: await cluster.logs() });
  } finally {
    const down = await cluster.compose(['down', '--volumes', '--remove-orphans', '--timeout', '10']);
    checks.push({ name: 'everything is removed', problem: down.code === 0 ? null : down.log });
  }
  const failed = checks.filter((check) => check.problem !== null);
  return {
    name: 'compose',
    passed: checks.length - failed.length,
    failed: failed.length,
    notes: failed.map((check) => `compose: ${check.name}: ${check.problem ?? ''}`),
    absent: null,
  };
}

async function checkCluster(cluster: ComposeCluster): Promise<SmokeCheck[]> {
  await cluster.up();
  const nodes = await Promise.all(
    REGIONS.map(async (region): Promise<SmokeNode> => {
      return { region, resp: await cluster.port(region, RESP_PORT), http: await cluster.port(region, HTTP_PORT) };
    }),
  );
  const wan = await cluster.port('wan', WAN_PORT);
  for (const node of nodes) await untilReady(node);
  return [
    ...(await smoke(nodes, CONDITION_DEADLINE_MS)),
    await checkRelayAroundACut(nodes, wan),
    ...(await checkStrong(cluster, nodes)),
    await checkUser(cluster),
    await checkHealth(cluster),
    await checkVerify(cluster),
    await checkStop(cluster, wan),
  ];
}

/** With Virginia and Singapore apart, what is written in either still arrives in the other through Ireland. */
async function checkRelayAroundACut(nodes: readonly SmokeNode[], wan: string): Promise<SmokeCheck> {
  const name = 'a cut between us-east-1 and ap-southeast-1 is bridged by eu-west-1';
  const pair = { from: 'us-east-1', to: 'ap-southeast-1' };
  await steer(wan, 'cut', pair);
  // Between two of the three regions there is nothing now, and all else that the smoke asks for must still hold.
  const checks = await smoke(nodes, CONDITION_DEADLINE_MS);
  await steer(wan, 'heal', pair);
  const problems = checks.filter((check) => check.problem !== null);
  return { name, problem: problems.map((check) => `${check.name}: ${check.problem ?? ''}`).join('; ') || null };
}

/** The classes file that compose is given has position:* strong, at home in us-east-1: its container is killed and started again. */
async function checkStrong(cluster: ComposeCluster, nodes: readonly SmokeNode[]): Promise<SmokeCheck[]> {
  const region = 'us-east-1';
  return strongSmoke(
    nodes,
    {
      async kill() {
        const { log } = await cluster.compose(['kill', region]);
        // An old compose answers a wrong command line with its help and code 0.
        const isRunning = await cluster.inspect(region, '{{.State.Running}}');
        if (isRunning !== 'false') throw new Error(`${region} runs after compose kill: ${log}`);
      },
      async start() {
        await cluster.compose(['start', region]);
        const node = {
          region,
          resp: await cluster.port(region, RESP_PORT),
          http: await cluster.port(region, HTTP_PORT),
        };
        await untilReady(node);
        return node;
      },
    },
    CONDITION_DEADLINE_MS,
  );
}

async function steer(wan: string, what: 'cut' | 'heal', pair: { from: string; to: string }): Promise<void> {
  await askAdmin(`http://${wan}`, `/${what}`, pair);
}

async function checkUser(cluster: ComposeCluster): Promise<SmokeCheck> {
  const { code, output } = await cluster.compose(['exec', '-T', 'us-east-1', 'id', '-u']);
  const user = output.trim();
  const isRoot = code !== 0 || !/^[1-9]\d*$/.test(user);
  return { name: 'a node does not run as root', problem: isRoot ? `id -u says ${user}` : null };
}

async function checkHealth(cluster: ComposeCluster): Promise<SmokeCheck> {
  const name = 'the health checks of all services turn healthy';
  const services = [...REGIONS, 'wan', ...REGIONS.map((region) => `redis-${region}`)];
  const end = performance.now() + READY_DEADLINE_MS;
  for (;;) {
    const states = await Promise.all(
      services.map(async (service) => `${service} ${await cluster.inspect(service, '{{.State.Health.Status}}')}`),
    );
    const unhealthy = states.filter((state) => !state.endsWith(' healthy'));
    if (unhealthy.length === 0) return { name, problem: null };
    if (performance.now() > end) return { name, problem: unhealthy.join(', ') };
    await delay(500);
  }
}

/** `causeway verify` finds nodes and shaper by the file, and does to containers what it does to processes. */
async function checkVerify(cluster: ComposeCluster): Promise<SmokeCheck> {
  const name = 'causeway verify with faults on containers: every promise held';
  const folder = mkdtempSync(join(tmpdir(), 'causeway-compose-verify-'));
  try {
    const history = ['--history', join(folder, 'history.jsonl')];
    const load = ['--minutes', String(VERIFY_MINUTES), '--faults', 'kill,pause,cut'];
    const { code, log } = await cluster.run([
      process.execPath,
      REAL,
      'verify',
      '--compose',
      COMPOSE_FILE,
      ...load,
      ...history,
    ]);
    const made = /^\d+ operations, .*; faults: (.*)\.$/m.exec(log)?.[1] ?? '';
    const missing = ['kill', 'pause', 'cut'].filter((fault) => !new RegExp(`\\d × ${fault}`).test(made));
    if (code === 0 && missing.length === 0) return { name, problem: null };
    return { name, problem: `exit code ${code}, not made: ${missing.join(', ') || 'none'}\n${lastLines(log, 60)}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * One region goes first: the shaper is asked to connect to a name then that the engine's name server no longer knows, and asks
 * others for, who may not be there. A look-up that is under way must not keep the shaper.
 */
async function checkStop(cluster: ComposeCluster, wan: string): Promise<SmokeCheck> {
  const name = 'a stop is clean: every node ends by itself with code 0, also while a name is looked up';
  const [first] = REGIONS;
  await cluster.compose(['stop', '--timeout', '10', first]);
  await untilDialled(wan, first);
  await cluster.compose(['stop', '--timeout', '10']);
  const codes = await Promise.all(
    [...REGIONS, 'wan'].map(async (service) => `${service} ${await cluster.inspect(service, '{{.State.ExitCode}}')}`),
  );
  const unclean = codes.filter((code) => !code.endsWith(' 0'));
  return { name, problem: unclean.length === 0 ? null : unclean.join(', ') };
}

/** Until a connection to a region that is gone is being made, or that was always refused at once. */
async function untilDialled(wan: string, region: string): Promise<void> {
  const end = performance.now() + DIAL_DEADLINE_MS;
  while (performance.now() < end) {
    const { forwards } = forwardsAnswer.parse(await askAdmin(`http://${wan}`, '/links'));
    if (forwards.some((forward) => forward.to.startsWith(`${region}/`) && forward.connections > 0)) return;
    await delay(20);
  }
}

async function untilReady(node: SmokeNode): Promise<void> {
  const end = performance.now() + READY_DEADLINE_MS;
  for (;;) {
    let answer: string;
    try {
      const response = await fetch(`http://${node.http}/readyz`);
      answer = await response.text();
      if (response.ok) return;
    } catch (error) {
      answer = String(error);
    }
    if (performance.now() > end) throw new Error(`${node.region} is not ready: ${answer}`);
    await delay(250);
  }
}

/** One run of docker-compose.yml under a project name of its own. */
class ComposeCluster {
  readonly #command: readonly string[];
  readonly #project: string;

  constructor(command: readonly string[], project: string) {
    this.#command = command;
    this.#project = project;
  }

  async up(): Promise<void> {
    const { code, log } = await this.compose(['up', '--detach', '--build']);
    if (code !== 0) throw new Error(`compose up ended with ${code}:\n${lastLines(log, 40)}`);
  }

  /** Where a service's port is published, `127.0.0.1:32768`. */
  async port(service: string, port: number): Promise<string> {
    const { code, output, log } = await this.compose(['port', service, String(port)]);
    const published = output.trim();
    if (code !== 0 || !/:\d+$/.test(published)) throw new Error(`${service} publishes no port ${port}: ${log}`);
    return published;
  }

  async inspect(service: string, format: string): Promise<string> {
    const id = (await this.compose(['ps', '--all', '--quiet', service])).output.trim();
    return (await execute(['docker', 'inspect', '--format', format, id])).output.trim();
  }

  async logs(): Promise<string> {
    return lastLines((await this.compose(['logs', '--no-color', '--tail', '20'])).log, 120);
  }

  async compose(args: readonly string[]): Promise<Finished> {
    return execute([...this.#command, '--project-name', this.#project, ...args]);
  }

  /** A program that finds this run by itself. */
  async run(command: readonly string[]): Promise<Finished> {
    return execute(command, { COMPOSE_PROJECT_NAME: this.#project });
  }
}

function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

/** The compose command of this machine, when the engine behind it answers. */
async function findCompose(): Promise<readonly string[] | null> {
  if ((await execute(['docker', 'info'])).code !== 0) return null;
  for (const command of [['docker', 'compose'], ['docker-compose']]) {
    if ((await execute([...command, 'version'])).code === 0) return command;
  }
  return null;
}

async function freePorts(): Promise<Record<string, string>> {
  const names = REGIONS.flatMap((region) => {
    const name = region.toUpperCase().replaceAll('-', '_');
    return [`${name}_RESP_PORT`, `${name}_HTTP_PORT`];
  });
  const servers = await Promise.all(
    [...names, 'WAN_PORT'].map(async (name) => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = server.address();
      return { name, server, port: address !== null && typeof address === 'object' ? address.port : 0 };
    }),
  );
  await Promise.all(servers.map(({ server }) => new Promise((resolve) => server.close(resolve))));
  return Object.fromEntries(servers.map(({ name, port }) => [name, String(port)]));
}

/** Runs a command to its end. `code` is null when it could not be started or ran into the time limit. */
async function execute(command: readonly string[], environment: Record<string, string> = {}): Promise<Finished> {
  const [file, ...args] = command;
  if (file === undefined) return { code: null, output: '', log: 'no command' };
  const env = { ...process.env, ...PORTS, ...environment };
  const child = spawn(file, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: UP_DEADLINE_MS });
  let output = '';
  let log = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    log += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, output, log: error.message }));
    child.once('close', (code) => resolve({ code, output, log }));
  });
}
