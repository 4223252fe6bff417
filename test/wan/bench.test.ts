import { expect, test } from 'vitest';
import { wan } from '../../bench/wan.ts';

test('the bench of the shaper runs: every frame arrives, in order, none early', async () => {
  const { text, json } = await wan.run({
    small: true,
    seconds: 1,
    rate: 0,
    cutSeconds: 0,
    portBase: 0,
    operations: 0,
    requests: 1,
    runs: 1,
    only: [],
    pipeline: undefined,
    bytes: undefined,
    peers: undefined,
  });
  const [row] = json as { frames: number }[];
  expect(text).toContain('all in order, none early');
  expect(row?.frames).toBeGreaterThan(300);
});
