/** `node --import ./test/faults/plant.ts test/faults/hunter.ts FIRST COUNT` with CAUSEWAY_FAULT: runs seeds until one finds it. */
import { parseArgs } from 'node:util';
import { runSeeds } from '../sim/campaign.ts';
import type { Found } from './hunt.ts';

const { positionals } = parseArgs({ allowPositionals: true });
const [first = 1, count = 1] = positionals.map(Number);
let found: Found = { seeds: count, seed: null, wrong: '' };
for (let seed = first; seed < first + count; seed++) {
  const wrong = runSeeds(seed, 1).failures[0]?.wrong[0];
  if (wrong === undefined) continue;
  found = { seeds: seed - first + 1, seed, wrong: wrong.split('\n')[0] ?? '' };
  break;
}
process.stdout.write(JSON.stringify(found));
