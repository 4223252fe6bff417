import { expect, it } from 'vitest';
import { pinnedScenarios } from './pinned.ts';
import { Simulation } from './simulation.ts';

it.each(pinnedScenarios())('what went wrong once does so no more: %s', (_name, scenario) => {
  expect(new Simulation(scenario).run().wrong).toEqual([]);
});
