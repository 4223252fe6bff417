import type { Operation, OperationKind } from '../../src/verify/history.ts';

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

const KINDS: Readonly<Record<string, OperationKind>> = { r: 'read', w: 'write', d: 'del', i: 'incr', c: 'cas' };

/**
 * `p: w x=1, r x=- | q: …`: each session's operations, one at a time and one session after the other. `-` is nothing; `c x=1>2` is a cas
 * from 1 to 2; `?` behind an operation says that nobody knows how it ended, `!` that it was refused.
 */
export function history(text: string): Operation[] {
  let time = 0;
  return text.split('|').flatMap((part) => {
    const [client = '', operations = ''] = part.split(':');
    return operations.split(',').map((written): Operation => {
      const [, kind = '', key = '', from, to = '-', mark] =
        /^\s*([rwdic]) (\w+)(?:=(?:([^\s>]+)>)?([^\s>?!]+))?([?!])?\s*$/.exec(written) ?? [];
      const op = KINDS[kind];
      if (op === undefined) throw new Error(`cannot read "${written}"`);
      time += 10;
      return operation({
        client: client.trim(),
        op,
        key,
        value: to === '-' ? null : to,
        ...(from === undefined ? {} : { expected: from === '-' ? null : from }),
        start: time,
        end: time + 5,
        ok: mark === undefined ? true : mark === '?' ? null : false,
        ...(mark === '!' ? { error: 'ERR' } : {}),
      });
    });
  });
}
