import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { FAULTS } from './faults.ts';
import { faultOf, planted, sourceOf } from './planting.ts';

const PLANT: URL = new URL('plant.ts', import.meta.url);
const HOLD_BACK: URL = new URL('../../src/causal/hold-back.ts', import.meta.url);

/** The text of `HoldBack` as a process of its own sees it. */
function holdBackWith(fault: string | undefined): { readonly text: string; readonly errors: string } {
  const { CAUSEWAY_FAULT: _others, ...env } = process.env;
  const script = `const { HoldBack } = await import(${JSON.stringify(HOLD_BACK.href)}); process.stdout.write(HoldBack.toString());`;
  const result = spawnSync(process.execPath, ['--import', PLANT.href, '--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...env, ...(fault === undefined ? {} : { CAUSEWAY_FAULT: fault }) },
  });
  return { text: result.stdout, errors: result.stderr };
}

describe('planted faults', () => {
  test('there are enough, and each has a name of its own', () => {
    expect(FAULTS.length).toBeGreaterThanOrEqual(20);
    expect(new Set(FAULTS.map(({ id }) => id)).size).toBe(FAULTS.length);
  });

  for (const fault of FAULTS) {
    test(`${fault.id}: its place is in ${fault.file} once`, () => {
      const source = sourceOf(fault);
      expect(planted(fault, source)).not.toBe(source);
    });
  }

  test('one whose place is gone is refused', () => {
    expect(() => planted(faultOf('skip-dep'), 'nothing of it')).toThrow('its place is 0 times');
    expect(() => faultOf('none')).toThrow('no fault none; there are skip-dep');
  });

  test('a process that is started with one runs the source with it, and no other does', () => {
    expect(holdBackWith('skip-dep').text).toContain('spent >= budget || reader.stamp > latestStamp;');
    expect(holdBackWith(undefined).text).toContain('reader.missingDep(vector, closed, origin) !== null');
    expect(holdBackWith('none').errors).toContain('no fault none');
  });
});
