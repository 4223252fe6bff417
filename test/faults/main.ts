import { parseArgs } from 'node:util';
import { FAULTS } from './faults.ts';
import { huntAll, placeOf } from './hunt.ts';
import { faultOf } from './planting.ts';

const USAGE = `npm run faults [-- ID …] [--first-seed S] [--seeds N] [--jobs N]

Puts each fault into the sources by itself and runs the simulator's seeds until a check finds it: without --seeds as many as each is to be
found within.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'first-seed': { type: 'string', default: '1' },
    seeds: { type: 'string' },
    jobs: { type: 'string', default: '2' },
    help: { type: 'boolean', default: false },
  },
});
const asked = [values['first-seed'], values.jobs, values.seeds ?? 1].map(Number);
const [first = 0, jobs = 0, seeds = 0] = asked;
if (values.help || !asked.every((each) => Number.isSafeInteger(each) && each > 0)) {
  console.log(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  const faults = positionals.length === 0 ? FAULTS : positionals.map(faultOf);
  let missed = 0;
  console.log('| fault | rule | in | seeds | found as |\n| --- | --- | --- | --- | --- |');
  await huntAll(faults, first, values.seeds === undefined ? null : seeds, jobs, (fault, found) => {
    const { id, rule } = fault;
    if (found.seed === null && found.schedule === null) missed++;
    const after = found.seed === null ? `not in ${found.seeds}` : String(found.seeds);
    const by = found.schedule === null ? after : `${after}, but in ${found.schedule}`;
    console.log(`| ${id} | ${rule} | ${placeOf(fault)} | ${by} | ${found.wrong.slice(0, 120).replaceAll('|', '/')} |`);
  });
  console.log(missed === 0 ? `all ${faults.length} found` : `${missed} of ${faults.length} not found`);
  process.exitCode = missed === 0 ? 0 : 1;
}
