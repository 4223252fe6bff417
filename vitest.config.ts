import { defineConfig } from 'vitest/config';

if (Number(process.versions.node.split('.')[0]) < 24) {
  throw new Error(`the tests need Node 24, this is ${process.versions.node}: run \`npm test -- test/some.test.ts\``);
}

const report = process.env['VITEST_JSON'];

/** What measures, or has clients whose deadlines count while everything fails: alone. */
const TIMED = ['test/bench/**/*.test.ts', 'test/cluster/strong*.test.ts', 'test/cluster/verify.test.ts'];
/** Folders whose tests start clusters of real processes. */
const CLUSTERS = ['cluster', 'cli', 'clients', 'examples'].map((folder) => `test/${folder}/**/*.test.ts`);

const ofProcesses = { testTimeout: 240_000, hookTimeout: 120_000 };

const common = {
  pool: 'forks' as const,
  setupFiles: ['test/support/fast-check-setup.ts'],
  testTimeout: 60_000,
  hookTimeout: 60_000,
  teardownTimeout: 20_000,
  // Its own second is short on a machine that does other things as well.
  expect: { poll: { timeout: 30_000 } },
  // A default import means here what it means when Node runs the sources.
  deps: { interopDefault: false },
};

/**
 * Everything that needs npm alone. Suites that need other programs live in test/outside and have a runner of their own.
 */
export default defineConfig({
  test: {
    reporters: report === undefined ? ['default'] : ['default', 'json'],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
    projects: [
      {
        test: {
          ...common,
          name: 'inside',
          include: ['test/**/*.test.ts'],
          exclude: ['test/outside/**', ...CLUSTERS, ...TIMED],
          // one more than cores: a node without a disk begins with the next second, which many of them wait for
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // After the others: a cluster is several processes already. Two at a time, as they wait for most of theirs.
        test: {
          ...common,
          ...ofProcesses,
          name: 'clusters',
          include: CLUSTERS,
          exclude: TIMED,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...common,
          ...ofProcesses,
          name: 'timed',
          include: TIMED,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
