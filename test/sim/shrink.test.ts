import { expect, it } from 'vitest';
import { scenarioOf } from './scenario-of-seed.ts';
import type { Scenario } from './scenario.ts';
import { shrink } from './shrink.ts';
import { Simulation } from './simulation.ts';

/** Seed 4 has several clients and faults. */
const SEED = 4;

it('leaves what a failure needs, and nothing else', () => {
  const scenario = scenarioOf(SEED);
  const [first, , third] = scenario.faults.map(({ id }) => id);
  const wanted = [scenario.actions[7], scenario.actions[90]].map((action) => action?.id);
  const has = ({ actions, faults }: Scenario): boolean =>
    [first, third].every((id) => faults.some((fault) => fault.id === id)) &&
    wanted.every((id) => actions.some((action) => action.id === id));
  const small = shrink(scenario, has);
  expect(small.faults.map(({ id }) => id)).toEqual([first, third]);
  expect(small.actions.map(({ id }) => id)).toEqual(wanted);
  expect(small.options).toMatchObject({ nodesPerRegion: 1, jitter: 0 });
  const lastMs = Math.max(...[...small.actions, ...small.faults].map(({ atMs }) => atMs));
  expect(small.options.durationMs).toBe(Math.ceil(lastMs) + 500);
  expect(small.faults.every(({ forMs }) => forMs <= 10)).toBe(true);
});

it('what is left of a scenario is one: it runs, and alike each time', () => {
  const { faults, actions, ...rest } = scenarioOf(SEED);
  const part = { ...rest, faults: faults.slice(0, 2), actions: actions.slice(20, 40) };
  const [one, other] = [new Simulation(part).run(), new Simulation(part).run()];
  expect(one.wrong).toEqual([]);
  expect(other.traceHash).toBe(one.traceHash);
});
