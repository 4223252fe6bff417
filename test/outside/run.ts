import { writeFileSync } from 'node:fs';
import { run as runCompose } from './compose.ts';
import { run as runDifferential } from './differential.ts';
import { run as runNext } from './next.ts';
import { run as runRedisSuite } from './redis-suite.ts';
import { run as runRedisTools } from './redis-tools.ts';
import { run as runRegionalRedis } from './regional-redis.ts';
import type { SuiteResult } from './suite-result.ts';

/**
 * `npm run test:outside [-- SUITE …]`: what needs programs that npm does not bring. A program that is absent fails the
 * run when CI is true; elsewhere its suite is named in the last lines. OUTSIDE_JSON names a file for the counts.
 */
const SUITES: ReadonlyMap<string, () => Promise<SuiteResult>> = new Map([
  ['redis-suite', runRedisSuite],
  ['differential', runDifferential],
  ['redis-tools', runRedisTools],
  ['regional-redis', runRegionalRedis],
  ['next', runNext],
  ['compose', runCompose],
]);

interface Finished extends SuiteResult {
  readonly seconds: number;
}

const isContinuousIntegration = process.env['CI'] === 'true';
const names = process.argv.length > 2 ? process.argv.slice(2) : [...SUITES.keys()];
const unknown = names.filter((name) => !SUITES.has(name));
if (unknown.length > 0) {
  process.stderr.write(`no suite ${unknown.join(', ')}; there is ${[...SUITES.keys()].join(', ')}\n`);
  process.exit(2);
}
const results: Finished[] = [];
for (const name of names) results.push(await runSuite(name));
report(results);

async function runSuite(name: string): Promise<Finished> {
  const suite = SUITES.get(name);
  if (suite === undefined) throw new Error(`no suite ${name}`);
  say(`\n=== ${name}`);
  const start = performance.now();
  const result = await suite().catch((error: unknown): SuiteResult => {
    const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { name, passed: 0, failed: 1, notes: [`${name}: ${problem}`], absent: null };
  });
  for (const note of result.notes) say(note);
  const seconds = Math.round((performance.now() - start) / 1000);
  say(`--- ${name}: ${result.passed} passed, ${failuresOf(result)} failed, ${seconds} s`);
  return { ...result, seconds };
}

/** A suite that nobody could run is a failure where everything is said to be there. */
function failuresOf(result: SuiteResult): number {
  return result.absent !== null && isContinuousIntegration ? result.failed + 1 : result.failed;
}

function report(finished: readonly Finished[]): void {
  say('\n=== summary');
  say(`${'suite'.padEnd(14)}${'passed'.padStart(8)}${'failed'.padStart(8)}${'secs'.padStart(8)}`);
  for (const result of finished) {
    const figures = [result.passed, failuresOf(result), result.seconds].map((figure) => String(figure).padStart(8));
    say(`${result.name.padEnd(14)}${figures.join('')}${result.absent === null ? '' : `  no ${result.absent}`}`);
  }
  const notes = finished.flatMap((result) => result.notes);
  for (const note of notes) say(note);
  const passed = sum(finished.map((result) => result.passed));
  const failed = sum(finished.map(failuresOf));
  const skipped = isContinuousIntegration ? 0 : finished.filter((result) => result.absent !== null).length;
  const file = process.env['OUTSIDE_JSON'];
  if (file !== undefined) writeFileSync(file, `${JSON.stringify({ passed, failed, skipped, suites: finished })}\n`);
  if (skipped > 0) say(`${skipped} of ${finished.length} suites not run for want of a program`);
  say(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function sum(figures: readonly number[]): number {
  return figures.reduce((total, figure) => total + figure, 0);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
