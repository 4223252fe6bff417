import { expect, test } from 'vitest';
import { openRegions } from './invalidation-regions.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { EAST } from '../support/virtual-regions.ts';

const versionOf = (reply: string): string => reply.replace(/^[:"]|"$/g, '');

test('E3: SET … IFVERSION and CW.DEL … IFVERSION are done where the key still has the version', () => {
  const { regions, east, west } = openRegions();
  expect(east.run('SET k a IFVERSION 0')).toBe('+OK');
  expect(east.run('SET k b IFVERSION 0')).toBe('nil');
  regions.sync();
  const first = versionOf(east.run('CW.VERSION k'));
  expect(west.run(`SET k b IFVERSION ${first} PX 100000`)).toBe('+OK');
  expect(west.run('PTTL k')).toBe(':100000');
  expect(west.run(`SET k c GET IFVERSION ${first}`)).toBe('"b"');
  expect(west.run('GET k')).toBe('"b"');
  expect(west.run(`CW.DEL k IFVERSION ${first}`)).toBe(':0');
  expect(west.run(`CW.DEL k IFVERSION ${versionOf(west.run('CW.VERSION k'))}`)).toBe(':1');
  expect(west.run('EXISTS k')).toBe(':0');
  expect(west.run('CW.DEL k IFVERSION 0')).toBe(':0');
  west.run('HSET h f v');
  const hash = versionOf(west.run('CW.VERSION h'));
  west.run('HSET h f w');
  expect(west.run(`CW.DEL h IFVERSION ${hash}`)).toBe(':0');
  expect(west.run(`CW.DEL h IFVERSION ${versionOf(west.run('CW.VERSION h'))}`)).toBe(':1');
  expect(east.run('SET k v IFVERSION nonsense')).toBe('-ERR invalid version');
  expect(east.run('SET k v NX IFVERSION 0')).toBe('-ERR syntax error');
  expect(east.run('CW.DEL k IFEQ 0')).toBe('-ERR syntax error');
});

test('strong keys have CW.IFVERSION for it', () => {
  const east = new StrongRegions().connect(EAST);
  expect(east.run('SET position:1 v IFVERSION 0')).toBe('-ERR IFVERSION is not for strong keys: CW.IFVERSION is');
  expect(east.run('CW.DEL position:1 IFVERSION 0')).toMatch(/^-ERR IFVERSION is not/);
});
