import { SeededRandom } from '../support/seeded-random.ts';

/**
 * A generator of its own for each purpose of a seed (`'delay', 'us-east-1/a>eu-west-1/a'`): what one of them draws, or that it is not there any
 * more, changes nothing for the others. So a scenario can lose a part and the rest stays as it was.
 */
export function streamOf(seed: number, ...names: readonly (string | number)[]): SeededRandom {
  let hash = 0x811c9dc5;
  for (const char of `${seed} ${names.join(' ')}`) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return new SeededRandom((hash ^ (hash >>> 13)) >>> 0);
}
