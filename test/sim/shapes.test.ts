import { describe, expect, it } from 'vitest';
import { runs } from '../support/fast-check-runs.ts';
import { scenarioOf } from './scenario-of-seed.ts';
import type { Action, Scenario } from './scenario.ts';
import { Simulation } from './simulation.ts';

const FIRST = Number(process.env['CAUSEWAY_FC_SEED'] ?? '1');
const LARGE_BYTES = 64 * 1024 * 1024;
const LIMIT_MS = runs(600_000);
const seeds = (usual: number): number[] => Array.from({ length: runs(usual) }, (_unused, at) => FIRST + at);

/** Clients beside the others, who write and read large values. */
function withFreight({ options, actions, ...rest }: Scenario): Scenario {
  const durationMs = 5_000;
  const freight: Action[] = [];
  for (let client = 0; client < 12; client++)
    for (let atMs = 0; atMs < durationMs; atMs += 200) {
      const id = 100_000 + freight.length;
      const work = (id * 7 + client) % 2 === 0 ? 'freight-write' : 'freight-read';
      freight.push({ id, client: options.clients + client, atMs, work, choice: id + client * 5 });
    }
  return {
    ...rest,
    // a line as narrow as that takes minutes for what lies on it
    faults: rest.faults.filter(({ kind }) => kind !== 'narrow-link'),
    actions: [...actions, ...freight],
    options: {
      ...options,
      clients: options.clients + 12,
      durationMs,
      // one value is more than what seeds allow logs and hold-back
      logBytesMax: LARGE_BYTES,
      holdBackBytesMax: LARGE_BYTES,
      bytesPerMs: 3_000,
      nodesPerRegion: 1,
      survive: 'region',
    },
  };
}

describe('runs of one shape', () => {
  it('in peace all is answered, and nothing is refused', () => {
    const { faults: _none, ...scenario } = scenarioOf(FIRST);
    const result = new Simulation({
      ...scenario,
      options: { ...scenario.options, clockSpreadMs: 0 },
      faults: [],
    }).run();
    expect(result.wrong).toEqual([]);
    expect(result.counts['operations']).toBeGreaterThan(50);
    expect(result.counts['retries']).toBe(0);
    const refusals = [...result.errors.keys()].filter((code) => !['ERR', 'WRONGTYPE', 'EXECABORT'].includes(code));
    expect(refusals).toEqual([]);
  });

  it.each(seeds(1))(
    'beside large values on lines that they fill, seed %i',
    (seed) => {
      const { wrong, freight } = new Simulation(withFreight(scenarioOf(seed))).run();
      expect(wrong).toEqual([]);
      expect(freight.answers).toBeGreaterThan(20);
      expect(freight.controlCuts).toBe(0);
    },
    LIMIT_MS,
  );

  it.each(seeds(1))(
    'with three nodes a region, whose groups survive a zone, seed %i',
    (seed) => {
      const scenario = scenarioOf(seed);
      const options = { ...scenario.options, regions: 3, nodesPerRegion: 3, survive: 'zone' } as const;
      expect(new Simulation({ ...scenario, options }).run().wrong).toEqual([]);
    },
    LIMIT_MS,
  );
});
