import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scenario } from './scenario.ts';

const FOLDER = join(import.meta.dirname, 'pinned');

/** A scenario as `--save` wrote it. */
export function readScenario(file: string): Scenario {
  const scenario = JSON.parse(readFileSync(file, 'utf8')) as Scenario;
  // some were kept before clocks were apart
  return { ...scenario, options: { ...scenario.options, clockSpreadMs: scenario.options.clockSpreadMs ?? 0 } };
}

/** Scenarios that went wrong once, by the names of their files. */
export function pinnedScenarios(): (readonly [name: string, scenario: Scenario])[] {
  return readdirSync(FOLDER)
    .toSorted()
    .map((name) => [name.replace(/\.json$/, ''), readScenario(join(FOLDER, name))] as const);
}
