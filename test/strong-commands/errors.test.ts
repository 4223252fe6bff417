import { describe, expect, test } from 'vitest';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

describe('what an answer says of a write on strong keys', () => {
  test('NOQUORUM: it did not happen, and does not later', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    regions.isolate(ASIA);
    regions.cluster.run(3_000);
    const { timeMs } = regions.cluster;
    expect(asia.run('INCR position:1')).toMatch(/^-NOQUORUM .*us-east-1\/region .* 5000 ms: the write did not happen$/);
    expect(regions.cluster.timeMs - timeMs).toBeLessThan(5_100);
    regions.sync();
    expect(asia.run('GET position:1')).toBe('nil');
  });

  test('UNCERTAIN: here it happened, and the same id finds out', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    const request = `CW.ONCE deposit-1 ${regions.node(ASIA).now().wallMs} INCR position:1`;
    asia.begin(request);
    // the leader has it, and its answer never comes
    regions.cluster.run(130);
    regions.isolate(ASIA);
    expect(asia.answered()).toMatch(/^-UNCERTAIN .*us-east-1\/region .* 5000 ms; the write may have happened/);
    regions.cluster.healAll();
    regions.led();
    expect(asia.run('GET position:1')).toBe('"1"');
    expect(asia.run(request)).toBe(':1');
    expect(asia.run('GET position:1')).toBe('"1"');
  });

  test('CROSSCLASS: what is of two groups, or of one and of none, is not done at all', () => {
    const regions = new StrongRegions();
    const east = regions.connect(EAST);
    for (const request of ['MSET position:1 1 plan:1 1', 'MSET position:1 1 quote:1 1', 'WATCH position:1 quote:1'])
      expect(east.run(request)).toMatch(/^-CROSSCLASS /);
    for (const other of ['plan:1', 'quote:1']) {
      east.run('MULTI');
      east.run('SET position:1 1');
      east.run(`SET ${other} 1`);
      expect(east.run('EXEC')).toMatch(/^-EXECABORT .*CROSSCLASS /);
    }
    for (const key of ['position:1', 'plan:1', 'quote:1']) expect(east.run(`GET ${key}`)).toBe('nil');
  });

  test('causal keys go on meanwhile, on both sides of the cut', () => {
    const regions = new StrongRegions();
    const [west, asia] = [regions.connect(WEST), regions.connect(ASIA)];
    regions.isolate(ASIA);
    const waiting = regions.connect(ASIA).begin('SET position:1 1');
    expect(asia.run('SET quote:1 asia')).toBe('+OK');
    expect(asia.run('GET quote:1')).toBe('"asia"');
    expect(west.run('SET quote:2 west')).toBe('+OK');
    expect(west.run('SET position:1 2')).toBe('+OK');
    expect(waiting.answered()).toMatch(/^-(NOQUORUM|UNCERTAIN) /);
    regions.sync();
    expect(asia.run('GET quote:2')).toBe('"west"');
  });
});
