import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SingleNode } from '../clients/single-node.ts';
import { RespConnection } from '../conformance/resp-connection.ts';
import { execute, findProgram } from './execute.ts';
import { readKnownTests, type KnownTest } from './redis-suite-known.ts';
import { parseUnitLog, type UnitLog } from './redis-suite-log.ts';
import { findRedisSuite, SUITE_VERSION } from './redis-suite-source.ts';
import { absentTool, type SuiteResult } from './suite-result.ts';

/** In this order: protocol wants a server whose settings nobody has touched. */
const UNITS = [
  'protocol',
  'keyspace',
  'scan',
  'type/string',
  'type/incr',
  'type/set',
  'type/hash',
  'expire',
  'multi',
  'pubsub',
  'quit',
] as const;
/** Run as well, beside the units that the bar below is for. */
const MORE_UNITS = ['info-command', 'pause', 'slowlog', 'tracking'] as const;

/** How many of UNITS have to pass, whatever redis-suite-known.txt says. */
const PASSED_MIN = 400;
const UNIT_DEADLINE_MS = 240_000;
/** Tests of other servers, of encodings and digests that are Redis's own, and of its memory limit. */
const PROFILE = [
  ...['--durable', '--no-latency', '--singledb', '--ignore-encoding', '--ignore-digest'],
  ...['--tags', '-slow -needs:repl -needs:debug -needs:pfdebug -needs:save -needs:latency -needs:config-maxmemory'],
];

interface Target {
  readonly host: string;
  readonly port: number;
}

/** Runs Redis's own test suite, units of what is offered here, against one fresh node. */
export async function run(): Promise<SuiteResult> {
  if (findProgram('tclsh') === null) return absentTool('redis-suite', 'tclsh');
  const suite = await findRedisSuite();
  if (suite === null)
    return absentTool('redis-suite', `test suite of Redis ${SUITE_VERSION} (REDIS_SUITE names its folder)`);
  const node = await SingleNode.start();
  try {
    return await runAll(suite, node);
  } finally {
    await node.stop();
  }
}

interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly notes: readonly string[];
}

async function runAll(suite: string, target: Target): Promise<SuiteResult> {
  const known = readKnownTests();
  const notes = await staleSkips(target, known);
  const main = await runUnits(suite, target, UNITS, known);
  const more = await runUnits(suite, target, MORE_UNITS, known);
  const isBelowTheBar = main.passed < PASSED_MIN;
  if (isBelowTheBar) notes.push(`redis-suite: only ${main.passed} tests pass, at least ${PASSED_MIN} have to`);
  return {
    name: 'redis-suite',
    passed: main.passed + more.passed,
    failed: main.failed + more.failed + (isBelowTheBar ? 1 : 0),
    notes: [...notes, ...main.notes, ...more.notes],
    absent: null,
  };
}

async function runUnits(
  suite: string,
  target: Target,
  units: readonly string[],
  known: readonly KnownTest[],
): Promise<Totals> {
  const notes: string[] = [];
  const totals = { passed: 0, failed: 0, errors: 0, skipped: 0, ignored: 0 };
  say(`${'unit'.padEnd(14)}${['ok', 'err', 'skip', 'ignored', 'secs'].map(column).join('')}  end`);
  for (const unit of units) {
    const start = performance.now();
    const log = await runUnit(suite, target, unit, known);
    const seconds = Math.round((performance.now() - start) / 1000);
    const figures = [log.passed.length, log.failed.length, log.skipped.length, log.ignored, seconds];
    say(`${unit.padEnd(14)}${figures.map(column).join('')}  ${log.ended ?? 'done'}`);
    const problems = judge(unit, log, known);
    notes.push(...problems.notes);
    totals.passed += log.passed.length;
    totals.failed += problems.failures;
    totals.errors += log.failed.length;
    totals.skipped += log.skipped.length;
    totals.ignored += log.ignored;
  }
  const figures = [totals.passed, totals.errors, totals.skipped, totals.ignored];
  say(`${'total'.padEnd(14)}${figures.map(column).join('')}\n`);
  return { passed: totals.passed, failed: totals.failed, notes };
}

async function runUnit(suite: string, target: Target, unit: string, known: readonly KnownTest[]): Promise<UnitLog> {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-redis-suite-'));
  try {
    const skipFile = join(folder, 'skip.txt');
    const skips = known.filter((test) => test.kind === 'skip' && test.unit === unit);
    writeFileSync(skipFile, skips.map((test) => `${test.test}\n`).join(''));
    mkdirSync(join(suite, 'tests', 'tmp'), { recursive: true });
    const where = ['--host', target.host, '--port', String(target.port), '--baseport', String(basePort())];
    const args = [...where, ...PROFILE, '--skipfile', skipFile, '--single', `unit/${unit}`];
    const environment = { ...process.env, LC_ALL: 'C.UTF-8' };
    const end = await execute('./runtest', args, { cwd: suite, deadlineMs: UNIT_DEADLINE_MS, environment });
    const log = parseUnitLog(end.stdout);
    if (process.env['REDIS_SUITE_LOG'] !== undefined) say(end.stdout + end.stderr);
    return end.timedOut ? { ...log, ended: `killed after ${UNIT_DEADLINE_MS / 1000} s` } : log;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The suite looks for a free port from here on; this keeps two runs on one machine apart. */
function basePort(): number {
  return 22_000 + (process.pid % 200) * 40;
}

/** What is not as redis-suite-known.txt says. */
function judge(unit: string, log: UnitLog, known: readonly KnownTest[]): { failures: number; notes: string[] } {
  const expected = known.filter((test) => test.unit === unit);
  const expectedFailures = new Set(expected.filter((test) => test.kind === 'fail').map((test) => test.test));
  const unexpected = log.failed.filter((test) => !expectedFailures.has(test.test));
  const notes = unexpected.map(({ test, problem }) => `redis-suite: ${unit}: ${test}: ${problem.slice(0, 400)}`);
  if (log.ended !== null) notes.push(`redis-suite: ${unit} did not run to its end: ${log.ended.slice(0, 400)}`);
  const failedTests = new Set(log.failed.map((test) => test.test));
  const seen = new Set([...log.passed, ...failedTests, ...log.skipped]);
  for (const { kind, test } of expected) {
    if (kind === 'fail' && seen.has(test) && !failedTests.has(test)) {
      notes.push(`redis-suite: ${unit}: ${test}: passes now, redis-suite-known.txt still lists it`);
    } else if (log.ended === null && !seen.has(test)) {
      notes.push(`redis-suite: ${unit}: ${test}: listed in redis-suite-known.txt, and there is no such test`);
    }
  }
  return { failures: unexpected.length + (log.ended === null ? 0 : 1), notes };
}

/** Tests that are skipped although all the commands they were said to need are offered by now. */
async function staleSkips(target: Target, known: readonly KnownTest[]): Promise<string[]> {
  const connection = await RespConnection.open(target.port);
  const offered = new Map<string, boolean>();
  for (const name of new Set(known.flatMap((test) => test.needs))) {
    const reply = await connection.request('COMMAND', 'INFO', name);
    offered.set(name, 'items' in reply && reply.items.some((item) => 'items' in item));
  }
  connection.close();
  return known
    .filter((test) => test.needs.length > 0 && test.needs.every((name) => offered.get(name) === true))
    .map(
      (test) => `redis-suite: ${test.unit}: ${test.test}: skipped for want of ${test.needs.join(', ')}: offered by now`,
    );
}

function column(value: string | number): string {
  return String(value).padStart(8);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** By hand: `node test/outside/redis-suite.ts [--port N] [unit …]`, with N of any server; its settings are left changed. */
if (import.meta.main) {
  const { values, positionals } = parseArgs({ options: { port: { type: 'string' } }, allowPositionals: true });
  const suite = await findRedisSuite();
  if (suite === null) throw new Error(`there is no test suite of Redis ${SUITE_VERSION}`);
  const node = values.port === undefined ? await SingleNode.start() : null;
  const target = node ?? { host: '127.0.0.1', port: Number(values.port) };
  try {
    const { passed, failed, notes } =
      positionals.length > 0
        ? await runUnits(suite, target, positionals, readKnownTests())
        : await runAll(suite, target);
    for (const note of notes) say(note);
    say(`${passed} passed, ${failed} failed`);
    process.exitCode = failed === 0 ? 0 : 1;
  } finally {
    await node?.stop();
  }
}
