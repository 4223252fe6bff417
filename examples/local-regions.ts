import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect, type Client, type ConnectOptions } from 'causeway-cache/client';
import type { Stage } from './example.ts';

interface RegionNode {
  readonly region: string;
  /** `host:port` */
  readonly resp: string;
}

/** `causeway up`: Virginia, Ireland and Singapore as processes of this machine, with the real delays between them. */
export class LocalRegions {
  readonly #stage: Stage;
  readonly #nodes: readonly RegionNode[];

  private constructor(stage: Stage, nodes: readonly RegionNode[]) {
    this.#stage = stage;
    this.#nodes = nodes;
  }

  /** Fulfilled when all of them are ready. What `environment` says is in their `process.env`. */
  static async start(
    stage: Stage,
    classes: URL,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<LocalRegions> {
    const folder = mkdtempSync(join(tmpdir(), 'causeway-example-'));
    const readyFile = join(folder, 'ready.json');
    const command = fileURLToPath(new URL('bin/causeway.js', import.meta.resolve('causeway-cache/package.json')));
    const args = ['up', '--port-base', '0', '--classes', fileURLToPath(classes), '--ready-file', readyFile];
    const up = spawn(process.execPath, [command, ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, ...environment },
    });
    const ended = once(up, 'exit');
    stage.atEnd(async () => {
      up.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true });
    });
    while (!existsSync(readyFile)) {
      if (up.exitCode !== null) throw new Error('causeway up has ended');
      await sleep(20, undefined, { signal: stage.signal });
    }
    const { nodes } = JSON.parse(readFileSync(readyFile, 'utf8')) as { nodes: readonly RegionNode[] };
    for (const { region, resp } of nodes) console.log(`  ${region.padEnd(16)}redis-cli -p ${resp.split(':')[1]}`);
    return new LocalRegions(stage, nodes);
  }

  /** A client of a program in that region: its own node is the nearest, the others take over where that fails. */
  async client(region: string, options: Partial<ConnectOptions> = {}): Promise<Client> {
    const regions = this.#nodes
      .map((node) => ({ name: node.region, nodes: [node.resp] }))
      .sort((a, b) => Number(b.name === region) - Number(a.name === region));
    // five processes share this machine: one that is slow to answer is not lost
    const client = await connect({ regions, deadlineMs: 30_000, silentMs: 15_000, ...options });
    this.#stage.atEnd(async () => client.close());
    return client;
  }
}
