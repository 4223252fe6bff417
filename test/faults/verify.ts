import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { REAL, runToEnd } from '../cli/programs.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import type { Fault } from './fault.ts';
import { FAULTS } from './faults.ts';
import { faultOf } from './planting.ts';

const USAGE = `npm run faults:verify [-- ID …] [--minutes 2] [--faults all] [--seed S] [--level LEVEL] [--jobs N]

Starts \`causeway up\` with each fault in its sources and runs \`causeway verify\` on it, which sees what any client sees.
"none" is the sources as they are: there nothing must be found.`;

const STARTS_MAX = 5;
const PLANT = new URL('plant.ts', import.meta.url).href;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '2' },
    faults: { type: 'string', default: 'all' },
    seed: { type: 'string', default: '1' },
    level: { type: 'string' },
    jobs: { type: 'string', default: '1' },
    keep: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

/** On a machine that is busy it may not be up in time. */
async function started(environment: Record<string, string>): Promise<TestCluster> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startCluster({ environment });
    } catch (error) {
      if (attempt === STARTS_MAX) throw error;
    }
  }
}

/** What came of one run, in a line of the table. */
async function row(
  id: string,
  about: Fault | null,
): Promise<{ readonly isAsExpected: boolean; readonly text: string }> {
  const environment: Record<string, string> =
    about === null ? {} : { CAUSEWAY_FAULT: id, NODE_OPTIONS: `--import ${PLANT}` };
  const cluster = await started(environment);
  try {
    const history = join(values.keep ?? cluster.folder, `${id}.jsonl`);
    const level = values.level === undefined ? [] : ['--level', values.level];
    const args = ['--minutes', values.minutes, '--faults', values.faults, '--seed', values.seed, ...level];
    const all = ['verify', '--ready-file', cluster.readyFile, '--history', history, ...args];
    const { code, errors, output } = await runToEnd(REAL, all);
    const broken = [...output.matchAll(/^ {2}BROKEN +([^:]+): (\d+)/gm)].map(
      ([, promise, count]) => `${promise} ${count}`,
    );
    const pattern = /^ {2}([A-Za-z-]+): /m.exec(output.slice(output.search(/^[a-z ]+: broken/m)))?.[1];
    const faults = /without effect: .*\.$/m.exec(output)?.[0] ?? '';
    if (values.keep !== undefined) console.error(output);
    const verdict = code === 1 ? `found: ${broken.join(', ')} (${pattern ?? '?'})` : `not found (exit code ${code})`;
    const text = `| ${id} | ${about?.rule ?? ''} | ${verdict} | ${[faults, errors.trim()].filter((each) => each !== '').join('; ')} |`;
    return { isAsExpected: (code === 1) === (about !== null), text };
  } finally {
    await cluster.stop();
  }
}

if (values.help) console.log(`${USAGE}\n\n${FAULTS.map(({ id }) => id).join(' ')}`);
else {
  const ids = positionals.length === 0 ? ['none', ...FAULTS.map(({ id }) => id)] : positionals;
  const left = ids.map((id) => ({ id, fault: id === 'none' ? null : faultOf(id) }));
  let missed = 0;
  console.log('| fault | rule | verdict | |\n| --- | --- | --- | --- |');
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const { isAsExpected, text } = await row(next.id, next.fault);
      if (!isAsExpected) missed++;
      console.log(text);
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, work));
  console.log(missed === 0 ? 'all as expected' : `${missed} of ${ids.length} not as expected`);
  process.exitCode = missed === 0 ? 0 : 1;
}
