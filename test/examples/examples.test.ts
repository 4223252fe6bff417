import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readReadyFile } from '../../src/cli/ready-file.ts';
import { untilGone } from '../cli/programs.ts';

let folder: string;
const started: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'causeway-examples-'));
});
afterEach(async () => {
  // to npm, which passes it on: what an example has started ends with it
  await Promise.all(
    started.splice(0).map(async (npm) => {
      if (npm.exitCode !== null || npm.signalCode !== null) return;
      npm.kill('SIGTERM');
      await new Promise((resolve) => npm.once('close', resolve));
    }),
  );
  rmSync(folder, { recursive: true, force: true });
});

/** `npm run example:…` as a user types it, with its temporary folders in the test's own. */
function run(name: string, ...args: readonly string[]) {
  const { npm_lifecycle_event: _event, ...environment } = process.env;
  const npm = spawn('npm', ['run', '-s', `example:${name}`, '--', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...environment, TMPDIR: folder },
  });
  started.push(npm);
  let output = '';
  let hasEnded = false;
  for (const stream of [npm.stdout, npm.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = new Promise<number | null>((resolve) => {
    npm.once('close', (code) => {
      hasEnded = true;
      resolve(code);
    });
  });
  return {
    npm,
    ended,
    output: () => output,
    /** Fulfilled once it has printed the text. */
    async until(text: string): Promise<void> {
      while (!output.includes(text)) {
        if (hasEnded) throw new Error(`ended: ${output}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
}

/** The processes of the regions that an example has started. */
function regionPids(): readonly (number | null)[] {
  const [example] = readdirSync(folder).filter((name) => name.startsWith('causeway-example-'));
  const ready = readReadyFile(join(folder, example ?? '', 'ready.json'));
  return [ready.pid, ready.wanPid, ...ready.nodes.map(({ pid }) => pid)];
}

function leftBehind(): readonly string[] {
  return readdirSync(folder).filter((name) => name.startsWith('causeway'));
}

test('trading-desk: quotes, preferences and orders, and an end by itself', async () => {
  const example = run('trading-desk');
  expect(await example.ended).toBe(0);
  const output = example.output();
  expect(output).toContain('us-east-1       1250 quotes of 5 shares published');
  expect(output).toContain('ap-southeast-1  1250 changes in the feed before the closing bell');
  expect(output).toMatch(/eu-west-1 {7}\d+\.\d % of \d+ reads answered in the process/);
  expect(output).toContain('eu-west-1       AAPL 142.27 of 2017-06-16');
  for (const region of ['us-east-1', 'ap-southeast-1'])
    expect(output).toContain(`${region.padEnd(16)}{"theme":"light","watchlist":["AAPL","TSLA"]}`);
  expect(output).toContain('filled 2, refused 6');
  for (const region of ['us-east-1', 'eu-west-1', 'ap-southeast-1'])
    expect(output).toContain(`${region.padEnd(16)}limit:7 320, position:7 AAPL 4`);
  expect(leftBehind()).toEqual([]);
});

test('product-api: a stampede, a new price everywhere, a new layout; it stays until Ctrl-C', async () => {
  const example = run('product-api', '--stay');
  await example.until('Everything is left running');
  const output = example.output();
  // one of each, unless a node is so slow that another one loads in its place (test/cluster/sources.test.ts counts)
  expect(output).toMatch(
    /A stampede.*\n {2}Darjeeling: 12\.50 €\n {2}queries of the database: price \d{1,2}, product \d{1,2}\n/,
  );
  for (const region of ['us-east-1', 'eu-west-1', 'ap-southeast-1']) {
    expect(output).toContain(`${region.padEnd(16)}/categories/tea  Tea: Darjeeling 12.50 €, Sencha 9.90 €`);
    expect(output).toContain(`${region.padEnd(16)}/products/1      Darjeeling: 9.50 €`);
    expect(output).toContain(`${region.padEnd(16)}/categories/tea  Tea: Darjeeling 9.50 €, Sencha 9.90 €`);
  }
  const [, dublin = ''] = /eu-west-1 +curl (\S+)/.exec(output) ?? [];
  expect(await (await fetch(dublin)).text()).toBe('Darjeeling: 9.50 €');
  for (const path of ['/categories/coffee', '/products/99'])
    expect((await fetch(new URL(path, dublin))).status).toBe(404);
  const noPrice = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"cents":"much"}' };
  expect((await fetch(new URL('/products/1/price', dublin), noPrice)).status).toBe(400);
  const pids = regionPids();
  expect(pids).toHaveLength(5);
  example.npm.kill('SIGINT');
  await untilGone(pids);
  expect(await example.ended).toBe(0);
  expect(leftBehind()).toEqual([]);
});

test('an example that is stopped while it starts leaves nothing, and says how it is called', async () => {
  const example = run('trading-desk');
  await example.until('Starting');
  example.npm.kill('SIGINT');
  expect(await example.ended).toBe(0);
  expect(example.output()).toContain('Stopped. Nothing is left behind.');
  expect(leftBehind()).toEqual([]);
  const help = run('product-api', '--help');
  expect(await help.ended).toBe(0);
  expect(help.output()).toMatch(/^npm run example:product-api .*--stay/);
  const wrong = run('product-api', '--stya');
  expect(await wrong.ended).toBe(2);
  expect(wrong.output()).toContain("Unknown option '--stya'");
});
