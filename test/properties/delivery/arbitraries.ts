import fc from 'fast-check';
import type { Network, Step } from './random-run.ts';

const KIB = 1024;

/** Networks small and strange enough that every way of the protocol is taken. */
export const network: fc.Arbitrary<Network> = fc.record({
  seed: fc.integer(),
  regions: fc.constantFrom(2, 3, 3, 3, 4, 5),
  nodesPerRegion: fc.constantFrom(1, 1, 1, 2, 3),
  delayMs: fc.constantFrom([1, 2] as const, [5, 40] as const, [1, 200] as const),
  slowMs: fc.constantFrom(0, 300, 5_000),
  diskMs: fc.constantFrom(1, 5, 60),
  limits: fc.record({
    logBytesMax: fc.constantFrom(300, 3 * KIB, 1024 * KIB),
    holdBackBytesMax: fc.constantFrom(200, 2 * KIB, 1024 * KIB),
    windowBytes: fc.constantFrom(200, 4 * KIB, 1024 * KIB),
    chunkBytesMax: fc.constantFrom(40, 4 * KIB),
    snapshotEntriesPerFrame: fc.constantFrom(1, 5, 512),
    startGraceMs: fc.constant(1_000),
    silentMsMax: fc.constantFrom(3_000, 15_000),
  }),
});

const kind: fc.Arbitrary<Step['kind']> = fc.oneof(
  { weight: 14, arbitrary: fc.constant('write' as const) },
  { weight: 4, arbitrary: fc.constant('burst' as const) },
  { weight: 8, arbitrary: fc.constant('run' as const) },
  { weight: 2, arbitrary: fc.constant('cut' as const) },
  { weight: 1, arbitrary: fc.constant('cutNodes' as const) },
  { weight: 2, arbitrary: fc.constant('heal' as const) },
  { weight: 1, arbitrary: fc.constant('reset' as const) },
  { weight: 1, arbitrary: fc.constant('reopen' as const) },
  { weight: 2, arbitrary: fc.constant('kill' as const) },
  { weight: 2, arbitrary: fc.constant('restart' as const) },
  { weight: 1, arbitrary: fc.constant('restartEmpty' as const) },
  { weight: 2, arbitrary: fc.constant('backup' as const) },
  { weight: 2, arbitrary: fc.constant('restartBackup' as const) },
  { weight: 1, arbitrary: fc.constant('clock' as const) },
  { weight: 1, arbitrary: fc.constant('pause' as const) },
  { weight: 1, arbitrary: fc.constant('resume' as const) },
  { weight: 1, arbitrary: fc.constant('slow' as const) },
);

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({ kind, node: fc.nat(14), other: fc.nat(14), value: fc.nat(100_000) }),
  { minLength: 10, maxLength: 90, size: 'max' },
);
