import { execFile } from 'node:child_process';
import { z } from 'zod';
import { parse } from 'yaml';
import { CausewayError } from '../errors.ts';
import { explainZodError } from '../server/explain-zod-error.ts';
import { readText } from '../server/topology.ts';
import type { NodeAction } from './node-actions.ts';
import { UsageError } from './usage.ts';

/** Where nodes and the shaper listen inside of their containers. */
const RESP_PORT = '6379';
const WAN_PORT = '6520';
const COMMAND_MS = 120_000;

const composeShape = z.object({
  services: z.record(z.string(), z.object({ ports: z.array(z.unknown()).optional() })),
});

/** What the engine is told for what is done to a node. */
const WORDS: Readonly<Record<NodeAction, string>> = {
  kill: 'kill',
  stop: 'stop',
  start: 'start',
  pause: 'pause',
  resume: 'unpause',
};

/** A compose file of a Causeway cluster: which of its services are nodes, and where they and the shaper are published. */
export class ComposeFile {
  readonly path: string;
  readonly nodes: readonly { readonly service: string; readonly resp: string }[];
  readonly wanUrl: string | null;
  #command: readonly string[] | null = null;

  private constructor(path: string, nodes: ComposeFile['nodes'], wanUrl: string | null) {
    this.path = path;
    this.nodes = nodes;
    this.wanUrl = wanUrl;
  }

  /** Throws a usage error for a file that is none, or has no nodes. */
  static read(path: string): ComposeFile {
    let content: unknown;
    try {
      content = parse(readText(path));
    } catch (error) {
      throw new UsageError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
    const parsed = composeShape.safeParse(content);
    if (!parsed.success) throw new UsageError(explainZodError(path, parsed.error));
    const published = Object.entries(parsed.data.services).flatMap(([service, { ports = [] }]) => {
      return ports.map((port) => ({ service, ...publishedAt(String(port)) }));
    });
    const nodes = published
      .filter(({ inside }) => inside === RESP_PORT)
      .map(({ service, at }) => ({ service, resp: at }));
    if (nodes.length === 0) throw new UsageError(`${path}: no service publishes port ${RESP_PORT}, where nodes answer`);
    const wan = published.find(({ inside }) => inside === WAN_PORT);
    return new ComposeFile(path, nodes, wan === undefined ? null : `http://${wan.at}`);
  }

  /** Whether the program that started the containers is here and answers. */
  async hasEngine(): Promise<boolean> {
    for (const command of [['docker', 'compose'], ['docker-compose']]) {
      this.#command = command;
      try {
        await this.#run('ps', '--quiet');
        return true;
      } catch {
        // The other one, or none.
      }
    }
    this.#command = null;
    return false;
  }

  async act(service: string, action: NodeAction): Promise<void> {
    await this.#run(WORDS[action], service);
  }

  async state(service: string): Promise<string> {
    const id = (await this.#run('ps', '--all', '--quiet', service)).trim();
    const format = '{{if .State.Paused}}paused{{else if .State.Running}}running{{else}}stopped{{end}}';
    return (await execute('docker', ['inspect', '--format', format, id])).trim();
  }

  async #run(...args: readonly string[]): Promise<string> {
    const [program = '', ...first] = this.#command ?? [];
    return execute(program, [...first, '--file', this.path, ...args]);
  }
}

/** `127.0.0.1:${PORT:-6500}:6379` as the port inside and where it is published, by the environment as compose reads it. */
function publishedAt(text: string): { readonly inside: string; readonly at: string } {
  const written = text.replace(/\$\{(\w+)(?::?-([^}]*))?\}/g, (_, name: string, fallback = '') => {
    const value = process.env[name];
    return value === undefined || value === '' ? String(fallback) : value;
  });
  const parts = written.replace(/\/tcp$/, '').split(':');
  const inside = parts.at(-1) ?? '';
  const host = parts.length > 2 ? parts.slice(0, -2).join(':') : '127.0.0.1';
  return { inside, at: `${host === '0.0.0.0' ? '127.0.0.1' : host}:${parts.at(-2) ?? ''}` };
}

async function execute(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: COMMAND_MS }, (error, output, complaints) => {
      if (error === null) resolve(output);
      else reject(new CausewayError('ERR', `${program} ${args.join(' ')}: ${complaints.trim() || error.message}`));
    });
  });
}
