import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scenarioOf } from './scenario-of-seed.ts';
import { Simulation } from './simulation.ts';

const SEEDS = [2, 12];

it.each(SEEDS)('seed %i gives the same bytes each time, here and in another process', (seed) => {
  const hashOf = (): string => new Simulation(scenarioOf(seed)).run().traceHash;
  const [one, other] = [hashOf(), hashOf()];
  expect(other).toBe(one);
  const printed = execFileSync(process.execPath, [join(import.meta.dirname, 'main.ts'), '--seed', String(seed)]);
  expect(printed.toString()).toContain(`trace ${one}`);
});

it('another seed is another run', () => {
  const [one, other] = SEEDS.map((seed) => new Simulation(scenarioOf(seed)).run().traceHash);
  expect(other).not.toBe(one);
});
