import { expect, test } from 'vitest';
import { smoke } from '../outside/smoke.ts';
import { startCluster } from './cluster.ts';

test('the smoke that the containers have to stand holds under `up`', async () => {
  const cluster = await startCluster();
  try {
    const checks = await smoke(cluster.ready().nodes, 30_000);
    expect(checks.filter((check) => check.problem !== null)).toEqual([]);
    expect(checks.length).toBeGreaterThan(5);
  } finally {
    await cluster.stop();
  }
});
