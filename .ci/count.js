// Prints "passed failed" from a report: vitest's JSON, or the outside runner's `{ "passed": n, "failed": n }`.
// Exits 1 when there is no report or nothing ran. Plain JavaScript of Node 20, for .ci/run calls it with any Node.
import { readFileSync } from 'node:fs';

try {
  const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
  const passed = report.numPassedTests ?? report.passed;
  // A file that fails to load has no tests to count, so it counts itself.
  const filesWithoutTests = (report.testResults ?? []).filter(
    (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  ).length;
  const failed = (report.numFailedTests ?? report.failed) + filesWithoutTests;
  if (!Number.isSafeInteger(passed) || !Number.isSafeInteger(failed) || passed + failed === 0) {
    throw new Error('nothing was counted');
  }
  console.log(`${passed} ${failed}`);
} catch (error) {
  console.error(`no results in ${process.argv[2]}: ${error.message}`);
  process.exit(1);
}
