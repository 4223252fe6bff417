import { describe, expect, test } from 'vitest';
import { runs } from '../support/fast-check-runs.ts';
import { hunt, placeOf, SEEDS } from './hunt.ts';
import { faultOf } from './planting.ts';

/** Nobody chose it, so that no fault is found by a seed that was looked for; CAUSEWAY_FC_SEED begins where a run before did. */
const FIRST = Number(process.env['CAUSEWAY_FC_SEED'] ?? String(1 + (Date.now() % 1_000_000)));
/** Generous: most take a second or two on a machine that is not busy. */
const LIMIT_MS = runs(600_000);
/** Those of which every run of the tests looks that they are found; all are `npm run faults`. */
const QUICK = [
  'skip-dep',
  'forget-own-deps',
  'claims-believed',
  'stable-by-one-row',
  'stable-before-own',
  'token-forgotten',
  'digest-of-hidden',
  'no-admission',
  'age-before-shown',
  'answer-before-disk',
  'truncate-always',
  'vote-forgotten',
  'commit-what-is-here',
  'read-before-own-commit',
] as const;

describe(`planted faults are found, from seed ${FIRST} on (CAUSEWAY_FC_SEED)`, () => {
  for (const id of QUICK) {
    test(
      `finds ${id}`,
      async () => {
        const fault = faultOf(id);
        const found = await hunt(fault, FIRST, runs(SEEDS[placeOf(fault)]));
        console.log(`${id}: ${found.seeds} seeds from ${FIRST}: ${found.wrong}`);
        expect(found.seed, `${id} is not found by ${found.seeds} seeds from ${FIRST}`).not.toBe(null);
      },
      LIMIT_MS,
    );
  }
});
