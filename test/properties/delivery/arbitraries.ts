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
    joinedBytesMax: fc.constantFrom(200, 64 * KIB),
    sentPerTurnBytes: fc.constantFrom(100, 4 * KIB, 1024 * KIB),
    storedPerTurn: fc.constantFrom(1, 5, 1_000),
    appliedPerTurn: fc.constantFrom(2, 100, 4_000),
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

const step = (what: Step['kind'], node: number, other = 0, value = 0): Step => ({ kind: what, node, other, value });

/**
 * A node lives some lives alone, each knowing what the one before left on the disk; then others hear of the last one for a moment, and it ends,
 * mostly with its disk. So effects are left, some of them held back, whose causes nobody has.
 */
const lonelyLives = (nodes: number): fc.Arbitrary<Step[]> =>
  fc
    .record({
      node: fc.nat(nodes - 1),
      lives: fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 130 })), {
        minLength: 1,
        maxLength: 3,
      }),
      meets: fc.array(fc.nat(nodes - 2), { minLength: 1, maxLength: 2 }),
      metMs: fc.nat(260),
      keepsDisk: fc.boolean(),
      /** Another node ends as well, or not. */
      another: fc.nat(nodes * 2),
      restMs: fc.nat(399),
      rests: fc.nat(6),
    })
    .map(({ node, lives, meets, metMs, keepsDisk, another, restMs, rests }) => {
      const others = Array.from({ length: nodes - 1 }, (_unused, at) => (node + 1 + at) % nodes);
      return [
        ...others.map((other) => step('cutNodes', node, other)),
        ...lives.flatMap(([writes, ms]) => [
          ...Array.from({ length: writes }, (_unused, at) => step('write', node, 0, at * 7 + ms)),
          step('run', node, 0, ms),
          step('kill', node),
          step('restart', node),
          ...Array.from({ length: 3 }, () => step('run', node, 0, 399)),
        ]),
        step('write', node, 0, metMs),
        ...meets.map((at) => step('heal', node, others[at] ?? 0)),
        step('run', node, 0, metMs),
        step(keepsDisk ? 'kill' : 'restartEmpty', node),
        ...(another < nodes ? [step('kill', another), step('restart', another)] : []),
        step('restart', node),
        ...others.map((other) => step('heal', node, other)),
        ...Array.from({ length: rests }, () => step('run', node, 0, restMs)),
      ];
    });

/** Nodes that end one after the other with what only they had. */
export const losingSteps: fc.Arbitrary<Step[]> = fc
  .array(lonelyLives(3), { minLength: 1, maxLength: 4 })
  .map((rounds) => rounds.flat());
