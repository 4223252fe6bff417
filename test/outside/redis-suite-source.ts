import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { execute } from './execute.ts';

export const SUITE_VERSION = '7.0.15';
const DEBIAN_SOURCES = '/etc/apt/sources.list.d/debian.sources';
const FETCH_DEADLINE_MS = 300_000;

/**
 * The folder with Redis's own `runtest` and `tests/`: what REDIS_SUITE names, ~/redis-7.0.15, or a copy from Debian's
 * source package, kept in the user's cache folder. It is never part of this project. Null when none can be had. Throws
 * when REDIS_SUITE names something else.
 */
export async function findRedisSuite(): Promise<string | null> {
  const named = process.env['REDIS_SUITE'];
  if (named !== undefined && named !== '') {
    if (!isSuite(named)) throw new Error(`REDIS_SUITE: ${named} holds no test suite of Redis ${SUITE_VERSION}`);
    return named;
  }
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const cached = join(cache, 'causeway', `redis-${SUITE_VERSION}`);
  const there = [join(homedir(), `redis-${SUITE_VERSION}`), cached].find(isSuite);
  return there ?? (await fetchFromDebian(cached));
}

function isSuite(folder: string): boolean {
  const version = join(folder, 'src', 'version.h');
  return (
    existsSync(join(folder, 'runtest')) &&
    existsSync(version) &&
    readFileSync(version, 'utf8').includes(`"${SUITE_VERSION}"`)
  );
}

/** Downloads the source package with lists of its own, so that the system's configuration stays as it is. */
async function fetchFromDebian(folder: string): Promise<string | null> {
  if (!existsSync(DEBIAN_SOURCES)) return null;
  const work = mkdtempSync(join(tmpdir(), 'causeway-redis-source-'));
  try {
    const lists = join(work, 'lists');
    mkdirSync(join(lists, 'partial'), { recursive: true });
    const sources = join(work, 'source.sources');
    writeFileSync(sources, readFileSync(DEBIAN_SOURCES, 'utf8').replaceAll(/^Types:.*$/gm, 'Types: deb-src'));
    const options = [
      `Dir::Etc::sourcelist=${sources}`,
      'Dir::Etc::sourceparts=/dev/null',
      `Dir::State::Lists=${lists}`,
    ];
    const apt = async (...args: string[]): Promise<boolean> => {
      const flags = options.flatMap((option) => ['-o', option]);
      return succeeds(work, 'apt-get', ...flags, '-qq', ...args);
    };
    if (!(await apt('update')) || !(await apt('source', '--download-only', 'redis'))) return null;
    const archive = readdirSync(work).find((name) => name === `redis_${SUITE_VERSION}.orig.tar.gz`);
    if (archive === undefined) return null;
    const unpacked = join(work, 'suite');
    mkdirSync(unpacked);
    if (!(await succeeds(work, 'tar', 'xzf', archive, '-C', unpacked, '--strip-components=1'))) return null;
    // Unpacked elsewhere first, so that an interrupted run leaves no half of a suite.
    mkdirSync(join(folder, '..'), { recursive: true });
    rmSync(folder, { recursive: true, force: true });
    await succeeds(work, 'cp', '-r', unpacked, `${folder}.new`);
    renameSync(`${folder}.new`, folder);
    return folder;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function succeeds(cwd: string, file: string, ...args: readonly string[]): Promise<boolean> {
  try {
    return (await execute(file, args, { cwd, deadlineMs: FETCH_DEADLINE_MS })).code === 0;
  } catch {
    return false;
  }
}
