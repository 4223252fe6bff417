import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withClient } from '../../src/cli/cluster-nodes.ts';
import { addressOf } from '../../src/server/address.ts';
import { Workshop } from './programs.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
const INSTALL_MS_MAX = 240_000;
const run = promisify(execFile);

const folder = mkdtempSync(join(tmpdir(), 'causeway-package-'));
/** Where the package is installed, as somebody else's project. */
const project = join(folder, 'project');
const installed = join(project, 'node_modules', 'causeway-cache');
const workshop = new Workshop();
let packed: readonly string[] = [];

/** As a user calls it, with the Node that the tests run on, and nothing of the project's own around it. */
async function npm(cwd: string, ...args: readonly string[]): Promise<string> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle|command)/.test(name));
  const env = {
    ...Object.fromEntries(inherited),
    PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`,
  };
  return (
    await run('npm', args, { cwd, env, maxBuffer: 32 * 1024 * 1024 }).catch((error: unknown) => {
      // The compiler says on standard output what is wrong.
      throw new Error(`${String(error)}${(error as { stdout?: string }).stdout ?? ''}`);
    })
  ).stdout;
}

beforeAll(async () => {
  // A copy, because packing builds `dist` anew, which others may be reading.
  const copy = join(folder, 'copy');
  mkdirSync(copy);
  for (const name of readdirSync(ROOT)) {
    if (/^(node_modules|dist|data|test-results|\.git)$/.test(name)) continue;
    cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const answer = JSON.parse(await npm(copy, 'pack', '--silent', '--json', '--pack-destination', folder)) as readonly {
    readonly filename: string;
    readonly files: readonly { readonly path: string }[];
  }[];
  packed = answer[0]?.files.map(({ path }) => path) ?? [];
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{"name":"somebody","private":true,"type":"module"}\n');
  const tarball = join(folder, answer[0]?.filename ?? '');
  await npm(
    project,
    'install',
    '--prefer-offline',
    '--omit=dev',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    tarball,
  );
}, INSTALL_MS_MAX);

afterAll(async () => {
  await workshop.clean();
  rmSync(folder, { recursive: true, force: true });
});

describe('the package', () => {
  test('holds what is needed to run and to read, and nothing else', () => {
    const tops = new Set(packed.map((path) => path.split('/')[0]));
    const papers = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'SPEC.md', 'package.json'];
    expect(tops).toEqual(new Set([...papers, 'bin', 'dist', 'examples', 'regions']));
    // examples are sources: they are copied out, for Node strips no types below node_modules
    const rest = packed.filter((path) => !path.startsWith('examples/'));
    expect(rest.filter((path) => /\.tsbuildinfo$|(^|\/)(test|src)\/|(?<!\.d)\.ts$/.test(path))).toEqual([]);
    for (const path of [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/cli/main.js',
      'bin/causeway.js',
      'regions/topology.yaml',
    ]) {
      expect(packed).toContain(path);
    }
  });

  test('is installed without what only its makers need', () => {
    const names = readdirSync(join(project, 'node_modules'));
    expect(names).toContain('fastify');
    expect(
      names.filter((name) => ['typescript', 'vitest', 'oxlint', 'redis', 'node', 'fast-check'].includes(name)),
    ).toEqual([]);
    expect(existsSync(join(installed, 'src'))).toBe(false);
  });

  test('is imported by its name, with types that a strict project accepts', async () => {
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as { version: string };
    const script = [
      "const { startServer, parseConfig, CausewayError } = await import('causeway-cache');",
      "const { default: manifest } = await import('causeway-cache/package.json', { with: { type: 'json' } });",
      "const inside = await import('causeway-cache/dist/cli/main.js').catch((error) => error.code);",
      'console.log([typeof startServer, typeof parseConfig, CausewayError.name, manifest.version, inside].join());',
    ].join('\n');
    const client = "console.log(typeof (await import('causeway-cache/client')).connect);";
    expect((await run(process.execPath, ['--input-type=module', '--eval', client], { cwd: project })).stdout).toBe(
      'function\n',
    );
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], { cwd: project });
    expect(stdout).toBe(`function,function,CausewayError,${manifest.version},ERR_PACKAGE_PATH_NOT_EXPORTED\n`);
    const source = [
      "import { startServer, type NodeConfig, type RunningServer, CausewayError } from 'causeway-cache';",
      'export const start = async (config: NodeConfig): Promise<RunningServer> => startServer(config);',
      "export const code: string = new CausewayError('CONFIG', 'x').code;",
      "import { connect, type Client } from 'causeway-cache/client';",
      "export const open = async (): Promise<Client> => connect({ regions: [{ name: 'x', nodes: ['127.0.0.1:1'] }] });",
      'export const value = async (client: Client): Promise<number | null> => client.get<number>("a");',
    ].join('\n');
    writeFileSync(join(project, 'user.ts'), source);
    const wrong = ["import { startServer } from 'causeway-cache';", 'export const wrong = startServer({ region: 7 });'];
    writeFileSync(join(project, 'wrong.ts'), wrong.join('\n'));
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--types',
      '',
      '--ignoreConfig',
    ];
    await run(process.execPath, [TSC, ...options, 'user.ts'], { cwd: project });
    const refused = run(process.execPath, [TSC, ...options, 'wrong.ts'], { cwd: project });
    await expect(refused).rejects.toMatchObject({ stdout: expect.stringMatching(/^wrong\.ts\(2,36\): error TS\d+/) });
  });

  test('has examples that run in the project that they are copied into', async () => {
    cpSync(join(installed, 'examples'), join(project, 'examples'), { recursive: true });
    for (const name of ['trading-desk', 'product-api']) {
      const { stdout } = await run(process.execPath, [join('examples', name, 'main.ts'), '--help'], { cwd: project });
      expect(stdout).toContain(`npm run example:${name}`);
    }
  });

  test('runs a cluster whose regions replicate, for its own client too', async () => {
    await workshop.up(['--wan-scale', '0.1'], {}, join(installed, 'bin', 'causeway.js'));
    const regions = workshop.ready().nodes.map((node) => ({ name: node.id, nodes: [node.resp] }));
    const script = [
      "import { connect } from 'causeway-cache/client';",
      `const regions = ${JSON.stringify(regions)};`,
      'const client = await connect({ regions, deadlineMs: 20_000 });',
      "await client.set('prefs:7', { theme: 'dark' });",
      "console.log((await client.get('prefs:7')).theme);",
      'await client.close();',
    ].join('\n');
    expect((await run(process.execPath, ['--input-type=module', '--eval', script], { cwd: project })).stdout).toBe(
      'dark\n',
    );
    const [first, , third] = workshop.ready().nodes.map((node) => addressOf(node.resp, node.id));
    if (first === undefined || third === undefined) throw new Error('there are not three nodes');
    await withClient(first, async (client) => {
      expect(await client.send('SET', 'greeting', 'hello')).toBe('OK');
      expect(await client.send('WAIT', '2', '20000')).toBe(2);
    });
    await withClient(third, async (client) => expect(await client.send('GET', 'greeting')).toBe('hello'));
  });
});
