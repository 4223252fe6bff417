import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { played, type RunCommand } from './played-scenario.ts';

/** A test for each scenario file of a folder, which has at least `countMin` of them; each file begins with a new `start()`. */
export function testScenarios(folder: string, countMin: number, start: () => RunCommand): void {
  const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));

  it('are there', () => {
    expect(files.length).toBeGreaterThanOrEqual(countMin);
  });

  it.each(files)('%s', (name) => {
    const path = join(folder, name);
    const text = readFileSync(path, 'utf8');
    const now = played(text, start());
    // UPDATE_SCENARIOS=1 writes down what is said now, to be read in review
    if (process.env['UPDATE_SCENARIOS'] === '1') writeFileSync(path, now);
    else expect(now).toBe(text);
  });
}
