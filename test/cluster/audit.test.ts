import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REAL, runToEnd, RunningProgram, type Finished } from '../cli/programs.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';
import type { SeenRecord } from '../audit/group-rig.ts';

const CLASSES = `
classes:
  - match: ['position:*', 'risk:*']
    consistency: strong
    home: us-east-1
    survive: region
    audit: true
  - match: ['note:*']
    consistency: strong
    home: us-east-1
    survive: region
`;
const GROUP = 'us-east-1/region';
const HOME = 'us-east-1/a';
const OTHER = 'eu-west-1/a';

const causeway = (...args: readonly string[]): Promise<Finished> => runToEnd(REAL, ['audit', ...args]);

const recordsOf = (text: string): SeenRecord[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as SeenRecord);

let folder = '';
let cluster: TestCluster;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'causeway-audit-'));
  const classes = join(folder, 'classes.yaml');
  writeFileSync(classes, CLASSES);
  cluster = await startCluster({
    args: ['--wan-scale', '0.05', '--classes', classes, '--data-dir', join(folder, 'data')],
  });
  const client = await cluster.connect(OTHER);
  await client.send('SET', 'position:1', '100');
  await client.send('MULTI');
  await client.send('INCRBY', 'position:1', '-40');
  await client.send('HSET', Buffer.from('risk:\u0000\n\xff__proto__', 'latin1'), '__proto__', 'a\r\nb');
  await client.send('EXEC');
  await client.send('SET', 'note:1', 'not audited');
  await client.send('SET', 'position:long', 'x'.repeat(5_000));
});

afterAll(async () => {
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Fulfilled once every node has so many records. */
async function untilRecords(count: number): Promise<void> {
  for (const id of [HOME, OTHER, 'ap-southeast-1/a']) {
    const client = await cluster.connect(id);
    await until(async () => ((await client.send('CW.AUDIT', GROUP, 0, 0)) as number[])[0] === count);
  }
}

describe('causeway audit', () => {
  test('export writes what was recorded, and check finds it whole up to the head of a node', async () => {
    await untilRecords(4);
    const file = join(folder, 'all.jsonl');
    const exported = await causeway('export', '--ready-file', cluster.readyFile, '--out', file);
    expect(exported).toMatchObject({ code: 0, output: '' });
    expect(exported.errors).toMatch(/^us-east-1\/region: 4 written, records 1 to 4, .* ends with [0-9a-f]{64}\n$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const records = recordsOf(readFileSync(file, 'utf8'));
    expect(records).toMatchObject([
      { key: 'position:1', old: null, new: { value: '100' }, region: 'eu-west-1', user: 'default' },
      { key: 'position:1', old: { value: '100' }, new: { value: '60' } },
      {
        key: { hex: Buffer.from('risk:\u0000\n\xff__proto__', 'latin1').toString('hex') },
        new: { shown: { list: [['__proto__', 'a\r\nb']] } },
      },
      { key: 'position:long', new: { value: { bytes: 5_000 } } },
    ]);
    expect(records[1]?.index).toBe(records[2]?.index);
    const checked = await causeway('check', file, '--against', cluster.resp(OTHER));
    expect(checked).toMatchObject({ code: 0, errors: '' });
    expect(checked.output).toMatch(/^us-east-1\/region: records 1 to 4 are whole/);
  });

  test('each node has the same, byte for byte; standard output is the records alone', async () => {
    const outputs = await Promise.all(
      [HOME, OTHER, 'ap-southeast-1/a'].map((id) => causeway('export', '--nodes', cluster.resp(id), '--group', GROUP)),
    );
    expect(outputs.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(new Set(outputs.map(({ output }) => output)).size).toBe(1);
    expect(outputs[0]?.output).toBe(readFileSync(join(folder, 'all.jsonl'), 'utf8'));
  });

  test('check names what was done to a file, with exit code 1', async () => {
    const lines = readFileSync(join(folder, 'all.jsonl'), 'latin1').split('\n').slice(0, -1);
    const broken = async (changed: readonly string[], ...args: readonly string[]): Promise<string> => {
      const file = join(folder, 'broken.jsonl');
      writeFileSync(file, changed.map((line) => `${line}\n`).join(''), 'latin1');
      const { code, output } = await causeway('check', file, ...args);
      expect(code).toBe(1);
      return output.replaceAll(file, 'F');
    };
    const against = ['--against', cluster.resp(HOME)];
    const changed = lines.map((line) => line.replace('"value":"60"', '"value":"90"'));
    expect(await broken(changed)).toMatch(/^F:2: record 2 \(log index \d+\) was changed/);
    expect(await broken(lines.toSpliced(1, 1))).toMatch(/^F:2: record 2 is missing after log index \d+/);
    expect(await broken(lines.toSpliced(1, 0, lines[1] ?? ''))).toMatch(/^F:3: record 2 .* was added/);
    expect(await broken(lines.slice(0, 3), ...against)).toMatch(
      /^F:3: the last record, 3 .* is whole, and record 4 is missing behind it/,
    );
    // in the middle of an entry's records
    expect(await broken(lines.slice(0, 2), ...against)).toMatch(/is whole, and records 3 to 4 are missing behind it/);
    const forged = lines.with(3, (lines[3] ?? '').replace('5000', '5001'));
    expect(await broken(forged, ...against)).toMatch(/^F:4: the last record, 4 .* was changed: at /);
    const more = JSON.stringify({ ...(JSON.parse(lines[3] ?? '') as object), record: 5, previous: '0'.repeat(64) });
    expect(await broken([...lines, more], ...against)).toMatch(
      /^F:4: record 4 .* was changed, or F:5 was, or was added/,
    );
  });

  test('a cluster that was killed and started again goes on with its chain; a part can be exported and checked', async () => {
    const { errors } = await causeway('check', join(folder, 'all.jsonl'));
    expect(errors).toBe('');
    for (const id of [HOME, OTHER, 'ap-southeast-1/a']) await cluster.act('kill', id);
    for (const id of [HOME, OTHER, 'ap-southeast-1/a']) await cluster.act('start', id);
    const client = await cluster.connect(OTHER);
    await until(async () =>
      client.send('SET', 'position:2', '7').then(
        () => true,
        () => false,
      ),
    );
    await until(async () => ((await client.send('CW.AUDIT', GROUP, 0, 0)) as number[])[0] !== 4);
    const before = recordsOf(readFileSync(join(folder, 'all.jsonl'), 'utf8'));
    const from = String((before.at(-1)?.index ?? 0) + 1);
    const part = join(folder, 'part.jsonl');
    expect((await causeway('export', '--ready-file', cluster.readyFile, '--from', from, '--out', part)).code).toBe(0);
    expect((await causeway('check', join(folder, 'all.jsonl'), part, '--against', cluster.resp(OTHER))).output).toMatch(
      /records 1 to \d+ are whole/,
    );
    const alone = await causeway('check', part);
    expect(alone).toMatchObject({
      code: 1,
      output: `${part}:1: records 1 to 4 are missing at the start, before record 5\n`,
    });
    const start = recordsOf(readFileSync(part, 'utf8'))[0]?.previous ?? '';
    expect((await causeway('check', part, '--start', start)).code).toBe(0);
  });

  test('export reads the data folder of a node, running or stopped', async () => {
    const data = join(folder, 'data', 'nodes', 'us-east-1', 'a');
    // one node may have on its disk what another is still told
    await until(async () => {
      const running = await causeway('export', '--data-dir', data);
      return running.code === 0 && running.output === (await causeway('export', '--nodes', cluster.resp(OTHER))).output;
    });
    await cluster.act('stop', HOME);
    const stopped = await causeway('export', '--data-dir', data, '--group', GROUP);
    const asked = await causeway('export', '--nodes', cluster.resp(OTHER));
    expect(stopped).toMatchObject({ code: 0, output: asked.output });
    await cluster.act('start', HOME);
  });

  test('what cannot be done is said, with an exit code', async () => {
    const file = join(folder, 'all.jsonl');
    const before = readFileSync(file);
    const nodes = ['--nodes', cluster.resp(OTHER)];
    for (const [args, code, said] of [
      [['export'], 2, /say which cluster/],
      [['export', ...nodes, '--data-dir', folder], 2, /one of them/],
      [
        ['export', ...nodes, '--group', 'nowhere/zone'],
        1,
        /there is no group nowhere\/zone; there is us-east-1\/region/,
      ],
      [['export', ...nodes, '--out', file], 1, /EEXIST/],
      [['export', '--nodes', '127.0.0.1:1'], 1, /no node can be asked/],
      [['export', '--data-dir', folder], 1, /STORE .* has no store of quorum groups/],
      [['check', join(folder, 'none.jsonl')], 1, /ENOENT/],
      [['check', file, '--head', 'abc'], 2, /is no SHA-256/],
      [['check'], 2, /missing required argument/],
    ] as const) {
      const finished = await causeway(...args);
      expect([args, finished.code]).toEqual([args, code]);
      expect(finished.errors).toMatch(said);
    }
    expect(readFileSync(file)).toEqual(before);
  });

  test('export stops at the end of a line when it is asked to, and says where to go on', async () => {
    const client = await cluster.connect(OTHER);
    const writes = Array.from({ length: 20 }, (_, at) =>
      client.send(
        'MSET',
        ...Array.from({ length: 300 }, (_unused, key) => [`position:${key}`, `${at}-${'v'.repeat(400)}`]).flat(),
      ),
    );
    await Promise.all(writes);
    // a pipe that nobody reads keeps it waiting
    const program = new RunningProgram(REAL, ['audit', 'export', '--nodes', cluster.resp(OTHER)]);
    program.process.stdout?.pause();
    await new Promise<void>((resolve) => program.process.stdout?.once('readable', resolve));
    program.process.kill('SIGTERM');
    program.process.stdout?.resume();
    const { code, output, errors } = await program.finished;
    expect(code).toBe(1);
    expect(output.endsWith('\n')).toBe(true);
    const last = recordsOf(output).at(-1);
    // all records of an entry or none
    expect(recordsOf(output).filter(({ index }) => index === last?.index)).toHaveLength(300);
    expect(errors).toContain(`stopped (SIGTERM); go on with --from ${(last?.index ?? 0) + 1}`);
  });
});
