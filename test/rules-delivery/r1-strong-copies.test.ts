import { describe, expect, it } from 'vitest';
import { stampOfMs } from '../../src/clock/stamp.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const REGIONS = [EAST, WEST, ASIA];
const WRITES = 400;
const EVERY_MS = 50;

describe('R1: copies of strong keys are written behind seldom', () => {
  it('while only strong keys are written batches are few, though the stamp bound is raised all the time', () => {
    let batches = 0;
    const regions = new StrongRegions({ observer: { committed: () => batches++ } });
    const east = regions.connect(EAST);
    east.run('SET position:1 first');
    regions.cluster.run(1_000);
    batches = 0;
    for (let at = 0; at < WRITES; at++) {
      expect(east.run(`SET position:${at % 7} v${at}`)).toBe('+OK');
      regions.cluster.run(EVERY_MS);
      // or a stamp would have to wait for the disk
      for (const region of REGIONS) {
        const node = regions.node(region);
        expect(node.disk.stampBound).toBeGreaterThan(stampOfMs(node.now().wallMs));
      }
    }
    // one in ten seconds and node; each write takes a round trip and the time to the next
    const seconds = regions.cluster.timeMs / 1_000;
    expect(batches).toBeGreaterThanOrEqual(REGIONS.length);
    expect(batches).toBeLessThanOrEqual((REGIONS.length * seconds) / 10 + REGIONS.length);

    const before = batches;
    regions.connect(ASIA).run('SET note:1 causal');
    // what is nowhere else waits for no copy
    expect(regions.cluster.runUntil(() => batches >= before + REGIONS.length, 1_000)).toBe(true);

    east.run('SET position:1 last');
    for (const region of REGIONS) regions.restart(region);
    regions.led();
    regions.sync();
    for (const region of REGIONS) {
      expect(regions.node(region).get('position:1')).toBe('last');
      expect(regions.node(region).get('note:1')).toBe('causal');
    }
  });
});
