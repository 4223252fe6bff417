import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FILE_LINES_MAX, LAYERS, LONG_FILES } from './layers.ts';
import { machineTraces, type Rule, RULES, type Source, sourceOf, unusedExports } from './rules.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** Not of the project: what tools install, build or write. */
const NOT_OURS = new Set(['.git', 'node_modules', 'dist', 'coverage', 'test-results', '.vscode', '.idea']);
const TEXT =
  /\.(ts|js|json|ya?ml|md|txt|sh|csv|npmrc)$|(^|\/)(Dockerfile|LICENSE|run|tools|docker-engine|\.\w+ignore|\.npmrc|\.oxlintrc\.json)$/;
const SOURCE_FOLDERS = ['src', 'test', 'bench', 'bin', 'examples', 'scripts'];

function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) return NOT_OURS.has(entry.name) || path === 'data' ? [] : filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}

const FILES = filesBelow('.');
const SOURCES: readonly Source[] = FILES.filter(
  (path) => /\.(ts|js)$/.test(path) && SOURCE_FOLDERS.includes(path.split('/')[0] ?? ''),
).map((path) => sourceOf(path, read(path)));

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** A file of JSON with comments on lines of their own. */
function readJson(path: string): unknown {
  return JSON.parse(read(path).replaceAll(/^\s*\/\/.*$/gm, ''));
}

describe('every source file', () => {
  it.each(Object.entries(RULES))('%s', (_name, rule) => {
    const problems = SOURCES.flatMap((source) => rule(source).map((problem) => `${source.path} ${problem}`));
    expect(problems).toEqual([]);
  });

  it('exports what others import', () => {
    expect(unusedExports(SOURCES)).toEqual([]);
  });

  it('was read: the rules saw all layers that there are', () => {
    const folders = readdirSync(join(ROOT, 'src')).sort();
    expect(folders.filter((name) => !LAYERS.some((layer) => layer.path === name))).toEqual([]);
    expect(SOURCES.length).toBeGreaterThan(LAYERS.length);
  });

  it(`has at most ${FILE_LINES_MAX} lines, or a written reason`, () => {
    const problems: string[] = [];
    for (const source of SOURCES) {
      const lines = source.text.split('\n').length - 1;
      const allowed = LONG_FILES.get(source.path)?.linesMax ?? FILE_LINES_MAX;
      if (lines > allowed) problems.push(`${source.path} has ${lines} lines, more than ${allowed}`);
      if (allowed > FILE_LINES_MAX && lines <= FILE_LINES_MAX)
        problems.push(`${source.path} needs no exception any more`);
    }
    for (const path of LONG_FILES.keys()) {
      if (!SOURCES.some((source) => source.path === path)) problems.push(`${path} is excepted and does not exist`);
    }
    expect(problems).toEqual([]);
  });
});

describe('the project', () => {
  it('holds no trace of the machine it was written on', () => {
    const problems = FILES.filter((path) => TEXT.test(path) && statSync(join(ROOT, path)).size < 2_000_000)
      // These two name what they look for.
      .filter((path) => path !== 'test/tidy/tidy.test.ts' && path !== 'test/tidy/rules.ts')
      .flatMap((path) => machineTraces(read(path)).map((trace) => `${path} ${trace}`));
    expect(problems).toEqual([]);
  });

  it('names versions, runs its scripts by exec, and lets no install script run but that of node', () => {
    const manifest = readJson('package.json') as Record<string, Record<string, unknown>>;
    const versions = Object.entries({ ...manifest['dependencies'], ...manifest['devDependencies'] });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(String(version)))).toEqual([]);
    const scripts = Object.entries(manifest['scripts'] ?? {}).filter(([name]) => name !== 'prepack');
    expect(scripts.filter(([, script]) => !String(script).startsWith('exec node '))).toEqual([]);
    expect(manifest['allowScripts']).toEqual({ node: true });
  });

  it('has a lock file that names no place to fetch from', () => {
    expect(read('package-lock.json')).not.toContain('"resolved"');
  });

  it('repeats the layer table rightly in the compiler and the linter', () => {
    const paths = (pure: boolean): string[] =>
      LAYERS.filter((layer) => layer.pure === pure)
        .map((layer) => `src/${layer.path}`)
        .sort();
    const included = (path: string): string[] => (readJson(path) as { include: string[] }).include.toSorted();
    expect(included('tsconfig.pure.json')).toEqual(paths(true));
    expect(included('tsconfig.shell.json')).toEqual(paths(false));
    const { overrides } = readJson('.oxlintrc.json') as { overrides: readonly { readonly files: string[] }[] };
    expect((overrides[0]?.files ?? []).map((path) => path.replace(/\/\*\*$/, '')).sort()).toEqual(paths(true));
  });
});

describe('every rule finds what it looks for', () => {
  // Texts that the rules are shown, in strings: each rule must refuse what hides something. Nothing here is switched off.
  const cases: readonly (readonly [keyof typeof RULES, string, string, RegExp | undefined])[] = [
    ['importsGoOneWay', 'src/base/x.ts', "import { a } from '../clock/dot.ts';", /base must not import clock/],
    ['importsGoOneWay', 'src/base/x.ts', "export type { A } from '../errors.ts';", /base must not import errors/],
    ['importsGoOneWay', 'src/wire/x.ts', "import { a } from '../commands/a.ts';", /wire must not import commands/],
    ['importsGoOneWay', 'src/server/x.ts', "const a = await import('../cli/a.ts');", /server must not import cli/],
    ['importsGoOneWay', 'src/server/x.ts', "import '../../test/a.ts';", /no layer/],
    ['importsGoOneWay', 'src/stray/x.ts', '', /no layer/],
    ['importsGoOneWay', 'src/cli/x.ts', "import { a } from '../base/a.ts'; // from '../../x.ts'", undefined],
    [
      'packagesAreListed',
      'src/crdt/x.ts',
      "import { pack } from 'msgpackr';",
      /crdt must not import the package msgpackr/,
    ],
    ['packagesAreListed', 'src/wire/x.ts', "import { pack } from 'msgpackr/pack';", undefined],
    ['packagesAreListed', 'src/wire/x.ts', "import { readFileSync } from 'node:fs';", /must not import node:fs/],
    ['packagesAreListed', 'src/wire/x.ts', "import fs from 'fs';", /must not import fs/],
    ['packagesAreListed', 'src/adapters/x.ts', "import 'ws'; import 'lmdb';", /one outside package a file/],
    [
      'packagesAreListed',
      'src/adapters/x.ts',
      "import 'ws'; import type { X } from 'ws/y'; import 'node:fs';",
      undefined,
    ],
    ['protocolCodeIsPure', 'src/causal/x.ts', 'export const now = Date.now();', /Date: time/],
    ['protocolCodeIsPure', 'src/causal/x.ts', 'const p: Promise<void> = f();', /Promise: /],
    ['protocolCodeIsPure', 'src/causal/x.ts', 'async () => f()', /async: /],
    ['protocolCodeIsPure', 'src/causal/x.ts', 'globalThis.x = 1', /globalThis: /],
    ['protocolCodeIsPure', 'src/causal/x.ts', 'Math.random()', /seed/],
    ['protocolCodeIsPure', 'src/causal/x.ts', 'a.localeCompare(b)', /same bytes/],
    ['protocolCodeIsPure', 'src/causal/x.ts', '// await Date\nx.process(1); ({ process: 1, text: "Date" })', undefined],
    ['protocolCodeIsPure', 'src/server/x.ts', 'Date.now()', undefined],
    // texts that the rules are tried on: nothing is switched off by them
    ['noAny', 'src/base/x.ts', 'const a = b as any;', /line 1: any/],
    ['noAny', 'test/x.test.ts', 'function f(a: any[]): void {}', /any/],
    ['noAny', 'test/x.test.ts', 'expect.any(Number); f({ any: 1 }); // any', undefined],
    ['commentsHideNothing', 'src/base/x.ts', '// @ts-ignore', /compiler off/],
    ['commentsHideNothing', 'src/base/x.ts', '// oxlint-disable-next-line no-eval', /without/],
    ['commentsHideNothing', 'src/base/x.ts', '// oxlint-disable-next-line no-eval -- it is the point', undefined],
    ['commentsHideNothing', 'src/base/x.ts', '/* TODO later */', /to be done/],
    ['noBarrels', 'src/base/x.ts', "export * from './y.ts';", /passes on/],
    ['noBarrels', 'src/base/x.ts', "export * as y from './y.ts';", /passes on/],
    ['noBarrels', 'src/base/x.ts', "export type { A, B } from './y.ts';", /passes on/],
    ['noBarrels', 'src/base/x.ts', "export type { A } from './y.ts'; export const b = 1;", undefined],
    ['noBarrels', 'src/base/x.ts', "export { a } from './y.ts'; export { b } from './z.ts';", /passes on/],
    ['noBarrels', 'src/base/x.ts', "export { a }; import { b } from './y.ts';", undefined],
    ['noBarrels', 'src/base/index.ts', '', /only src\/index.ts/],
    ['noBarrels', 'src/index.ts', "export { a } from './base/a.ts';", undefined],
    // texts that the rules are tried on: nothing is switched off by them
    ['everyTestRuns', 'test/x.test.ts', "it.only('x', () => {});", /only/],
    ['everyTestRuns', 'test/x.test.ts', "describe.skip('x', () => {});", /skip/],
    ['everyTestRuns', 'test/x.test.ts', "it.concurrent.only('x', () => {});", /only/],
    ['everyTestRuns', 'test/x.test.ts', 'reader.skip(4); skip(4);', undefined],
    ['everyTestRuns', 'test/x.test.ts', "it('x', () => {}); // it.only(", undefined],
    ['namesAreKebabCase', 'src/base/versionVector.ts', '', /kebab/],
    ['namesAreKebabCase', 'src/base/version-vector.test.ts', '', undefined],
  ];

  it.each(cases)('%s: %s with %s', (name, path, text, expected) => {
    const problems = (RULES[name] as Rule)(sourceOf(path, text)).join('\n');
    if (expected === undefined) expect(problems).toBe('');
    else expect(problems).toMatch(expected);
  });

  it('sees a regular expression, a template and a division for what they are', () => {
    const text = 'const a = b / c; f(/["`]/g, `x${ { y: 1 }.y } any`); const d: any = a / 2;';
    expect((RULES['noAny'] as Rule)(sourceOf('src/base/x.ts', text))).toEqual(['line 1: any: say what it is']);
  });

  it('sees exports that nobody imports, however they may be imported', () => {
    const exporting = 'export const a = 1; export async function b() {} export abstract class C {} export type D = 1;';
    const after = (...imports: readonly string[]): readonly string[] =>
      unusedExports([
        sourceOf('src/base/x.ts', exporting),
        ...imports.map((text, index) => sourceOf(`test/${index}.ts`, text)),
      ]);
    expect(after()).toEqual(['a', 'b', 'C'].map((name) => `src/base/x.ts line 1: nobody imports ${name}`));
    expect(after("import { a as z, type C } from '../src/base/x.ts'; b();")).toHaveLength(1);
    expect(after("import { a } from '../src/base/x.ts';", "export { b, C } from '../src/base/x.ts';")).toEqual([]);
    expect(after("import * as x from '../src/base/x.ts';")).toEqual([]);
    expect(after("const { a } = await import('../src/base/x.ts');")).toEqual([]);
  });

  it('sees traces of a machine', () => {
    expect(machineTraces('see /home/someone/x')).toHaveLength(1);
    expect(machineTraces('"resolved": "https://registry.example.com/a.tgz"')).toHaveLength(1);
    expect(
      machineTraces('src/work/x and https://example.com/root/a and /home/node/app, registry.blocked.size'),
    ).toEqual([]);
  });
});
