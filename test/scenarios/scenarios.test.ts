import { describe } from 'vitest';
import { testScenarios } from '../support/scenario-files.ts';
import { ScenarioCluster } from './scenario-cluster.ts';

describe('scenarios', () => {
  testScenarios(import.meta.dirname, 9, () => {
    const cluster = new ScenarioCluster();
    return (line) => cluster.run(line);
  });
});
