import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { configOf, temporaryFolder } from '../server/peer-rig.ts';
import { introduceServers, ServerRig } from '../server/server-rig.ts';
import { classesIn, folderWith } from '../siblings/rule-folder.ts';

interface Told {
  readonly id: string;
  readonly class: string;
  readonly node: string;
  readonly key: string;
  readonly kind: string;
  readonly field?: string;
  readonly lost: { readonly dot: string; readonly type: string | null; readonly value: string | null };
  readonly kept: { readonly dot: string; readonly type: string | null; readonly value: string | null };
}

/** A hook that answers as it is told to. */
class Hook {
  readonly told: Told[] = [];
  readonly ids: string[] = [];
  calls = 0;
  status = 204;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#take(request).then(() => response.writeHead(this.status).end());
    });
    onTestFinished(() => void this.#server.close());
  }

  async #take(request: IncomingMessage): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.calls++;
    if (this.status >= 300) return;
    this.told.push(JSON.parse(Buffer.concat(chunks).toString()) as Told);
    this.ids.push(String(request.headers['idempotency-key']));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/lost`;
  }
}

const rulesOf = (url: string): string => `classes:
  - match: ["sib:*"]
    conflict: siblings
    compensate: { url: "${url}" }
  - match: ["order:*"]
    compensate: { url: "${url}", within: 2s }
`;

/** Two regions that have not heard of each other. */
async function twoRegions(url: string, dataDir: string | null = null): Promise<readonly [ServerRig, ServerRig]> {
  const folder = folderWith('');
  const classes = classesIn(folder, rulesOf(url));
  const rigs = await Promise.all(
    [0, 1].map((index) => ServerRig.start(configOf(index, 2, { ...classes, dataDir: index === 0 ? dataDir : null }))),
  );
  const [east, west] = rigs as [ServerRig, ServerRig];
  await Promise.all(rigs.map(({ server }) => server.ready));
  return [east, west];
}

/** Notes what it is told in a file; fails at first, and never takes what is of `order:2`. */
const MODULE = `import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
export const compensate = async (lost) => {
  if (lost.key === 'order:2') throw Object.assign(new Error('no such order'), { refused: true });
  const tried = new URL('tried', import.meta.url);
  if (!existsSync(tried)) {
    writeFileSync(tried, '');
    throw new Error('not yet');
  }
  appendFileSync(new URL('told', import.meta.url), JSON.stringify(lost) + '\\n');
};
`;
const MODULE_RULES = `classes:
  - match: ["order:*"]
    compensate: { module: ./rules/lost.mjs }
`;

const metricsOf = async (rig: ServerRig): Promise<string> => await (await rig.http('/metrics')).text();

describe('S9: a write that is lost to a concurrent one', () => {
  test('is told to the hook of its class once, by the node that made it, with both as they were', async () => {
    const hook = new Hook();
    const [east, west] = await twoRegions(await hook.listen());
    const [here, there] = [east.client(), west.client()];
    await here.set('order:1', 'east');
    await here.hset('order:2', 'state', 'open', 'same', 'v');
    await here.set('sib:1', 'east');
    await here.set('plain', 'east');
    await there.set('order:1', 'west, later');
    await there.hset('order:2', 'state', 'paid', 'same', 'v');
    await there.set('sib:1', 'west');
    await there.set('plain', 'west');
    await introduceServers([east, west]);
    await expect.poll(() => hook.told.length).toBe(2);
    await expect.poll(() => metricsOf(east)).toContain('causeway_compensations_pending 0\n');
    const [string, field] = hook.told.toSorted((left, right) => (left.key < right.key ? -1 : 1)) as [Told, Told];
    expect(string).toMatchObject({
      class: 'order:*',
      node: 'us-east-1/a',
      key: 'order:1',
      kind: 'string',
      lost: { type: 'string', value: 'east', dot: expect.stringMatching(/^us-east-1\/a#\d+:1$/) },
      kept: { type: 'string', value: 'west, later', dot: expect.stringMatching(/^eu-west-1\/a#\d+:1$/) },
    });
    expect(field).toMatchObject({
      key: 'order:2',
      kind: 'field',
      field: 'state',
      lost: { value: 'open' },
      kept: { value: 'paid' },
    });
    expect(hook.ids.map(decodeURIComponent).toSorted()).toEqual(hook.told.map(({ id }) => id).toSorted());
    expect(await metricsOf(east)).toContain('causeway_compensations_total{outcome="told"} 2\n');
    expect(await metricsOf(west)).toContain('causeway_compensations_total{outcome="told"} 0\n');
    // what the node keeps for it is the product's own
    expect(await here.dbsize()).toBe(4);
    for (const client of [here, there]) expect((await client.keys('*')).length).toBe(4);
  });

  test('is told to a module: again where it fails, and no more where it refuses', async () => {
    const folder = folderWith('');
    writeFileSync(join(folder, 'rules', 'lost.mjs'), MODULE);
    const classes = classesIn(folder, MODULE_RULES);
    const rigs = await Promise.all([0, 1].map((index) => ServerRig.start(configOf(index, 2, classes))));
    const [east, west] = rigs as [ServerRig, ServerRig];
    await Promise.all(rigs.map(({ server }) => server.ready));
    for (const key of ['order:1', 'order:2']) {
      await east.client().set(key, 'east');
      await west.client().set(key, 'west');
    }
    await introduceServers(rigs);
    await expect.poll(() => metricsOf(east), { timeout: 30_000 }).toContain('{outcome="told"} 1\n');
    await expect.poll(() => metricsOf(east)).toContain('{outcome="refused"} 1\n');
    await expect.poll(() => metricsOf(east)).toContain('causeway_compensations_pending 0\n');
    const [line = '', ...more] = readFileSync(join(folder, 'rules', 'told'), 'utf8')
      .trim()
      .split('\n');
    expect(more).toEqual([]);
    expect(JSON.parse(line)).toMatchObject({ key: 'order:1', lost: { value: 'east' }, kept: { value: 'west' } });
  });

  test('a module that exports no hook is refused at the start', async () => {
    const folder = folderWith('export const load = () => null;');
    const classes = classesIn(folder, MODULE_RULES.replace('lost.mjs', 'merge.js'));
    await expect(ServerRig.start(configOf(0, 1, classes))).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining('rules/merge.js: the hook exports no compensate') as unknown,
    });
  });

  test('waits while the hook is down, over a restart of the node too, and is told then', async () => {
    const hook = new Hook();
    const url = await hook.listen();
    hook.status = 503;
    const dataDir = temporaryFolder();
    const [east, west] = await twoRegions(url, dataDir);
    await east.client().set('order:1', 'east');
    await west.client().set('order:1', 'west');
    await introduceServers([east, west]);
    await expect.poll(() => hook.calls).toBeGreaterThan(1);
    expect(await metricsOf(east)).toContain('causeway_compensations_pending 1\n');
    await east.server.close();
    hook.status = 200;
    const again = await ServerRig.start({ ...east.config, dataDir });
    await introduceServers([again, west]);
    await expect.poll(() => hook.told.map(({ lost }) => lost.value)).toEqual(['east']);
    await expect.poll(() => metricsOf(again)).toContain('causeway_compensations_pending 0\n');
    await again.server.close();
    // it is not told a second time
    const third = await ServerRig.start({ ...east.config, dataDir });
    await introduceServers([third, west]);
    expect(await metricsOf(third)).toContain('causeway_compensations_pending 0\n');
    expect(hook.told).toHaveLength(1);
  });

  test('is given up where the hook says that it will never take it', async () => {
    const hook = new Hook();
    const [east, west] = await twoRegions(await hook.listen());
    hook.status = 422;
    await east.client().set('order:1', 'east');
    await west.client().set('order:1', 'west');
    await introduceServers([east, west]);
    await expect.poll(() => metricsOf(east)).toContain('causeway_compensations_total{outcome="refused"} 1\n');
    expect(await metricsOf(east)).toContain('causeway_compensations_pending 0\n');
    expect(hook.calls).toBe(1);
  });
});
