import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { kindOf, Totals } from './campaign.ts';
import { readScenario } from './pinned.ts';
import type { Scenario } from './scenario.ts';
import { scenarioOf } from './scenario-of-seed.ts';
import { shrink } from './shrink.ts';
import { Simulation, type RunResult } from './simulation.ts';

const USAGE = `npm run sim -- --seeds N [--first-seed S] [--jobs N]
npm run sim -- --seed S [--trace] [--shrink [--save FILE]]
npm run sim -- --scenario FILE [--trace] [--shrink [--save FILE]]

Runs whole clusters in virtual time, each by a seed: clients, faults, then peace, then the checks.`;

const PROGRESS_EVERY = 50;

/** What a worker tells of a seed; maps do not go over the pipe. */
interface Told {
  readonly seed: number;
  readonly result: Omit<RunResult, 'errors'>;
  readonly errors: readonly (readonly [string, number])[];
}

/** Ends early where nobody listens any more. */
async function work(first: number, count: number, every: number): Promise<void> {
  for (let seed = first; seed < first + count; seed += every) {
    const { errors, ...result } = new Simulation(scenarioOf(seed)).run();
    const told: Told = { seed, result, errors: [...errors] };
    await setImmediate();
    if (!process.connected) return;
    process.send?.(told);
  }
  process.disconnect();
}

async function campaign(first: number, count: number, jobs: number): Promise<number> {
  const totals = new Totals();
  const done = new Set<number>();
  const runOne = (at: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = fork(import.meta.filename, ['--worker', `${first + at},${count - at},${jobs}`]);
      worker.on('message', ({ seed, result, errors }: Told) => {
        done.add(seed);
        totals.add(seed, { ...result, errors: new Map(errors) });
        if (result.wrong.length > 0) console.log(`seed ${seed}: ${result.wrong.slice(0, 3).join('\n  ')}`);
        if (done.size % PROGRESS_EVERY === 0) console.log(progressOf(done, first, count, totals));
      });
      worker.on('error', reject);
      worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
    });
  await Promise.all(Array.from({ length: Math.min(jobs, count) }, (_unused, at) => runOne(at)));
  for (const line of totals.lines()) console.log(line);
  const failed = totals.failures.map(({ seed }) => seed).toSorted((left, right) => left - right);
  console.log(failed.length === 0 ? 'no violation' : `violations: npm run sim -- --seed ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
}

/** The seed below which all is done: where to go on after a stop. */
function progressOf(done: ReadonlySet<number>, first: number, count: number, totals: Totals): string {
  let next = first;
  while (done.has(next)) next++;
  const hours = (totals.virtualMs / 3_600_000).toFixed(1);
  return `${done.size}/${count}, ${hours} simulated hours, ${totals.failures.length} violations; goes on with --first-seed ${next}`;
}

function show(scenario: Scenario, isTraced: boolean): number {
  const result = new Simulation(scenario, { isTraced }).run();
  for (const line of result.trace) console.log(line);
  const totals = new Totals();
  totals.add(scenario.seed, result);
  for (const line of totals.lines()) console.log(line);
  console.log(`trace ${result.traceHash}`);
  for (const line of result.wrong) console.log(line);
  if (result.wrong.length === 0) console.log('no violation');
  return result.wrong.length === 0 ? 0 : 1;
}

/** Makes a scenario that fails smaller, prints it with what each node saw, and keeps it where that is asked for. */
function showSmaller(scenario: Scenario, file: string | undefined): number {
  const first = new Simulation(scenario).run().wrong[0];
  if (first === undefined) {
    console.log('no violation: nothing to make smaller');
    return 2;
  }
  const kind = kindOf(first);
  let runs = 0;
  const small = shrink(scenario, (smaller) => {
    if (++runs % PROGRESS_EVERY === 0)
      console.error(`${runs} runs: ${smaller.faults.length} faults, ${smaller.actions.length} requests`);
    return new Simulation(smaller).run().wrong.some((wrong) => kindOf(wrong) === kind);
  });
  const text = scenarioText(small);
  console.log(text);
  if (file !== undefined) writeFileSync(file, text);
  return show(small, true);
}

/** One fault or request a line. */
function scenarioText({ seed, options, actions, faults }: Scenario): string {
  const rows = (list: readonly unknown[]): string => list.map((each) => `\n    ${JSON.stringify(each)}`).join(',');
  return `{
  "seed": ${seed},
  "options": ${JSON.stringify(options)},
  "faults": [${rows(faults)}
  ],
  "actions": [${rows(actions)}
  ]
}
`;
}

function showOne(
  scenario: Scenario,
  { trace, shrink: isShrunk, save }: { readonly trace: boolean; readonly shrink: boolean; readonly save?: string },
): number {
  return isShrunk ? showSmaller(scenario, save) : show(scenario, trace);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      'first-seed': { type: 'string', default: '1' },
      jobs: { type: 'string', default: '2' },
      seed: { type: 'string' },
      scenario: { type: 'string' },
      trace: { type: 'boolean', default: false },
      shrink: { type: 'boolean', default: false },
      save: { type: 'string' },
      worker: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.worker !== undefined) {
    const [first = 0, count = 0, every = 1] = values.worker.split(',').map(Number);
    await work(first, count, every);
    return 0;
  }
  if (values.scenario !== undefined) return showOne(readScenario(values.scenario), values);
  const asked = [values.seeds ?? values.seed, values['first-seed'], values.jobs].map(Number);
  const [number = 0, first = 0, jobs = 0] = asked;
  if (values.help || !asked.every((each) => Number.isSafeInteger(each) && each > 0)) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  if (values.seeds === undefined) return showOne(scenarioOf(number), values);
  return campaign(first, number, jobs);
}

process.exitCode = await main();
