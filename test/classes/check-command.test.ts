import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runClassesCheck } from '../../src/cli/classes-command.ts';
import type { NodesOptions } from '../../src/cli/cluster-nodes.ts';
import { REAL, runToEnd } from '../cli/programs.ts';
import { temporaryFolder } from '../server/peer-rig.ts';
import { BROKEN_FILES } from './broken-files.ts';
import { startWithClasses } from './class-rig.ts';

/** What `causeway classes check` prints of a file, and its exit code. */
async function check(path: string, options: NodesOptions = {}): Promise<{ code: number; output: string }> {
  let output = '';
  const terminal = { isTty: false, hasColor: false, columns: () => 80, write: (text: string) => void (output += text) };
  const code = await runClassesCheck(path, options, terminal);
  return { code, output };
}

function fileOf(text: string, folder: string = temporaryFolder()): string {
  const path = join(folder, 'f.yaml');
  writeFileSync(path, text);
  return path;
}

describe('causeway classes check', () => {
  test('explains the file of the package', async () => {
    const { code, output } = await check('regions/classes.yaml');
    expect(code).toBe(0);
    expect(output).toContain(`quote:*
  patterns  "quote:*", "chain:*"
  promise   causal: arrives everywhere, never before its causes; a read never waits
  ttl       none
  conflict  lww: of concurrent writes of a string the latest stays
`);
    expect(output).toContain('promise   weak: stays on the node that it is written on');
    expect(output).toContain('default\n  patterns  all other keys\n');
    expect(output).not.toMatch(/^error/m);
    expect(output).not.toMatch(/^warning/m);
  });

  test('explains a ttl', async () => {
    const { code, output } = await check(fileOf('classes:\n  - match: ["quote:*"]\n    ttl: 5m\n'));
    expect(code).toBe(0);
    expect(output).toContain('  ttl       5m from a write that makes the key without an expiry of its own\n');
  });

  test.each(BROKEN_FILES)('of $what ends with 1 and names the line and the reason', async ({ text, says }) => {
    const path = fileOf(text);
    const { code, output } = await check(path);
    expect(code).toBe(1);
    for (const words of says) expect(output.replaceAll(path, 'f.yaml')).toContain(words);
    expect(
      output
        .trimEnd()
        .split('\n')
        .every((line) => line.startsWith(`error ${path}:`)),
    ).toBe(true);
  });

  test('loads the modules that the file names', async () => {
    const folder = temporaryFolder();
    const path = fileOf('classes:\n  - match: ["a:*"]\n    conflict: { resolver: ./merge.js }\n', folder);
    expect(await check(path)).toMatchObject({
      code: 1,
      output: expect.stringContaining(`error ${join(folder, 'merge.js')}: the resolver ENOENT`),
    });
    writeFileSync(join(folder, 'merge.js'), '\nexport function resolve( {');
    expect(await check(path)).toEqual({
      code: 1,
      output: expect.stringMatching(/^error .*merge\.js:2: the resolver SyntaxError: .*\n$/),
    });
    writeFileSync(join(folder, 'merge.js'), 'export function resolve(siblings) { return siblings[0].value; }');
    const { code, output } = await check(path);
    expect(code).toBe(0);
    expect(output).toContain('a read shows what the module ./merge.js makes of them');
  });

  test('tells of modules of sources and hooks that are not there', async () => {
    const folder = temporaryFolder();
    const path = fileOf(
      'classes:\n  - match: ["a:*"]\n    source: { module: ./load.mjs, ttl: 5s }\n    compensate: { module: ./lost.js }\n',
      folder,
    );
    const { code, output } = await check(path);
    expect(code).toBe(1);
    expect(output).toContain(`error ${join(folder, 'load.mjs')}: the module of a source is not there\n`);
    expect(output).toContain(`error ${join(folder, 'lost.js')}: the module of a hook is not there\n`);
    for (const name of ['load.mjs', 'lost.js'])
      writeFileSync(join(folder, name), 'throw new Error("not run by this");');
    expect((await check(path)).code).toBe(0);
  });

  test('is a program: 0 for a file that is taken, 1 for one that is not or is not there, 2 for a wrong command line', async () => {
    const good = await runToEnd(REAL, ['classes', 'check', 'regions/classes.yaml']);
    expect(good).toMatchObject({ code: 0, errors: '' });
    const bad = await runToEnd(REAL, ['classes', 'check', fileOf('classes: 5\n')]);
    expect(bad.code).toBe(1);
    expect(bad.output).toContain('f.yaml:1:1: classes: expected a list of classes, got 5');
    const missing = await runToEnd(REAL, ['classes', 'check', '/nowhere/classes.yaml']);
    expect(missing.code).toBe(1);
    expect(missing.errors).toContain('causeway: CONFIG cannot read /nowhere/classes.yaml');
    expect((await runToEnd(REAL, ['classes', 'check'])).code).toBe(2);
  });

  test('tells what gets no keys', async () => {
    const { code, output } = await check(fileOf('classes:\n  - match: ["a*"]\n  - match: ["ab*"]\n'));
    expect(code).toBe(0);
    expect(output).toMatch(/^warning .*f\.yaml:3:13: .* no key gets here by "ab\*"/);
  });

  test('with a cluster asks all nodes first, and changes all or none', async () => {
    const text = 'classes:\n  - match: ["quote:*"]\n    ttl: 5m\n';
    const weak = `${text}  - match: ["scratch:*"]\n    consistency: weak\n`;
    const [first, second] = [await startWithClasses(text), await startWithClasses(weak)];
    await Promise.all([first.server.ready, second.server.ready]);
    const addressOf = (rig: typeof first): string => `127.0.0.1:${rig.server.ports.resp}`;
    const longer = fileOf(weak.replace('5m', '1h'));

    const refused = await check(longer, { nodes: [addressOf(second), addressOf(first)] });
    expect(refused.code).toBe(1);
    expect(refused.output).toContain(`${addressOf(first)}  refuses: ERR the file changes which keys are weak`);
    expect(refused.output).toContain('"scratch:*" as weak is new');
    expect(refused.output).toContain('No node was changed.');
    await second.client().set('quote:1', 'v');
    expect(await second.client().pttl('quote:1')).toBeLessThanOrEqual(300_000);

    const taken = await check(longer, { nodes: [addressOf(second)] });
    expect(taken).toMatchObject({ code: 0 });
    expect(taken.output).toContain(`${addressOf(second)}  changed:\n  "quote:*": causal, ttl 1h`);
    await second.client().set('quote:1', 'v');
    expect(await second.client().pttl('quote:1')).toBeGreaterThan(3_500_000);
  });
});
