import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { randomBytes } from 'node:crypto';
import { stringify } from 'yaml';
import type { ServerPorts } from '../server/server-types.ts';
import { askAdmin } from '../wan/admin-client.ts';
import { LOOPBACK, loopback, type PlannedNode } from './cluster-plan.ts';
import { readReadyFile } from './ready-file.ts';
import { UsageError } from './usage.ts';

/** Where `up` keeps what its nodes are started with, what they store and what they log. */
export class DataFolder {
  readonly path: string;
  readonly #isTemporary: boolean;
  /** The same at every start from this folder. */
  readonly clusterId: string;
  /** What the nodes of this folder prove to each other; made at its first start. */
  readonly #peerSecret: string;

  private constructor(path: string, isTemporary: boolean) {
    this.path = path;
    this.#isTemporary = isTemporary;
    for (const folder of ['config', 'log', 'nodes']) mkdirSync(join(path, folder), { recursive: true, mode: 0o700 });
    this.clusterId = readOrMake(
      join(path, 'cluster-id'),
      /^[\w.-]{1,64}$/,
      () => `local-${randomBytes(4).toString('hex')}`,
    );
    this.#peerSecret = readOrMake(join(path, 'peer-secret'), /^[\w-]{16,}$/, () =>
      randomBytes(32).toString('base64url'),
    );
  }

  /** The folder that was asked for, or a temporary one. Throws a usage error when another `up` runs in it. */
  static async open(asked: string | undefined): Promise<DataFolder> {
    if (asked === undefined) return new DataFolder(mkdtempSync(join(tmpdir(), 'causeway-')), true);
    const path = resolve(asked);
    await refuseWhenInUse(path);
    return new DataFolder(path, false);
  }

  get readyFile(): string {
    return join(this.path, 'ready.json');
  }

  logFile(name: string): string {
    return join(this.path, 'log', `${name.replace('/', '-')}.log`);
  }

  /** Writes the region's file for `serve`, with the ports that nodes already had; for its owner's eyes only. */
  writeRegionFile(
    region: string,
    nodes: readonly PlannedNode[],
    ports: ReadonlyMap<string, ServerPorts>,
    requirepass: string | undefined,
    classes: string,
  ): string {
    const own = nodes.filter((node) => node.region === region);
    const others = nodes.filter((node) => node.region !== region);
    const addresses = own.map((node) => {
      const had = ports.get(node.id);
      const entry = {
        resp: loopback(had?.resp ?? node.respPort),
        http: loopback(had?.http ?? node.httpPort),
        peer: loopback(had?.peer ?? 0),
        dataDir: join(this.path, 'nodes', region, node.letter),
      };
      return [node.letter, entry] as const;
    });
    const file = join(this.path, 'config', `${region}.yaml`);
    const content = {
      clusterId: this.clusterId,
      region,
      nodes: Object.fromEntries(addresses),
      // Where they are is said once all listen.
      members: Object.fromEntries(others.map((node) => [node.id, null])),
      classes,
      requirepass: requirepass ?? null,
      peerSecret: this.#peerSecret,
      log: { level: 'info', format: 'text' },
    };
    writeFileSync(file, `# Written by \`causeway up\` at each start.\n${stringify(content)}`, { mode: 0o600 });
    return file;
  }

  writeClassesFile(text: string): string {
    const file = join(this.path, 'config', 'classes.yaml');
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  }

  writeShaperFile(options: { scale: number; hasJitter: boolean }): string {
    const file = join(this.path, 'config', 'wan.yaml');
    const content = { admin: { listen: `${LOOPBACK}:0` }, scale: options.scale, jitter: options.hasJitter };
    writeFileSync(file, `# Written by \`causeway up\` at each start.\n${stringify(content)}`, { mode: 0o600 });
    return file;
  }

  /** Deletes it, if it was only made for this run. */
  discard(): void {
    if (this.#isTemporary) rmSync(this.path, { recursive: true, force: true });
  }
}

/** What a file holds, and if that is nothing of the shape, what is made and then kept there. */
function readOrMake(path: string, shape: RegExp, make: () => string): string {
  try {
    const text = readFileSync(path, 'utf8').trim();
    if (shape.test(text)) return text;
  } catch {
    // A new folder.
  }
  const made = make();
  writeFileSync(path, `${made}\n`, { mode: 0o600 });
  return made;
}

async function refuseWhenInUse(path: string): Promise<void> {
  let admin: string;
  try {
    ({ admin } = readReadyFile(join(path, 'ready.json')));
    await askAdmin(admin, '/nodes');
  } catch {
    // Nothing was left there, or nobody answers any more.
    return;
  }
  throw new UsageError(`another \`causeway up\` runs in ${path} (${admin})`);
}
