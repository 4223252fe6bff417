import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { REAL, runToEnd } from '../cli/programs.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';

const GROUP = 'us-east-1/region';
const NODES = ['ap-southeast-1/a', 'eu-west-1/a', 'us-east-1/a'];

const classesText = (version: number, positions: string, risks: string): string => `version: ${version}
classes:
  - { match: ['position:*'], consistency: strong, home: us-east-1, ${positions} }
  - { match: ['risk:*'], consistency: strong, home: us-east-1, ${risks} }
`;

let folder = '';
let file = '';
let cluster: TestCluster;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'causeway-rules-'));
  file = join(folder, 'classes.yaml');
  writeFileSync(file, classesText(0, 'audit: true', 'audit: false'));
  const data = join(folder, 'data');
  cluster = await startCluster({ args: ['--wan-scale', '0.05', '--classes', file, '--data-dir', data] });
}, 120_000);
afterAll(async () => {
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Writes through one node until it is told to stop, over a new connection whenever one ends. */
function writer(id: string): { readonly stop: () => Promise<void> } {
  let isEnding = false;
  const run = async (): Promise<void> => {
    for (let at = 0; !isEnding; at++) {
      const client = await cluster.connect(id).catch(() => null);
      // what a killed node or a group without a leader refuses is tried again
      for (let isWell = client !== null; isWell && !isEnding; at++)
        isWell = await (
          client?.send(
            at % 2 === 0 ? 'INCR' : 'SET',
            `${at % 3 === 0 ? 'risk' : 'position'}:${at % 2}`,
            ...(at % 2 === 0 ? [] : [`${id} ${at}`]),
          ) ?? Promise.resolve()
        ).then(
          () => true,
          () => false,
        );
    }
  };
  const ended = run();
  return {
    async stop() {
      isEnding = true;
      await ended;
    },
  };
}

const rulesAt = async (id: string): Promise<Record<string, unknown>> => {
  const [group] = (await (await cluster.connect(id)).send('CW.GROUPS')) as unknown[][];
  const pairs = (group ?? []).flatMap((name, at) => (at % 2 === 0 ? [[String(name), group?.[at + 1]] as const] : []));
  return Object.fromEntries(pairs);
};

test('nodes are killed and started one by one with a changed file while writes go on: state and audit stay the same everywhere', async () => {
  const files = [
    classesText(1, 'audit: false, ttl: 1h', 'audit: true'),
    classesText(2, 'audit: true', 'audit: true, ttl: 10m'),
  ];
  for (const [at, text] of files.entries()) {
    writeFileSync(file, text);
    for (const id of NODES) {
      const writers = NODES.filter((other) => other !== id).map(writer);
      // what is written last before the end is in the log alone
      const before = await rulesAt(NODES.find((other) => other !== id) ?? '');
      await until(
        async () =>
          Number((await rulesAt(NODES.find((other) => other !== id) ?? ''))['commit']) > Number(before['commit']) + 20,
      );
      await cluster.act('kill', id);
      await cluster.act('start', id);
      await Promise.all(writers.map(({ stop }) => stop()));
    }
    for (const id of NODES)
      await until(async () => {
        const rules = await rulesAt(id);
        return rules['rules-version'] === at + 1 && rules['rules-own'] === 1;
      });
  }
  const head = async (id: string): Promise<string> =>
    JSON.stringify(await (await cluster.connect(id)).send('CW.AUDIT', GROUP, 0, 0));
  const digest = async (id: string): Promise<unknown> => (await cluster.connect(id)).send('CW.DIGEST');
  await until(async () => {
    const heads = new Set(await Promise.all(NODES.map(head)));
    const digests = new Set(await Promise.all(NODES.map(digest)));
    return heads.size === 1 && digests.size === 1;
  });
  const exported = await Promise.all(
    NODES.map((id) => runToEnd(REAL, ['audit', 'export', '--nodes', cluster.resp(id), '--group', GROUP])),
  );
  expect(exported.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(new Set(exported.map(({ output }) => output)).size).toBe(1);
  const records = join(folder, 'all.jsonl');
  writeFileSync(records, exported[0]?.output ?? '');
  const checked = await runToEnd(REAL, ['audit', 'check', records, '--against', cluster.resp(NODES[0] ?? '')]);
  expect(checked).toMatchObject({ code: 0, errors: '' });
  for (const key of ['position', 'risk']) expect(exported[0]?.output).toContain(`"key":"${key}:`);
}, 240_000);

test('`classes check` changes ttl and audit of strong keys in all regions without a restart', async () => {
  writeFileSync(file, classesText(0, 'audit: false, ttl: 5m', 'audit: false'));
  const taken = await runToEnd(REAL, ['classes', 'check', file, '--ready-file', cluster.readyFile]);
  expect(taken).toMatchObject({ code: 0, errors: '' });
  expect(taken.output).toContain('"position:*": strong, ttl 5m');
  expect(taken.output).toContain('audit off; before: strong, ttl none, audit on');
  for (const id of NODES) await until(async () => (await rulesAt(id))['rules-own'] === 1);
  const client = await cluster.connect('eu-west-1/a');
  const before = await client.send('CW.AUDIT', GROUP, 0, 0);
  await client.send('SET', 'position:new', '1');
  expect(await client.send('PTTL', 'position:new')).toBeGreaterThan(290_000);
  expect(await client.send('CW.AUDIT', GROUP, 0, 0)).toEqual(before);
});
