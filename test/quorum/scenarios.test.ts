import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ScenarioGroup } from './scenario-group.ts';

const FOLDER = join(import.meta.dirname, 'scenarios');

/**
 * Runs a scenario: lines that begin with `>` are commands, what follows one is what it said; comments (`#`) and empty lines
 * stay as they are. Returns the file as it should read.
 */
function played(text: string): string {
  const group = new ScenarioGroup();
  const lines: string[] = [];
  for (const line of text.trimEnd().split('\n')) {
    if (line.startsWith('>')) lines.push(line, ...group.run(line.slice(1).trim()));
    else if (line === '' || line.startsWith('#')) lines.push(line);
  }
  return `${lines.join('\n')}\n`;
}

describe('scenarios of a group', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));

  it('are there', () => {
    expect(files.length).toBeGreaterThanOrEqual(25);
  });

  it.each(files)('%s', (name) => {
    const path = join(FOLDER, name);
    const text = readFileSync(path, 'utf8');
    const now = played(text);
    // UPDATE_SCENARIOS=1 writes down what is said now, to be read in review
    if (process.env['UPDATE_SCENARIOS'] === '1') writeFileSync(path, now);
    else expect(now).toBe(text);
  });
});
