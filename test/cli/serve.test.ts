import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FAKE, REAL, runToEnd, Workshop } from './programs.ts';

let workshop: Workshop;
beforeEach(() => {
  workshop = new Workshop();
});
afterEach(async () => workshop.clean());

function config(members = ''): string {
  const path = join(workshop.folder, 'region.yaml');
  writeFileSync(
    path,
    `clusterId: alone\nregion: eu-west-1\nnodes:\n  a: { resp: "127.0.0.1:0", http: "127.0.0.1:0", peer: "127.0.0.1:0", dataDir: null }\n${members}`,
  );
  return path;
}

describe('serve', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('on its own ends in order on %s', async (signal) => {
    const serve = workshop.start(['serve', '--config', config(), '--node', 'a'], {}, REAL);
    await serve.until(() => serve.errors.includes('listening'));
    serve.process.kill(signal);
    expect(await serve.finished).toMatchObject({ code: 0, signal: null });
  });

  test('a failure of the node ends it with 1 and says why', async () => {
    const { code, errors } = await runToEnd(FAKE, ['serve', '--config', config(), '--node', 'a'], {
      CAUSEWAY_FAKE: 'eu-west-1/a:refuse',
    });
    expect({ code, errors }).toEqual({ code: 1, errors: 'causeway: STORE the disk is not one\n' });
  });

  test.each([
    [['--node', 'b'], '', /CONFIG .*region.yaml: no node "b"; region eu-west-1 has a/],
    [
      ['--node', 'a'],
      'members: { ap-southeast-1/a: null }',
      /CONFIG eu-west-1\/a dials ap-southeast-1\/a, and has no URL/,
    ],
    [['--node', 'a'], 'members: { mars/a: null }', /CONFIG .*unknown region "mars"/],
    [['--node', 'a'], 'speed: 1\nlimit: 2', /CONFIG .*unknown keys "speed", "limit"/],
  ])('serve %j with %j is refused in one line', async (args, members, message) => {
    const { code, errors } = await runToEnd(REAL, ['serve', '--config', config(members), ...args]);
    expect(errors).toMatch(message);
    expect(errors.trimEnd().split('\n')).toHaveLength(1);
    expect(code).toBe(1);
  });

  test('a file that is not there is named', async () => {
    const { code, errors } = await runToEnd(REAL, ['serve', '--config', 'none.yaml', '--node', 'a']);
    expect(errors).toMatch(/^causeway: CONFIG cannot read none.yaml: /);
    expect(code).toBe(1);
  });
});

describe('the program', () => {
  test('--help lists the commands, and no hidden one', async () => {
    const { code, output } = await runToEnd(REAL, ['--help']);
    for (const command of ['up', 'serve', 'wan', 'node', 'replay', 'inspect'])
      expect(output).toContain(`  ${command} `);
    expect(output).not.toContain('wan-shaper');
    expect(code).toBe(0);
  });

  test('serve --help tells each variable of the environment apart from what it says', async () => {
    const { output } = await runToEnd(REAL, ['serve', '--help']);
    const [, variables = ''] = output.split('The environment overrides the file:\n');
    const lines = variables.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(10);
    for (const line of lines) expect(line).toMatch(/^ {2}CAUSEWAY_[A-Z_]+ {2,}\S/);
  });

  test('--version says its own and that of Node', async () => {
    const { code, output } = await runToEnd(REAL, ['--version']);
    expect(output).toMatch(/^causeway \d+\.\d+\.\d+ \(Node 24\.\d+\.\d+\)\n$/);
    expect(code).toBe(0);
  });

  test.each([[[]], [['wan']], [['node']], [['fly']], [['up', 'extra']]])('%j is a wrong command line', async (args) => {
    const { code, errors } = await runToEnd(REAL, args);
    expect(errors).not.toBe('');
    expect(code).toBe(2);
  });

  test('wan-shaper runs on its own from a file and says where it listens', async () => {
    const path = join(workshop.folder, 'wan.yaml');
    writeFileSync(
      path,
      'forwards: [{ from: us-east-1/a, to: eu-west-1/a, listen: "127.0.0.1:0", target: "127.0.0.1:9" }]\n',
    );
    const shaper = workshop.start(['wan-shaper', '--config', path], {}, REAL);
    await shaper.until(() =>
      /us-east-1\/a dials eu-west-1\/a at 127\.0\.0\.1:\d+, forwarded to 127\.0\.0\.1:9\n/.test(shaper.output),
    );
    const url = /http:\/\/\S+/.exec(shaper.output)?.[0] ?? '';
    expect((await runToEnd(REAL, ['wan', 'links', '--admin', url])).output).toMatch(/us-east-1 +eu-west-1 +open/);
    shaper.process.kill('SIGTERM');
    expect(await shaper.finished).toMatchObject({ code: 0, signal: null });
  });
});
