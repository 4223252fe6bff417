import { describe, expect, test } from 'vitest';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

describe('strong keys', () => {
  test('are written and read from every region, with the same commands', () => {
    const regions = new StrongRegions();
    const [east, west, asia] = [EAST, WEST, ASIA].map((region) => regions.connect(region));
    expect(asia?.run('SET position:1 100')).toBe('+OK');
    expect(west?.run('GET position:1')).toBe('"100"');
    expect(east?.run('INCRBY position:1 5')).toBe(':105');
    expect(west?.run('HSET risk:eu limit 7 used 2')).toBe(':2');
    expect(asia?.run('HINCRBY risk:eu used 3')).toBe(':5');
    expect(east?.run('GET position:2')).toBe('nil');
    regions.sync();
    for (const region of [EAST, WEST, ASIA]) expect(regions.node(region).get('position:1')).toBe('105');
  });
});
