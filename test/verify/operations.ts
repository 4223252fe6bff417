import type { Operation } from '../../src/verify/history.ts';

type Given = Partial<Operation> & Pick<Operation, 'op' | 'key'>;

/** An operation with what a test does not care about filled in. */
export function operation(given: Given): Operation {
  return {
    client: 'c1',
    region: 'eu-west-1',
    value: null,
    start: 0,
    end: 0,
    ok: true,
    level: 'causal',
    ...given,
  };
}
