/**
 * `node --import ./test/faults/plant.ts test/faults/hunter.ts group|cluster FIRST COUNT`: runs until something goes wrong. Writes a line with each
 * seed before it is run, for it may be the last, and then what was found.
 */
import { readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ScenarioGroup } from '../quorum/scenario-group.ts';
import { planOf, Simulation as GroupSimulation } from '../quorum/simulation.ts';
import { scenarioOf } from '../sim/scenario-of-seed.ts';
import { Simulation } from '../sim/simulation.ts';
import { played } from '../support/played-scenario.ts';
import type { Found } from './hunt.ts';

const GROUP_DURATION_MS = 30_000;
const SCHEDULES = join(import.meta.dirname, '../quorum/scenarios');

/** What is wrong with a run of one group by itself; undefined for nothing. */
function groupWrong(seed: number): string | undefined {
  try {
    new GroupSimulation(planOf(seed, GROUP_DURATION_MS)).run();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const clusterWrong = (seed: number): string | undefined => new Simulation(scenarioOf(seed)).run().wrong[0];

/** What a schedule written by hand says that it does not say otherwise; undefined for nothing. */
function scheduleWrong(file: string): string | undefined {
  const text = readFileSync(join(SCHEDULES, file), 'utf8');
  const group = new ScenarioGroup();
  try {
    const lines = played(text, (line) => group.run(line)).split('\n');
    const at = text.split('\n').findIndex((line, place) => line !== lines[place]);
    return at < 0 ? undefined : `line ${at + 1}: ${lines[at] ?? ''}`;
  } catch (error) {
    return messageOf(error);
  }
}

function bySeeds(wrongOf: (seed: number) => string | undefined, first: number, count: number): Found | null {
  for (let seed = first; seed < first + count; seed++) {
    writeSync(process.stdout.fd, `${seed}\n`);
    const wrong = wrongOf(seed);
    if (wrong !== undefined) return { seeds: seed - first + 1, seed, schedule: null, wrong: firstLine(wrong) };
  }
  return null;
}

/** Schedules written by hand, for what chance hardly makes. */
function bySchedules(seeds: number): Found | null {
  for (const schedule of readdirSync(SCHEDULES)) {
    const wrong = scheduleWrong(schedule);
    if (wrong !== undefined) return { seeds, seed: null, schedule, wrong: firstLine(wrong) };
  }
  return null;
}

const firstLine = (text: string): string => text.split('\n')[0] ?? '';

const { positionals } = parseArgs({ allowPositionals: true });
const [place, first, count] = [positionals[0], Number(positionals[1]), Number(positionals[2])];
const isGroup = place === 'group';
const found = bySeeds(isGroup ? groupWrong : clusterWrong, first, count) ?? (isGroup ? bySchedules(count) : null);
writeSync(process.stdout.fd, JSON.stringify(found ?? { seeds: count, seed: null, schedule: null, wrong: '' }));
