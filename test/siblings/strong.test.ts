import { expect, test } from 'vitest';
import { StrongRegions } from '../support/strong-regions.ts';
import { EAST } from '../support/virtual-regions.ts';

test('strong keys have no siblings: CW.RESOLVE leaves them alone, CW.SIBLINGS shows the copy on the node', () => {
  const regions = new StrongRegions();
  const east = regions.connect(EAST);
  expect(east.run('SET position:1 100')).toBe('+OK');
  regions.sync();
  expect(east.run('CW.RESOLVE position:1 VALUE 7')).toContain('CROSSCLASS cw.resolve is not for strong keys');
  east.run('MULTI');
  east.run('CW.RESOLVE position:1 VALUE 7');
  expect(east.run('EXEC')).toContain('CROSSCLASS cw.resolve is not for strong keys: they have no siblings');
  expect(east.run('CW.SIBLINGS position:1')).toContain('"100"');
  expect(east.run('GET position:1')).toBe('"100"');
});
