import { join } from 'node:path';
import { describe } from 'vitest';
import { testScenarios } from '../support/scenario-files.ts';
import { ScenarioGroup } from './scenario-group.ts';

describe('scenarios of a group', () => {
  testScenarios(join(import.meta.dirname, 'scenarios'), 25, () => {
    const group = new ScenarioGroup();
    return (line) => group.run(line);
  });
});
