import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scenario } from './scenario.ts';

const FOLDER = join(import.meta.dirname, 'pinned');

/** A scenario as `--save` wrote it. */
export function readScenario(file: string): Scenario {
  return JSON.parse(readFileSync(file, 'utf8')) as Scenario;
}

/** Scenarios that went wrong once, by the names of their files. */
export function pinnedScenarios(): (readonly [name: string, scenario: Scenario])[] {
  return readdirSync(FOLDER)
    .toSorted()
    .map((name) => [name.replace(/\.json$/, ''), readScenario(join(FOLDER, name))] as const);
}
