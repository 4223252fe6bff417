import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RespClient } from '../../src/cli/resp-client.ts';
import { REAL, runToEnd, Workshop, type RunningProgram } from './programs.ts';

/** What `position:*` is of. */
const CAUSAL = 'consistency: causal';
const REGION = 'consistency: strong, home: eu-west-1';
const ZONE = 'consistency: strong, home: eu-west-1, survive: zone';
const WEAK = 'consistency: weak';
const GROUPS: Readonly<Record<string, string>> = {
  [CAUSAL]: 'not strong',
  [WEAK]: 'not strong',
  [REGION]: 'of group eu-west-1/region',
  [ZONE]: 'of group eu-west-1/zone',
};

/** Every type that a strong key may have. */
const WRITES = [
  ['SET', 'position:text', '1'],
  ['INCR', 'position:count'],
  ['HSET', 'position:hash', 'field', 'v'],
  ['SADD', 'position:set', 'member'],
  ['JSON.SET', 'position:json', '$', '{"a":1}'],
] as const;
const NAMES = WRITES.map(([, key]) => key);

let workshop: Workshop;
let port = 0;
let config = '';
beforeEach(() => {
  workshop = new Workshop();
  config = join(workshop.folder, 'region.yaml');
  writeFileSync(
    config,
    `clusterId: alone
region: eu-west-1
classes: ./classes.yaml
nodes:
  a: { resp: "127.0.0.1:0", http: "127.0.0.1:0", peer: "127.0.0.1:0", dataDir: "${join(workshop.folder, 'data')}" }
`,
  );
});
afterEach(async () => workshop.clean());

const ARGS = (): string[] => ['serve', '--config', config, '--node', 'a'];

function classes(position: string): string {
  const file = join(workshop.folder, 'classes.yaml');
  writeFileSync(
    file,
    `classes:\n  - { match: ['position:*'], ${position} }\n  - { match: ['plan:*'], consistency: strong, home: eu-west-1 }\n`,
  );
  return file;
}

async function started(position: string): Promise<RunningProgram> {
  classes(position);
  const program = workshop.start(ARGS(), {}, REAL);
  const said = (): string => program.errors + program.output;
  await program.until(() => /\bready\b/.test(said()) && /listening/.test(said()));
  port = Number(
    /listening.*?resp"?[:=] ?(\d+)|"resp":(\d+).*listening/
      .exec(said())
      ?.slice(1)
      .find((found) => found !== undefined),
  );
  return program;
}

async function withClient<T>(use: (client: RespClient) => Promise<T>): Promise<T> {
  const client = await RespClient.connect({ host: '127.0.0.1', port }, 30_000);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

async function ended(program: RunningProgram): Promise<void> {
  program.process.kill('SIGTERM');
  await program.finished;
}

describe('a class that becomes strong, or is no more, or has another group', { timeout: 120_000 }, () => {
  test.each([
    [CAUSAL, REGION],
    [REGION, CAUSAL],
    [REGION, WEAK],
    [REGION, ZONE],
  ])('while it has keys (%s, then %s): the start is refused, and says which and what to do', async (before, after) => {
    const first = await started(before);
    await withClient(async (client) => {
      for (const write of WRITES) await client.send(...write);
      for (const key of ['plan:1', 'other']) await client.send('SET', key, 'stays');
      // removed again, so it moves nothing
      await client.send('SET', 'position:gone', '1');
      await client.send('DEL', 'position:gone');
    });
    await ended(first);
    classes(after);
    const { code, errors, output } = await runToEnd(REAL, ARGS());
    expect([code, output]).toEqual([1, '']);
    expect(errors).toMatch(
      /^causeway: CONFIG the classes file moves keys that are in the data folder: 5 keys \("position:/,
    );
    expect(errors).toContain(` are ${GROUPS[before]} before and ${GROUPS[after]} now: keys are not converted.`);
    expect(errors).toContain('remove these keys with DEL');
    expect(errors.trimEnd().split('\n')).toHaveLength(1);

    // what it says is to be done
    const again = await started(before);
    await withClient(async (client) => expect(await client.send('DEL', ...NAMES)).toBe(5));
    await ended(again);
    const moved = await started(after);
    await withClient(async (client) => {
      expect(await client.send('MGET', 'position:text', 'position:count')).toEqual([null, null]);
      expect(await client.send('GET', 'plan:1')).toBe('stays');
      expect(await client.send('GET', 'other')).toBe('stays');
      await client.send('SET', 'position:text', 'anew');
      expect(await client.send('GET', 'position:text')).toBe('anew');
    });
    await ended(moved);
  });

  test('`classes check` says before a restart how many keys of each node would move', async () => {
    const node = await started(REGION);
    await withClient(async (client) => client.send('MSET', 'position:1', '1', 'position:2', '2'));
    const file = classes(CAUSAL);
    const check = (): ReturnType<typeof runToEnd> =>
      runToEnd(REAL, ['classes', 'check', file, '--nodes', `127.0.0.1:${port}`]);
    const { code, output } = await check();
    expect(code).toBe(1);
    expect(output).toContain('"position:*" as strong eu-west-1/region is no more');
    expect(output).toMatch(
      /At this node 2 keys \("position:[12]", "position:[12]"\) are of group eu-west-1\/region before and not strong now: keys are not converted/,
    );
    await withClient(async (client) => client.send('DEL', 'position:1', 'position:2'));
    expect((await check()).output).not.toContain('At this node');
    await ended(node);
  });
});
