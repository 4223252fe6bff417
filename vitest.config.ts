import { defineConfig } from 'vitest/config';

if (Number(process.versions.node.split('.')[0]) < 24) {
  throw new Error(`the tests need Node 24, this is ${process.versions.node}: run \`npm test -- test/some.test.ts\``);
}

/**
 * Everything that needs npm alone. Suites that need other programs live in test/outside and have a runner of their own.
 */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/outside/**'],
    pool: 'forks',
    // Cluster tests start processes of their own, so more workers than this only make everything wait for everything.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    // A default import means here what it means when Node runs the sources.
    deps: { interopDefault: false },
    reporters: process.env['VITEST_JSON'] === undefined ? ['default'] : ['default', 'json'],
    ...(process.env['VITEST_JSON'] === undefined ? {} : { outputFile: { json: process.env['VITEST_JSON'] } }),
  },
});
