import { causalWorks } from './causal-works.ts';
import { freightWorks } from './freight-works.ts';
import { invalidationWorks } from './invalidation-works.ts';
import { looseWorks } from './loose-works.ts';
import { otherWorks } from './other-works.ts';
import { patientWorks } from './patient-works.ts';
import { raceWorks } from './race-works.ts';
import { sourceWorks } from './source-works.ts';
import { strongWorks } from './strong-works.ts';
import type { Work } from './work.ts';

/** All that clients do, by name. */
export const WORKS: Readonly<Record<string, Work>> = {
  ...causalWorks,
  ...strongWorks,
  ...looseWorks,
  ...raceWorks,
  ...patientWorks,
  ...otherWorks,
  ...freightWorks,
  ...sourceWorks,
  ...invalidationWorks,
};
